"""Safe reading and writing in folders of others: never block on a pipe, fill the memory, or write through a link."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# docs/decisions.md, "Foreign files are read with limits"
LARGEST_LINE = 1 << 24
"""The longest line that is read, in bytes; longer ones are skipped."""
_SKIPPED = 1 << 20  # bytes
_MOST_LINKS = 40  # from one neighbour to the next
_SPECIAL = (Path("/dev"), Path("/dev/fd"), Path("/proc/self/fd"))
"""Folders of links to what a process has open, such as /dev/stdout."""
_PARTIAL, _LONGEST_NAME = ".partial", 150
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_PLAIN = os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


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


def lines_until(path: Path, end: int, block: int) -> Iterator[bytes]:
    """Yield the lines of a file's first bytes, as the function `lines` does.

    The file is open only while some lines are read, so that very many files can be read side by side.

    Args:
        path: The file.
        end: The number of bytes.
        block: About how many bytes are read at once.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file cannot be read, or is no regular file.
    """
    offset, start = 0, -1
    while start < offset < end:
        some = []
        with open_regular(path) as file:
            start = file.seek(offset)
            while offset < min(end, start + block) and (line := file.readline(min(LARGEST_LINE, end - offset))):
                if len(line) < LARGEST_LINE or line.endswith(b"\n"):
                    some.append(line)
                else:
                    _skip_line(file)
                offset = file.tell()
        yield from some


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


# docs/decisions.md, "Nothing is written through a link"
@contextlib.contextmanager
def folder_inside(root: Path, *names: str) -> Iterator[int]:
    """Open a folder inside another one, and yield its descriptor; what does not exist is created, except `root`.

    Below `root`, the only links that are followed lead to a neighbour in the same folder.

    Args:
        root: The outer folder.
        names: The names of the folders on the way down.

    Raises:
        OSError: A folder cannot be created or opened, is no folder, or is a link to elsewhere.
    """
    inner = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for depth, name in enumerate(names, 1):
            outer, inner = inner, -1
            try:
                inner = _entered(outer, name, str(root.joinpath(*names[:depth])))
            finally:
                os.close(outer)
        yield inner
    finally:
        if inner >= 0:
            os.close(inner)


def _entered(folder: int, name: str, shown: str) -> int:
    """Open a folder by its name in another one, and return its descriptor.

    Raises:
        OSError: As for `folder_inside`.
    """
    for _ in range(_MOST_LINKS):
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=folder)
        try:
            return os.open(name, _FOLDER, dir_fd=folder)
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            if not stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                raise OSError(errno.ENOTDIR, f"{shown} is no folder") from None
        name = os.readlink(name, dir_fd=folder)
        if "/" in name or name in (".", ".."):
            raise OSError(errno.ELOOP, f"{shown} is a link to elsewhere, and nothing is written through it")
    raise OSError(errno.ELOOP, f"{shown} is a link to itself")


def open_plain(folder: int, name: str, flags: int) -> int:
    """Open a regular file without other names for writing, and return its descriptor; it is created if need be.

    Args:
        folder: The folder's descriptor.
        name: The file's name.
        flags: The flags besides those that keep to this file, such as os.O_WRONLY | os.O_APPEND.

    Raises:
        OSError: The file cannot be opened, or is another kind of thing.
    """
    try:
        descriptor = os.open(name, flags | _PLAIN, 0o666, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a link, and nothing is written through one") from None
        raise
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_nlink <= 1:
        return descriptor
    os.close(descriptor)
    what = "it has another name, as a hard link" if stat.S_ISREG(found.st_mode) else "it is no regular file"
    raise OSError(errno.EINVAL, what)


def open_output(root: Path, *names: str) -> int:
    """Open a file inside `root` to append output, and return its descriptor.

    A link, a pipe or a file with another name in its place is removed.

    Args:
        root: The outer folder.
        names: The names of the folders on the way down (see `folder_inside`), and of the file.

    Raises:
        OSError: The file cannot be opened.
    """
    *folders, name = names
    with folder_inside(root, *folders) as folder:
        with contextlib.suppress(FileNotFoundError):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
                os.unlink(name, dir_fd=folder)
        return open_plain(folder, name, os.O_RDWR | os.O_APPEND)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside `path`, which takes its place once it was written to the end.

    A device or a pipe at `path` is written itself.

    Raises:
        ValueError: The path is a link.
        OSError: The file cannot be written.
    """
    special = path.parent in _SPECIAL or (path.exists() and not path.is_file())
    if special:
        with path.open("wb") as file:
            yield file
        return
    refuse_link(path)
    mine = f".{path.name[:_LONGEST_NAME]}.{os.uname().nodename}-"
    _remove_abandoned(path.parent, mine)
    partial = path.with_name(f"{mine}{os.getpid()}{_PARTIAL}")
    try:
        with _new(partial, path) as file:
            yield file
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _new(partial: Path, path: Path) -> BinaryIO:
    """Open a new file; an error names the file that it is for."""
    try:
        return partial.open("xb")
    except OSError as error:
        error.filename = str(path)
        raise


def refuse_link(path: Path) -> None:
    """Check that a file that is about to be written is no link.

    Raises:
        ValueError: It is one.
    """
    if path.is_symlink():
        message = f"{path} is a link, and nothing is written through one: name the file itself"
        raise ValueError(message)


def _remove_abandoned(folder: Path, name: str) -> None:
    """Remove the unfinished files of processes that have ended, and of this one, whose names begin with `name`."""
    for path in folder.glob(f"{glob.escape(name)}*{_PARTIAL}"):
        pid = path.name.removeprefix(name).removesuffix(_PARTIAL)
        if pid.isascii() and pid.isdigit() and not (int(pid) != os.getpid() and Path("/proc", pid).exists()):
            with contextlib.suppress(OSError):
                path.unlink()
