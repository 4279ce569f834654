"""Rank status: what a rank tells the launcher that watches it, by a small file in a folder that both see."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

import msgspec

from propulate_like.parallel.transport import launched
from propulate_like.storage.lease import place

JOB = "PROPULATE_LIKE_JOB"
"""Set by the launcher to the folder for these files, and for the exit status of the search."""
DIED = "PROPULATE_LIKE_DIED"
"""Set by the launcher to the ranks, such as 0,3, whose death ended the job before."""
UNSURE = "PROPULATE_LIKE_UNSURE"
"""Set by the launcher where ranks of the job before may still run, unknown to it."""
TOKEN = "PROPULATE_LIKE_TOKEN"  # noqa: S105 (a variable's name)
"""Set by the launcher to what all its jobs bear: a job takes a run's folder over at once from another one of them."""

STANDING, SUMMARY, RESULT = "standing", "summary", "result"
"""What ranks leave for the launcher beside their states: where the search stands, what came of it."""
_STOP, _REFUSAL = "stop", "refusal"
_LOOK_SECONDS = 0.2
_look_due = 0.0

_told = {name: os.environ.pop(name, "") for name in (JOB, DIED, UNSURE, TOKEN)}  # not for what a rank itself starts
watched = bool(_told[JOB])
"""Whether a launcher watches this rank."""
unsure = bool(_told[UNSURE])
"""Whether ranks of the job before may still run."""
token = _told[TOKEN] or None
_rank, _ = launched() or (0, 1)  # now, as a loss may clear the environment
died_before = [int(rank) for rank in _told[DIED].split(",") if rank.isdigit()]
"""The ranks whose death ended the job before."""


class Refusal(msgspec.Struct, frozen=True):
    """Why a search did not begin, or could not go on.

    Attributes:
        message: The message of the error.
        part: Whether a part that the user wrote has failed (`PartError`), rather than that the input cannot work.
    """

    message: str
    part: bool = False


class State(StrEnum):
    """How far a rank is."""

    STARTING = "starting"
    SEARCHING = "searching"
    """It needs no other rank any more: where the MPI lets it, it goes on if one dies."""
    DONE = "done"
    FAILED = "failed"
    """It ended by an error of the program, which would come again."""


def write(state: State) -> None:
    """Tell the launcher, where there is one, how far this rank is."""
    leave(f"rank-{_rank}", f"{os.getpid()} {state} {place()}".encode())


def read(folder: Path) -> dict[int, tuple[int, State, str]]:
    """Return each rank's process, its state and the place where that number means it, as far as ranks have told."""
    found = {}
    for path in folder.glob("rank-*[0-9]"):
        pid, state, where = path.read_text(encoding="utf-8").split(" ", 2)
        found[int(path.name.removeprefix("rank-"))] = int(pid), State(state), where
    return found


def leave_status(status: int) -> None:
    """Leave the exit status of the search where the launcher looks for it: what mpiexec exits with says too little."""
    leave("exit", str(status).encode())


def status_left(folder: Path) -> int | None:
    """Return the exit status that the ranks left, if they have."""
    path = folder / "exit"
    return int(path.read_text(encoding="utf-8")) if path.exists() else None


def left(folder: Path, name: str) -> bytes | None:
    """Return what a rank left under a name, or None where none has."""
    with suppress(OSError):
        return (folder / name).read_bytes()
    return None


def refuse(message: str, *, part: bool = False) -> None:
    """Leave why there is no result (see `Refusal`)."""
    leave(_REFUSAL, msgspec.json.encode(Refusal(message, part)))


def refusal_left(folder: Path) -> Refusal | None:
    """Return why there is no result, if a rank has left that."""
    words = left(folder, _REFUSAL)
    return None if words is None else msgspec.json.decode(words, type=Refusal)


def is_told_to_stop() -> bool:
    """Return whether the launcher has left the word to stop, at which this looks some times a second."""
    global _look_due  # noqa: PLW0603 (of this process, as all that the launcher set)
    if time.monotonic() < _look_due:
        return False
    _look_due = time.monotonic() + _LOOK_SECONDS
    return watched and (Path(_told[JOB]) / _STOP).exists()


def tell_to_stop(folder: Path) -> None:
    """Leave the word to stop, as the launcher, for the ranks of this job."""
    (folder / _STOP).touch()


def leave(name: str, words: bytes) -> bool:
    """Leave words under a name for the launcher, where there is one.

    Returns:
        Whether they are there.
    """
    if not watched:
        return False
    path = Path(_told[JOB]) / name
    temporary = path.with_suffix(".partial")
    try:
        temporary.write_bytes(words)
        temporary.chmod(0o644)  # whatever umask the loss has set
        temporary.replace(path)
    except OSError:  # of a full disk, say, which is no reason to end a search
        return False
    return True
