"""Ownership: one run at a time writes to a folder. A file says whose it is, and is touched while that one lives.

No lock is relied on, as network file systems have none that survives a crash. Times are those the file server gives.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from pathlib import Path
from typing import Self

import msgspec

from propulate_like.foundation.console import printable, say
from propulate_like.foundation.files import read_small

BEAT_SECONDS = 4.0
SILENT_SECONDS = 16.0
"""An owner on another host that gave no sign of life for so long is dead."""
_FILE, _NEXT = "owner.json", "owner.next.json"
_LARGEST = 1 << 16
_POLL_SECONDS = 0.5
_TRIES = 100


class _Owner(msgspec.Struct, frozen=True):
    """Who owns a folder: a process (`pid`, begun at `process` ticks) of a `place`, one boot's table of processes."""

    token: str
    launch: str = ""
    host: str = "unknown"
    place: str = ""
    pid: int = 0
    process: int = 0
    since: float = 0.0

    @classmethod
    def here(cls, token: str, launch: str) -> _Owner:
        pid = os.getpid()
        return cls(token, launch, os.uname().nodename, place(), pid, _begun(pid), time.time())

    @property
    def dead(self) -> bool:
        """Whether it is known to have ended, which is so only where it ran here."""
        return self.here_too and _begun(self.pid) != self.process

    @property
    def here_too(self) -> bool:
        return self.place != "" and self.place == place()


class _Seen(msgspec.Struct, frozen=True):
    """An owner, and when it last gave a sign of life by the file server's clock."""

    owner: _Owner
    beat: float


