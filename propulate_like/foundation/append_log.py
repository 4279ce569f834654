"""An append-only log file that survives disk faults: lines that cannot be written wait in memory."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from pathlib import Path

from propulate_like.foundation.console import say
from propulate_like.foundation.files import folder_inside, lines, open_plain

# docs/decisions.md, "Unwritten lines wait in memory"
RETRY_SECONDS = 1.0
"""The time between two retries of a failed write, and between two checks that the file still exists."""
_BLOCK = 1 << 20  # bytes
_LINES = 1000
_SINCE_SYNC = 1000  # at most this many lines are kept in memory until an fsync confirms them


class Log:
    """An append-only file of lines with a single writing process, whose methods never raise.

    Each kind of fault is reported once, on standard error. Writing resumes once the disk has room again, or the folder
    is back.

    Attributes:
        unsaved: The lines that are in no file: those that could not be written, and those of a file that was removed.
    """

    def __init__(self, path: Path) -> None:
        """Open the file. The file and two folders above it are created where they do not exist.

        Neither the file nor its folder may be a link.
        """
        self.unsaved: list[bytes] = []
        self._path = path
        self._file = -1
        self._opened: os.stat_result
        self._fault = ""
        self._said: set[str] = set()
        self._torn = False
        self._doubtful = False
        """Whether the file may contain some of the unsaved lines."""
        self._unsynced: list[bytes] = []
        self._due = time.monotonic() + RETRY_SECONDS
        try:
            path.parents[1].mkdir(parents=True, exist_ok=True)
            self._open()
        except OSError as error:
            self._failed(error)

    def append(self, added: list[bytes]) -> None:
        """Write lines. While there is a fault, keep them in memory and retry every `RETRY_SECONDS`."""
        self.unsaved += added
        now = time.monotonic()
        if now >= self._due:
            self._due = now + RETRY_SECONDS
            self.retry()
        elif not self._fault and self.unsaved:
            self._write()

    def sync(self) -> None:
        """Force what was written to the disk (fsync)."""
        if self._fault:
            return
        if not self._is_open():
            return
        try:
            os.fsync(self._file)
        except OSError as error:  # a network file system may report a failed write only here
            self._doubt()
            self._failed(error)
        self._unsynced.clear()

    def retry(self) -> None:
        """Check that the file still exists, and write the unsaved lines."""
        if self._file >= 0 and self._is_open() and not self._in_place():
            self._rescue()
        try:
            if self._file < 0:
                self._open()  # which does not create the folder's parent: somebody has removed that
        except OSError as error:
            self._failed(error)
        else:
            self._write()

    def close(self) -> None:
        """Write the unsaved lines, close the file, and report how many lines could not be written."""
        self.retry()
        if self._file >= 0 and self._is_open():
            try:
                os.close(self._file)
            except OSError as error:
                self._doubt()
                self._failed(error)
        self._file = -1
        if self.unsaved:
            say(f"{self._path}: {len(self.unsaved)} events never got to disk: {self._fault}")

    def _write(self) -> None:
        """Write the unsaved lines, block by block, up to the first fault."""
        while self.unsaved:
            if not self._is_open():
                return
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
        """Return the next block: whole lines, after a line end where a torn write left the last line without one."""
        count, size = 0, 0
        while count < len(self.unsaved) and size < _BLOCK:
            size += sum(map(len, self.unsaved[count : count + _LINES]))
            count += _LINES
        return b"".join([b"\n" if self._torn else b"", *self.unsaved[:count]])

    def _written(self, size: int) -> None:
        """Remove from `unsaved` the lines that the first `size` bytes of the block complete."""
        if self._torn and size:
            self._torn, size = False, size - 1
        count = 0
        if size == sum(map(len, self.unsaved)):
            count, size = len(self.unsaved), 0
        for line in self.unsaved[count:]:
            if size < len(line) - 1:  # a line that lacks only its end is ended later, as a torn one is
                break
            count, size = count + 1, size - len(line)
        self._torn = self._torn or size != 0
        if len(self._unsynced) > _SINCE_SYNC:
            self._unsynced.clear()
        self._unsynced += self.unsaved[:count]
        del self.unsaved[:count]

    def _open(self) -> None:
        """Open the file, and drop unsaved lines that it already contains.

        Raises:
            OSError: The file cannot be opened or read, or is no regular file.
        """
        folder = self._path.parent
        with folder_inside(folder.parent, folder.name) as inside:
            descriptor = open_plain(inside, self._path.name, os.O_RDWR | os.O_APPEND)
        try:
            size = os.fstat(descriptor).st_size
            self._torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            if self._doubtful:
                with contextlib.suppress(ValueError):
                    there = {line.rstrip(b"\n") for line in lines(self._path)}
                    self.unsaved = [line for line in self.unsaved if line.rstrip(b"\n") not in there]
                self._doubtful = False
        except OSError:
            os.close(descriptor)
            raise
        self._file, self._opened = descriptor, os.fstat(descriptor)

    def _is_open(self) -> bool:
        """Return whether the file is open; where a loss has closed what it did not open, it is opened again.

        A file of the loss's may have its descriptor by now.
        """
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(self._file), self._opened):
                return True
        self._file = -1
        try:
            self._open()
        except OSError as error:
            self._failed(error)
        return self._file >= 0

    def _in_place(self) -> bool:
        """Return whether the path still names the open file."""
        try:
            return os.path.samestat(os.fstat(self._file), self._path.stat())
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            return error.errno != errno.ESTALE

    def _rescue(self) -> None:
        """Read all lines of a removed file back into memory, as far as it can be read."""
        rescued = []
        with contextlib.suppress(OSError), os.fdopen(self._file, "rb") as file:
            file.seek(0)
            rescued = [line for line in file if line.endswith(b"\n")]
        self._file, self._doubtful = -1, True
        self.unsaved = rescued + self.unsaved
        self._unsynced.clear()
        self._failed(OSError(errno.ENOENT, "it was removed"))

    def _doubt(self) -> None:
        """Close the file, and treat all lines since the last fsync as unsaved."""
        self.unsaved = self._unsynced + self.unsaved
        self._unsynced, self._doubtful = [], True
        with contextlib.suppress(OSError):
            os.close(self._file)
        self._file = -1

    def _failed(self, error: OSError) -> None:
        """Enter the faulty state, and report a fault of a new kind."""
        if self._fault and self._file < 0 and error.errno == errno.ENOENT:
            return  # the removal was reported already
        self._fault = error.strerror or str(error)
        if self._fault not in self._said:
            self._said.add(self._fault)
            what = "the search goes on in memory, and what is missing is written once that is possible"
            say(f"{self._path}: cannot be written: {self._fault}; {what}")
