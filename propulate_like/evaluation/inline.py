"""Evaluation in the rank itself: whatever the loss does short of ending the process becomes an outcome."""

from __future__ import annotations

import math
import time
import traceback
from types import TracebackType

import msgspec

from propulate_like.evaluation.objective import Loss, takes_mapping
from propulate_like.individual import OK, Individual, Outcome, Status
from propulate_like.space import Space

_FULL_TRACEBACKS = 100  # of a rank; later failures keep their last line alone, so that a journal stays small
_LONGEST_CAUSE = 8000


class InlineEvaluator:
    """Calls the loss in this process. Exceptions, `sys.exit` included, become failures; KeyboardInterrupt passes."""

    def __init__(self, loss: Loss, space: Space, *, maximize: bool = False) -> None:
        """ValueError where the loss cannot be called with the params of the space."""
        self._loss = loss
        self._as_mapping = takes_mapping(loss, space)
        self._maximize = maximize
        self._failures = 0
        self._epoch = time.time() - time.perf_counter()

    def __call__(self, individual: Individual) -> Individual:
        """Evaluate, and give the individual with its outcome, the seconds it took and the time it ended."""
        params = individual.space.decode(individual.genome)
        began = time.perf_counter()
        try:
            value = self._loss(params) if self._as_mapping else self._loss(**params)
        except (Exception, SystemExit) as error:  # noqa: BLE001 (a loss may raise anything)
            outcome = self._failure(error)
        else:
            if type(value) is float and not self._maximize and -math.inf < value < math.inf:
                ended = time.perf_counter()  # the usual case, without an Outcome in between
                return individual.succeeded(value, ended - began, self._epoch + ended)
            outcome = Outcome.of(value)
            if self._maximize and outcome.status is OK:
                outcome = msgspec.structs.replace(outcome, loss=-outcome.loss)
        ended = time.perf_counter()
        return individual.evaluated(outcome, ended - began, self._epoch + ended)

    def _failure(self, error: BaseException) -> Outcome:
        self._failures += 1
        trace = error.__traceback__
        if self._failures > _FULL_TRACEBACKS:
            lines = traceback.format_exception_only(error)
        else:
            lines = traceback.format_exception(type(error), error, _without_own_frames(trace))
        return Outcome(Status.ERROR, cause="".join(lines).strip()[-_LONGEST_CAUSE:])


def _without_own_frames(trace: TracebackType | None) -> TracebackType | None:
    """Leave out the frames from here to the loss, which say nothing about it."""
    package = __name__.partition(".")[0]
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] == package:
        trace = trace.tb_next
    return trace
