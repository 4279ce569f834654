"""Earnings: what each propagator has bred, and what came of it."""

from __future__ import annotations

import math
from typing import NamedTuple

from propulate_like.population.individual import Individual


class Earning(NamedTuple):
    """How many individuals were bred so, how many of them were the best of all when they ended, and the best loss."""

    evaluations: int
    improvements: int
    best: float


class Earnings:
    """Counts them over a run's journals, of which each rank's is in order."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._bests: dict[str, float] = {}
        self._lowest: dict[int, tuple[int, float]] = {}
        self._candidates: list[tuple[float, tuple[int, float], str]] = []  # the best of their rank when they ended

    def add(self, rank: int, individual: Individual) -> None:
        """Take in the next evaluation of a rank."""
        origin = individual.origin
        self._counts[origin] = self._counts.get(origin, 0) + 1
        if not individual.has_loss:
            return
        self._bests[origin] = min(self._bests.get(origin, math.inf), individual.loss)
        if rank not in self._lowest or individual.order < self._lowest[rank]:
            self._lowest[rank] = individual.order
            self._candidates.append((individual.ended, individual.order, origin))

    def table(self) -> dict[str, Earning]:
        """Return what each origin has earned; the one that bred most comes first."""
        improvements = dict.fromkeys(self._counts, 0)
        lowest = (0, math.inf)
        for _, order, origin in sorted(self._candidates):
            if order < lowest:
                lowest = order
                improvements[origin] += 1
        return {
            origin: Earning(count, improvements[origin], self._bests.get(origin, math.inf))
            for origin, count in sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        }
