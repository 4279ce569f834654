"""Selection where there are several losses."""

from __future__ import annotations

import math
from collections.abc import Sequence

from propulate_like.population.individual import Id, Individual
from propulate_like.population.pareto import Losses, dominates, losses_of
from propulate_like.population.population import Population, Requirements, key_of
from propulate_like.propagators.propagator import BreedingContext, Selection

# docs/decisions.md, "Several losses are ordered by the first"
_NEWEST = 64  # arrivals: where more are new, all that is known is looked at
_HOLDS = 2  # times as many as are selected


class SelectPareto(Selection):
    """The `count` that the fewest others dominate, and of those, the ones with the most room around them.

    The rank is that of Fonseca and Fleming 1993, Genetic algorithms for multiobjective optimization, section 3.1; the
    room is the crowding distance of Deb et al. 2002, A fast and elitist multiobjective genetic algorithm: NSGA-II,
    section III-B. Of what it is given over time it remembers twice as many, the best first, but for those that left.
    """

    def __init__(self, count: int) -> None:
        """ValueError where `count` is below 1."""
        super().__init__(count)
        self.requirements: Requirements = Requirements(everything=True, arrivals=_NEWEST)
        self._archive, self._read = _Archive(_HOLDS * count), -_NEWEST

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        archive = self._archive
        if not isinstance(individuals, Population):
            archive = _Archive(len(individuals))
            archive.add(individuals)
            return archive.best(self.count)
        many = individuals.arrived - self._read >= _NEWEST
        archive.add(individuals if many else [one for one in individuals.arrivals(self._read) if one.has_loss])
        self._read = individuals.arrived
        if len(archive.seen) > len(individuals) and archive.left(individuals) < self.count / 2:
            archive = self._archive = _Archive(_HOLDS * self.count)
            archive.add(individuals)
        return archive.best(self.count)


class _Archive:
    """The best individuals so far, and by how many of each other they are dominated."""

    def __init__(self, size: int) -> None:
        self.seen: set[Id] = set()
        self._size = size
        self._members: list[Individual] = []
        self._losses: list[Losses] = []
        self._dominators: list[int] = []
        self._ranked: list[Individual] = []

    def add(self, individuals: Sequence[Individual]) -> None:
        """Take in those that are new."""
        for individual in individuals:
            if individual.id not in self.seen:
                self.seen.add(individual.id)
                if not self._enter(individual):
                    continue
                self._ranked = []
                if len(self._members) > self._size:
                    self._leave(self._order()[-1])

    def left(self, population: Population) -> float:
        """Forget those that live in the population no more; return how many are left, if any was forgotten."""
        gone = [place for place, one in enumerate(self._members) if not population.ranks(key_of(one))]
        for position in reversed(gone):
            self._leave(position)
            self._ranked = []
        return len(self._members) if gone else math.inf

    def best(self, count: int) -> Sequence[Individual]:
        """Return the `count` best, best first."""
        if not self._ranked:
            self._ranked = [self._members[position] for position in self._order()]
        return self._ranked[:count]

    def _enter(self, individual: Individual) -> bool:
        """Take it in, unless one with its losses is there, or all places are taken and none is dominated by as many."""
        losses = losses_of(individual)
        if losses in self._losses:  # the same point, most likely: one of them is enough to breed from
            return False
        dominators = sum(dominates(others, losses) for others in self._losses)
        if len(self._members) == self._size and dominators > max(self._dominators):
            return False  # it dominates none: those would be dominated by still more
        for position, others in enumerate(self._losses):
            self._dominators[position] += dominates(losses, others)
        self._members.append(individual)
        self._losses.append(losses)
        self._dominators.append(dominators)
        return True

    def _leave(self, position: int) -> None:
        losses = self._losses.pop(position)
        del self._members[position], self._dominators[position]
        for other, others in enumerate(self._losses):
            self._dominators[other] -= dominates(losses, others)

    def _order(self) -> list[int]:
        """Return the members' positions, best first: among those dominated by as many, the one with most room."""
        room = [0.0] * len(self._members)
        ranks: dict[int, list[int]] = {}
        for position, dominators in enumerate(self._dominators):
            ranks.setdefault(dominators, []).append(position)
        for positions in ranks.values():
            _measure(room, positions, self._losses)
        return sorted(range(len(room)), key=lambda position: (self._dominators[position], -room[position]))


def _measure(room: list[float], positions: list[int], losses: Sequence[Losses]) -> None:
    """Add up, over the losses, how far apart the next lower and the next higher one are, as a share of the range."""
    for loss in range(len(losses[0])):
        positions.sort(key=lambda position: losses[position][loss])
        lowest, highest = losses[positions[0]][loss], losses[positions[-1]][loss]
        room[positions[0]] = room[positions[-1]] = math.inf
        span = highest - lowest
        if not 0.0 < span < math.inf:
            continue
        for before, position, after in zip(positions, positions[1:], positions[2:]):
            room[position] += (losses[after][loss] - losses[before][loss]) / span
