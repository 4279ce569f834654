"""Retries of evaluations whose failure may not occur again."""

from __future__ import annotations

import math

from propulate_like.evaluation.context import RESTARTED, Evaluator, Report, TeamContext, WrappingEvaluator
from propulate_like.evaluation.energy import added
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import Status


class RetryingEvaluator(WrappingEvaluator):
    """An evaluator that repeats failed evaluations."""

    def __init__(self, evaluator: Evaluator, retries: int, statuses: frozenset[Status], *, metered: bool) -> None:
        """Wrap an evaluator.

        Args:
            evaluator: The evaluator.
            retries: The largest number of repetitions.
            statuses: The statuses of outcomes after which an evaluation is repeated.
            metered: Whether outcomes have energy metrics, whose joules are to be added.
        """
        super().__init__(evaluator)
        self._retries, self._statuses, self._metered = retries, statuses, metered

    def __call__(self, individual: Individual, report: Report, team: TeamContext | None = None) -> Individual:
        """Return the individual with the last attempt's outcome, and the total seconds and joules of all attempts."""
        evaluated = self._evaluator(individual, report, team)
        while evaluated.status in self._statuses and evaluated.attempts <= self._retries:
            report(RESTARTED, math.nan)
            again = self._evaluator(individual, report, team)
            evaluated = again.with_outcome(
                seconds=evaluated.seconds + again.seconds,
                metrics=added(again.metrics, evaluated.metrics) if self._metered else again.metrics,
                attempts=evaluated.attempts + 1,
            )
        return evaluated
