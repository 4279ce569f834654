"""What a loss has set for itself, and what could end the search between two evaluations: it waits for the next one."""

from __future__ import annotations

import contextlib
import signal
import sys
from typing import TYPE_CHECKING

from propulate_like.foundation.undisturbed import RECURSION

if TYPE_CHECKING:
    from signal import getsignal
else:
    from _signal import getsignal  # as `signal` makes an enum of what it returns, which takes ten times as long

_TIMERS = {
    signal.ITIMER_REAL: signal.SIGALRM,
    signal.ITIMER_VIRTUAL: signal.SIGVTALRM,
    signal.ITIMER_PROF: signal.SIGPROF,
}
_ALARM = signal.SIGALRM


class Suspension:
    """The timers that a loss has left running, whose handlers may raise, and its limit of the depth of calls.

    Time goes on for them only while the loss runs.

    Attributes:
        holds: Whether anything is suspended.
    """

    def __init__(self) -> None:
        self.holds = False
        self._timers: dict[int, tuple[float, float]] = {}
        self._deepest = 0

    @staticmethod
    def needed() -> bool:
        """Return whether the loss may have left anything to suspend."""
        return bool(getsignal(_ALARM)) or sys.getrecursionlimit() < RECURSION

    def begin(self) -> None:
        """Stop the timers that have a handler of Python's, and allow calls as deep as Python does."""
        for timer, number in _TIMERS.items():
            if callable(getsignal(number)):
                left = signal.setitimer(timer, 0.0)
                if left[0] > 0.0:
                    self._timers[timer] = left
        self._deepest = sys.getrecursionlimit()
        sys.setrecursionlimit(max(self._deepest, RECURSION))
        self.holds = True

    def end(self) -> None:
        """Restore all for the loss, whose next evaluation begins."""
        self.holds = False
        with contextlib.suppress(RecursionError):  # it is less than the depth here
            sys.setrecursionlimit(self._deepest)
        for timer, left in self._timers.items():
            signal.setitimer(timer, *left)
        self._timers.clear()
