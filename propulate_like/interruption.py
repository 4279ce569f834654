"""Interruption: Ctrl-C and the launcher's signals end a search in good order."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Protocol, Self

from propulate_like.evaluation.context import Evaluator
from propulate_like.worker import Reason

GRACE_SECONDS = {signal.SIGINT: 5.0, signal.SIGUSR1: 5.0, signal.SIGTERM: 0.2}
"""How long a running evaluation may go on. Open MPI kills 0.5 s after the SIGTERM that it sends."""
_RETRY_SECONDS = 0.02


class Interruptible(Protocol):
    """What evaluates: a worker, or a member of its team. `reason` is why it begins no further evaluation."""

    reason: Reason | None
    evaluating: bool
    evaluator: Evaluator


class Interruption:
    """While entered, SIGINT, SIGUSR1 and SIGTERM end the worker's search instead of the process.

    No further evaluation begins; the running one may end within a grace, or is broken off by KeyboardInterrupt and
    noted as unfinished. A second signal breaks it off at once. Does nothing outside the main thread.
    """

    def __init__(self, worker: Interruptible) -> None:
        self._worker = worker
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in GRACE_SECONDS:
                self._previous[number] = signal.signal(number, self._requested)
            self._previous[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._grace_over)
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
        signal.setitimer(signal.ITIMER_REAL, 1e-3 if repeated else GRACE_SECONDS[signal.Signals(number)])

    def _grace_over(self, number: int, frame: FrameType | None) -> None:
        if self._worker.evaluating and not self._worker.evaluator.interrupt(frame):
            signal.setitimer(signal.ITIMER_REAL, _RETRY_SECONDS)
