"""Calling a loss: whatever it returns, yields, raises or reports becomes an outcome."""

from __future__ import annotations

import gc
import math
import sys
import traceback
from collections.abc import Generator
from types import TracebackType
from typing import Any

from propulate_like.evaluation import loading
from propulate_like.evaluation.context import Evaluation, Report, Task
from propulate_like.evaluation.objective import CONTEXT, Loss, takes, takes_mapping
from propulate_like.evaluation.trial import Trial, is_pruned
from propulate_like.population.outcome import Outcome, Status
from propulate_like.problem.directions import Signs
from propulate_like.problem.space import Space

_FULL_TRACEBACKS = 100  # of a process; later failures keep their last line alone, so that a journal stays small
_LONGEST_CAUSE = 8000


class Call:
    """A loss function, ready to be called with what it takes. KeyboardInterrupt alone passes through it."""

    def __init__(self, loss: Loss, space: Space, *, signs: Signs = (1.0,), fidelity: str = "") -> None:
        """ValueError where the loss cannot be called with the params of the space.

        `fidelity` is the name of the declared fidelity, which the loss is given where it has a parameter of that name.
        """
        self.loss = loss
        self.asks = space.asked_for
        """Whether the loss takes a trial, which it asks for its parameters."""
        self.as_mapping = not self.asks and takes_mapping(loss, space, fidelity)
        self.signs = signs
        self.plain = not takes(loss, CONTEXT) or CONTEXT in space
        self._fidelity = fidelity if fidelity and (self.as_mapping or takes(loss, fidelity)) else ""
        self._context = not self.plain
        self._failures = 0
        self._in_child = loading.in_child
        self.plain = self.plain and not self._fidelity

    def __call__(self, params: dict[str, Any], task: Task, report: Report, comm: Any = None) -> Outcome:
        """Call the loss with the params, the context if it takes that, and run it to its end if it is a generator."""
        evaluation = Evaluation(task, report, self.signs, comm)
        context: dict[str, Any] = {CONTEXT: evaluation} if self._context else {}
        told = {self._fidelity: task.fidelity} if self._fidelity else {}
        if self.asks:
            outcome = self._ask(Trial(task, evaluation), evaluation, context | told)
        else:
            outcome = self._give(params | told, evaluation, context)
        if evaluation.size > 1:
            _leave_process_group()
        return outcome

    def _give(self, params: dict[str, Any], evaluation: Evaluation, context: dict[str, Any]) -> Outcome:
        try:
            value = self.loss(params, **context) if self.as_mapping else self.loss(**params, **context)
        except BaseException as error:  # noqa: BLE001 (a loss may raise anything)
            return self.failure(error)
        return self.finish(value, evaluation)

    def _ask(self, trial: Trial, evaluation: Evaluation, others: dict[str, Any]) -> Outcome:
        try:
            value = self.loss(trial, **others)
        except BaseException as error:  # noqa: BLE001 (a loss may raise anything)
            return trial.completed(trial.pruned() if is_pruned(error) else self.failure(error))
        return trial.completed(self.finish(value, evaluation))

    def finish(self, value: object, evaluation: Evaluation) -> Outcome:
        """Return the outcome that a returned value is; a generator is run to its end, or until it is to stop."""
        if isinstance(value, Generator):
            try:
                value = _drive(value, evaluation)
            except BaseException as error:  # noqa: BLE001 (a loss may raise anything)
                return self.failure(error)
        if value is None and evaluation.reported is not None:
            value = evaluation.reported
        if value is None and evaluation.rank > 0:
            value = 0.0  # the first member's counts
        return evaluation.outcome(value)

    def failure(self, error: BaseException) -> Outcome:
        """Return the outcome that an exception is, with its traceback; in the rank, KeyboardInterrupt passes."""
        if isinstance(error, KeyboardInterrupt) and not self._in_child:
            raise error
        self._failures += 1
        if self._failures > _FULL_TRACEBACKS:
            lines = traceback.format_exception_only(error)
        else:
            lines = traceback.format_exception(type(error), error, _without_own_frames(error.__traceback__))
        status = Status.MEMORY if isinstance(error, MemoryError) else Status.ERROR
        return Outcome.failure(status, "".join(lines).strip()[-_LONGEST_CAUSE:])


def _drive(steps: Generator[Any, Any, Any], evaluation: Evaluation) -> Any:
    """Take the intermediate losses that a generator yields, and return what it returns.

    Close it where it is to stop.
    """
    try:
        while True:
            if evaluation.report(next(steps)) or not math.isfinite(evaluation.last):
                return None
    except StopIteration as end:
        return end.value
    finally:
        steps.close()


def _leave_process_group() -> None:
    """End what a loss left of torch.distributed: others in its team wait for it, and the next one begins it anew."""
    distributed: Any = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()
    gc.collect()


def _without_own_frames(trace: TracebackType | None) -> TracebackType | None:
    """Leave out the frames from here to the loss, which say nothing about it."""
    package = __name__.partition(".")[0]
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] == package:
        trace = trace.tb_next
    return trace
