"""The population: what one rank knows and its propagator reads."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, overload

import msgspec

from propulate_like.foundation.undisturbed import undisturbed
from propulate_like.population.individual import Id, Individual, Order

if TYPE_CHECKING:
    from propulate_like.population.training_data import TrainingData

Key = tuple[float, int, float, int, int, int]
LAST: Order = (inf, 0, inf)
"""A place in the order behind every individual."""


class Requirements(msgspec.Struct, frozen=True):
    """What a propagator reads of the population: its best `best`, its newest `recent`, or (`everything`) all of it.

    The population keeps no more than that, and a rank publishes no more than could enter it elsewhere. Of what a rank
    comes to know, the newest `training_data` are kept as arrays and the newest `arrivals` as they came, failures
    included, and nothing is published for those alone.
    """

    best: int = 0
    recent: int = 0
    everything: bool = False
    training_data: int = 0
    arrivals: int = 0

    def __or__(self, other: Requirements) -> Requirements:
        return Requirements(
            max(self.best, other.best),
            max(self.recent, other.recent),
            self.everything or other.everything,
            max(self.training_data, other.training_data),
            max(self.arrivals, other.arrivals),
        )


MODELED = Requirements(best=10_000, training_data=10_000)
"""What models of the loss read: more would teach them little."""


class Population(Sequence[Individual]):
    """The successfully evaluated individuals that a rank knows, as far as they are read: best first.

    Individuals are ordered by violation of constraints, the feasible ones first, then by rung, the higher one first,
    then by loss, and among equal losses the later one comes first, so that a search may drift over a plateau. The order
    is total: what a rank keeps does not depend on the order in which they arrived. One that was promoted takes the
    place of the one that it continues.
    """

    def __init__(self, requirements: Requirements) -> None:
        self._training_data: TrainingData | None = None
        self._forgotten = 0  # points
        self._failed: deque[Individual] = deque()  # as many as there may be points
        self._arrivals: deque[Individual] = deque()
        self.arrived: int = 0
        self._keys: list[Key] = []
        self._ranked: list[Individual] = []
        self._recent: deque[Individual] = deque()
        self._limit: Order = LAST  # what comes after it is not kept
        self._highest = inf  # loss of what may be kept on the lowest rung: the limit, as far as the loss alone tells it
        self._lost = False  # some, when less was read
        self._superseded: set[Id] = set()
        self.keep(requirements)

    def keep(self, requirements: Requirements) -> None:
        """Keep what is read from now on, and no more."""
        self.requirements = requirements
        self._capacity = inf if requirements.everything else max(requirements.best, 1)
        self._recent = deque(self._recent, maxlen=requirements.recent)
        self._failed = deque(self._failed, maxlen=requirements.training_data)
        self._arrivals = deque(self._arrivals, maxlen=requirements.arrivals)
        self._lost |= self._limit < LAST
        if len(self._keys) > self._capacity:
            del self._keys[int(self._capacity) :], self._ranked[int(self._capacity) :]
        self._limit_to(self._keys[-1][:3] if len(self._keys) == self._capacity else LAST)
        if self._training_data is not None and not requirements.training_data:
            self._forgotten, self._training_data = self._training_data.total, None

    def add(self, individual: Individual) -> bool:
        """Take in an evaluated individual; return whether it is kept, and so may matter to others.

        It is not kept where it is known already, or where it comes after the best that are read.
        """
        if self._training_data is not None:
            self._training_data.add(individual)
        if self.requirements.arrivals:
            self._arrive(individual)
        recent = self._recent.maxlen and self._add_recent(individual)
        candidate, loss = individual.candidate, individual.outcome.loss
        if loss > self._highest and not candidate.rung:
            return bool(recent)
        if self._superseded and candidate.id in self._superseded:
            return False
        key = key_of(individual)
        if key[0] and key[:3] > self._limit:
            return bool(recent)
        keys = self._keys
        position = bisect_right(keys, key)
        if position and keys[position - 1] == key:
            return False
        keys.insert(position, key)
        self._ranked.insert(position, individual)
        if candidate.continues is not None:
            self._supersede(candidate.continues)
        if len(keys) > self._capacity:
            keys.pop()
            if self._ranked.pop() is individual:
                return bool(recent)
        if len(keys) == self._capacity:
            self._limit_to(keys[-1][:3])
        return True

    def discard(self, key: Key) -> Individual | None:
        """Forget the individual with this key, and return it; None where it is not kept."""
        found = self.find(key)
        if found is not None:
            position = bisect_left(self._keys, key)
            del self._keys[position], self._ranked[position]
        return found

    def holds(self, individual: Individual) -> bool:
        """Return whether an individual is kept: among the best, or the newest."""
        return self.ranks(key_of(individual)) or individual in self._recent

    def ranks(self, key: Key) -> bool:
        """Return whether the individual with this key is among the best that are kept."""
        return self.find(key) is not None

    def find(self, key: Key) -> Individual | None:
        """Return the individual with this key; None where it is not among the best that are kept."""
        position = bisect_left(self._keys, key)
        return self._ranked[position] if position < len(self._keys) and self._keys[position] == key else None

    @property
    def training_data(self) -> TrainingData:
        """What this rank knows as arrays, from the first time on that they are asked for."""
        return self._first_training_data() if self._training_data is None else self._training_data

    @undisturbed
    def _first_training_data(self) -> TrainingData:
        """Return what is known as arrays, and keep it where it is to be read again."""
        from propulate_like.population.training_data import TrainingData

        training_data = TrainingData(self.requirements.training_data or max(len(self), 1), self._forgotten)
        for individual in sorted((*self._failed, *self._ranked), key=lambda one: (one.id.serial, one.id.rank)):
            training_data.add(individual)
        if self.requirements.training_data:  # otherwise they are for once, until it is said that more will be read
            self._training_data = training_data
        return training_data

    def fail(self, individual: Individual) -> None:
        """Learn that an evaluation came to nothing."""
        if self._training_data is not None:
            self._training_data.add(individual)
        self._failed.append(individual)
        if self.requirements.arrivals:
            self._arrive(individual)

    def arrivals(self, after: int = 0) -> Sequence[Individual]:
        """Return those that arrived after the first `after`, of all that ever `arrived`.

        One may come more than once.
        """
        new = min(self.arrived - after, len(self._arrivals))
        return list(islice(reversed(self._arrivals), new))[::-1]

    def _arrive(self, individual: Individual) -> None:
        self._arrivals.append(individual)
        self.arrived += 1

    def adapt(self, adapted: Callable[[Individual], Individual]) -> None:
        """Keep all of them as individuals of another space; points are made anew, of those that are kept."""
        self._ranked[:] = map(adapted, self._ranked)
        self._recent = deque(map(adapted, self._recent), self._recent.maxlen)
        self._failed = deque(map(adapted, self._failed), self._failed.maxlen)
        self._arrivals = deque(map(adapted, self._arrivals), self._arrivals.maxlen)
        self._training_data = None

    @property
    def keys(self) -> Sequence[Key]:
        """What the best are ordered by, in their order."""
        return self._keys

    @property
    def whole(self) -> bool:
        """Whether everything that was ever added is kept, but for what was discarded."""
        return self._limit == LAST and not self._lost

    def bound(self, order: Order) -> None:
        """Be whole up to this place in the order only, from now on: there are others behind it."""
        self._limit_to(min(self._limit, order))

    def _limit_to(self, limit: Order) -> None:
        """Keep nothing that comes after this place in the order."""
        self._limit = limit
        violation, rung, loss = limit
        self._highest = inf if violation else -inf if rung else loss

    def forget(self, ident: Id, moves: int) -> None:
        """Take one that has moved no more than so often out of the newest."""
        stays = (one for one in self._recent if one.id != ident or one.moves > moves)
        self._recent = deque(stays, maxlen=self._recent.maxlen)

    def _add_recent(self, individual: Individual) -> bool:
        """Keep it as the newest, unless it is known as such."""
        known = any(individual.id == other.id for other in self._recent)
        if not known:
            self._recent.append(individual)
        return not known

    def _supersede(self, ident: Id) -> None:
        self._superseded.add(ident)
        for position, individual in enumerate(self._ranked):
            if individual.id == ident:
                del self._ranked[position], self._keys[position]
                return

    def best(self, count: int) -> Sequence[Individual]:
        """Return the `count` best, best first; fewer where fewer are known. The sequence is not to be changed."""
        return self._ranked if count >= len(self._ranked) else self._ranked[:count]

    def recent(self, count: int) -> Sequence[Individual]:
        """Return the `count` newest, newest last; fewer where fewer are known."""
        return list(islice(self._recent, max(len(self._recent) - count, 0), None))

    @overload
    def __getitem__(self, index: int) -> Individual: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Individual]: ...
    def __getitem__(self, index: int | slice) -> Individual | Sequence[Individual]:
        return self._ranked[index]

    def __len__(self) -> int:
        return len(self._ranked)

    def __iter__(self) -> Iterator[Individual]:
        return iter(self._ranked)


def key_of(individual: Individual) -> Key:
    """Return what individuals are ordered by in a population: no two have the same."""
    candidate, outcome = individual.candidate, individual.outcome
    ident = candidate.id
    violation = outcome.violation if outcome.constraints else 0.0
    return violation, -candidate.rung, outcome.loss, -ident.serial, ident.rank, ident.island
