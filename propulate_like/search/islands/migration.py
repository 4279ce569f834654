"""Migration: how ranks are divided into islands, and which individuals travel between them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from heapq import heapify, heapreplace
from itertools import accumulate
from random import Random
from typing import Any, NamedTuple, TypeVar

from propulate_like.foundation import declarations
from propulate_like.foundation.parts import gave_wrong, is_of_user
from propulate_like.foundation.values import plain, tree
from propulate_like.population.individual import Id, Individual
from propulate_like.population.migrating import MigratingPopulation
from propulate_like.problem.space import Space
from propulate_like.propagators import BreedingContext, Propagator, SelectBest, Selection, from_yaml
from propulate_like.propagators.propagator import require_propagator, whole_propagator
from propulate_like.search.islands.topologies import Given, RandomRegular, Topology, row_of

_Read = TypeVar("_Read")


class Islands:
    """How the ranks are divided into islands, and how individuals migrate between those.

    There are `count` islands of as many ranks each, or as many as there are `sizes`, which are in proportion to their
    numbers of ranks; never more than there are ranks. After each evaluation, with `migration_probability`, a rank sends
    individuals to the islands that the `topology` names. It chooses them by the selection `emigrants` among those that
    it evaluated or received itself. They leave their island; with `pollination`, copies do. For each copy that arrives,
    one chosen by the selection `replaced` can be given up.

    Args:
        count: The number of islands of as many ranks each.
        sizes: The sizes of the islands, in proportion to their numbers of ranks, in place of `count`.
        topology: The islands to which each sends: a topology's name, or a matrix of numbers of individuals.
        migration_probability: The probability of sending after an evaluation, in [0, 1].
        pollination: Whether copies are sent, so that the individuals stay.
        emigrants: The selection that chooses who is sent, such as select_best.
        replaced: The selection that chooses who is given up for a copy that arrives; by default nobody is.
        propagators: A propagator for each island.
    """

    name = "islands"

    def __init__(
        self,
        count: int | None = None,
        *,
        sizes: list[int] | None = None,
        topology: Topology | str | list[list[int]] = "ring",
        migration_probability: float = 0.02,
        pollination: bool = True,
        emigrants: Propagator | str | None = None,
        replaced: Propagator | str | None = None,
        propagators: list[Propagator | str] | None = None,
    ) -> None:
        """Set what is given.

        Raises:
            ValueError: An argument is wrong, or two do not fit each other.
        """
        sizes, pollination = tree(sizes), plain(pollination)
        if sizes is not None and not (isinstance(sizes, list | tuple) and sizes):
            message = f"sizes={sizes!r} must be a list of numbers of ranks, such as [2, 6]"
            raise ValueError(message)
        self.sizes: list[int] | None = (
            None if sizes is None else [declarations.whole("sizes", size, 1) for size in sizes]
        )
        several = len(self.sizes) if self.sizes else 1 if propagators is None else len(propagators)
        self.count: int = several if count is None else declarations.whole("count", count, 1)
        if self.sizes and self.count != len(self.sizes):
            message = f"count={count} and sizes={sizes!r} name different numbers of islands"
            raise ValueError(message)
        self.topology: Topology = _named("topology", lambda: Topology.of(topology))
        if isinstance(self.topology, Given) and len(self.topology.rows) != self.count:
            message = f"topology: {self.topology.rows!r} is for {len(self.topology.rows)} islands, not {self.count}"
            raise ValueError(message)
        if isinstance(self.topology, RandomRegular) and self.topology.degree >= max(self.count, 2):
            message = f"topology: {self.topology!r} needs more than {self.topology.degree} islands, not {self.count}"
            raise ValueError(message)
        self.migration_probability: float = declarations.number(
            "migration_probability", migration_probability, 0.0, 1.0
        )
        self.pollination: bool = pollination
        if not isinstance(pollination, bool):
            message = f"pollination={pollination!r} must be true (copies leave) or false (individuals leave)"
            raise ValueError(message)
        self.emigrants: Propagator = SelectBest(1) if emigrants is None else _selection("emigrants", emigrants)
        self.replaced: Propagator | None = None if replaced is None else _selection("replaced", replaced)
        if self.replaced is not None and not pollination:
            message = "replaced: only copies can take the place of others: it needs pollination: true"
            raise ValueError(message)
        if propagators is not None and not (isinstance(propagators, list | tuple) and len(propagators) == self.count):
            message = f"propagators={propagators!r} must be a list with one for each of {self.count} islands"
            raise ValueError(message)
        self.propagators: list[Propagator | str] | None = (
            None if propagators is None else [_propagator(number, one) for number, one in enumerate(propagators)]
        )

    @classmethod
    def of(cls, form: IslandsForm, migration: Mapping[str, Any] | None = None) -> Islands:
        """Take islands, their number, their sizes, or a mapping as in YAML, with what else is said of `migration`.

        Raises:
            ValueError: There can be no such islands.
        """
        form, migration = tree(form), tree(migration)
        if migration is not None and not isinstance(migration, Mapping):
            message = f"migration={migration!r} must be a mapping such as {{'topology': 'full', 'pollination': False}}"
            raise ValueError(message)
        if isinstance(form, Islands):
            if migration:
                message = f"migration={migration!r}: the islands are given as {form!r}, which say it themselves"
                raise ValueError(message)
            return form
        if isinstance(form, list | tuple):
            form = {"sizes": list(form)}
        elif not isinstance(form, Mapping):
            form = {} if form is None else {"count": form}
        return declarations.build(cls, [], {**form, **(migration or {})})

    def layout(self, ranks: int) -> list[range]:
        """Return the ranks of each island, which are neighbours; each has at least one, or there are fewer islands."""
        shares = (self.sizes or [1] * min(self.count, ranks))[:ranks]
        sizes = [1] * len(shares)
        owed = [(-share / 2, island) for island, share in enumerate(shares)]
        heapify(owed)
        for _ in range(ranks - len(shares)):  # the next one goes where most is owed: D'Hondt's method
            island = owed[0][1]
            sizes[island] += 1
            heapreplace(owed, (-shares[island] / (sizes[island] + 1), island))
        ends = [*accumulate(sizes)]
        return [range(end - size, end) for end, size in zip(ends, sizes, strict=True)]

    def declaration(self) -> Any:
        """Return the YAML form; None for one island, which needs no word."""
        return None if self.count == 1 else declarations.dump(self)[self.name]

    def __repr__(self) -> str:
        return declarations.shown(self)


IslandsForm = Islands | int | Sequence[int] | Mapping[str, Any] | None


class Departure(NamedTuple):
    """One that goes to a rank of another island."""

    individual: Individual
    island: int
    rank: int


class Migrator:
    """One rank's part in migration: who leaves after an evaluation, and who makes room for one that arrives."""

    def __init__(
        self, islands: Islands, layout: Sequence[range], rank: int, migrating: MigratingPopulation, seed: int
    ) -> None:
        self.island: int = island_of(layout, rank)
        self.pollination: bool = islands.pollination
        self.migrating = migrating
        self._islands = islands
        self._layout = [list(ranks) for ranks in layout]  # those that live
        row = row_of(islands.topology, self.island, len(layout), seed)
        self._numbers = [(target, number) for target, number in enumerate(row) if number]
        self._generator = Random(f"{seed}/{rank}/migration")
        self._copied: set[tuple[Id, int]] = set()

    def departures(self) -> Iterator[Departure]:
        """Return those that leave now, after an evaluation: mostly none. Each is still there when it is given."""
        if self._generator.random() >= self._islands.migration_probability:
            return
        for target, number in self._numbers:
            for _ in range(number if self._layout[target] else 0):
                chosen = self._chosen(target)
                if chosen is None:
                    break
                if self.pollination:
                    self._copied.add((chosen.id, target))
                yield Departure(chosen, target, self._generator.choice(self._layout[target]))

    def remove_dead(self, dead: Collection[int]) -> None:
        """Send nobody to dead ranks."""
        self._layout = [[rank for rank in ranks if rank not in dead] for ranks in self._layout]

    def replaced_by(self, arrived: Individual) -> Individual | None:
        """Return the one that makes room for a copy that arrived, if any does."""
        policy = self._islands.replaced
        if policy is None or not self.migrating.may_spare:
            return None
        candidates = [one for one in self.migrating.owned if one.id != arrived.id]
        if len(candidates) < policy.takes[0]:
            return None
        return self._picked(policy, candidates, arrived.space)

    def _chosen(self, target: int) -> Individual | None:
        if not self.pollination and not self.migrating.may_spare:
            return None
        owned = self.migrating.owned
        if self.pollination:
            owned = [one for one in owned if one.id.island != target and (one.id, target) not in self._copied]
            if len(self._copied) > 2 * len(self._numbers) * (len(self.migrating.owned) + 1):
                living = {one.id for one in self.migrating.owned}
                self._copied = {copied for copied in self._copied if copied[0] in living}
        if len(owned) < self._islands.emigrants.takes[0]:
            return None
        return self._picked(self._islands.emigrants, owned, owned[0].space)

    def _picked(self, policy: Propagator, candidates: Sequence[Individual], space: Space) -> Individual:
        """Return the one that a selection picks; PartError where it gives one that is not among the candidates."""
        (picked,) = policy(candidates, BreedingContext(space, self._generator, Id(self.island, 0, 0)))
        if is_of_user(type(policy)) and not any(picked is one for one in candidates):
            raise gave_wrong(policy, "gave an individual that it was not given")
        return picked


def island_of(layout: Sequence[range], rank: int) -> int:
    """Return the number of the island that a rank belongs to."""
    return next(number for number, ranks in enumerate(layout) if rank in ranks)


def _selection(name: str, form: Any) -> Selection:
    chosen = _named(name, lambda: from_yaml.read({form: 1} if isinstance(form, str) else form))
    if not isinstance(chosen, Selection) or chosen.gives != 1:
        message = f"{name}: {chosen!r} must be a selection that gives 1 individual, such as SelectBest(1)"
        raise ValueError(message)
    _named(name, lambda: require_propagator(chosen))
    return chosen


def _propagator(number: int, form: Any) -> Propagator | str:
    return "auto" if form == "auto" else _named(f"island {number}", lambda: whole_propagator(from_yaml.read(form)))


def _named(name: str, read: Callable[[], _Read]) -> _Read:
    """Read a part of the settings; what is wrong with it is said with its name."""
    try:
        return read()
    except ValueError as error:
        message = f"{name}: {error}"
        raise ValueError(message) from None
