"""Differential evolution that adapts its settings to its successes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from propulate_like.foundation import declarations
from propulate_like.population.individual import Id, Individual
from propulate_like.population.population import Requirements
from propulate_like.problem.space import Genome, Space
from propulate_like.propagators.propagator import Arity, BreedingContext, Propagator

_MEMORIES = 6
_FEWEST = 4  # members
_PER_GENE = 6  # members at most
_MOST = 1e300  # the largest gain of a success


class _Trial(NamedTuple):
    """The newest trial vector: its identity, the member it competes with, and its scale and crossover rate."""

    ident: Id
    target: Individual
    scale: float
    rate: float


class DifferentialEvolution(Propagator):
    """Differential evolution: a member moved towards one of the best and by the difference of two others.

    Tanabe and Fukunaga 2013, Success-history based parameter adaptation for differential evolution (SHADE), without
    generations: the members are the best known individuals. The scale of differences and the crossover rate follow
    those of recent successes on this rank, and former members still serve for differences. An option of a Choice is
    inherited from another member.

    Args:
        population: The number of members, at least 4; never more than six per gene.
        greed: The share of the members that count as the best, in (0, 1].
    """

    by_loss = True
    takes: Arity = (0, None)

    def __init__(self, population: int = 20, greed: float = 0.15) -> None:
        """Check the arguments.

        Raises:
            ValueError: `population` is below 4, or `greed` is not in (0, 1].
        """
        self.population: int = declarations.whole("population", population, _FEWEST)
        self.greed: float = declarations.number("greed", greed, 0.0, 1.0, above=True)
        self.requirements: Requirements = Requirements(best=2 * population)
        self._memory = _Memory()
        self._trial: _Trial | None = None

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        trial, last = self._trial, breeding.last
        size = min(max(_PER_GENE * len(breeding.space), 2 * _FEWEST), self.population)
        if trial is not None and last is not None and last.id == trial.ident:
            now, before = last.outcome, trial.target.outcome
            gain = before.loss - now.loss
            if now.constraints or before.constraints:
                gain = before.merit - now.merit
            if gain > 0.0:  # which NaN, of a failure, is not
                self._memory.succeeded(trial.scale, trial.rate, min(gain, _MOST))
            self._memory.tried(math.ceil(size / breeding.workers))
        if len(individuals) < size:
            self._trial = None
            return [breeding.child(breeding.space.sample(breeding.generator), origin=self.name)]
        target = individuals[int(breeding.generator.random() * size)]
        scale, rate = self._memory.draw(breeding.generator)
        self._trial = _Trial(breeding.id, target, scale, rate)
        genome, parents = self._bred(target, scale, rate, individuals, size, breeding)
        return [breeding.child(genome, parents, self.name)]

    def _bred(
        self,
        target: Individual,
        scale: float,
        rate: float,
        individuals: Sequence[Individual],
        size: int,
        breeding: BreedingContext,
    ) -> tuple[Genome, tuple[Id, ...]]:
        """Return the trial vector of current-to-pbest/1/bin, and its parents.

        A gene that would leave the unit cube moves half of the way to the border.
        """
        random = breeding.generator.random
        best = individuals[int(random() * max(2, round(self.greed * size)))]
        one = individuals[int(random() * size)]
        two = individuals[int(random() * min(2 * size, len(individuals)))]
        sure = int(random() * len(target.genome))
        genes = list(target.genome)
        columns = zip(breeding.space.parameters, target.genome, best.genome, one.genome, two.genome, strict=True)
        for index, (parameter, here, there, plus, minus) in enumerate(columns):
            if random() >= rate and index != sure:
                continue
            if not parameter.ordered:
                genes[index] = breeding.generator.choice((there, plus))
                continue
            gene = here + scale * (there - here + plus - minus)
            genes[index] = 0.5 * here if gene < 0.0 else 0.5 * (1.0 + here) if gene > 1.0 else gene
        genome = self._distinct(tuple(genes), target.genome, sure, breeding)
        return genome, (target.id, best.id, one.id, two.id)

    def _distinct(self, genome: Genome, target: Genome, gene: int, breeding: BreedingContext) -> Genome:
        """Return the genome, with one random gene where it would equal its member."""
        space: Space = breeding.space
        if genome != target and space.canonical(genome) != space.canonical(target):
            return genome
        return (*genome[:gene], breeding.generator.random(), *genome[gene + 1 :])


class _Memory:
    """The success history: means of the scales and crossover rates of successes, weighted by gain, per generation."""

    def __init__(self) -> None:
        self._means = [(0.5, 0.5)] * _MEMORIES
        self._next = 0
        self._tried = 0
        self._successes: list[tuple[float, float, float]] = []

    def draw(self, generator: Random) -> tuple[float, float]:
        """Draw a scale in (0, 1] and a crossover rate in [0, 1] near one of the means."""
        scale, rate = self._means[int(generator.random() * _MEMORIES)]
        drawn = 0.0
        while drawn <= 0.0:
            drawn = scale + 0.1 * math.tan(math.pi * (generator.random() - 0.5))
        return min(drawn, 1.0), min(max(generator.gauss(rate, 0.1), 0.0), 1.0)

    def succeeded(self, scale: float, rate: float, gain: float) -> None:
        """Record the scale and the rate of a success, and by how much it lowered the loss."""
        self._successes.append((scale, rate, gain))

    def tried(self, generation: int) -> None:
        """Count an evaluated trial, and update a mean at the end of a generation.

        Args:
            generation: This rank's number of trials in a generation.
        """
        self._tried += 1
        if self._tried < generation:
            return
        self._tried = 0
        total = sum(gain for _, _, gain in self._successes)
        if not 0.0 < total < math.inf:
            self._successes.clear()
            return
        weights = [gain / total for _, _, gain in self._successes]
        scales = [(weight, scale) for weight, (scale, _, _) in zip(weights, self._successes)]
        rates = [(weight, rate) for weight, (_, rate, _) in zip(weights, self._successes)]
        self._means[self._next] = _lehmer(scales), sum(weight * rate for weight, rate in rates)
        self._next = (self._next + 1) % _MEMORIES
        self._successes.clear()


def _lehmer(weighted: list[tuple[float, float]]) -> float:
    """Return the Lehmer mean of (weight, value) pairs."""
    return sum(weight * value * value for weight, value in weighted) / sum(weight * value for weight, value in weighted)
