"""Measuring around an evaluation: its energy, and a metric in place of the loss."""

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


class MeteredEvaluator(WrappingEvaluator):
    """Adds the joules of each evaluation to its metrics, as far as there are sensors."""

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
        """Look at counters that begin again from 0 now and then, from a thread that is gone at the end."""
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
    """Minimizes (or maximizes, with the sign -1) a metric in place of the loss, which becomes the metric "loss"."""

    def __init__(self, evaluator: Evaluator, metric: str, sign: float) -> None:
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
            outcome = Outcome.of(evaluated.metrics[self._metric])
        if outcome.status is Status.OK:
            loss, status = self._sign * outcome.loss, evaluated.status
            outcome = Outcome(status, loss, metrics=metrics, attempts=evaluated.attempts)
        return evaluated.evaluated(outcome.timed(evaluated.seconds, evaluated.ended))
