"""Signals during start-up: a command that is told to end while it still loads exits with one line.

All that this module imports, Python has loaded already: until `install` has run, a signal shows a traceback.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from types import FrameType
else:
    import _signal as signal  # which `signal` wraps, once it has loaded enum

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""The signals that ask a process to end."""
INTERRUPTED = 130
"""The exit status of an interrupted command."""
told: list[int] = []
"""The signals that a rank received before its search handled them."""
_RANKS = {"propulate_like.cli.rank", "propulate_like.search.on_ranks.rank"}


def install() -> None:
    """Install signal handlers, where this process is the command `propulate-like` or a rank that it started."""
    if "--multiprocessing-fork" in sys.orig_argv:  # a loss's process, which has imported its parent's main module
        return
    module = sys.orig_argv[sys.orig_argv.index("-m") + 1] if sys.argv[:1] == ["-m"] else ""
    if not _RANKS.isdisjoint((module, *sys.argv[:1])):
        record()
    elif module == "propulate_like" or _command() == "propulate-like":
        for number in SIGNALS:
            signal.signal(number, _end)
    else:
        return
    import atexit

    atexit.register(_ignore)


def _command() -> str:
    """Return the name of the file that runs."""
    return sys.argv[0].rpartition("/")[2] if sys.argv else ""


def record() -> None:
    """Record signals in `told` from now on: a rank that ended by itself would leave the others waiting for it."""
    for number in SIGNALS:
        signal.signal(number, lambda number, _frame: told.append(number))


def _ignore() -> None:
    """Ignore signals: Python is about to restore their default, by which they would kill what has done all its work."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _end(number: int, _frame: FrameType | None) -> None:
    """Report the interruption and exit at once."""
    os.write(2, b"\ninterrupted\n" if number == signal.SIGINT and os.isatty(2) else b"interrupted\n")
    os._exit(INTERRUPTED)


install()