class Lease:
    """A run's hold on its folder, which lasts until it is released, or its process dies.

    `lost` says that another run has taken over, `gone` that the folder was removed; both are known after some seconds.
    """

    def __init__(self, folder: Path, owner: _Owner) -> None:
        """Begin to beat for what was taken."""
        self.token = owner.token
        self.lost = self.gone = False
        self._folder, self._owner = folder, owner
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="propulate-like ownership", daemon=True)
        self._thread.start()

    @classmethod
    def acquire(cls, folder: Path, token: str | None = None) -> Self:
        """Take a folder, which is made where there is none; ValueError where another run holds it.

        Of a former owner on another host nothing is known but when it last gave a sign of life: that is waited for.
        From another job of the same launcher, which has a `token`, it is taken over at once.
        """
        folder.mkdir(parents=True, exist_ok=True)
        owner = _Owner.here(uuid.uuid4().hex, token or "")
        for _ in range(_TRIES):
            if _create(folder / _FILE, owner):
                return cls(folder, owner)
            seen = _look(folder / _FILE)
            if seen is None:
                continue
            if not (token and seen.owner.launch == token):
                _await_silence(folder, seen)
            if _replace(folder, seen, owner):
                return cls(folder, owner)
        message = f"{folder / _FILE} cannot be taken over: remove it if no run uses {folder}"
        raise ValueError(message)

    @classmethod
    def inherit(cls, folder: Path, token: str) -> Self:
        """Go on beating on behalf of the same run, whose rank that did so has died; ValueError where it lost it."""
        seen = _look(folder / _FILE)
        if seen is not None and seen.owner.token != token:
            raise ValueError(_held(folder, seen, _age(folder, seen)))
        owner = _Owner.here(token, "" if seen is None else seen.owner.launch)
        own = folder / f"owner.{token}.json"
        own.unlink(missing_ok=True)
        _create(own, owner)
        own.replace(folder / _FILE)
        return cls(folder, owner)

    def release(self) -> None:
        """Leave the folder to others."""
        self._ended.set()
        self._thread.join()
        with contextlib.suppress(OSError, ValueError):
            seen = _look(self._folder / _FILE)
            if seen is not None and seen.owner.token == self.token:
                (self._folder / _FILE).unlink()

    def _run(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            with contextlib.suppress(OSError, ValueError):  # a fault of the disk may pass
                self._beat()

    def _beat(self) -> None:
        seen = _look(self._folder / _FILE)
        if seen is None:
            self.gone = not (self._folder / "config.yaml").exists()
            self.lost = not self.gone
            if self._folder.is_dir() and self.gone:
                _create(self._folder / _FILE, self._owner)
        elif seen.owner.token == self.token:
            os.utime(self._folder / _FILE)
        else:
            self.lost = True
            self._ended.set()


def owns(folder: Path, token: str) -> bool:
    """Return whether no other run has taken the folder over from the one with this token.

    Without an owner it is another's that has ended, unless somebody removed more than that.
    """
    with contextlib.suppress(OSError, ValueError):
        seen = _look(folder / _FILE)
        return not (folder / "config.yaml").exists() if seen is None else seen.owner.token == token
    return True


def refusal(folder: Path) -> str:
    """Say who holds a folder, as far as can be told without waiting or changing anything; nothing where it is free."""
    seen = _look(folder / _FILE)
    if seen is None or seen.owner.dead:
        return ""
    ago = time.time() - seen.beat
    return _held(folder, seen, ago) if seen.owner.here_too or ago <= SILENT_SECONDS else ""


def _create(path: Path, owner: _Owner) -> bool:
    """Write a file that must not exist, which one process alone can do; return whether this one did."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return False
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(owner))
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return True


def _look(path: Path) -> _Seen | None:
    """Read who owns a folder; None where nobody does. ValueError where the file is none."""
    try:
        content = read_small(path, _LARGEST)
        beat = path.stat().st_mtime
    except FileNotFoundError:
        return None
    try:
        return _Seen(msgspec.json.decode(content, type=_Owner), beat)
    except (ValueError, RecursionError):  # one that is just being written, say
        return _Seen(_Owner(""), beat)


def _await_silence(folder: Path, seen: _Seen) -> None:
    """Return once the owner is known to be dead, or is another one; ValueError where it lives."""
    if seen.owner.here_too:
        if seen.owner.dead:
            return
        raise ValueError(_held(folder, seen, _age(folder, seen)))
    began, said = time.monotonic(), False
    while _age(folder, seen) <= SILENT_SECONDS and time.monotonic() - began <= SILENT_SECONDS:
        if not said:
            where = printable(seen.owner.host)
            say(f"{folder} was in use on host {where} a moment ago: waiting {SILENT_SECONDS:g} s for a sign of life")
            said = True
        time.sleep(_POLL_SECONDS)
        again = _look(folder / _FILE)
        if again is None or again.owner.token != seen.owner.token:
            return
        if again.beat != seen.beat:
            raise ValueError(_held(folder, again, _age(folder, again)))


def _age(folder: Path, seen: _Seen) -> float:
    """Return the seconds since the owner's last sign of life, by the file server's clock."""
    try:
        os.utime(folder)
        return folder.stat().st_mtime - seen.beat
    except OSError:
        return 0.0


def _replace(folder: Path, seen: _Seen, owner: _Owner) -> bool:
    """Put an owner in the place of one that is dead; False where somebody else does, or did."""
    following = folder / _NEXT
    if not _create(following, owner):
        rival = _look(following)
        if rival is not None and (rival.owner.dead or _age(folder, rival) > SILENT_SECONDS):
            following.unlink(missing_ok=True)
        time.sleep(_POLL_SECONDS / 10)
        return False
    again = _look(folder / _FILE)  # only who made the other file may replace this one
    if again is None or again.owner.token != seen.owner.token:
        following.unlink(missing_ok=True)
        return False
    following.replace(folder / _FILE)
    os.utime(folder / _FILE)
    return True


def _held(folder: Path, seen: _Seen, ago: float) -> str:
    owner = seen.owner
    try:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(owner.since))
    except (ValueError, OverflowError, OSError):
        since = "an unknown time"
    return (
        f"{folder} is in use by another run: host {printable(owner.host)[:64]}, pid {owner.pid}, since {since}, "
        f"last sign of life {max(ago, 0.0):.0f} s ago; end that one, or name another run folder"
    )


def place() -> str:
    """Name this boot's table of processes, in which a pid means something; nothing where that is unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _begun(pid: int) -> int:
    """Say when a process began, in ticks since the boot; 0 where there is none that lives."""
    try:
        words = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()
    except OSError:
        return 0
    return 0 if words[0] in (b"Z", b"X") else int(words[19])
