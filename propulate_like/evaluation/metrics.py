"""Evaluators that change metrics: they add the energy, or use a metric as the loss."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from propulate_like.evaluation.context import Evaluator, Report, TeamContext, WrappingEvaluator
from propulate_like.evaluation.energy import EnergyMeter
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import Outcome, Status

_NOT_FINITE = ("nan", "inf", "-inf")  # as metrics have it, which are JSON


class MeteredEvaluator(WrappingEvaluator):
    """An evaluator that adds the joules of each evaluation to its metrics, as far as there are sensors."""

    def __init__(self, evaluator: Evaluator, meter: EnergyMeter) -> None:
        super().__init__(evaluator)
        self._meter = meter

    def __call__(self, individual: Individual, report: Report, team: TeamContext | None = None) -> Individual:
        self._meter.begin()
        with self._ticking():
            evaluated = self._evaluator(individual, report, team)
        return evaluated.with_outcome(metrics=evaluated.metrics | self._meter.end())

    @contextmanager
    def _ticking(self) -> Iterator[None]:
        """Read counters that wrap around regularly, from a thread that ends with the context."""
        period = self._meter.period / 2
        if period == math.inf:
            yield
            return
        ended = threading.Event()

        def tick() -> None:
            while not ended.wait(period):
                self._meter.tick()

        thread = threading.Thread(target=tick, name="propulate-like energy", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


class MetricEvaluator(WrappingEvaluator):
    """An evaluator that uses a metric as the loss, and keeps the loss as the metric "loss"."""

    def __init__(self, evaluator: Evaluator, metric: str, sign: float) -> None:
        """Wrap an evaluator.

        Args:
            evaluator: The evaluator.
            metric: The metric's name.
            sign: 1 to minimize the metric, -1 to maximize it.
        """
        super().__init__(evaluator)
        self._metric, self._sign = metric, sign

    def __call__(self, individual: Individual, report: Report, team: TeamContext | None = None) -> Individual:
        evaluated = self._evaluator(individual, report, team)
        if not evaluated.has_loss:
            return evaluated
        metrics: dict[str, Any] = {**evaluated.metrics, "loss": self._sign * evaluated.loss}
        if self._metric not in evaluated.metrics:
            known = ", ".join(evaluated.metrics) or "none"
            outcome = Outcome.failure(Status.INVALID, f"there is no metric {self._metric!r}; there are: {known}")
        else:
            value = evaluated.metrics[self._metric]
            value = float(value) if value in _NOT_FINITE else value
            outcome = Outcome.of(value, f"the metric {self._metric!r} is")
        if outcome.status is Status.OK:
            loss, status = self._sign * outcome.loss, evaluated.status
            constraints = evaluated.constraints
            outcome = Outcome(status, loss, metrics=metrics, attempts=evaluated.attempts, constraints=constraints)
        return evaluated.evaluated(outcome.timed(evaluated.seconds, evaluated.ended))
