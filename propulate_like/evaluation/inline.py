"""Evaluation in the rank's own process: everything that the loss does, short of ending the process, is an outcome."""

from __future__ import annotations

import math
import os
from time import perf_counter  # itself, as a loss may replace `time.perf_counter`
from types import FrameType

from propulate_like.evaluation.calling import CALLING, Call
from propulate_like.evaluation.context import Evaluation, Report, Tasks, TeamContext
from propulate_like.evaluation.suspension import Suspension
from propulate_like.foundation import forks
from propulate_like.foundation.clock import epoch
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import OK, Outcome

_WITHIN = {"propulate_like.evaluation.asynchronous", "propulate_like.parallel.transport.mpi_team"}
"""The modules of this package that only a loss runs."""


class InlineEvaluator:
    """An evaluator that calls the loss in this process.

    Any exception that the loss raises, SystemExit included, becomes a failure; only KeyboardInterrupt passes through.
    An evaluation that was interrupted has no outcome, whatever the loss makes of KeyboardInterrupt.
    """

    def __init__(self, call: Call, tasks: Tasks) -> None:
        self._call, self._tasks = call, tasks
        self._loss, self._by_name = call.loss, call.by_name
        self._plain = call.plain and not call.asks and call.shaped is None
        self._sign = call.signs[0]
        self._single = len(call.signs) == 1
        self._process, self._pid = forks.current, forks.current.pid
        self._epoch = epoch()
        self._interrupted = False
        self._suspension = Suspension()
        self._to_suspend = self._suspension.needed

    def __call__(self, individual: Individual, report: Report, team: TeamContext | None = None) -> Individual:
        """Return the individual with its outcome, which has the duration and the end of the evaluation.

        Raises:
            KeyboardInterrupt: The evaluation was interrupted.
        """
        if self._suspension.holds:
            self._suspension.end()
        try:
            return self._evaluated(individual, report, team)
        finally:
            if self._to_suspend():
                self._suspension.begin()

    def _evaluated(self, individual: Individual, report: Report, team: TeamContext | None) -> Individual:
        """Return the individual with its outcome."""
        loss, call = self._loss, self._call
        self._interrupted = False
        candidate = individual.candidate
        params = candidate.space.decode(candidate.genome)
        began = perf_counter()
        if self._plain and team is None:
            try:
                value = loss(**params) if self._by_name else loss(params)
            except BaseException as error:  # noqa: BLE001 (a loss may raise anything)
                outcome = call.failure(error)
            else:
                if self._process.pid != self._pid:
                    forks.leave()
                if type(value) is float and self._single and -math.inf < value < math.inf and not self._interrupted:
                    ended = perf_counter()  # the usual case, which is several times faster on its own
                    outcome = Outcome(OK, self._sign * value, ended - began, self._epoch + ended)
                    return Individual(candidate, outcome)
                context = Evaluation(self._tasks.of(individual), self._guarded(report), call.signs)
                outcome = call.finish(value, context)
        else:
            environment, comm = (team.environment, team.comm) if team else ({}, None)
            os.environ.update(environment)
            outcome = call(params, self._tasks.of(individual, environment), self._guarded(report), comm)
        if self._interrupted:
            raise KeyboardInterrupt
        ended = perf_counter()
        return individual.evaluated(outcome.timed(ended - began, self._epoch + ended))

    def interrupt(self, frame: FrameType | None) -> bool:
        """Interrupt the loss, but never this package's own code, which could lose an outcome.

        Args:
            frame: The frame that the signal interrupted, or None where a search within the loss hands an interrupt on.

        Returns:
            False where the package's own code runs.

        Raises:
            KeyboardInterrupt: The loss runs.
        """
        if frame is not None and not _within_loss(frame):
            return False
        self._interrupted = True
        raise KeyboardInterrupt

    def _guarded(self, report: Report) -> Report:
        """Return a report that ends an evaluation which was interrupted, and goes on all the same."""

        def guarded(step: int, loss: float) -> bool:
            if self._interrupted:
                raise KeyboardInterrupt
            return report(step, loss)

        return guarded

    def close(self) -> None:
        """Restore what the loss has left running, for whatever it is meant."""
        if self._suspension.holds:
            self._suspension.end()


_CALLING = InlineEvaluator._evaluated.__code__  # noqa: SLF001


def _within_loss(frame: FrameType | None) -> bool:
    """Return whether a frame is of the loss, or of what the loss called, but not of this package's own code."""
    called = False
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("propulate_like.") and module not in _WITHIN:
            return called and (frame.f_code in CALLING or frame.f_code is _CALLING)
        called, frame = True, frame.f_back
    return False
