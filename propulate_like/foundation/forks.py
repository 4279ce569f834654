"""Forks: a process that a loss forks has a fresh Python's signal handlers, and never goes on with the search."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import NoReturn

_LARGEST_CODE = 1 << 63  # of what C has as a long
_PACKAGE = f"{__name__.partition('.')[0]}."


class Process:
    """The running process.

    Attributes:
        pid: Its process id: what os.getpid() returns, without a system call.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()


current = Process()
"""The process that runs this, in a forked one too."""


@contextlib.contextmanager
def ending() -> Iterator[None]:
    """End each process that code in this context forks and that comes to the context's end."""
    pid = current.pid
    try:
        yield
    except BaseException as error:
        if current.pid != pid:
            leave(error)
        raise
    if current.pid != pid:
        leave()


def leave(error: BaseException | None = None) -> NoReturn:
    """End this process, with the status and the words with which Python ends.

    Args:
        error: The exception to end with, or None for the end of the program.
    """
    status = 1
    try:
        if isinstance(error, SystemExit):
            status = _status(error.code)
        elif error is None:
            status = 0
        else:
            sys.excepthook(type(error), error, error.__traceback__)
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(BaseException):  # the loss may have closed or replaced it
                stream.flush()
        if isinstance(error, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        os._exit(status)


def _status(code: object) -> int:
    """Return the exit status that sys.exit(code) means; print a code that is a message."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF if abs(code) < _LARGEST_CODE else 0xFF
    print(code, file=sys.stderr)
    return 1


def _after_fork() -> None:
    """Note the new process, and give it Python's own signal handlers in place of this package's."""
    current.pid = os.getpid()
    for number in signal.valid_signals():
        if (getattr(signal.getsignal(number), "__module__", None) or "").startswith(_PACKAGE):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


os.register_at_fork(after_in_child=_after_fork)
