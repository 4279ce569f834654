"""Topologies: between which islands individuals migrate, and how many at a time."""

from __future__ import annotations

from collections.abc import Iterable
from math import isqrt
from operator import index
from random import Random
from typing import Any, ClassVar

from propulate_like.foundation import declarations
from propulate_like.foundation.parts import PartError, gave_wrong, is_of_user, raised
from propulate_like.foundation.registry import Registry, snake_case
from propulate_like.foundation.values import tree

TOPOLOGIES: Registry[Topology] = Registry("topology", "propulate_like.topologies", example="a topology such as ring")


class Topology:
    """Says where individuals go: by default one to each island that `targets` names.

    One of one's own names a subclass, and defines `targets`, or `row`. Where it raises an exception, or names what is
    no island, the search ends with a `PartError`, which names it.
    """

    name: ClassVar[str] = "topology"

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.name = snake_case(cls.__name__)
        TOPOLOGIES.register(cls.name, cls)

    @staticmethod
    def of(form: Any) -> Topology:
        """Take a topology, or read one: a name, {name: arguments}, or a matrix of numbers; ValueError otherwise."""
        if isinstance(form, Topology):
            return form
        form = tree(form)
        if isinstance(form, list | tuple):
            return Given(list(form))
        return TOPOLOGIES.read(form)

    def row(self, island: int, count: int, seed: int) -> list[int]:
        """Return how many go from an island to each of `count`; where that is random, by the run's `seed`."""
        targets = list(self.targets(island, count, Random(f"{seed}/topology")))
        for target in targets:
            if target not in range(count):
                raise gave_wrong(self, f"names {target!r:.80}, and the islands are 0 to {count - 1}")
        return [int(other in targets and other != island) for other in range(count)]

    def targets(self, island: int, count: int, generator: Random) -> Iterable[int]:
        """Return the islands that one of `count` sends to; `generator` begins anew, and alike, for each island."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return declarations.shown(self)


def row_of(topology: Topology, island: int, count: int, seed: int) -> list[int]:
    """Return a topology's `row`; PartError where one that a user wrote raises an exception or gives what is none."""
    if not is_of_user(type(topology)):
        return topology.row(island, count, seed)
    try:
        row = [*topology.row(island, count, seed)]
        numbers = [index(number) for number in row]
    except PartError:
        raise
    except Exception as error:
        raise raised(topology, error) from error
    if len(numbers) != count or min(numbers) < 0 or numbers[island]:
        words = f"gave {row!r:.80} for island {island}, and not {count} whole numbers, 0 for the island itself"
        raise gave_wrong(topology, words)
    return numbers


class Full(Topology):
    """Every island sends to every other one."""

    def targets(self, island: int, count: int, generator: Random) -> Iterable[int]:
        return range(count)


class Ring(Topology):
    """Every island sends to the next one."""

    def targets(self, island: int, count: int, generator: Random) -> Iterable[int]:
        return [(island + 1) % count]


class Torus(Topology):
    """Islands on a grid that is closed in both directions, as square as their number allows, send to four others."""

    def targets(self, island: int, count: int, generator: Random) -> Iterable[int]:
        rows = next(rows for rows in range(isqrt(count), 0, -1) if count % rows == 0)
        columns = count // rows
        row, column = divmod(island, columns)
        for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            yield (row + down) % rows * columns + (column + right) % columns


class Star(Topology):
    """Island 0 sends to every other one, and each of those to it."""

    def targets(self, island: int, count: int, generator: Random) -> Iterable[int]:
        return [0] if island else range(count)


class Hypercube(Topology):
    """Islands send to those whose number differs in one binary digit."""

    def targets(self, island: int, count: int, generator: Random) -> Iterable[int]:
        return [other for power in range(count.bit_length()) if (other := island ^ (1 << power)) < count]


class RandomRegular(Topology):
    """Every island sends to `degree` others, and as many send to it, drawn at random once.

    Args:
        degree: The number of others, at least 1.
    """

    def __init__(self, degree: int = 2) -> None:
        """Set the degree.

        Raises:
            ValueError: `degree` is below 1.
        """
        self.degree: int = declarations.whole("degree", degree, 1)

    def targets(self, island: int, count: int, generator: Random) -> Iterable[int]:
        order = generator.sample(range(count), count)
        steps = generator.sample(range(1, count), min(self.degree, count - 1))
        place = order.index(island)
        return [order[(place + step) % count] for step in steps]


class Given(Topology):
    """As many individuals from island i to island j as row i and column j of a square matrix say.

    Args:
        rows: The rows of the matrix, of whole numbers of at least 0, and 0 on its diagonal.
    """

    def __init__(self, rows: list[list[int]]) -> None:
        """Set the matrix.

        Raises:
            ValueError: It is not square, has other entries than whole numbers of at least 0, or not 0 on its diagonal.
        """
        rows = tree(rows)
        square = isinstance(rows, list | tuple) and all(
            isinstance(row, list | tuple) and len(row) == len(rows) for row in rows
        )
        numbers = square and all(type(number) is int and number >= 0 for row in rows for number in row)
        if not rows or not numbers or any(row[number] for number, row in enumerate(rows)):
            message = f"{rows!r} must be a square matrix of whole numbers, 0 on its diagonal, such as [[0, 1], [1, 0]]"
            raise ValueError(message)
        self.rows: list[list[int]] = [list(row) for row in rows]

    def row(self, island: int, count: int, seed: int) -> list[int]:
        return self.rows[island][:count]
