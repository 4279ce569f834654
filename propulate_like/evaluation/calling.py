"""Calling a loss: everything that it returns, yields, raises or reports becomes an outcome."""

from __future__ import annotations

import gc
import sys
import traceback
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from operator import itemgetter
from types import TracebackType
from typing import Any

from propulate_like.evaluation import loading
from propulate_like.evaluation.asynchronous import result_of, steps_of, synchronous
from propulate_like.evaluation.context import Evaluation, NoNumber, Report, Task
from propulate_like.evaluation.objective import CONTEXT, Loss, Way, check_fidelity, check_trial, takes, way_of
from propulate_like.evaluation.trial import Trial, is_pruned
from propulate_like.evaluation.trial_study import Attributes
from propulate_like.foundation import forks
from propulate_like.population.outcome import Outcome, Status
from propulate_like.problem.directions import Signs
from propulate_like.problem.space import Space

_FULL_TRACEBACKS = 100  # per process; later failures keep only their last line, so that a journal stays small
_LONGEST_CAUSE = 8000  # characters
_LONGEST_HISTORY = 100  # exceptions


class Call:
    """A loss function together with the way in which it takes its params. Only KeyboardInterrupt passes through it.

    Attributes:
        loss: The function.
        asks: Whether it takes a trial, which it asks for its parameters.
        by_name: Whether it takes its params as keyword arguments; otherwise as one argument.
        shaped: Makes of flat params what it takes, nested ones or one value; None where it takes them as they are.
        signs: 1 for each loss that is minimized, -1 for each that is maximized.
        doubt: A message about what some evaluations may ask of their trial and not find, or "".
        plain: Whether it takes neither the evaluation's context nor the fidelity.
    """

    def __init__(self, loss: Loss, space: Space, *, signs: Signs = (1.0,), fidelity: str = "") -> None:
        """Inspect the function's signature.

        Args:
            loss: The function.
            space: The search's space.
            signs: 1 for each loss that is minimized, -1 for each that is maximized.
            fidelity: The fidelity's name, or ""; its value is passed where the function has a parameter of this name.

        Raises:
            ValueError: The function cannot be called with the params of the space, or asks of a trial what that has
                not.
        """
        self.loss = synchronous(loss)
        self.asks = space.asked_for
        self.doubt = check_trial(loss) if self.asks else ""
        way = Way.MAPPING if self.asks else way_of(loss, space, fidelity)
        self.by_name = way is Way.NAMES
        self.shaped: Callable[[dict[str, Any]], Any] | None = space.nested if space.is_nested else None
        if way is Way.VALUE:
            self.shaped = itemgetter(*space)
        self._as_mapping = way is Way.MAPPING and not self.asks
        self.signs = signs
        self.plain = not takes(loss, CONTEXT) or CONTEXT in space.arguments
        check_fidelity(loss, space, fidelity, as_mapping=self._as_mapping)
        told = self._as_mapping or takes(loss, fidelity, any_name=True)
        self._fidelity = fidelity if fidelity and told else ""
        self._context = not self.plain
        self._failures = 0
        self._shared = Attributes()  # the user attributes of a trial's study
        self._in_child = loading.in_child
        self._process, self._pid = forks.current, forks.current.pid
        self.plain = self.plain and not self._fidelity

    def __call__(self, params: dict[str, Any], task: Task, report: Report, comm: Any = None) -> Outcome:
        """Call the loss, and run it to its end where it is a generator.

        Args:
            params: The params.
            task: The evaluation's task.
            report: Receives intermediate losses.
            comm: The team's communicator, or None.

        Raises:
            KeyboardInterrupt: The evaluation was interrupted.
        """
        evaluation = Evaluation(task, report, self.signs, comm)
        context: dict[str, Any] = {CONTEXT: evaluation} if self._context else {}
        told = {self._fidelity: task.fidelity} if self._fidelity else {}
        if self.asks:
            outcome = self._call_with_trial(Trial(task, evaluation, self._shared), evaluation, context | told)
        else:
            outcome = self._call_with_params(params, evaluation, told, context)
        if evaluation.size > 1:
            _leave_process_group()
        return outcome

    def _call_with_params(
        self, params: dict[str, Any], evaluation: Evaluation, told: dict[str, Any], context: dict[str, Any]
    ) -> Outcome:
        """Call a loss that takes its params."""
        taken = params if self.shaped is None else self.shaped(params)
        try:
            if self.by_name:
                value = self.loss(**taken, **told, **context)
            elif self._as_mapping:
                value = self.loss(taken | told, **context)
            else:
                value = self.loss(taken, **told, **context)
        except BaseException as error:  # noqa: BLE001 (a loss may raise anything)
            return self.failure(error)
        return self.finish(value, evaluation)

    def _call_with_trial(self, trial: Trial, evaluation: Evaluation, others: dict[str, Any]) -> Outcome:
        """Call a loss that asks a trial for its params."""
        try:
            outcome = self.finish(self.loss(trial, **others), evaluation)
        except BaseException as error:  # noqa: BLE001 (a loss may raise anything)
            self._end_fork(error)
            outcome = trial.pruned() if is_pruned(error) else self.failure(error)
        try:
            return trial.completed(outcome)
        except Exception as error:  # noqa: BLE001 (what the loss told the trial may be anything)
            return self.failure(error)

    def finish(self, value: object, evaluation: Evaluation) -> Outcome:
        """Return the outcome of a returned value; a generator is run to its end, or until it is stopped."""
        try:
            if isinstance(value, Coroutine | AsyncGenerator):
                value = _awaited(value)
            if isinstance(value, Generator):
                value = _drive(value, evaluation)
            self._end_fork()
            if value is None and evaluation.reported is not None:
                return evaluation.last_word()
            if value is None and evaluation.rank > 0:
                value = 0.0  # only the first member's loss counts
            return evaluation.outcome(value)
        except BaseException as error:  # noqa: BLE001 (a loss, and what it returns, may raise anything)
            return self.failure(error)

    def failure(self, error: BaseException) -> Outcome:
        """Return the outcome of an exception, with its traceback; in a process that the loss forked, end that.

        Raises:
            KeyboardInterrupt: It is one, raised in the rank and not in a child.
        """
        self._end_fork(error)
        if isinstance(error, KeyboardInterrupt) and not self._in_child:
            raise error
        if isinstance(error, NoNumber):
            return Outcome.failure(Status.INVALID, str(error))
        self._failures += 1
        status = Status.MEMORY if isinstance(error, MemoryError) else Status.ERROR
        return Outcome.failure(status, _shown(error, whole=self._failures <= _FULL_TRACEBACKS))

    def _end_fork(self, error: BaseException | None = None) -> None:
        """End this process where the loss forked it, with the exception that it raised, if any."""
        if self._process.pid != self._pid:
            forks.leave(None if error is None else error.with_traceback(_without_own_frames(error.__traceback__)))


