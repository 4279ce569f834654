"""Initialization: newborns without parents."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from propulate_like import declarations
from propulate_like.individual import Individual
from propulate_like.propagators.propagator import Breeding, Propagator


class UniformInitialization(Propagator):
    """A point drawn uniformly from the unit cube."""

    takes = (0, None)

    def __call__(self, individuals: Sequence[Individual], breeding: Breeding) -> Sequence[Individual]:
        return [breeding.child(breeding.space.sample(breeding.generator), origin=self.name)]


class _Design(Propagator):
    """What designs share: points of one common design, each rank taking every `workers`-th."""

    takes = (0, None)

    def __init__(self, size: int) -> None:
        """ValueError where `size` is below 1."""
        self.size = declarations.whole("size", size, 1)

    def __call__(self, individuals: Sequence[Individual], breeding: Breeding) -> Sequence[Individual]:
        index = breeding.id.serial * breeding.workers + breeding.id.rank
        block, row = divmod(index, self.size)
        points = _design(self.name, len(breeding.space), self.size, breeding.seed, block)
        return [breeding.child(points[row], origin=self.name)]


class SobolInitialization(_Design):
    """The next point of a scrambled Sobol sequence that all ranks share; after `size` points, a new scramble.

    Owen 1998, Scrambling Sobol' and Niederreiter-Xing points. Most even where `size` is a power of 2.
    """

    def __init__(self, size: int = 64) -> None:
        """ValueError where `size` is below 1."""
        super().__init__(size)


class LatinHypercubeInitialization(_Design):
    """The next point of a Latin hypercube of `size` points that all ranks share; after `size` points, a new one.

    McKay, Beckman and Conover 1979, A comparison of three methods for selecting values of input variables.
    """


class RandomRestart(Propagator):
    """With a probability, a point drawn uniformly from the unit cube instead of the newborn."""

    def __init__(self, probability: float) -> None:
        """ValueError where the probability is not in [0, 1]."""
        self.probability = declarations.number("probability", probability, 0.0, 1.0)

    def __call__(self, individuals: Sequence[Individual], breeding: Breeding) -> Sequence[Individual]:
        if breeding.generator.random() >= self.probability:
            return individuals
        return [breeding.child(breeding.space.sample(breeding.generator), origin=self.name)]


@lru_cache(maxsize=8)
def _design(kind: str, dimension: int, size: int, seed: int, block: int) -> list[tuple[float, ...]]:
    """Draw one block of a design; SciPy is imported only here, as it takes long to load."""
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
