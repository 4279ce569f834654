"""Selection with several losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice

from propulate_like.population.individual import Id, Individual
from propulate_like.population.pareto import Losses, Standing, standing_of, surpasses
from propulate_like.population.population import Population, Requirements, key_of
from propulate_like.propagators.propagator import BreedingContext, Selection

# docs/decisions.md, "Several losses are ordered by the first"
_NEWEST = 64  # arrivals that are read one by one; where more are new, the whole population is read
_HOLDS = 2  # size of the archive, as a multiple of the number selected


class SelectPareto(Selection):
    """Pareto selection: the individuals that the fewest others dominate, by crowding distance among equals.

    A feasible individual dominates every infeasible one, and among these that with the lower violation dominates.

    The rank is that of Fonseca and Fleming 1993, Genetic algorithms for multiobjective optimization, section 3.1; the
    crowding distance is that of Deb et al. 2002, A fast and elitist multiobjective genetic algorithm: NSGA-II, section
    III-B. An archive keeps the best 2 * `count` individuals so far, except those that left the population. It has one
    of equal losses; where it has fewer than `count`, others of the population are selected too.

    Args:
        count: The number of individuals, at least 1.
    """

    def __init__(self, count: int) -> None:
        """Check the argument.

        Raises:
            ValueError: `count` is below 1.
        """
        super().__init__(count)
        self.requirements: Requirements = Requirements(everything=True, arrivals=_NEWEST)
        self._archive, self._read = _Archive(_HOLDS * count), -_NEWEST

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        archive = self._archive
        if not isinstance(individuals, Population):
            archive = _Archive(len(individuals))
            archive.add(individuals)
            return self._filled(archive.best(self.count), individuals)
        many = individuals.arrived - self._read >= _NEWEST
        archive.add(individuals if many else [one for one in individuals.arrivals(self._read) if one.has_loss])
        self._read = individuals.arrived
        if len(archive.seen) > len(individuals) and archive.left(individuals) < self.count / 2:
            archive = self._archive = _Archive(_HOLDS * self.count)
            archive.add(individuals)
        return self._filled(archive.best(self.count), individuals)

    def _filled(self, best: Sequence[Individual], individuals: Sequence[Individual]) -> Sequence[Individual]:
        """Return `count` individuals, or all where there are fewer: the best, then others in their order."""
        missing = min(self.count, len(individuals)) - len(best)
        if missing <= 0:
            return best
        chosen = {one.id for one in best}
        return [*best, *islice((one for one in individuals if one.id not in chosen), missing)]


class _Archive:
    """The best individuals so far, each with the number of other members that dominate it."""

    def __init__(self, size: int) -> None:
        self.seen: set[Id] = set()
        self._size = size
        self._members: list[Individual] = []
        self._standings: list[Standing] = []
        self._dominators: list[int] = []
        self._ranked: list[Individual] = []

    def add(self, individuals: Sequence[Individual]) -> None:
        """Add the new individuals, and drop the worst members beyond the archive's size."""
        for individual in individuals:
            if individual.id not in self.seen:
                self.seen.add(individual.id)
                if not self._enter(individual):
                    continue
                self._ranked = []
                if len(self._members) > self._size:
                    self._leave(self._order()[-1])

    def left(self, population: Population) -> float:
        """Remove the members that left the population.

        Returns:
            The number of members left, or infinity where none was removed.
        """
        gone = [place for place, one in enumerate(self._members) if not population.ranks(key_of(one))]
        for position in reversed(gone):
            self._leave(position)
            self._ranked = []
        return len(self._members) if gone else math.inf

    def best(self, count: int) -> Sequence[Individual]:
        """Return the `count` best members, best first."""
        if not self._ranked:
            self._ranked = [self._members[position] for position in self._order()]
        return self._ranked[:count]

    def _enter(self, individual: Individual) -> bool:
        """Add an individual, and return whether it was added.

        It is not where a member has equal losses, or where the archive is full and each member has fewer dominators.
        """
        standing = standing_of(individual)
        if standing in self._standings:  # most likely the same point, of which one is enough to breed from
            return False
        dominators = sum(surpasses(others, standing) for others in self._standings)
        if len(self._members) == self._size and dominators > max(self._dominators):
            return False  # it dominates no member, as such a member would have even more dominators
        for position, others in enumerate(self._standings):
            self._dominators[position] += surpasses(standing, others)
        self._members.append(individual)
        self._standings.append(standing)
        self._dominators.append(dominators)
        return True

    def _leave(self, position: int) -> None:
        """Remove the member at a position."""
        standing = self._standings.pop(position)
        del self._members[position], self._dominators[position]
        for other, others in enumerate(self._standings):
            self._dominators[other] -= surpasses(standing, others)

    def _order(self) -> list[int]:
        """Return the members' positions, best first: by the number of dominators, then by crowding distance."""
        room = [0.0] * len(self._members)
        losses = [losses for _, losses in self._standings]
        ranks: dict[int, list[int]] = {}
        for position, dominators in enumerate(self._dominators):
            ranks.setdefault(dominators, []).append(position)
        for positions in ranks.values():
            _measure(room, positions, losses)
        return sorted(range(len(room)), key=lambda position: (self._dominators[position], -room[position]))


def _measure(room: list[float], positions: list[int], losses: Sequence[Losses]) -> None:
    """Add the crowding distances of some members to `room`.

    The distance is the sum over the losses of the gap between the next lower and the next higher member, as a share of
    the range; it is infinite for the extreme members.

    Args:
        room: The crowding distance of each member, which is changed.
        positions: The positions of the members that are compared.
        losses: The losses of all members.
    """
    for loss in range(len(losses[0])):
        positions.sort(key=lambda position: losses[position][loss])
        lowest, highest = losses[positions[0]][loss], losses[positions[-1]][loss]
        room[positions[0]] = room[positions[-1]] = math.inf
        span = highest - lowest
        if not 0.0 < span < math.inf:
            continue
        for before, position, after in zip(positions, positions[1:], positions[2:]):
            room[position] += (losses[after][loss] - losses[before][loss]) / span
