"""Reading files that anybody may have written: no pipe is waited for, no device opened, no memory filled."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

LARGEST_LINE = 1 << 24
_SKIPPED = 1 << 20


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading; ValueError where it cannot be read, FileNotFoundError where there is none."""
    try:
        regular = stat.S_ISREG(path.stat().st_mode)  # before it is opened, as that does something to some devices
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY) if regular else -1
        if regular and stat.S_ISREG(os.fstat(descriptor).st_mode):
            return os.fdopen(descriptor, "rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise ValueError(message) from None
    if descriptor >= 0:
        os.close(descriptor)
    message = f"{path}: is no regular file"
    raise ValueError(message)


def read_small(path: Path, largest: int) -> bytes:
    """Return what is in a file, or, where that is more than `largest` bytes, one byte more.

    Errors as `open_regular`.
    """
    with open_regular(path) as file:
        try:
            return file.read(largest + 1)
        except OSError as error:
            message = f"{path}: cannot be read: {error.strerror}"
            raise ValueError(message) from None


def lines(path: Path) -> Iterator[bytes]:
    """Return a file's lines, but for those longer than LARGEST_LINE; errors as `open_regular`."""
    with open_regular(path) as file:
        try:
            while line := file.readline(LARGEST_LINE):
                if len(line) < LARGEST_LINE or line.endswith(b"\n"):
                    yield line
                else:
                    _skip_line(file)
        except OSError as error:
            message = f"{path}: cannot be read: {error.strerror}"
            raise ValueError(message) from None


class Tail:
    """Reads on in a file that grows, each time from where it stopped: at the end of the last whole line."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset = path, 0

    def lines(self) -> Iterator[bytes]:
        """Return the lines as the function `lines` does; one without its end is given again, until it has that."""
        with open_regular(self._path) as file:
            if file.seek(0, os.SEEK_END) < self._offset:
                self._offset = 0  # it was written anew
            file.seek(self._offset)
            while line := file.readline(LARGEST_LINE):
                whole = line.endswith(b"\n")
                if whole or len(line) < LARGEST_LINE:
                    yield line
                else:
                    _skip_line(file)
                if not whole and len(line) < LARGEST_LINE:
                    return
                self._offset = file.tell()


def _skip_line(file: BinaryIO) -> None:
    """Read on to the next line. Holes of a sparse file are jumped over: there may be terabytes of them."""
    while (part := file.readline(_SKIPPED)) and not part.endswith(b"\n"):
        try:
            file.seek(file.tell(), os.SEEK_DATA)
        except OSError:  # nothing but a hole up to the end
            file.seek(0, os.SEEK_END)
