"""The partition of a space's points among ranks, where no parameter is continuous, so that none is evaluated twice."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from operator import mul
from random import Random

from propulate_like.problem.space import Genome, Space

Levels = list[int]

# docs/decisions.md, "A finite space's points are restored on resume"
_MANY = 100_000  # cells: fewer can be listed, and are all remembered; of more, the newest, at most twice as many
_CODES = 1 << 63  # a code is smaller, so that it can be a number of 64 bits
_TURNS = 8  # in which a fresh cell is looked for
_NARROW = 64  # levels, of a parameter which a change of another one seldom suits
_ALIKE = 2  # of them with the same number of changes
# docs/decisions.md, "The owner of a point is a sum over its levels"
_DRAWS = 4  # of strides, of which the best are taken
_ORDERS = 32  # in which genes are tried
_UNCOUNTABLE, _INACTIVE = -2, -1  # instead of a level


class PointPartition:
    """Which points of a space a rank has met, and which are its own to propose.

    A point's cell is known by its `code`, a sum over the levels of its active parameters. It belongs to one rank, by
    another such sum, modulo the number of ranks, of `strides` that a `seed` decides, the same on all. Where each rank
    proposes its own alone, and none twice, no two evaluate the same, though none knows what the others are evaluating
    or have kept to themselves; and which level of a parameter makes a point one's own is known at once. Points with an
    active parameter whose values are continuous, or too many to tell apart, have no cell, and are always fresh.
    """

    def __init__(self, space: Space, seed: int = 0, rank: int = 0, ranks: int = 1) -> None:
        self._parameters, self._conditions = space.parameters, space.conditions
        self._salts = salts(space)
        self._leveling = [
            parameter.level_function() if parameter.countable else _no_level for parameter in space.parameters
        ]
        self._counts = [parameter.levels or 1 if parameter.countable else 1 for parameter in space.parameters]
        self._several = [index for index, count in enumerate(self._counts) if count > 1]
        self._parents = sorted({parent for _, parents in self._conditions for parent, _ in parents})
        generator = Random(0)
        self._orders = [generator.sample(self._several, len(self._several)) for _ in range(_ORDERS)]
        self.finite: bool = all(parameter.countable for parameter in space.parameters)
        """Whether every point has a cell."""
        self.few: bool = self.finite and math.prod(self._counts) < _MANY
        """Whether all of them can be listed."""
        self.seen: set[int] = set()
        """The codes of those that this rank has bred or learned of lately."""
        self._before: set[int] = set()  # and of those before
        self._remaining: list[tuple[Levels, list[int], int]] | None = None
        self.rank: int = rank
        self.ranks: int = ranks
        self.seed = seed
        self.exhausted: bool = False
        """Whether all were met: points are evaluated again from then on."""

    @classmethod
    def of(cls, space: Space, seed: int = 0, rank: int = 0, ranks: int = 1) -> PointPartition | None:
        """Return the partition of a space; None where every point has a continuous parameter, or the space is empty.

        Args:
            space: The space.
            seed: Decides which points are whose, on all ranks alike.
            rank: Whose points are proposed here.
            ranks: How many ranks share the points.
        """
        if not space or any(not parameter.countable and not parameter.when for parameter in space.parameters):
            return None
        return cls(space, seed, rank, ranks)

    @property
    def seed(self) -> int:
        """What decides whose cells are whose."""
        return self._seed

    @seed.setter
    def seed(self, seed: int) -> None:
        self._seed = seed
        self._divide(self.ranks, even_strides(tuple(self._counts), self.ranks, seed))

    def _divide(self, shares: int, strides: Sequence[int]) -> None:
        """Let own cells be those whose sum of strides, modulo the number of shares, is the rank."""
        self.shares: int = shares
        self.strides: Sequence[int] = strides
        self.share: int = self.rank % shares
        self._reached: list[dict[int, list[int]]] = []  # the levels of each parameter that add so much to the sum
        for stride, count in zip(strides, self._counts):
            reached: dict[int, list[int]] = {}
            for level in range(count):
                reached.setdefault(level * stride % shares, []).append(level)
            self._reached.append(reached)

    def code(self, genome: Sequence[float]) -> int | None:
        """Return the code of a point's cell; None where it has none."""
        active = self._active(self._levels(genome))
        return None if active is None else sum(map(mul, active, self._salts))

    def add(self, genome: Sequence[float]) -> None:
        """Learn that a point is evaluated, here or elsewhere."""
        code = self.code(genome)
        if code is not None:
            self.meet_code(code)

    def meet_code(self, code: int) -> None:
        """Learn that the points of a cell are."""
        self.seen.add(code)
        if len(self.seen) >= _MANY:
            self.seen, self._before = set(), self.seen

    @property
    def codes(self) -> bytes:
        """The codes of all that it remembers, for another rank or run."""
        return array("q", self._before | self.seen).tobytes()

    def add_codes(self, codes: bytes) -> None:
        """Learn what another one remembered."""
        for code in array("q", codes):
            self.meet_code(code)

    def unmet(self, code: int) -> bool:
        """Return whether a cell was not met, as far as is remembered."""
        return code not in self.seen and code not in self._before

    def fresh(self, genome: Sequence[float]) -> bool:
        """Return whether this rank may propose a point."""
        return self.exhausted or self._fresh(self._active(self._levels(genome)))

    def claim(self, genome: Sequence[float]) -> bool:
        """Return whether this rank may propose a point, and if so, learn that it does."""
        active = self._active(self._levels(genome))
        if not (self.exhausted or self._fresh(active)):
            return False
        if active is not None:
            self.meet_code(sum(map(mul, active, self._salts)))
        return True

    def near(self, genome: Genome, generator: Random, changes: int = 1) -> Genome:
        """Return a fresh point that differs in `changes` genes, or in more; the same point where none is found."""
        levels = self._levels(genome)
        fresh = self._changed(levels, changes, generator)
        if fresh is None and self.few:
            fresh = self._left(generator)
        if fresh is None:
            return genome
        changed = list(genome)
        for index, (old, new) in enumerate(zip(levels, fresh)):
            if new not in (old, _INACTIVE):
                changed[index] = self._parameters[index].gene(new)
        return tuple(changed)

    def _levels(self, genome: Sequence[float]) -> Levels:
        return [level(gene) for level, gene in zip(self._leveling, genome)]

    def _active(self, levels: Levels) -> Levels | None:
        """Mark those of inactive parameters; None where an active one is not countable."""
        if not self._conditions:
            return levels if self.finite else None
        active = levels.copy()
        for index, parents in self._conditions:
            for parent, values in parents:
                if active[parent] not in values:
                    active[index] = _INACTIVE
                    break
        return None if _UNCOUNTABLE in active else active

    def _fresh(self, active: Levels | None) -> bool:
        if active is None:
            return True
        if self.shares > 1 and sum(map(mul, active, self.strides)) % self.shares != self.share:
            return False
        return self.unmet(sum(map(mul, active, self._salts)))

    def _changed(self, levels: Levels, changes: int, generator: Random) -> Levels | None:
        """Change `changes` genes, the last one such that the cell is fresh, then more; None where that fails."""
        several, random = self._several, generator.random
        if self.exhausted or not several:
            return None
        turns = 1 if self._remaining is not None else _TURNS if self.few else max(_TURNS, self.shares)
        for turn in range(turns):
            changed = levels.copy()
            for _ in range(changes - 1):
                index = several[int(random() * len(several))]
                changed[index] = self._parameters[index].moved(changed[index], generator)
            fresh = self._completed(changed, generator)
            if fresh is not None:
                return fresh
            if changes == 1 or turn % _ALIKE == _ALIKE - 1:
                changes += 1
        return None

    def _completed(self, levels: Levels, generator: Random) -> Levels | None:
        """Change one gene, or two, so that the cell is fresh; None where none are found."""
        order = self._orders[int(generator.random() * _ORDERS)]
        if order[0] in self._parents:
            levels[order[0]] = self._parameters[order[0]].moved(levels[order[0]], generator)
        active = self._active(levels)
        if active is None or (order[0] in self._parents and self._fresh(active)):
            return levels
        lacking = self.share - sum(map(mul, active, self.strides))
        code = sum(map(mul, active, self._salts))
        genes = []
        for index in order:
            here = active[index]
            if here != _INACTIVE and index not in self._parents:
                genes.append(index)
                options = self._reached[index].get((lacking + here * self.strides[index]) % self.shares)
                if options:
                    for level in self._picked(index, here, options, generator):
                        if self.unmet(code + (level - here) * self._salts[index]):
                            levels[index] = level
                            return levels
        return None if self._remaining else self._paired(levels, genes, lacking, code, generator)

    def _picked(self, index: int, here: int, options: list[int], generator: Random) -> Iterator[int]:
        """Return one of some levels, next to where the gene would move where they are ordered, and then any."""
        if len(options) > 1:
            if self._parameters[index].ordered:
                position = bisect_left(options, self._parameters[index].moved(here, generator))
                yield options[min(position, len(options) - 1)]
            yield options[int(generator.random() * len(options))]
        else:
            yield options[0]

    def _paired(self, levels: Levels, genes: list[int], lacking: int, code: int, generator: Random) -> Levels | None:
        """Change two of these genes so that the cell is fresh, by changes which together add what is lacking."""
        changes: dict[int, tuple[int, int]] = {}  # a gene and its level, by what they add
        shares, salt = self.shares, self._salts
        for index in genes:
            before, reached = levels[index] * self.strides[index], self._reached[index]
            if len(reached) <= _NARROW:
                for remainder, options in reached.items():
                    level = options[0 if len(options) == 1 else int(generator.random() * len(options))]
                    changes[(remainder - before) % shares] = (index, level)
        for added, (one, first) in changes.items():
            index, second = changes.get((lacking - added) % shares, (one, first))
            if index != one:
                sums = (first - levels[one]) * salt[one] + (second - levels[index]) * salt[index]
                if self.unmet(code + sums):
                    levels[one], levels[index] = first, second
                    return levels
        return None

    def _left(self, generator: Random) -> Levels | None:
        """Return one of the own cells that are left, or else of the others'; None where all were met."""
        while not self.exhausted:
            remaining = self._listed(generator) if self._remaining is None else self._remaining
            while remaining:
                active, genes, number = remaining[-1]
                levels = active.copy()
                for index in genes:
                    number, levels[index] = divmod(number, self._counts[index])
                if self._fresh(levels):
                    return levels
                remaining.pop()
            if self.shares == 1:
                self.exhausted = True
            self._divide(1, self.strides)
            self._remaining = None
        return None

    def _listed(self, generator: Random) -> list[tuple[Levels, list[int], int]]:
        """List what is fresh, in random order."""
        listed: list[tuple[Levels, list[int], int]] = []
        for parents in product(*(range(self._counts[index]) for index in self._parents)):
            levels = [0] * len(self._counts)
            for index, level in zip(self._parents, parents):
                levels[index] = level
            active = self._active(levels) or levels
            if all(active[index] == level or level == 0 for index, level in zip(self._parents, parents)):
                genes = [index for index in self._several if index not in self._parents and active[index] == 0]
                listed += [(active, genes, number) for number in self._numbers(active, genes)]
        generator.shuffle(listed)
        self._remaining = listed
        return listed

    def _numbers(self, active: Levels, genes: list[int]) -> list[int]:
        """Return the numbers of fresh cells: their digits are the levels of these genes, the first one's last."""
        codes, sums = [sum(map(mul, active, self._salts))], [sum(map(mul, active, self.strides))]
        for index in reversed(genes):
            levels, salt, stride = range(self._counts[index]), self._salts[index], self.strides[index]
            codes = [code + level * salt for code in codes for level in levels]
            sums = [total + level * stride for total in sums for level in levels]
        shares, share = self.shares, self.share
        return [
            number
            for number, (code, total) in enumerate(zip(codes, sums))
            if total % shares == share and self.unmet(code)
        ]


