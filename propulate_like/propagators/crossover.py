"""Crossover: one newborn from several parents."""

from __future__ import annotations

import math
from collections.abc import Sequence

from propulate_like.foundation import declarations
from propulate_like.population.individual import Id, Individual
from propulate_like.population.outcome import BRED
from propulate_like.propagators.propagator import Arity, BreedingContext, Variation


class _Crossover(Variation):
    """A crossover: with a probability the parents are mixed, otherwise the first one is passed on."""

    def __init__(self, probability: float) -> None:
        """Check the argument.

        Raises:
            ValueError: The probability is not in [0, 1].
        """
        self.probability: float = declarations.number("probability", probability, 0.0, 1.0)

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        probability = self.probability
        if probability < 1.0 and breeding.generator.random() >= probability:
            return [self.derive(individuals[0], individuals[0].candidate.genome, breeding)]
        genome = self._mix(individuals, breeding)
        parents: list[Id] = []
        for individual in individuals:
            if individual.outcome.status is BRED:
                parents += individual.candidate.parents
            else:
                parents.append(individual.candidate.id)
        return [breeding.child(genome, tuple(parents), self.name, individuals[0].candidate.traits)]

    def _mix(self, individuals: Sequence[Individual], breeding: BreedingContext) -> tuple[float, ...]:
        """Return the genome of the parents' child."""
        raise NotImplementedError


class UniformCrossover(_Crossover):
    """Uniform crossover: each gene comes from either of two parents.

    Syswerda 1989, Uniform crossover in genetic algorithms.

    Args:
        probability: The probability of a crossover, in [0, 1]; otherwise the first parent is passed on.
        share: The probability that a gene comes from the second parent, in [0, 1].
    """

    takes: Arity = (2, 2)

    def __init__(self, probability: float = 1.0, share: float = 0.5) -> None:
        """Check the arguments.

        Raises:
            ValueError: A probability is not in [0, 1].
        """
        super().__init__(probability)
        self.share: float = declarations.number("share", share, 0.0, 1.0)

    def _mix(self, individuals: Sequence[Individual], breeding: BreedingContext) -> tuple[float, ...]:
        random, share = breeding.generator.random, self.share
        first, second = individuals
        return tuple([b if random() < share else a for a, b in zip(first.candidate.genome, second.candidate.genome)])


class MultiParentCrossover(_Crossover):
    """Multi-parent crossover: each gene comes from one of any number of parents, each equally likely.

    Eiben, Raue and Ruttkay 1994, Genetic algorithms with multi-parent recombination (gene scanning).

    Args:
        probability: The probability of a crossover, in [0, 1]; otherwise the first parent is passed on.
    """

    takes: Arity = (2, None)

    def __init__(self, probability: float = 1.0) -> None:
        """Check the argument.

        Raises:
            ValueError: The probability is not in [0, 1].
        """
        super().__init__(probability)

    def _mix(self, individuals: Sequence[Individual], breeding: BreedingContext) -> tuple[float, ...]:
        random, count = breeding.generator.random, len(individuals)
        return tuple([genes[int(random() * count)] for genes in zip(*[i.genome for i in individuals], strict=True)])


class MeanCrossover(_Crossover):
    """Mean crossover: each gene is the mean of all parents' genes; that of a Choice is one parent's.

    Beyer 1995, Toward a theory of evolution strategies: on the benefits of sex (intermediate recombination). Errors of
    single parents, and noise, average out.

    Args:
        probability: The probability of a crossover, in [0, 1]; otherwise the first parent is passed on.
    """

    takes: Arity = (2, None)

    def __init__(self, probability: float = 1.0) -> None:
        """Check the argument.

        Raises:
            ValueError: The probability is not in [0, 1].
        """
        super().__init__(probability)

    def _mix(self, individuals: Sequence[Individual], breeding: BreedingContext) -> tuple[float, ...]:
        columns = zip(*[individual.candidate.genome for individual in individuals], strict=True)
        return tuple(
            [
                sum(genes) / len(genes) if parameter.ordered else breeding.generator.choice(genes)
                for parameter, genes in zip(breeding.space.parameters, columns)
            ]
        )


class SigmoidCrossover(_Crossover):
    """Sigmoid crossover: each gene comes from either of two parents, more often from the better one.

    A gene comes from the second parent with probability 1 / (1 + exp((l2 - l1) / temperature)), where l1 and l2 are the
    parents' losses. This is the Boltzmann acceptance of Mahfoud and Goldberg 1995, Parallel recombinative simulated
    annealing, for each gene separately.

    Args:
        temperature: The temperature, in units of the loss, above 0. The lower it is, the more genes come from the
            better parent.
        probability: The probability of a crossover, in [0, 1]; otherwise the first parent is passed on.
    """

    takes: Arity = (2, 2)

    def __init__(self, temperature: float = 1.0, probability: float = 1.0) -> None:
        """Check the arguments.

        Raises:
            ValueError: The temperature is not above 0, or the probability is not in [0, 1].
        """
        super().__init__(probability)
        self.temperature: float = declarations.number("temperature", temperature, above=True)

    def _mix(self, individuals: Sequence[Individual], breeding: BreedingContext) -> tuple[float, ...]:
        random = breeding.generator.random
        first, second = individuals
        exponent = (second.loss - first.loss) / self.temperature
        share = _logistic(-exponent) if math.isfinite(exponent) else 0.5
        return tuple([b if random() < share else a for a, b in zip(first.genome, second.genome)])


def _logistic(x: float) -> float:
    """Return 1 / (1 + exp(-x)) without overflow."""
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))
