"""What a killed launcher leaves: its folder, and MPI's shared memory. Later launchers remove it.

A launcher's folder says who made it, and which files of shared memory its ranks have mapped. Only what such a record
names is removed, and nothing while the launcher or one of its ranks lives.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from propulate_like.parallel import rank_status
from propulate_like.parallel.launching.hosts import SHARED_MEMORY
from propulate_like.storage.lease import begun, place

PREFIX = ".propulate-like-"
"""The beginning of the names of launchers' folders."""
_RECORD = "launcher.json"
_LARGEST = 1 << 20  # bytes of a record
_SLASHES = 3  # of a file in /dev/shm


class Record(msgspec.Struct, frozen=True):
    """What a launcher notes in its folder.

    Attributes:
        place: The process table that has these processes.
        pid: The launcher's process.
        begun: When it started, by which it differs from a later process with its pid.
        mpiexec: The process of mpiexec, or 0.
        shared: The files of shared memory that the ranks have mapped, and their inodes.
    """

    place: str
    pid: int
    begun: int
    mpiexec: int = 0
    shared: dict[str, int] = {}


def note(folder: Path, mpiexec: int = 0, shared: Iterable[str] = ()) -> None:
    """Note in a launcher's folder that this process made it, and what is to be removed with it."""
    inodes = {}
    for name in shared:
        with suppress(OSError):
            inodes[name] = os.lstat(name).st_ino
    record = Record(place(), os.getpid(), begun(os.getpid()), mpiexec, inodes)
    with suppress(OSError):  # of a full disk, say
        (folder / _RECORD).write_bytes(msgspec.json.encode(record))


def clear(where: Path) -> None:
    """Remove what launchers of this user and this machine that were killed have left in a folder."""
    for folder in where.glob(f"{PREFIX}*"):
        with suppress(OSError, ValueError):  # another one removes it, or it is no launcher's
            status = folder.lstat()
            if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid():
                _clear(folder)


def _clear(folder: Path) -> None:
    """Remove a launcher's folder, and what it notes, where nobody of its job lives.

    Raises:
        OSError: A file cannot be read.
        ValueError: The folder's record is none.
    """
    path = folder / _RECORD
    if not stat.S_ISREG(path.lstat().st_mode) or path.stat().st_size > _LARGEST:
        return
    record = msgspec.json.decode(path.read_bytes(), type=Record)
    if record.place != place() or not record.place or begun(record.pid) == record.begun:
        return
    ranks = [pid for pid, _, where in rank_status.read(folder).values() if where == record.place]
    if any(begun(pid) for pid in ranks):
        return
    mapped = set(_mapped()) if record.shared else set()
    for name, inode in record.shared.items():
        if re.fullmatch(SHARED_MEMORY, name) and name.count("/") == _SLASHES and name not in mapped:
            with suppress(OSError):
                if os.lstat(name).st_ino == inode:
                    Path(name).unlink()
    if record.mpiexec and not begun(record.mpiexec):
        shutil.rmtree(Path(tempfile.gettempdir(), f"ompi.{record.mpiexec}"), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _mapped() -> Iterator[str]:
    """Yield the files of shared memory that any process has mapped."""
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with suppress(OSError):
            yield from shared_memory(maps)


def shared_memory(maps: Path) -> set[str]:
    """Return the files of shared memory of MPI in a file /proc/PID/maps.

    Raises:
        OSError: The file cannot be read.
    """
    lines = maps.read_text(encoding="utf-8", errors="replace").splitlines()
    return {found[0] for line in lines if (found := re.search(SHARED_MEMORY, line))}
