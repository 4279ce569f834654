"""An append-only file of lines that outlives faults of the disk: what cannot be written waits in memory."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from pathlib import Path

from propulate_like.foundation.console import say
from propulate_like.foundation.files import lines

RETRY_SECONDS = 1.0
"""How often it is tried again to write, and looked whether the file is still in its place."""
_BLOCK = 1 << 20
_LINES = 1000
_SINCE_SYNC = 1000  # lines at most that are kept until they are known to be on the disk itself


class Log:
    """Appends lines to a file in a folder, which one process alone does. Nothing is ever raised.

    `unsaved` holds the lines that stand in no file: those that could not be written, and those of a file that was
    removed. Each kind of fault is said once. Lines are written again where there is room, or the folder is back.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, which is made where there is none, and its folder with it."""
        self.unsaved: list[bytes] = []
        self._path = path
        self._file = -1
        self._fault = ""
        self._said: set[str] = set()
        self._torn = False
        self._doubtful = False
        """Whether some of the unsaved lines may stand in the file nevertheless."""
        self._unsynced: list[bytes] = []
        self._due = time.monotonic() + RETRY_SECONDS
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open()
        except OSError as error:
            self._failed(error)

    def append(self, added: list[bytes]) -> None:
        """Write lines; as long as there is a fault, keep them, and try from time to time."""
        self.unsaved += added
        now = time.monotonic()
        if now >= self._due:
            self._due = now + RETRY_SECONDS
            self.retry()
        elif not self._fault and self.unsaved:
            self._write()

    def sync(self) -> None:
        """Force what was written to the disk itself."""
        if self._fault:
            return
        try:
            os.fsync(self._file)
        except OSError as error:  # a network file system tells here alone that it took nothing
            self._doubt()
            self._failed(error)
        self._unsynced.clear()

    def retry(self) -> None:
        """See whether the file is in its place, and write what waits."""
        if self._file >= 0 and not self._in_place():
            self._rescue()
        try:
            if self._file < 0:
                self._path.parent.mkdir(exist_ok=True)  # but not the folder above, which somebody removed
                self._open()
        except OSError as error:
            self._failed(error)
        else:
            self._write()

    def close(self) -> None:
        """Write what is left, and say what could not be."""
        self.retry()
        if self._file >= 0:
            try:
                os.close(self._file)
            except OSError as error:
                self._doubt()
                self._failed(error)
            self._file = -1
        if self.unsaved:
            say(f"{self._path}: {len(self.unsaved)} events never got to disk: {self._fault}")

    def _write(self) -> None:
        while self.unsaved:
            left = memoryview(self._block())
            whole = len(left)
            try:
                while left:
                    left = left[os.write(self._file, left) :]
            except OSError as error:
                self._written(whole - len(left))
                self._failed(error)
                return
            self._written(whole)
        if self._fault:
            if self._fault in self._said:
                say(f"{self._path}: it can be written again, and nothing is missing")
            self._fault = ""

    def _block(self) -> bytes:
        """Return what is to be written next, whole lines, after an end of line where the last one lacks it."""
        count, size = 0, 0
        while count < len(self.unsaved) and size < _BLOCK:
            size += sum(map(len, self.unsaved[count : count + _LINES]))
            count += _LINES
        return b"".join([b"\n" if self._torn else b"", *self.unsaved[:count]])

    def _written(self, size: int) -> None:
        """Note that so many bytes were: lines that were written whole wait no more."""
        if self._torn and size:
            self._torn, size = False, size - 1
        count = 0
        if size == sum(map(len, self.unsaved)):
            count, size = len(self.unsaved), 0
        for line in self.unsaved[count:]:
            if size < len(line) - 1:  # one that lacks but its end of line is closed off later, as a torn one is
                break
            count, size = count + 1, size - len(line)
        self._torn = self._torn or size != 0
        if len(self._unsynced) > _SINCE_SYNC:
            self._unsynced.clear()
        self._unsynced += self.unsaved[:count]
        del self.unsaved[:count]

    def _open(self) -> None:
        """Open the file, and leave what stands in it out of what is to be written."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(self._path, flags, 0o666)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "it is no regular file")
        try:
            self._torn = found.st_size > 0 and os.pread(descriptor, 1, found.st_size - 1) != b"\n"
            if self._doubtful:
                with contextlib.suppress(ValueError):
                    there = {line.rstrip(b"\n") for line in lines(self._path)}
                    self.unsaved = [line for line in self.unsaved if line.rstrip(b"\n") not in there]
                self._doubtful = False
        except OSError:
            os.close(descriptor)
            raise
        self._file = descriptor

    def _in_place(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file), self._path.stat())
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            return error.errno != errno.ESTALE

    def _rescue(self) -> None:
        """Take all lines of a file that was removed into memory, as long as it can be read."""
        rescued = []
        with contextlib.suppress(OSError), os.fdopen(self._file, "rb") as file:
            file.seek(0)
            rescued = [line for line in file if line.endswith(b"\n")]
        self._file, self._doubtful = -1, True
        self.unsaved = rescued + self.unsaved
        self._unsynced.clear()
        self._failed(OSError(errno.ENOENT, "it was removed"))

    def _doubt(self) -> None:
        self.unsaved = self._unsynced + self.unsaved
        self._unsynced, self._doubtful = [], True
        with contextlib.suppress(OSError):
            os.close(self._file)
        self._file = -1

    def _failed(self, error: OSError) -> None:
        if self._fault and self._file < 0 and error.errno == errno.ENOENT:
            return  # it was said already that it was removed
        self._fault = error.strerror or str(error)
        if self._fault not in self._said:
            self._said.add(self._fault)
            what = "the search goes on in memory, and what is missing is written once that is possible"
            say(f"{self._path}: cannot be written: {self._fault}; {what}")
