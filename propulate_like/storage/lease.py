"""The lease of a run folder: one run at a time writes to a folder.

A file names the owner, whose heartbeat sets the file's modification time. No lock is used, as network file systems have
none that survives a crash. All ages are differences of the file server's own times.
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

from propulate_like.foundation.console import say, short
from propulate_like.foundation.files import read_small

# docs/decisions.md, "A run folder is leased"
BEAT_SECONDS = 4.0
"""The time between two heartbeats."""
SILENT_SECONDS = 16.0
"""The time without a heartbeat after which an owner on another host counts as dead."""
_FILE, _NEXT = "owner.json", "owner.next.json"
_LARGEST = 1 << 16  # bytes
_HOST = 64  # characters of a name
_POLL_SECONDS = 0.5
_TRIES = 100


class _Owner(msgspec.Struct, frozen=True):
    """The process that owns a folder.

    Attributes:
        token: The lease's token.
        launch: The token of the launcher's job, or nothing.
        host: The host's name.
        place: The process table that `pid` belongs to (see `place`).
        pid: The process id.
        process: When the process started, in clock ticks since the boot.
        since: When it took the folder, in Unix time.
    """

    token: str
    launch: str = ""
    host: str = "unknown"
    place: str = ""
    pid: int = 0
    process: int = 0
    since: float = 0.0

    @classmethod
    def here(cls, token: str, launch: str) -> _Owner:
        """Return this process as an owner."""
        pid = os.getpid()
        return cls(token, launch, os.uname().nodename, place(), pid, begun(pid), time.time())

    @property
    def dead(self) -> bool:
        """Whether it is known to have ended, which only this host can know of its own processes."""
        return self.here_too and begun(self.pid) != self.process

    @property
    def here_too(self) -> bool:
        """Whether its process table is that of this process."""
        return self.place != "" and self.place == place()


class _Seen(msgspec.Struct, frozen=True):
    """An owner, and its last heartbeat (`beat`) as Unix time by the file server's clock."""

    owner: _Owner
    beat: float


class Lease:
    """The lease of a run's folder, which lasts until it is released or its process dies.

    Attributes:
        token: The lease's token, which names it in the owner file.
        lost: Whether another run has taken over, known at the next heartbeat.
        gone: Whether the folder was removed, known at the next heartbeat.
    """

    def __init__(self, folder: Path, owner: _Owner) -> None:
        """Start the heartbeat of a lease that was acquired."""
        self.token = owner.token
        self.lost = self.gone = False
        self._folder, self._owner = folder.absolute(), owner  # wherever a loss goes
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="propulate-like lease", daemon=True)
        self._thread.start()

    @classmethod
    def acquire(cls, folder: Path, token: str | None = None) -> Self:
        """Acquire the lease of a folder, which is created where it does not exist.

        Of an owner on another host only the heartbeat is known: this call waits up to `SILENT_SECONDS` for the next
        one.

        Args:
            folder: The run's folder.
            token: The token of the launcher's job: from another owner with this token the lease is taken over at once.

        Raises:
            ValueError: Another run holds the folder.
            OSError: The folder cannot be created or written.
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
        """Take over the lease of the same run from a dead rank, and continue its heartbeat.

        Args:
            folder: The run's folder.
            token: The token of the run's lease.

        Raises:
            ValueError: Another run holds the folder by now.
            OSError: The folder cannot be written.
        """
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
        """Stop the heartbeat, and remove the owner file where it is still this lease's."""
        self._ended.set()
        self._thread.join()
        with contextlib.suppress(OSError, ValueError):
            seen = _look(self._folder / _FILE)
            if seen is not None and seen.owner.token == self.token:
                (self._folder / _FILE).unlink()

    def _run(self) -> None:
        """Send heartbeats until the lease ends."""
        while not self._ended.wait(BEAT_SECONDS):
            with contextlib.suppress(OSError, ValueError):  # a fault of the disk may pass
                self._beat()

    def _beat(self) -> None:
        """Touch the owner file, or find that the lease is lost or the folder gone."""
        seen = _look(self._folder / _FILE)
        if seen is None:
            self.gone = not (self._folder / "config.yaml").exists()
            self.lost = not self.gone
            if self._folder.is_dir() and self.gone:
                _create(self._folder / _FILE, self._owner)
        elif seen.owner.token == self.token:
            os.utime(self._folder / _FILE, follow_symlinks=False)
        else:
            self.lost = True
            self._ended.set()


