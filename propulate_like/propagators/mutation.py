"""Mutation: one newborn from one parent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from statistics import NormalDist

from propulate_like.foundation import declarations
from propulate_like.population.individual import Individual
from propulate_like.problem.parameters import Parameter
from propulate_like.problem.space import Genome
from propulate_like.propagators.propagator import BreedingContext, Variation


class PointMutation(Variation):
    """Point mutation: some random genes are drawn uniformly.

    Args:
        count: The number of genes, at least 1; all of them where there are fewer.
    """

    def __init__(self, count: int = 1) -> None:
        """Check the argument.

        Raises:
            ValueError: `count` is below 1.
        """
        self.count: int = declarations.whole("count", count, 1)

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        (individual,) = individuals
        generator, genome = breeding.generator, individual.candidate.genome
        if self.count == 1:  # the usual case, which is much faster on its own
            genes = list(genome)
            genes[int(generator.random() * len(genes))] = generator.random()
            return [self.derive(individual, tuple(genes), breeding)]
        return [self.derive(individual, redrawn(genome, self.count, generator), breeding)]


class RandomPointMutation(Variation):
    """Point mutation of a random number of genes, each number equally likely.

    Args:
        fewest: The smallest number of genes, at least 0.
        most: The largest number of genes.
    """

    def __init__(self, fewest: int, most: int) -> None:
        """Check the arguments.

        Raises:
            ValueError: `fewest` is below 0 or above `most`.
        """
        self.fewest: int = declarations.whole("fewest", fewest, 0)
        self.most: int = declarations.whole("most", most, self.fewest)

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        (individual,) = individuals
        count = breeding.generator.randint(self.fewest, self.most)
        return [self.derive(individual, redrawn(individual.candidate.genome, count, breeding.generator), breeding)]


class GaussianMutation(Variation):
    """Gaussian mutation: a normal step of each gene with a probability; steps beyond a bound end on it.

    The gene of a Choice has no neighbours: it is drawn uniformly with probability `sigma` instead.

    Args:
        sigma: The step's standard deviation, as a share of the parameter's range on its own scale (linear or
            logarithmic), above 0.
        probability: The probability of each gene's step, in [0, 1].
    """

    def __init__(self, sigma: float = 0.05, probability: float = 1.0) -> None:
        """Check the arguments.

        Raises:
            ValueError: `sigma` is not above 0, or the probability is not in [0, 1].
        """
        self.sigma: float = declarations.number("sigma", sigma, above=True)
        self._steps = NormalDist(0.0, self.sigma)
        self.probability: float = declarations.number("probability", probability, 0.0, 1.0)

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        (individual,) = individuals
        if breeding.space.ordered and self.probability == 1.0:
            random, step = breeding.generator.random, self._steps.inv_cdf  # twice as fast as generator.gauss
            genome = tuple(
                [
                    0.0 if (gene := old + step(random() or 0.5)) < 0.0 else 1.0 if gene > 1.0 else gene
                    for old in individual.candidate.genome
                ]
            )
        else:
            genome = self._partly(individual.candidate.genome, breeding)
        return [self.derive(individual, genome, breeding)]

    def _partly(self, genome: Genome, breeding: BreedingContext) -> Genome:
        """Return the mutated genome, where not all genes take a normal step."""
        generator, genes = breeding.generator, list(genome)
        for index, parameter in enumerate(breeding.space.parameters):
            if self.probability < 1.0 and generator.random() >= self.probability:
                continue
            if parameter.ordered:
                genes[index] = _clipped(genes[index] + generator.gauss(0.0, self.sigma))
            elif generator.random() < self.sigma:
                genes[index] = generator.random()
        return tuple(genes)


class SelfAdaptiveMutation(Variation):
    """Self-adaptive mutation: a few genes change by steps whose size is inherited and itself mutated.

    Each individual has a step size sigma, a share of the range. A newborn's is its parent's times
    exp(`learning_rate` * N(0, 1)). Of its genes, max(1, Exp(`genes`)) random ones, rounded, change by sigma * N(0, 1):
    Beyer and Schwefel 2002, Evolution strategies, section 4, with few genes at a time. An ordered gene with few levels
    changes by a Cauchy step of scale 0.75 levels, and any gene with levels by at least one; the gene of a Choice
    becomes another option. In a finite space no gene is drawn uniformly, and the last gene, or two where one does not
    suffice, change such that the point is fresh (see `PointPartition`).

    Args:
        initial: The initial step size, in [`smallest`, 1].
        smallest: The smallest step size, in (0, 1].
        genes: The mean number of genes that change, above 0.
        learning_rate: The standard deviation of the step size's logarithm, above 0.
        redraw: The probability that a gene is drawn uniformly instead, in [0, 1]; without it, small steps win too early
            where there are many local optima.
    """

    traits = 1

    def __init__(
        self,
        initial: float = 0.2,
        smallest: float = 1e-9,
        genes: float = 1.5,
        learning_rate: float = 0.5,
        redraw: float = 0.2,
    ) -> None:
        """Check the arguments.

        Raises:
            ValueError: An argument is out of its range.
        """
        self.smallest: float = declarations.number("smallest", smallest, 0.0, 1.0, above=True)
        self.initial: float = declarations.number("initial", initial, self.smallest, 1.0)
        self.genes: float = declarations.number("genes", genes, above=True)
        self.learning_rate: float = declarations.number("learning_rate", learning_rate, above=True)
        self.redraw: float = declarations.number("redraw", redraw, 0.0, 1.0)

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        (individual,) = individuals
        generator, parameters = breeding.generator, breeding.space.parameters
        inherited = individual.traits[0] if individual.traits else self.initial
        sigma = min(max(inherited * math.exp(generator.gauss(0.0, self.learning_rate)), self.smallest), 1.0)
        genes = list(individual.candidate.genome)
        count = min(max(1, round(generator.expovariate(1.0 / self.genes))), len(genes))
        if breeding.partition is not None and breeding.partition.finite:
            genome = breeding.partition.near(individual.candidate.genome, generator, count)
            return [self.derive(individual, genome, breeding, (sigma,))]
        for index in chosen(len(genes), count, generator):
            redraw = generator.random() < self.redraw
            genes[index] = generator.random() if redraw else moved(parameters[index], genes[index], sigma, generator)
        return [self.derive(individual, tuple(genes), breeding, (sigma,))]


def moved(parameter: Parameter, gene: float, sigma: float, generator: Random) -> float:
    """Return a changed gene.

    Args:
        parameter: The gene's parameter.
        gene: The gene.
        sigma: The standard deviation of the step of a continuous parameter; any other takes another value.
        generator: The random generator.
    """
    if parameter.levels is None:
        return _clipped(gene + generator.gauss(0.0, sigma))
    level = parameter.level(gene)
    if parameter.ordered and not parameter.countable:
        target = _clipped(gene + generator.gauss(0.0, sigma))
        if parameter.level(target) != level:
            return parameter.centered(target)
    return parameter.gene(parameter.moved(level, generator))


def redrawn(genome: Genome, count: int, generator: Random) -> Genome:
    """Return the genome with `count` distinct genes drawn uniformly."""
    genes = list(genome)
    for index in chosen(len(genes), count, generator):
        genes[index] = generator.random()
    return tuple(genes)


def chosen(size: int, count: int, generator: Random) -> Sequence[int]:
    """Draw `count` distinct indices below `size`; all of them where there are fewer."""
    if count == 1:  # the usual case, and several times faster than sampling
        return (int(generator.random() * size),)
    return generator.sample(range(size), min(count, size))


def _clipped(gene: float) -> float:
    """Return the nearest number in [0, 1]."""
    return 0.0 if gene < 0.0 else 1.0 if gene > 1.0 else gene