def _awaited(value: Coroutine[Any, Any, Any] | AsyncGenerator[Any]) -> Any:
    """Return what an ordinary function's coroutine returns, or the steps of its asynchronous generator."""
    return steps_of(value) if isinstance(value, AsyncGenerator) else result_of(value)


def _drive(steps: Generator[Any, Any, Any], evaluation: Evaluation) -> Any:
    """Report the intermediate losses that a generator yields, and return what it returns.

    Where it is stopped, it is closed and the result is None.
    """
    try:
        while not evaluation.report(next(steps)):
            pass
    except StopIteration as end:
        return end.value
    finally:
        steps.close()
    return None


def _leave_process_group() -> None:
    """Destroy the process group of torch.distributed that a loss left: the team's other members wait for that."""
    distributed: Any = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()
    gc.collect()


def _shown(error: BaseException, *, whole: bool) -> str:
    """Return an exception as text, with its traceback where the `whole` is to be shown."""
    try:
        if whole:
            trace = _without_own_frames(error.__traceback__)
            lines = traceback.format_exception(type(error), error, trace, chain=_has_short_history(error))
        else:
            lines = traceback.format_exception_only(error)
        return "".join(lines).strip()[-_LONGEST_CAUSE:]
    except BaseException as problem:  # noqa: BLE001 (a class of the user's may raise anything)
        return f"{type(error).__name__}, which cannot be shown: {type(problem).__name__}"


def _has_short_history(error: BaseException | None) -> bool:
    """Return whether the exceptions that an exception came from are few enough to be shown."""
    for _ in range(_LONGEST_HISTORY):
        if error is None:
            return True
        error = error.__cause__ or error.__context__
    return False


def _without_own_frames(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the first frames, those of this package, which say nothing about the loss."""
    package = __name__.partition(".")[0]
    while trace is not None and str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0] == package:
        trace = trace.tb_next
    return trace


CALLING = frozenset(
    function.__code__
    for function in (Call._call_with_params, Call._call_with_trial, _awaited, _drive, _leave_process_group)  # noqa: SLF001
)
"""The code that calls the loss, or ends what it left."""
