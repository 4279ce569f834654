"""The breeder: a propagator, the population that it reads, and what makes a newborn of what it gives."""

from __future__ import annotations

import copy
from collections.abc import Callable
from math import isfinite

from propulate_like.foundation.parts import gave_wrong
from propulate_like.population.individual import Individual
from propulate_like.population.migrating import MigratingPopulation
from propulate_like.population.outcome import BRED
from propulate_like.population.population import Population, Requirements
from propulate_like.problem.space import Genome, Space
from propulate_like.propagators import BreedingContext, Propagator, UniformInitialization
from propulate_like.propagators.newborns import genome_of
from propulate_like.propagators.propagator import needed_by

_RANDOM = UniformInitialization()


class Breeder:
    """Breeds by a propagator, once its population is large enough, and at random until then.

    The population keeps what the propagator reads, whatever it reads at the time.
    """

    def __init__(self, space: Space, propagator: Propagator, kept: Requirements, reserve: int | None) -> None:
        """Begin with an empty population.

        Args:
            space: What is searched.
            propagator: What breeds. It is copied, as what it learns is its rank's own.
            kept: What the population keeps beside what the propagator reads.
            reserve: How many individuals a `MigratingPopulation` keeps in reserve; None where none migrate.
        """
        self.space = space
        self._given, self._kept = propagator, kept
        self.propagator = copy.deepcopy(propagator)
        requirements = self._requirements()
        self.population: Population = (
            Population(requirements) if reserve is None else MigratingPopulation(requirements, reserve)
        )
        self.last: Individual | None = None
        """What this rank itself evaluated last."""
        self._ready = False
        self._shrinks = bool(reserve)

    def breed(self, breeding: BreedingContext) -> Individual:
        """Return a newborn, at a point in the unit cube."""
        if not self._ready or self._shrinks:
            self._ready = len(self.population) >= needed_by(self.propagator) and len(self.space) > 0
        propagator = self.propagator
        (individual,) = (propagator if self._ready else _RANDOM)(self.population, breeding)
        if propagator.requirements is not self._read:
            self.population.keep(self._requirements())
        genome = individual.candidate.genome
        size = len(self.space.names)
        if len(genome) != size or not isfinite(sum(genome)) or (size and (min(genome) < 0.0 or max(genome) > 1.0)):
            individual = individual.with_genome(self._genome(genome))
        if individual.outcome.status is not BRED:
            individual = breeding.child(individual.genome, (individual.id,), "copy", individual.traits)
        return individual

    def _genome(self, genome: Genome) -> Genome:
        """Return a genome that is beyond the unit cube by a rounding error alone, in it; PartError for another one.

        Steps of the user's are checked before; others go by what parameters of the user's say.
        """
        try:
            return genome_of(genome, len(self.space))
        except ValueError as error:
            raise gave_wrong(self.propagator, str(error)) from None

    def move(self, space: Space, adapted: Callable[[Individual], Individual]) -> None:
        """Go on in another space: the propagator begins anew, with all that is known told in the space's terms.

        Args:
            space: The other space.
            adapted: Returns an individual as one of that space.
        """
        self.space = space
        self.propagator, self._ready = copy.deepcopy(self._given), False
        self.population.keep(self._requirements())
        self.population.adapt(adapted)
        self.last = None if self.last is None else adapted(self.last)

    def _requirements(self) -> Requirements:
        """Return what the population is to keep, and remember what the propagator read when it was asked."""
        self._read = self.propagator.requirements
        return self._read | Requirements(best=needed_by(self.propagator)) | self._kept
