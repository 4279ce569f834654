"""Presence: what a rank tells the launcher that watches it, by a small file in a folder that both see."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path

from propulate_like.ownership import place
from propulate_like.transport import launched

JOB = "PROPULATE_LIKE_JOB"
"""Set by the launcher to the folder for these files, and for the exit status of the search."""
DIED = "PROPULATE_LIKE_DIED"
"""Set by the launcher to the ranks, such as 0,3, whose death ended the job before."""
UNSURE = "PROPULATE_LIKE_UNSURE"
"""Set by the launcher where ranks of the job before may still run, unknown to it."""


class State(StrEnum):
    """How far a rank is."""

    STARTING = "starting"
    SEARCHING = "searching"
    """It waits for no other rank any more: if one dies, it goes on."""
    DONE = "done"
    FAILED = "failed"
    """It ended by an error of the program, which would come again."""


def tell(state: State) -> None:
    """Tell the launcher, where there is one, how far this rank is."""
    folder = os.environ.get(JOB)
    if folder is not None:
        rank, _ = launched() or (0, 1)
        path = Path(folder) / f"rank-{rank}"
        temporary = path.with_suffix(".partial")
        temporary.write_text(f"{os.getpid()} {state} {place()}", encoding="utf-8")
        temporary.replace(path)


def hear(folder: Path) -> dict[int, tuple[int, State, str]]:
    """Give each rank's process, its state and the place where that number means it, as far as ranks have told."""
    found = {}
    for path in folder.glob("rank-*[0-9]"):
        pid, state, where = path.read_text(encoding="utf-8").split(" ", 2)
        found[int(path.name.removeprefix("rank-"))] = int(pid), State(state), where
    return found


def leave_status(status: int) -> None:
    """Leave the exit status of the search where the launcher looks for it: what mpiexec exits with says too little."""
    folder = os.environ.get(JOB)
    if folder is not None:
        temporary = Path(folder) / "exit.partial"
        temporary.write_text(str(status), encoding="utf-8")
        temporary.replace(Path(folder) / "exit")


def status_left(folder: Path) -> int | None:
    """Give the exit status that the ranks left, if they have."""
    path = folder / "exit"
    return int(path.read_text(encoding="utf-8")) if path.exists() else None


def died_before() -> list[int]:
    """Give the ranks whose death ended the job before."""
    return [int(rank) for rank in os.environ.get(DIED, "").split(",") if rank.isdigit()]
