"""The population of an island that individuals may leave, and the individuals that this rank owns."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

import msgspec

from propulate_like.population.individual import Id, Individual
from propulate_like.population.population import LAST, Key, Population, Requirements, key_of

REPLACED = (1 << 32) - 1
"""The `moves` of an individual that was replaced: none is higher, so it never returns to this island."""
_OWNED_AT_MOST = 1024
"""The least number of owned individuals that a rank keeps in memory where individuals leave their island."""
# docs/decisions.md, "One rank owns each individual"
_GONE = 1 << 16
"""The number of departures that are kept: far more than can be under way at once."""


class MigratingPopulation(Population):
    """A population whose best stay known to every rank of the island while individuals leave it.

    One rank of the island owns each individual: the rank that evaluated or received it. Only the owner may send it to
    another island, so it cannot leave twice. An individual's `moves` count its migrations: of two messages about it,
    the one with more moves is the later, in whatever order they arrive.

    When an individual leaves, those behind it move up, and every rank must know which come next. So ranks keep and
    publish a `reserve` behind the best that propagators read. A rank publishes an owned individual again when it
    resurfaces: when it moves up from so far behind that other ranks may have dropped it. This is exact as long as less
    than a quarter of the reserve leaves while a message is under way. No individual leaves a rank that holds only as
    many as it needs itself. The reasons are in docs/decisions.md, "A reserve behind the best".
    """

    def __init__(self, requirements: Requirements, reserve: int = 0) -> None:
        self._reserve = reserve
        self._owned = Population(Requirements())
        self._adapted: Callable[[Individual], Individual] | None = None
        super().__init__(requirements)
        self._published: set[Id] = set()
        self._gone: dict[Id, int] = {}

    def keep(self, requirements: Requirements) -> None:
        reserve = self._reserve
        super().keep(msgspec.structs.replace(requirements, best=requirements.best + reserve))
        self._comes_forward, self._fades = requirements.best + reserve // 4, requirements.best + reserve // 2
        self._leaving = reserve > 0 and not requirements.everything
        kept = max(4 * self.requirements.best, _OWNED_AT_MOST) if reserve else requirements.best
        self._owned.keep(Requirements(kept, everything=requirements.everything))

    def adapt(self, adapted: Callable[[Individual], Individual]) -> None:
        """Keep all but the owned individuals in terms of another space: these leave as they were evaluated."""
        super().adapt(adapted)
        self._adapted = adapted

    @property
    def owned(self) -> Sequence[Individual]:
        """The individuals that this rank owns and has in memory, best first."""
        return self._owned

    @property
    def may_spare(self) -> bool:
        """Whether an owned individual may leave: the island's best cannot include one that memory does not hold."""
        return not self._leaving or self._owned.whole or len(self._owned) > self._capacity

    def restore(self, individuals: Sequence[Individual], mine: slice, *, whole: bool) -> None:
        """Begin with the best of this island, which may not be the `whole` of it, and own the slice `mine` of them."""
        for individual in individuals[mine]:
            self.claim(individual)
        if not whole and individuals:
            self._owned.bound(individuals[-1].order)
        for individual in individuals:
            self.add(individual)

    def claim(self, individual: Individual) -> bool:
        """Own an individual; return False where it has left already, or this rank owns it."""
        if self._gone.get(individual.id, -1) >= individual.moves:
            return False
        known = self._owned.discard(key_of(individual))
        newer = known is None or known.moves < individual.moves
        self._owned.add(individual if newer or known is None else known)
        return newer

    def add(self, individual: Individual) -> bool:
        """Add an individual, unless it has left, and return whether other ranks may need it."""
        ident = individual.id
        if self._gone and self._gone.get(ident, -1) >= individual.moves:
            return False
        key = key_of(individual)
        before = self.discard(key) if individual.moves else None
        if before is not None and before.moves >= individual.moves:
            super().add(before)
            return False
        new = bool(self._recent.maxlen) and all(ident != other.id for other in self._recent)
        kept = super().add(individual)
        if not self._leaving:
            return kept
        if len(self) > self._fades:
            self._published.discard(self[self._fades].id)
        if kept and self._owned.ranks(key):
            if bisect_left(self._keys, key) >= self._fades:
                return new
            self._published.add(ident)
        return kept

    def leave(self, individual: Individual, moves: int | None = None) -> None:
        """Let an owned individual leave."""
        self.retire(individual.id, key_of(individual), individual.moves if moves is None else moves)

    def retire(self, ident: Id, key: Key, moves: int) -> bool:
        """Note that the individual with this key left after this number of moves; return False where that was known."""
        if self._gone.get(ident, -1) >= moves:
            return False
        self._gone.pop(ident, None)
        self._gone[ident] = moves
        if len(self._gone) > _GONE:
            del self._gone[next(iter(self._gone))]
        for population in (self, self._owned):
            stays = population.discard(key)
            if stays is not None and stays.moves > moves:
                Population.add(population, stays)
            elif population is self:
                self.forget(ident, moves)
                self._limit_to(LAST)
        self._published.discard(ident)
        return True

    def resurfaced(self) -> list[Individual]:
        """Return those this rank owns that resurfaced as others left: other ranks may have forgotten them."""
        if not self._leaving:
            return []
        candidates = []
        if len(self) < self._capacity and len(self._owned) > 0:
            behind = bisect_right(self._owned.keys, self._keys[-1]) if self._keys else 0
            candidates = list(self._owned[behind : behind + int(self._capacity) - len(self)])
            for one in candidates:
                super().add(one if self._adapted is None else self._adapted(one))
        candidates = [one for one in candidates if bisect_left(self._keys, key_of(one)) < self._comes_forward]
        if len(self) >= self._comes_forward:
            candidates.append(self[self._comes_forward - 1])
        unpublished = [one for one in candidates if one.id not in self._published]
        resurfaced = [found for one in unpublished if (found := self._owned.find(key_of(one))) is not None]
        self._published.update(one.id for one in resurfaced)
        return resurfaced
