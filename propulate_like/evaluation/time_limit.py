"""The time limit of a loss that runs in the rank itself: one that passes it is interrupted as by Ctrl-C, and fails."""

from __future__ import annotations

import math
import signal
import threading
import time
from types import FrameType
from typing import Any

from propulate_like.evaluation.context import Evaluator, Report, TeamContext
from propulate_like.foundation.clock import unix_time
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import Outcome, Status

_PASSED = signal.SIGRTMAX - 2
"""The signal by which another thread interrupts the loss."""
_RETRY_SECONDS, _AGAIN_SECONDS = 0.02, 1.0


class TimeLimit:
    """The time limit of a rank's evaluations, one after the other.

    Attributes:
        struck: Whether the running evaluation was ended by it, whatever the loss makes of that.
    """

    def __init__(self, seconds: float, evaluator: Evaluator) -> None:
        """Limit each evaluation of `evaluator` to `seconds`, which may be infinite."""
        self.struck = False
        self._seconds, self._evaluator = seconds, evaluator
        self._deadline = self._next = math.inf
        self._main = threading.get_ident()
        self._previous: Any = None

    def install(self) -> None:
        """Be ready to interrupt the loss, where this is the main thread."""
        if self._seconds < math.inf and threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(_PASSED, self._interrupt)

    def remove(self) -> None:
        """Handle the signal as before."""
        if self._previous is not None:
            signal.signal(_PASSED, signal.SIG_IGN)  # which discards one that the loss has blocked
            signal.signal(_PASSED, self._previous)

    def evaluate(self, individual: Individual, report: Report, team: TeamContext | None = None) -> Individual:
        """Evaluate within the limit.

        Raises:
            KeyboardInterrupt: The evaluation was interrupted, not by the limit.
        """
        began = time.perf_counter()
        self.struck, self._deadline = False, began + self._seconds
        self._next = self._deadline
        try:
            evaluated = self._evaluator(individual, report, team)
        except KeyboardInterrupt:
            if not self.struck:
                raise
        finally:
            self._deadline = math.inf
        if not self.struck:
            return evaluated
        outcome = Outcome.failure(Status.TIMEOUT, f"it took longer than {self._seconds:g} s")
        return individual.evaluated(outcome.timed(time.perf_counter() - began, unix_time()))

    def strikes(self) -> bool:
        """Return whether the limit has passed, so that the loss, which waits for its team, is to give up."""
        if time.perf_counter() < self._deadline:
            return False
        self.struck = True
        return True

    def enforce(self) -> None:
        """Interrupt the loss where the limit has passed, from another thread."""
        now = time.perf_counter()
        if now >= self._next and self._previous is not None:
            self._next = now + _RETRY_SECONDS
            signal.pthread_kill(self._main, _PASSED)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if time.perf_counter() < self._deadline:
            return  # the evaluation has ended meanwhile
        try:
            self._evaluator.interrupt(frame)
        except KeyboardInterrupt:
            self.struck = True
            self._next = time.perf_counter() + _AGAIN_SECONDS
            raise
