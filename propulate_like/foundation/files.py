"""Safe reading of untrusted files: never block on a pipe, open a device, or fill the memory."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# docs/decisions.md, "Foreign files are read with limits"
LARGEST_LINE = 1 << 24
"""The longest line that is read, in bytes; longer ones are skipped."""
_SKIPPED = 1 << 20  # bytes


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file cannot be read, or is no regular file.
    """
    try:
        regular = stat.S_ISREG(path.stat().st_mode)  # before opening, which already has an effect on some devices
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
    """Return the content of a file, up to `largest` + 1 bytes.

    A result longer than `largest` bytes tells the caller that the file is too large.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file cannot be read, or is no regular file.
    """
    with open_regular(path) as file:
        try:
            return file.read(largest + 1)
        except OSError as error:
            message = f"{path}: cannot be read: {error.strerror}"
            raise ValueError(message) from None


def lines(path: Path) -> Iterator[bytes]:
    """Yield a file's lines, except those that are longer than `LARGEST_LINE`.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file cannot be read, or is no regular file.
    """
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
    """A reader of a growing file, which continues each time after the last complete line."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset = path, 0

    def lines(self) -> Iterator[bytes]:
        """Yield the new lines, as the function `lines` does; an incomplete last line is yielded again next time."""
        with open_regular(self._path) as file:
            if file.seek(0, os.SEEK_END) < self._offset:
                self._offset = 0  # the file was replaced
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
    """Skip the rest of the line, and with it the holes of a sparse file, which may span terabytes."""
    while (part := file.readline(_SKIPPED)) and not part.endswith(b"\n"):
        try:
            file.seek(file.tell(), os.SEEK_DATA)
        except OSError:  # only a hole is left, up to the end
            file.seek(0, os.SEEK_END)
