"""Mutation: one newborn out of one parent."""

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
    """Draws `count` different genes anew, uniformly; all of them where there are fewer."""

    def __init__(self, count: int = 1) -> None:
        """ValueError where `count` is below 1."""
        self.count: int = declarations.whole("count", count, 1)

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        (individual,) = individuals
        generator, genome = breeding.generator, individual.candidate.genome
        if self.count == 1:  # the usual case, and a good deal faster by itself
            genes = list(genome)
            genes[int(generator.random() * len(genes))] = generator.random()
            return [self.derive(individual, tuple(genes), breeding)]
        return [self.derive(individual, redrawn(genome, self.count, generator), breeding)]


class RandomPointMutation(Variation):
    """Draws a random number of genes anew, uniformly: from `fewest` to `most` of them, each number equally likely."""

    def __init__(self, fewest: int, most: int) -> None:
        """ValueError where `fewest` is below 0 or above `most`."""
        self.fewest: int = declarations.whole("fewest", fewest, 0)
        self.most: int = declarations.whole("most", most, fewest)

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        (individual,) = individuals
        count = breeding.generator.randint(self.fewest, self.most)
        return [self.derive(individual, redrawn(individual.candidate.genome, count, breeding.generator), breeding)]


class GaussianMutation(Variation):
    """Adds a normal step to each gene with a probability; steps beyond a bound end on it.

    `sigma` is the step's standard deviation as a share of the parameter's range (on its own scale, so of the
    logarithmic range where it is logarithmic). The gene of a Choice has no neighbours: it is drawn anew with
    probability `sigma` instead.
    """

    def __init__(self, sigma: float = 0.05, probability: float = 1.0) -> None:
        """ValueError where `sigma` is not above 0 or the probability not in [0, 1]."""
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
    """Changes a few genes by steps whose size is inherited and itself mutated.

    Each individual carries a step size sigma (a share of the range, `initial` at first, never below `smallest`). A
    newborn's is its parent's times exp(`learning_rate` N(0, 1)), and moves max(1, Exp(`genes`)) random genes, rounded,
    by sigma N(0, 1): Beyer and Schwefel 2002, Evolution strategies, section 4, with few genes at a time. Each of these
    genes is drawn anew instead with probability `redraw`, without which small steps win too early where there are many
    local optima. An ordered gene of few levels moves by a Cauchy step of scale 0.75 levels, and one of levels at all by
    at least one; the gene of a Choice becomes another option. In a finite space none is drawn anew, and the last of
    them, or two where one does not suffice, change such that the point is fresh (see `PointPartition`).
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
        """ValueError where a parameter is not above 0, `redraw` is above 1, or `initial` not in [`smallest`, 1]."""
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
    """Return a gene near `gene`: a step of `sigma` where values are continuous, another value where they are not."""
    if parameter.levels is None:
        return _clipped(gene + generator.gauss(0.0, sigma))
    level = parameter.level(gene)
    if parameter.ordered and not parameter.countable:
        target = _clipped(gene + generator.gauss(0.0, sigma))
        if parameter.level(target) != level:
            return parameter.centered(target)
    return parameter.gene(parameter.moved(level, generator))


def redrawn(genome: Genome, count: int, generator: Random) -> Genome:
    """Return the genome with `count` different genes drawn anew, uniformly."""
    genes = list(genome)
    for index in chosen(len(genes), count, generator):
        genes[index] = generator.random()
    return tuple(genes)


def chosen(size: int, count: int, generator: Random) -> Sequence[int]:
    """Draw `count` different indices below `size`; all of them where there are fewer."""
    if count == 1:  # the usual case, and several times faster than sampling
        return (int(generator.random() * size),)
    return generator.sample(range(size), min(count, size))


def _clipped(gene: float) -> float:
    return 0.0 if gene < 0.0 else 1.0 if gene > 1.0 else gene
