"""The lock of a journal file: Optuna's own, of which one that a dead process left counts for nothing."""

from __future__ import annotations

import contextlib
import glob
import os
from pathlib import Path

import msgspec
from optuna.storages.journal import JournalFileSymlinkLock

from propulate_like.storage.lease import begun, place

_BLOCK = 1 << 20  # bytes


class _Holder(msgspec.Struct, frozen=True):
    """The process that holds a lock, or waits for it.

    Attributes:
        place: The process table that `pid` belongs to.
        pid: The process id.
        start: When the process started.
    """

    place: str
    pid: int
    start: int

    @property
    def dead(self) -> bool:
        """Whether it is known to have ended."""
        return self.place != "" and self.place == place() and begun(self.pid) != self.start


class JournalLock(JournalFileSymlinkLock):
    """Optuna's lock, a link, which leads to a file that names the process that holds it."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._journal, self._link = Path(path), Path(f"{path}.lock")
        self._holder = Path(f"{path}.{os.uname().nodename}-{os.getpid()}.holder")
        self._lock_target_file = self._holder.name

    def acquire(self) -> bool:
        """Take the lock, and cut off a line that a dead process did not write to its end."""
        self._remove_dead()
        self._holder.unlink(missing_ok=True)
        try:
            with self._holder.open("xb") as file:
                file.write(msgspec.json.encode(_Holder(place(), os.getpid(), begun(os.getpid()))))
            super().acquire()
            _cut_torn_line(self._journal)
        except BaseException:
            self.release()
            raise
        return True

    def release(self) -> None:
        """Release the lock, where it is this process's own."""
        if self._leads_to(self._holder):
            super().release()
        self._holder.unlink(missing_ok=True)

    def _leads_to(self, holder: Path) -> bool:
        """Return whether this is the file of the process that holds the lock."""
        try:
            return self._link.readlink() == Path(holder.name)
        except OSError:
            return False

    def _remove_dead(self) -> None:
        """Remove the files and the lock of processes that have ended."""
        here = f"{self._journal.name}.{os.uname().nodename}-"
        for path in self._journal.parent.glob(f"{glob.escape(self._journal.name)}.*.holder"):
            with contextlib.suppress(OSError, ValueError, RuntimeError):  # another process was faster, say
                content = path.read_bytes()
                if not content:  # it was created a moment ago, or its process was killed then
                    dead = path.name.startswith(here) and not Path("/proc", path.stem.rpartition("-")[2]).exists()
                else:
                    dead = msgspec.json.decode(content, type=_Holder).dead
                if dead:
                    if self._leads_to(path):
                        super().release()
                    path.unlink()


def _cut_torn_line(path: Path) -> None:
    """Cut off what follows the last line end of a file, of which nobody could read the rest."""
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            begin = max(end - _BLOCK, 0)
            file.seek(begin)
            found = file.read(end - begin).rfind(b"\n")
            if found >= 0 or begin == 0:
                file.truncate(begin + found + 1)
                return
            end = begin