def owns(folder: Path, token: str) -> bool:
    """Return whether the lease with this token still holds the folder.

    Without an owner file another run took the folder over and has ended, unless somebody also removed the config.
    """
    with contextlib.suppress(OSError, ValueError):
        seen = _look(folder / _FILE)
        return not (folder / "config.yaml").exists() if seen is None else seen.owner.token == token
    return True


def refusal(folder: Path) -> str:
    """Return a message that says who holds a folder, or "" where it is free, without waiting or changing anything.

    Raises:
        ValueError: The owner file cannot be read.
    """
    seen = _look(folder / _FILE)
    if seen is None or seen.owner.dead:
        return ""
    ago = time.time() - seen.beat
    return _held(folder, seen, ago) if seen.owner.here_too or ago <= SILENT_SECONDS else ""


def _create(path: Path, owner: _Owner) -> bool:
    """Create an owner file atomically; return False where it exists.

    Raises:
        OSError: The file cannot be written.
    """
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
    """Return the owner of a folder and its last heartbeat, or None where there is no owner.

    Raises:
        ValueError: The owner file is no regular file, or cannot be read.
    """
    try:
        content = read_small(path, _LARGEST)
        beat = path.stat().st_mtime
    except FileNotFoundError:
        return None
    try:
        return _Seen(msgspec.json.decode(content, type=_Owner), beat)
    except (ValueError, RecursionError):  # for example a file that is just being written
        return _Seen(_Owner(""), beat)


def _await_silence(folder: Path, seen: _Seen) -> None:
    """Wait until the owner is known to be dead, or is another one.

    Raises:
        ValueError: The owner lives.
    """
    if seen.owner.here_too:
        if seen.owner.dead:
            return
        raise ValueError(_held(folder, seen, _age(folder, seen)))
    began, said = time.monotonic(), False
    while _age(folder, seen) <= SILENT_SECONDS and time.monotonic() - began <= SILENT_SECONDS:
        if not said:
            where = short(seen.owner.host, _HOST)
            say(f"{folder} was in use on host {where} a moment ago: waiting {SILENT_SECONDS:g} s for a sign of life")
            said = True
        time.sleep(_POLL_SECONDS)
        again = _look(folder / _FILE)
        if again is None or again.owner.token != seen.owner.token:
            return
        if again.beat != seen.beat:
            raise ValueError(_held(folder, again, _age(folder, again)))


def _age(folder: Path, seen: _Seen) -> float:
    """Return the seconds since the owner's last heartbeat, by the file server's clock."""
    try:
        os.utime(folder)
        return folder.stat().st_mtime - seen.beat
    except OSError:
        return 0.0


def _replace(folder: Path, seen: _Seen, owner: _Owner) -> bool:
    """Replace a dead owner; return False where another process does so now, or has done so."""
    following = folder / _NEXT
    if not _create(following, owner):
        rival = _look(following)
        if rival is not None and (rival.owner.dead or _age(folder, rival) > SILENT_SECONDS):
            following.unlink(missing_ok=True)
        time.sleep(_POLL_SECONDS / 10)
        return False
    again = _look(folder / _FILE)  # only the process that created `following` may replace this file
    if again is None or again.owner.token != seen.owner.token:
        following.unlink(missing_ok=True)
        return False
    following.replace(folder / _FILE)
    os.utime(folder / _FILE, follow_symlinks=False)
    return True


def _held(folder: Path, seen: _Seen, ago: float) -> str:
    """Return the message that another run holds a folder, whose last heartbeat was `ago` seconds before."""
    owner = seen.owner
    try:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(owner.since))
    except (ValueError, OverflowError, OSError):
        since = "an unknown time"
    return (
        f"{folder} is in use by another run: host {short(owner.host, _HOST)}, pid {owner.pid}, since {since}, "
        f"last sign of life {max(ago, 0.0):.0f} s ago; end that one, or name another run folder"
    )


def place() -> str:
    """Return an identifier of the process table: boot and pid namespace, within which a pid is unique.

    It is "" where the system does not tell.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def begun(pid: int) -> int:
    """Return when a process started, in clock ticks since the boot, or 0 where it is dead or a zombie."""
    try:
        words = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()
    except OSError:
        return 0
    return 0 if words[0] in (b"Z", b"X") else int(words[19])
