"""Initialization: individuals without parents."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from random import Random
from typing import Any

from propulate_like.foundation import declarations
from propulate_like.foundation.undisturbed import undisturbed
from propulate_like.population.individual import Individual
from propulate_like.propagators.propagator import Arity, BreedingContext, Propagator

# docs/decisions.md, "First points lie nearer the middle in many dimensions"
_SPREAD = 0.6  # share of the range of a Latin hypercube around the center, where there are few parameters
_STRATA = 8  # the smallest number of its strata


class UniformInitialization(Propagator):
    """Uniform initialization: a random point of the unit cube."""

    takes: Arity = (0, None)

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        return [breeding.child(breeding.space.sample(breeding.generator), origin=self.name)]


class _Design(Propagator):
    """A design that all ranks share: each rank takes every `workers`-th point."""

    takes: Arity = (0, None)

    def __init__(self, size: int) -> None:
        """Check the argument.

        Raises:
            ValueError: `size` is below 1.
        """
        self.size: int = declarations.whole("size", size, 1)

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        index = breeding.id.serial * breeding.workers + breeding.id.rank
        block, row = divmod(index, self.size)
        points = _design(self.name, len(breeding.space), self.size, breeding.seed, block)
        return [breeding.child(points[row], origin=self.name)]


class SobolInitialization(_Design):
    """Sobol initialization: the next point of a scrambled Sobol sequence that all ranks share.

    Owen 1998, Scrambling Sobol' and Niederreiter-Xing points.

    Args:
        size: The number of points after which the sequence is scrambled again, at least 1. The points are most even
            where it is a power of 2.
    """

    def __init__(self, size: int = 64) -> None:
        """Check the argument.

        Raises:
            ValueError: `size` is below 1.
        """
        super().__init__(size)


class LatinHypercubeInitialization(_Design):
    """Latin hypercube initialization: the next point of a Latin hypercube that all ranks share.

    McKay, Beckman and Conover 1979, A comparison of three methods for selecting values of input variables.

    Args:
        size: The number of points of a hypercube, after which another one begins; at least 1.
    """


class CenteredInitialization(Propagator):
    """Centered initialization: the center of the unit cube, then points of Latin hypercubes around it.

    Good values are more often near the middle of a range than near its ends: Cauwet et al. 2020, Fully parallel
    hyperparameter search: reshaped space-filling. Each rank takes one point of a hypercube. The first hypercube covers
    only a part of the range of each Float and Int, later ones the whole range. All options are equally frequent.

    Args:
        spread: The share of the range that the first hypercube covers, in (0, 1]; by default 0.6 for up to five
            parameters and less for more, as a point far from the middle in many parameters is hardly ever good.
    """

    takes: Arity = (0, None)

    def __init__(self, spread: float | None = None) -> None:
        """Check the argument.

        Raises:
            ValueError: `spread` is not in (0, 1].
        """
        self.spread: float | None = (
            None if spread is None else declarations.number("spread", spread, 0.0, 1.0, above=True)
        )

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        rank, serial = breeding.id.rank, breeding.id.serial
        if rank == serial == 0:
            return [breeding.child((0.5,) * len(breeding.space), origin=self.name)]
        size = max(breeding.workers, _STRATA)
        block, row = divmod(serial * breeding.workers + rank, size)
        design = Random(f"{breeding.seed}/{block}")  # the same on every rank
        spread = self.spread or _SPREAD * min(5.0 / len(breeding.space), 1.0) ** (1.0 / 3.0)
        genome = []
        for parameter in breeding.space.parameters:
            strata = design.sample(range(size), size)
            width = spread if block == 0 and parameter.numeric else 1.0
            genome.append(0.5 + width * ((strata[row] + design.random()) / size - 0.5))
        return [breeding.child(tuple(genome), origin=self.name)]


class RandomRestart(Propagator):
    """A random restart: with a probability, a random point of the unit cube replaces the newborn.

    Args:
        probability: The probability, in [0, 1].
    """

    def __init__(self, probability: float) -> None:
        """Check the argument.

        Raises:
            ValueError: The probability is not in [0, 1].
        """
        self.probability: float = declarations.number("probability", probability, 0.0, 1.0)

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        if breeding.generator.random() >= self.probability:
            return individuals
        return [breeding.child(breeding.space.sample(breeding.generator), origin=self.name)]


@lru_cache(maxsize=8)
@undisturbed
def _design(kind: str, dimension: int, size: int, seed: int, block: int) -> list[tuple[float, ...]]:
    """Return the points of one block of a design. SciPy is imported only here, as it takes long to load."""
    import numpy as np
    from scipy.stats import qmc

    generator = np.random.default_rng([seed, block])
    engine: Any
    if kind == SobolInitialization.name:
        engine = qmc.Sobol(dimension, rng=generator)
        points = engine.random_base2((size - 1).bit_length())[:size]
    else:
        engine = qmc.LatinHypercube(dimension, rng=generator)
        points = engine.random(size)
    return [tuple(point) for point in points.tolist()]
