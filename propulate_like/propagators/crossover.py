"""Crossover: one newborn out of several parents."""

from __future__ import annotations

import math
from collections.abc import Sequence

from propulate_like.foundation import declarations
from propulate_like.population.individual import Id, Individual
from propulate_like.population.outcome import BRED
from propulate_like.propagators.propagator import Arity, BreedingContext, Variation


class _Crossover(Variation):
    """What crossovers share: with `probability` parents are mixed, otherwise the first one is passed on."""

    def __init__(self, probability: float) -> None:
        """ValueError where a probability is not in [0, 1]."""
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
        raise NotImplementedError


class UniformCrossover(_Crossover):
    """With `probability`, each gene comes from the second of two parents with probability `share`, else the first.

    Syswerda 1989, Uniform crossover in genetic algorithms.
    """

    takes: Arity = (2, 2)

    def __init__(self, probability: float = 1.0, share: float = 0.5) -> None:
        """ValueError where a probability is not in [0, 1]."""
        super().__init__(probability)
        self.share: float = declarations.number("share", share, 0.0, 1.0)

    def _mix(self, individuals: Sequence[Individual], breeding: BreedingContext) -> tuple[float, ...]:
        random, share = breeding.generator.random, self.share
        first, second = individuals
        return tuple([b if random() < share else a for a, b in zip(first.candidate.genome, second.candidate.genome)])


class MultiParentCrossover(_Crossover):
    """With `probability`, each gene comes from one of any number of parents, each equally likely.

    Eiben, Raue and Ruttkay 1994, Genetic algorithms with multi-parent recombination (gene scanning).
    """

    takes: Arity = (2, None)

    def __init__(self, probability: float = 1.0) -> None:
        """ValueError where a probability is not in [0, 1]."""
        super().__init__(probability)

    def _mix(self, individuals: Sequence[Individual], breeding: BreedingContext) -> tuple[float, ...]:
        random, count = breeding.generator.random, len(individuals)
        return tuple([genes[int(random() * count)] for genes in zip(*[i.genome for i in individuals], strict=True)])


class MeanCrossover(_Crossover):
    """With `probability`, each gene is the mean of all the parents' genes; that of a Choice is one parent's.

    Beyer 1995, Toward a theory of evolution strategies: on the benefits of sex (intermediate recombination): what is
    wrong with single parents, noise too, averages out.
    """

    takes: Arity = (2, None)

    def __init__(self, probability: float = 1.0) -> None:
        """ValueError where the probability is not in [0, 1]."""
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
    """Each gene comes from the second of two parents with probability 1 / (1 + exp((l2 - l1) / temperature)).

    l1 and l2 are the parents' losses, so the better parent gives more genes, the more so the lower the temperature
    (in units of the loss). This is the Boltzmann acceptance of Mahfoud and Goldberg 1995, Parallel recombinative
    simulated annealing, for each gene by itself.
    """

    takes: Arity = (2, 2)

    def __init__(self, temperature: float = 1.0, probability: float = 1.0) -> None:
        """ValueError where the temperature is not above 0 or the probability not in [0, 1]."""
        super().__init__(probability)
        self.temperature: float = declarations.number("temperature", temperature, above=True)

    def _mix(self, individuals: Sequence[Individual], breeding: BreedingContext) -> tuple[float, ...]:
        random = breeding.generator.random
        first, second = individuals
        exponent = (second.loss - first.loss) / self.temperature
        share = _logistic(-exponent) if math.isfinite(exponent) else 0.5
        return tuple([b if random() < share else a for a, b in zip(first.genome, second.genome)])


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))
