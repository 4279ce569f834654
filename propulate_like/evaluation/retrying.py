"""Trying an evaluation again where it failed in a way that may have been bad luck."""

from __future__ import annotations

from propulate_like.evaluation.context import Evaluator, Report, TeamContext, WrappingEvaluator
from propulate_like.evaluation.energy import added
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import Status


class RetryingEvaluator(WrappingEvaluator):
    """Evaluates up to `retries` times more, while the outcome's status is one of `statuses`."""

    def __init__(self, evaluator: Evaluator, retries: int, statuses: frozenset[Status], *, metered: bool) -> None:
        """`metered` says whether evaluations have metrics of their joules."""
        super().__init__(evaluator)
        self._retries, self._statuses, self._metered = retries, statuses, metered

    def __call__(self, individual: Individual, report: Report, team: TeamContext | None = None) -> Individual:
        """Return the last attempt's outcome, with the seconds and joules of all of them together."""
        evaluated = self._evaluator(individual, report, team)
        while evaluated.status in self._statuses and evaluated.attempts <= self._retries:
            again = self._evaluator(individual, report, team)
            evaluated = again.with_outcome(
                seconds=evaluated.seconds + again.seconds,
                metrics=added(again.metrics, evaluated.metrics) if self._metered else again.metrics,
                attempts=evaluated.attempts + 1,
            )
        return evaluated
