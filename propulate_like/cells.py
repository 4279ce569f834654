"""Cells: the points that a space tells apart where no parameter is continuous, and which rank each belongs to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product
from random import Random

from propulate_like.space import Genome, Space

_MASK = (1 << 64) - 1
_MANY = 100_000  # cells that are not listed where random fresh ones are hard to find
_TRIES = 128  # at least, of changes of one gene, of two, of three, and of all


class Cells:
    """Which points of a space a rank has met, and which are its own to propose.

    A point's cell is known by its `code`, a hash of the levels of its active parameters. It belongs to one rank, by
    that code and a `seed` that is the same on all. Where each rank proposes its own alone, and none twice, no two
    evaluate the same, though none knows what the others are evaluating or have kept to themselves. Points with an
    active parameter whose values are continuous, or too many to tell apart, have no cell, and are always fresh.
    """

    def __init__(self, space: Space, seed: int, rank: int = 0, ranks: int = 1) -> None:
        self._parameters, self._conditions = space.parameters, space.conditions
        self._salts = salts(len(space))
        self._countable = [index for index, parameter in enumerate(space.parameters) if parameter.countable]
        self.seed, self.rank, self.ranks = seed, rank, ranks
        self.met: set[int] = set()
        """The codes of all that this rank has bred or learnt of."""
        self.few = math.prod((parameter.levels or _MANY) for parameter in self._parameters) < _MANY
        """Whether every point has a cell, and they can be listed."""
        self._remaining: list[Genome] | None = None
        self.shares = ranks > 1
        """Whether there may be fresh ones among its own: until then it proposes no others."""
        self.exhausted = False
        """Whether all were met: points are evaluated again from then on."""

    @classmethod
    def of(cls, space: Space, seed: int, rank: int, ranks: int) -> Cells | None:
        """Give the cells of a space; None where all its points have a continuous parameter."""
        if any(not parameter.countable and not parameter.when for parameter in space.parameters):
            return None
        return cls(space, seed, rank, ranks)

    def code(self, genome: Sequence[float]) -> int | None:
        """Give the code of a point's cell; None where it has none."""
        levels = [p.level(gene) if p.countable else None for p, gene in zip(self._parameters, genome)]
        for index, parents in self._conditions:
            for parent, values in parents:
                if levels[parent] not in values:
                    levels[index] = -1
                    break
        code = 0
        for level, salt in zip(levels, self._salts):
            if level is None:
                return None
            code += (level + 1) * salt
        return code & _MASK

    def meet(self, genome: Sequence[float]) -> None:
        """Learn that a point is evaluated, here or elsewhere."""
        code = self.code(genome)
        if code is not None:
            self.met.add(code)

    def fresh(self, genome: Sequence[float]) -> bool:
        """Say whether this rank may propose a point."""
        code = self.code(genome)
        return code is None or self.fresh_code(code)

    def fresh_code(self, code: int) -> bool:
        """Say whether this rank may propose the points of a cell."""
        if self.exhausted:
            return True
        return code not in self.met and not (self.shares and owner(code, self.seed, self.ranks) != self.rank)

    def near(self, genome: Genome, generator: Random) -> Genome:
        """Give a fresh point with as many of the genes as can be; the same point where there is none."""
        for candidate in self._changed(genome, generator):
            if self.fresh(candidate):
                return candidate
        if not self.few:
            return genome
        while True:
            remaining = self._list(generator) if self._remaining is None else self._remaining
            while remaining:
                candidate = remaining.pop()
                if self.fresh(candidate):
                    return candidate
            if not self.shares:
                self.exhausted = True
                return genome
            self.shares, self._remaining = False, None

    def _changed(self, genome: Genome, generator: Random) -> Iterator[Genome]:
        """Give points with one gene drawn anew, then with two, with three, and with all."""
        count = len(self._countable)
        for changes in sorted({1, min(2, count), min(3, count), count} if self._remaining is None else {1}):
            for _ in range(max(_TRIES, 4 * self.ranks)):
                genes = list(genome)
                for index in generator.sample(self._countable, changes):
                    parameter = self._parameters[index]
                    genes[index] = parameter.gene(int(generator.random() * (parameter.levels or 1)))
                yield tuple(genes)

    def _list(self, generator: Random) -> list[Genome]:
        """List what is fresh at the moment, in random order."""
        genes = [[p.gene(level) for level in range(p.levels or 1)] for p in self._parameters]
        fresh = {self.code(genome): genome for genome in product(*genes) if self.fresh(genome)}
        self._remaining = list(fresh.values())
        generator.shuffle(self._remaining)
        return self._remaining


def salts(count: int) -> list[int]:
    """Give what the levels of each parameter are multiplied with in a code: odd numbers of 64 bits."""
    generator = Random(0)
    return [generator.getrandbits(64) | 1 for _ in range(count)]


def owner(code: int, seed: int, ranks: int) -> int:
    """Give the rank that a cell belongs to: each has about as many."""
    return ((((code ^ seed & _MASK) * 0x9E3779B97F4A7C15) & _MASK) >> 32) % ranks
