"""Interruption: Ctrl-C, the launcher's signals and the end of the time given end a search in good order."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Mapping
from queue import Empty, SimpleQueue
from types import FrameType, TracebackType
from typing import NoReturn, Protocol, Self

from propulate_like.evaluation.context import Evaluator
from propulate_like.foundation import early_signals
from propulate_like.parallel.coordination.stopping import Reason
from propulate_like.search.overheard import Ear

_OPEN_MPI_SECONDS = 0.2
"""The grace after a SIGTERM by Open MPI's mpiexec, which kills 0.5 s after it, whatever it is told."""
_RETRY_SECONDS = 0.02
_AGAIN_SECONDS = 1.0
"""The least time between two interrupts of a loss that goes on after the first one."""
_LONGEST_SECONDS = 1e6  # that a queue takes
# docs/decisions.md, "The process's timer is the loss's"
_DUE = signal.SIGRTMAX - 1
"""The signal by which the alarm interrupts the main thread."""
_ENDING = {signal.SIGINT, signal.SIGTERM}
"""The signals that mean the search even where the loss handles them; it may send itself SIGUSR1."""


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
    KeyboardInterrupt and noted as unfinished. A loss that goes on after it gets it again, after the same grace. A
    second signal breaks it off at once. The same grace begins when the search has gone on for `seconds`. A signal that
    came before counts as if it came now. Does nothing outside the main thread.

    A signal for which the loss, or a library that it calls, has set a handler of its own ends the search as well. What
    the loss then returns may be half of its work: that evaluation is unfinished (see `overheard`).

    A search that a loss begins is ended by what ends the loss, and hands that on by KeyboardInterrupt.
    """

    def __init__(self, worker: Interruptible, grace: float, seconds: float = math.inf) -> None:
        self._worker = worker
        self._grace, self._seconds = grace, seconds
        self._previous: dict[int, object] = {}
        self._told: list[int] = []
        self._answered: set[int] = set()
        self._loss_was_told = False
        self._outer: Interruption | None = None
        self._alarm = _Alarm()
        self._ear = Ear(_DUE)

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous[_DUE] = before = signal.signal(_DUE, self._grace_over)
            around = getattr(before, "__self__", None)
            self._outer = around if isinstance(around, Interruption) else None
            self._alarm.start()
            self._alarm.set(self._seconds + self._grace)
            for number in early_signals.SIGNALS:
                self._previous[number] = signal.signal(number, self._requested)
            self._ear.start()
            if early_signals.told:
                self._requested(early_signals.told[0], None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._previous:
            self._ear.stop()
            self._alarm.stop()
            signal.signal(_DUE, signal.SIG_IGN)  # which discards one that the loss has blocked
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal gave
        if self._outer is not None and self._told:
            self._outer.hear(self._told)

    @property
    def over(self) -> bool:
        """Whether the grace is over, here or in a search around this one."""
        return self._alarm.left <= 0 or (self._outer is not None and self._outer.over)

    def hear(self, numbers: list[int]) -> NoReturn:
        """Take the signals that a search within the loss received, and interrupt the loss.

        Raises:
            KeyboardInterrupt: Always. What the loss makes of it does not count.
        """
        self._told += numbers
        reason = Reason.SECONDS if set(numbers) == {_DUE} else Reason.INTERRUPTED
        self._worker.reason = self._worker.reason or reason
        self._worker.evaluator.interrupt(None)
        raise KeyboardInterrupt

    def overheard(self) -> bool:
        """Return whether a signal has gone to a handler of the loss's, and not to this one, since the last call."""
        self._listen()
        told, self._loss_was_told = self._loss_was_told, False
        return told

    def _listen(self) -> None:
        """Hear the signals that another handler has taken."""
        heard = self._ear.heard()
        self._take(heard & _ENDING)

    def _take(self, numbers: set[int]) -> None:
        """Take signals, of which those that are this one's own have run their handler, at the latest by this call."""
        for number in numbers - self._answered:
            self._loss_was_told = True
            self._requested(number, None)
        self._answered.clear()

    def _requested(self, number: int, frame: FrameType | None) -> None:
        self._answered.add(number)
        grace = 0.0 if self._told else grace_after(number, self._grace)
        self._told.append(number)
        self._worker.reason = self._worker.reason or Reason.INTERRUPTED
        self._alarm.set(min(grace, self._alarm.left))

    def _grace_over(self, number: int, frame: FrameType | None) -> None:
        self._listen()
        if not self.over:
            return  # a signal that was sent twice, or one that was overheard
        if self._alarm.left > 0:
            self._told.append(number)
        self._worker.reason = self._worker.reason or Reason.SECONDS
        self._alarm.set(max(self._grace, _AGAIN_SECONDS))
        if self._worker.evaluating and not self._worker.evaluator.interrupt(frame):
            self._alarm.set(_RETRY_SECONDS)


class _Alarm:
    """A thread that sends the thread which created it `_DUE` at the time set last, until it sets another one."""

    def __init__(self) -> None:
        self._times: SimpleQueue[float | None] = SimpleQueue()  # which a signal handler may put into at any moment
        self._main = threading.get_ident()
        self._due = math.inf
        self._thread = threading.Thread(target=self._run, name="propulate-like alarm", daemon=True)

    def start(self) -> None:
        """Begin; no time is set."""
        self._thread.start()

    def set(self, seconds: float) -> None:
        """Set the time, in seconds from now."""
        self._due = time.monotonic() + seconds
        self._times.put(self._due)

    @property
    def left(self) -> float:
        """The seconds until the time set last."""
        return self._due - time.monotonic()

    def stop(self) -> None:
        """End the thread."""
        self._times.put(None)
        self._thread.join()

    def _run(self) -> None:
        due, patience = math.inf, _RETRY_SECONDS
        while True:
            try:
                word = self._times.get(timeout=min(max(due - time.monotonic(), 0.0), _LONGEST_SECONDS))
            except Empty:
                if time.monotonic() >= due:  # and again, as a signal just before a blocking call does not end that
                    signal.pthread_kill(self._main, _DUE)
                    due, patience = time.monotonic() + patience, min(2 * patience, _AGAIN_SECONDS)
                continue
            if word is None:
                return
            due, patience = word, _RETRY_SECONDS


def grace_after(number: int, grace: float, environment: Mapping[str, str] = os.environ) -> float:
    """Return how long an evaluation may go on after a signal: shorter where Open MPI's mpiexec is about to kill."""
    hurried = number == signal.SIGTERM and "OMPI_COMM_WORLD_RANK" in environment
    return min(grace, _OPEN_MPI_SECONDS) if hurried else grace
