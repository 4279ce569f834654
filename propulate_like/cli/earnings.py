"""Earnings: how many individuals each propagator has bred, and how good they are."""

from __future__ import annotations

import math
from typing import NamedTuple

from propulate_like.population.individual import Individual, Order
from propulate_like.population.population import LAST


class Earning(NamedTuple):
    """The earnings of one propagator.

    Attributes:
        evaluations: The number of individuals that it bred.
        improvements: The number of those that were the best of all when their evaluation ended.
        best: The lowest loss of its feasible individuals, or infinity.
    """

    evaluations: int
    improvements: int
    best: float


class Earnings:
    """A count of earnings over a run's journals, each rank's read in its order."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._bests: dict[str, float] = {}
        self._lowest: dict[int, Order] = {}
        self._candidates: list[tuple[float, Order, str]] = []  # each the best of its rank when it ended

    def add(self, rank: int, individual: Individual) -> None:
        """Count the next evaluated individual of a rank."""
        origin = individual.origin
        self._counts[origin] = self._counts.get(origin, 0) + 1
        if not individual.has_loss:
            return
        if individual.feasible:
            self._bests[origin] = min(self._bests.get(origin, math.inf), individual.loss)
        if rank not in self._lowest or individual.order < self._lowest[rank]:
            self._lowest[rank] = individual.order
            self._candidates.append((individual.ended, individual.order, origin))

    def table(self) -> dict[str, Earning]:
        """Return the earnings of each origin, the one with the most individuals first."""
        improvements = dict.fromkeys(self._counts, 0)
        lowest = LAST
        for _, order, origin in sorted(self._candidates):
            if order < lowest:
                lowest = order
                improvements[origin] += 1
        return {
            origin: Earning(count, improvements[origin], self._bests.get(origin, math.inf))
            for origin, count in sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        }