def salts(space: Space) -> list[int]:
    """Return what the levels of each parameter are multiplied with in a code."""
    generator = Random(0)
    largest = _CODES // (1 + sum(parameter.levels or 0 for parameter in space.parameters if parameter.countable))
    return [generator.randrange(largest) for _ in space.parameters]


@lru_cache(maxsize=8)
def even_strides(counts: tuple[int, ...], ranks: int, seed: int) -> tuple[int, ...]:
    """Return what the levels of each parameter are multiplied with, in a sum that gives ranks even shares."""
    generator = Random(f"{seed}/cells")
    widest = counts.index(max(counts))
    coprime = [stride for stride in range(ranks) if math.gcd(stride, ranks) == 1]

    def drawn() -> tuple[int, ...]:
        return tuple(
            generator.choice(coprime) if index == widest else generator.randrange(1, max(ranks, 2))
            for index in range(len(counts))
        )

    return min([drawn() for _ in range(_DRAWS)], key=lambda each: _unevenness(counts, each, ranks))


def _unevenness(counts: Sequence[int], strides: Sequence[int], ranks: int) -> float:
    """Return the variance of the shares, in units of a common factor: what their Fourier coefficients are, squared."""
    total = 0.0
    for frequency in range(1, ranks // 2 + 1):
        coefficient = 1.0
        for count, stride in zip(counts, strides):
            angle = math.pi * (frequency * stride % ranks) / ranks
            if angle:
                coefficient *= math.sin(count * angle) / (count * math.sin(angle))
        total += coefficient * coefficient
    return total


def _no_level(_gene: float) -> int:
    return _UNCOUNTABLE
