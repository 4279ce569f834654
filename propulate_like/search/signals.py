"""Interruption: Ctrl-C, the launcher's signals and the end of the time given end a search in good order."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Mapping
from types import FrameType, TracebackType
from typing import Protocol, Self

from propulate_like.evaluation.context import Evaluator
from propulate_like.foundation import early_signals
from propulate_like.parallel.coordination.stopping import Reason

_OPEN_MPI_SECONDS = 0.2
"""The grace after a SIGTERM by Open MPI's mpiexec, which kills 0.5 s after it, whatever it is told."""
_RETRY_SECONDS = 0.02
_LONGEST_SECONDS = 1e8  # that a timer takes


class Interruptible(Protocol):
    """What evaluates: a worker, or a member of its team. `reason` is why it begins no further evaluation."""

    reason: Reason | None
    evaluator: Evaluator

    @property
    def evaluating(self) -> bool:
        """Whether an evaluation is running."""
        ...


class Interruption:
    """While entered, SIGINT, SIGUSR1 and SIGTERM end the worker's search instead of the process.

    No further evaluation begins; the running one may end within `grace` seconds, or is broken off by
    KeyboardInterrupt and noted as unfinished. A second signal breaks it off at once. The same grace begins when the
    search has gone on for `seconds`. A signal that came before counts as if it came now. Does nothing outside the main
    thread.
    """

    def __init__(self, worker: Interruptible, grace: float, seconds: float = math.inf) -> None:
        self._worker = worker
        self._grace, self._seconds = grace, seconds
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._grace_over)
            if self._seconds < math.inf:
                _set_timer(self._seconds + self._grace)
            for number in early_signals.SIGNALS:
                self._previous[number] = signal.signal(number, self._requested)
            if early_signals.told:
                self._requested(early_signals.told[0], None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._previous:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal gave

    def _requested(self, number: int, frame: FrameType | None) -> None:
        repeated = self._worker.reason is Reason.INTERRUPTED
        self._worker.reason = self._worker.reason or Reason.INTERRUPTED
        _set_timer(0.0 if repeated else grace_after(number, self._grace))

    def _grace_over(self, number: int, frame: FrameType | None) -> None:
        self._worker.reason = self._worker.reason or Reason.SECONDS
        if self._worker.evaluating and not self._worker.evaluator.interrupt(frame):
            _set_timer(_RETRY_SECONDS)


def grace_after(number: int, grace: float, environment: Mapping[str, str] = os.environ) -> float:
    """Return how long an evaluation may go on after a signal: shorter where Open MPI's mpiexec is about to kill."""
    hurried = number == signal.SIGTERM and "OMPI_COMM_WORLD_RANK" in environment
    return min(grace, _OPEN_MPI_SECONDS) if hurried else grace


def _set_timer(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, min(max(seconds, 1e-3), _LONGEST_SECONDS))
