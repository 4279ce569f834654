"""Selection: which of the known individuals become parents."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from operator import attrgetter
from random import Random

from propulate_like.foundation import declarations
from propulate_like.population.individual import Individual
from propulate_like.population.population import Population, Requirements
from propulate_like.propagators.propagator import Arity, BreedingContext, Selection

_LOSS = attrgetter("loss")


class SelectBest(Selection):
    """The `count` with the lowest losses, best first (truncation selection)."""

    by_loss = True

    def __init__(self, count: int) -> None:
        """ValueError where `count` is below 1."""
        super().__init__(count)
        self.requirements: Requirements = Requirements(best=count)

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        if isinstance(individuals, Population):
            return individuals.best(self.count)
        return heapq.nsmallest(self.count, individuals, key=_LOSS)


class SelectWorst(Selection):
    """The `count` with the highest losses, worst first."""

    by_loss = True

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        return heapq.nlargest(self.count, individuals, key=_LOSS)


class SelectRandom(Selection):
    """`count` different individuals, each equally likely."""

    def __init__(self, count: int) -> None:
        """ValueError where `count` is below 1."""
        super().__init__(count)
        self.takes: Arity = (count, None)

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        size, count = len(individuals), self.count
        random = breeding.generator.random
        if count == 1:
            return [individuals[int(random() * size)]]
        if count == 2:  # noqa: PLR2004 (the usual case, and several times faster than sampling)
            one, other = int(random() * size), int(random() * (size - 1))
            return [individuals[one], individuals[other + (other >= one)]]
        return breeding.generator.sample(individuals, count)


class SelectTournament(Selection):
    """`count` winners of tournaments; in each, the best of `size` drawn at random wins. Winners may repeat.

    Miller and Goldberg 1995, Genetic algorithms, tournament selection, and the effects of noise.
    """

    by_loss = True

    def __init__(self, count: int, size: int = 2) -> None:
        """ValueError where `count` or `size` is below 1."""
        super().__init__(count)
        self.size: int = declarations.whole("size", size, 1)

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        random, known = breeding.generator.random, len(individuals)
        return [
            min((individuals[int(random() * known)] for _ in range(self.size)), key=_LOSS) for _ in range(self.count)
        ]


class SelectRanked(Selection):
    """`count` different individuals, where the one of rank r (0 the best) of n is drawn in proportion to p**(r / n).

    With `pressure` p = 1 all are equally likely; with p = 0.01 the last is a hundred times rarer than the first.
    Exponential ranking, as in Blickle and Thiele 1996, A comparison of selection schemes, section 6. Of a population,
    it reads the best `among`.
    """

    by_loss = True

    def __init__(self, count: int, among: int = 64, pressure: float = 0.05) -> None:
        """ValueError where `count` is below 1 or above `among`, or `pressure` is not in (0, 1]."""
        super().__init__(count)
        self.among: int = declarations.whole("among", among, count)
        self.pressure: float = declarations.number("pressure", pressure, 0.0, 1.0, above=True)
        self.requirements: Requirements = Requirements(best=among)
        self.takes: Arity = (count, None)

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        if isinstance(individuals, Population):
            ranked = individuals.best(self.among)
        else:
            ranked = heapq.nsmallest(self.among, individuals, key=_LOSS)
        size = len(ranked)
        chosen: list[int] = []
        while len(chosen) < self.count:
            rank = self._draw(size, breeding.generator)
            if rank not in chosen:
                chosen.append(rank)
        return [ranked[rank] for rank in chosen]

    def _draw(self, size: int, generator: Random) -> int:
        """Invert the distribution function of the truncated exponential over the ranks."""
        if self.pressure == 1.0:
            return int(generator.random() * size)
        share = exponential_rank(generator.random(), self.pressure)
        return min(int(share * size), size - 1)


def exponential_rank(uniform: float, pressure: float) -> float:
    """Turn a uniform number into one in [0, 1) with density in proportion to pressure**x."""
    return math.log(1.0 - uniform * (1.0 - pressure)) / math.log(pressure)
