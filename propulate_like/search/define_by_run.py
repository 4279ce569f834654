"""Define-by-run: searching a space that is known only from what evaluations have asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from propulate_like.population.duplicates import EXPENSIVE_SECONDS, REMEMBERED, DuplicateMemory
from propulate_like.population.individual import Individual
from propulate_like.population.learned_space import LearnedSpace
from propulate_like.search.breeder import Breeder


class SpaceLearner:
    """Stands between what was evaluated and those who breed, who know individuals of one space alone.

    As the space grows, they begin anew in it, with all that is known told in its terms (see `LearnedSpace`).
    """

    def __init__(self, breeder: Breeder, memory: DuplicateMemory) -> None:
        """Know of no parameter; `breeder` and `memory` go on in each space that is learned."""
        self._breeder, self._memory = breeder, memory
        self._learned = LearnedSpace()
        self._evaluated: deque[Individual] = deque(maxlen=REMEMBERED)

    def adapted(self, individual: Individual) -> Individual:
        """Learn the space that an individual asked for, and return it as one of the space that is known."""
        learned = self._learned
        if learned.add(individual):
            own = {one.id: one for one in self._evaluated}  # which may have what the space left out until now
            self._breeder.move(learned.space, lambda one: learned.adapt(own.get(one.id, one)))
            self._memory.begin(learned.space)
            for one in self._evaluated:
                self._memory.add(learned.adapt(one).genome, note=one.seconds >= EXPENSIVE_SECONDS)
        self._evaluated.append(individual)
        return learned.adapt(individual)

    def as_evaluated(self, individuals: Sequence[Individual]) -> Sequence[Individual]:
        """Return individuals in the spaces that they asked for, but for some from very long ago."""
        own = {one.id: one for one in self._evaluated}
        return [own.get(one.id, one) for one in individuals]
