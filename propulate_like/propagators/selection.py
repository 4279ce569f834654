"""Selection of parents among the known individuals."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from random import Random

from propulate_like.foundation import declarations
from propulate_like.population.individual import Individual
from propulate_like.population.population import Population, Requirements
from propulate_like.propagators.propagator import Arity, BreedingContext, Selection


class SelectBest(Selection):
    """Truncation selection: the individuals with the lowest losses, best first, and feasible ones before others.

    Args:
        count: The number of individuals, at least 1.
    """

    by_loss = True

    def __init__(self, count: int) -> None:
        """Check the argument.

        Raises:
            ValueError: `count` is below 1.
        """
        super().__init__(count)
        self.requirements: Requirements = Requirements(best=count)

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        if isinstance(individuals, Population):
            return individuals.best(self.count)
        return heapq.nsmallest(self.count, individuals, key=_merit)


class SelectWorst(Selection):
    """Selection of the individuals with the highest losses, worst first, and infeasible ones before others.

    Args:
        count: The number of individuals, at least 1.
    """

    by_loss = True

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        return heapq.nlargest(self.count, individuals, key=_merit)


class SelectRandom(Selection):
    """Uniform random selection of distinct individuals.

    Args:
        count: The number of individuals, at least 1.
    """

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
    """Tournament selection: each winner is the best of some individuals drawn at random. Winners may repeat.

    Miller and Goldberg 1995, Genetic algorithms, tournament selection, and the effects of noise.

    Args:
        count: The number of winners, at least 1.
        size: The number of individuals in a tournament, at least 1.
    """

    by_loss = True

    def __init__(self, count: int, size: int = 2) -> None:
        """Check the arguments.

        Raises:
            ValueError: `count` or `size` is below 1.
        """
        super().__init__(count)
        self.takes: Arity = (1, None)
        self.size: int = declarations.whole("size", size, 1)

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        random, known = breeding.generator.random, len(individuals)
        return [
            min((individuals[int(random() * known)] for _ in range(self.size)), key=_merit) for _ in range(self.count)
        ]


class SelectRanked(Selection):
    """Exponential ranking selection of distinct individuals.

    The individual of rank r (0 is the best) of n is drawn with a probability in proportion to p**(r / n), where p is
    the `pressure`. Blickle and Thiele 1996, A comparison of selection schemes, section 6.

    Args:
        count: The number of individuals, at least 1.
        among: The number of best individuals of a population from which it selects, at least `count`.
        pressure: p, in (0, 1]. With 1, all are equally likely; with 0.01, the last is a hundred times rarer than the
            first.
    """

    by_loss = True

    def __init__(self, count: int, among: int = 64, pressure: float = 0.05) -> None:
        """Check the arguments.

        Raises:
            ValueError: `count` is below 1 or above `among`, or `pressure` is not in (0, 1].
        """
        super().__init__(count)
        self.among: int = declarations.whole("among", among, count)
        self.pressure: float = declarations.number("pressure", pressure, 0.0, 1.0, above=True)
        self.requirements: Requirements = Requirements(best=among)

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        if isinstance(individuals, Population):
            ranked = individuals.best(self.among)
        else:
            ranked = heapq.nsmallest(self.among, individuals, key=_merit)
        size = len(ranked)
        chosen: list[int] = []
        while len(chosen) < self.count:
            rank = self._draw(size, breeding.generator)
            if rank not in chosen:
                chosen.append(rank)
        return [ranked[rank] for rank in chosen]

    def _draw(self, size: int, generator: Random) -> int:
        """Draw a rank below `size`, by the inverse distribution function of the truncated exponential."""
        if self.pressure == 1.0:
            return int(generator.random() * size)
        share = exponential_rank(generator.random(), self.pressure)
        return min(int(share * size), size - 1)


def exponential_rank(uniform: float, pressure: float) -> float:
    """Return the number x in [0, 1) with density in proportion to pressure**x that a uniform number stands for."""
    return math.log(1.0 - uniform * (1.0 - pressure)) / math.log(pressure)


def _merit(individual: Individual) -> float:
    """Return what individuals are compared by: the loss where they are feasible."""
    outcome = individual.outcome
    return outcome.merit if outcome.constraints else outcome.loss
