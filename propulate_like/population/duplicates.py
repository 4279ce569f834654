"""Duplicates: which points were evaluated before, so that a rank proposes others while there are any."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from propulate_like.population.individual import Individual
from propulate_like.problem.partition import PointPartition
from propulate_like.problem.space import Genome, Space

EXPENSIVE_SECONDS = 5e-3
"""An evaluation that takes less may as well be made twice."""
REMEMBERED = 10_000
"""How many individuals are remembered to tell duplicates by, where no partition tells them."""
_RETRIES = 4
"""How often a point is bred again before genes are changed: operators know better where to look, but take longer."""


class DuplicateMemory:
    """The points that one rank knows to be evaluated, and which of all others it may propose.

    Points without an active continuous parameter are shared out among ranks by a `PointPartition`. Others are
    remembered only where evaluations are expensive.
    """

    partition: PointPartition | None
    """Whose points are whose; None where every point has a continuous parameter."""
    few: bool
    """Whether all points can be listed, so that every rank needs to know of every evaluation."""

    def __init__(self, space: Space, seed: int, rank: int, ranks: int) -> None:
        """Know of no evaluation. The `seed` decides, on all `ranks` alike, which points are whose."""
        self._seed, self._rank, self._ranks = seed, rank, ranks
        self._noted: dict[Genome, None] = {}
        self.begin(space)

    def begin(self, space: Space) -> None:
        """Forget all, and tell apart the points of a space."""
        self._space = space
        self._noted.clear()
        self.partition = PointPartition.of(space, self._seed, self._rank, self._ranks)
        self.few = self.partition is not None and self.partition.few

    def share_out(self, seed: int) -> None:
        """Let the seed decide anew which points are whose."""
        self._seed = seed
        if self.partition is not None:
            self.partition.seed = seed

    def add(self, genome: Genome, *, note: bool) -> None:
        """Learn that a point is evaluated, here or elsewhere.

        Args:
            genome: The point.
            note: Whether to remember a point that the partition does not tell from others.
        """
        if self.partition is not None:
            self.partition.add(genome)
        if note:
            self._note(self._space.canonical(genome))

    def add_codes(self, codes: bytes) -> None:
        """Learn what another rank or run remembered, as `PointPartition.codes` has it, in the same space."""
        if self.partition is not None:
            self.partition.add_codes(codes)

    def claim(self, genome: Genome, last: Individual | None) -> bool:
        """Return whether nobody evaluates a point again if this rank does now, as far as it knows; then remember it.

        Args:
            genome: The point.
            last: What this rank evaluated last, by which it knows whether evaluations are expensive.
        """
        partition = self.partition
        noted = bool(self._noted) if last is None else last.outcome.seconds >= EXPENSIVE_SECONDS
        if partition is None:
            return not noted or self._claim_noted(genome)
        if partition.finite or not noted:
            return partition.claim(genome)
        if not partition.fresh(genome) or not self._claim_noted(genome):
            return False
        partition.add(genome)
        return True

    def _claim_noted(self, genome: Genome) -> bool:
        """Return whether a point was not noted before, and note it."""
        point = self._space.canonical(genome)
        if point in self._noted:
            return False
        self._note(point)
        return True

    def renewed(self, breed: Callable[[], Individual], last: Individual | None, generator: Random) -> Individual:
        """Breed again until the point is new, a few times; then change a few genes, where a partition tells which.

        Args:
            breed: Breeds an individual in place of the one whose point was not new.
            last: What this rank evaluated last.
            generator: Draws the genes.
        """
        for _ in range(_RETRIES):
            individual = breed()
            if self.claim(individual.candidate.genome, last):
                return individual
        if self.partition is None:
            return individual
        genome = self.partition.near(individual.genome, generator)
        self.partition.add(genome)
        return individual.with_genome(genome)

    def _note(self, point: Genome) -> None:
        self._noted[point] = None
        if len(self._noted) > REMEMBERED:
            del self._noted[next(iter(self._noted))]
