"""Summaries of evaluations: of a rank's, a session's, a run's."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Self

import msgspec

from propulate_like.population.individual import Individual, Order
from propulate_like.population.outcome import HAVE_LOSS, INFEASIBLE, OK, STOPPED, Status
from propulate_like.population.population import LAST


class Summary(msgspec.Struct, kw_only=True):
    """What evaluations came to: how many ended with which status, the best of them, and the first failure."""

    ok: int = 0
    """How many went to their end: the most frequent status, and counted fastest by itself."""
    others: dict[Status, int] = {}
    """How many ended with each other status."""
    best: Individual | None = None
    """The first in the order of individuals: where none is feasible, the one with the least violation."""
    failure: Individual | None = None

    def add(self, individual: Individual) -> None:
        """Count an individual that was evaluated, after those that ended before it.

        Of failures, and of those with the lowest loss, the first one that is added is kept.
        """
        outcome = individual.outcome
        status = outcome.status
        if status is OK:
            self.ok += 1
        else:
            self.others[status] = self.others.get(status, 0) + 1
            if status not in HAVE_LOSS:
                self.failure = self.failure or individual
                return
        if individual.beats(self.best):
            self.best = individual

    def include(self, other: Summary) -> Self:
        """Add what another summary counts, and return this one; of their failures, the one that ended first is kept."""
        self.ok += other.ok
        for status, count in other.others.items():
            self.others[status] = self.others.get(status, 0) + count
        bests = [found for found in (self.best, other.best) if found is not None]
        failures = [found for found in (self.failure, other.failure) if found is not None]
        self.best = min(bests, key=lambda found: found.precedence, default=None)
        self.failure = min(failures, key=lambda found: (found.ended, found.id), default=None)
        return self

    @classmethod
    def of(cls, parts: Iterable[Summary]) -> Summary:
        """Return the summary of what several summaries count."""
        whole = cls()
        for part in parts:
            whole.include(part)
        return whole

    @property
    def finished(self) -> int:
        """How many evaluations ended."""
        return self.ok + sum(self.others.values())

    @property
    def statuses(self) -> dict[Status, int]:
        """How many ended with each status that occurs, in the order of `Status`."""
        return {status: count for status in Status if (count := self.ok if status is OK else self.others.get(status))}

    @property
    def counts(self) -> Counts:
        """The summary in figures."""
        finished = self.finished
        failed = finished - self.ok - self.others.get(STOPPED, 0) - self.others.get(INFEASIBLE, 0)
        best = self.best
        if best is None:
            return Counts(finished, failed)
        return Counts(finished, failed, best.rung, best.loss, violation=best.violation)


class Counts(msgspec.Struct, frozen=True, array_like=True):
    """Evaluations finished and failed, and the lowest loss found (infinite: none) on the highest rung reached.

    They are of this number of `ranks`, which have given dead ranks `tickets` more than they received from them. Where
    nothing is feasible, the loss is that of the least `violation`.
    """

    finished: int = 0
    failed: int = 0
    rung: int = 0
    loss: float = math.inf
    ranks: int = 0
    tickets: int = 0
    violation: float = 0.0

    def __add__(self, other: Counts) -> Counts:
        best = min(self._best, other._best)
        return Counts(
            self.finished + other.finished,
            self.failed + other.failed,
            -best[1],
            best[2],
            self.ranks + other.ranks,
            self.tickets + other.tickets,
            best[0] if best[2] < math.inf else 0.0,
        )

    @property
    def _best(self) -> Order:
        """What the best is compared by, behind every individual where there is none."""
        return (self.violation, -self.rung, self.loss) if self.loss < math.inf else LAST
