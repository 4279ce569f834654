"""Candidates of an acquisition function: points around the best known ones, for parameters of any kind."""

from __future__ import annotations

import math

import numpy as np

from propulate_like.population.training_data import Array
from propulate_like.propagators.models.encoding import Encoding

_NEIGHBOURS = 16  # levels of a parameter beyond which only some of them are neighbours
_REDRAWN = 0.2  # share of the changes of ordered parameters that lead to any value
_CHANGES = 1.5  # mean number of parameters that a mutant changes
_SPREAD = 0.75  # scale of a Cauchy step, in levels
_LOW, _HIGH = math.log(0.002), math.log(0.3)  # bounds of the logarithms of continuous parameters' steps
# docs/decisions.md, "The mixed model stays near the best"
_SHAKEN = 0.7  # share of the changed points in which all continuous parameters also take a step


def drawn(encoding: Encoding, count: int, generator: np.random.Generator) -> Array:
    """Draw points uniformly, shape (count, d)."""
    return generator.random((count, len(encoding.levels)))


def neighbours(encoding: Encoding, genomes: Array, generator: np.random.Generator) -> Array:
    """Return points that differ from one of these in one parameter, shape (m, d).

    Of a parameter that is continuous or has many levels, some near and some far values are neighbours. In most points
    the continuous parameters also take a step.

    Args:
        encoding: The encoding of the space.
        genomes: The points, shape (n, d).
        generator: The random generator.
    """
    rows = []
    for index, count in enumerate(encoding.levels):
        for genome in genomes:
            values = encoding.genes[index]
            if count == 0 or count > _NEIGHBOURS:
                values = _stepped(encoding, index, genome[index], generator)
            changed = np.repeat(genome[None, :], len(values), axis=0)
            changed[:, index] = values
            rows.append(changed)
    return _shaken(encoding, np.concatenate(rows), generator)


def mutants(encoding: Encoding, genomes: Array, count: int, generator: np.random.Generator) -> Array:
    """Return random points of these with a few parameters changed, shape (count, d).

    In most points the continuous parameters also take a step.

    Args:
        encoding: The encoding of the space.
        genomes: The points, shape (n, d).
        count: The number of mutants.
        generator: The random generator.
    """
    parents = genomes[generator.integers(len(genomes), size=count)]
    width = parents.shape[1]
    changes = np.clip(np.rint(generator.exponential(_CHANGES, size=count)), 1, width)
    order = np.argsort(np.argsort(generator.random(parents.shape), axis=1), axis=1)
    anywhere = generator.random(parents.shape)
    scales = np.exp(generator.uniform(_LOW, _HIGH, size=(count, 1)))
    jumps = _SPREAD * generator.standard_cauchy(parents.shape)
    whole = np.sign(jumps) * np.clip(np.abs(np.rint(jumps)), 1, None)
    near = np.clip(parents + scales * generator.standard_normal(parents.shape), 0.0, 1.0)
    for index in np.flatnonzero(encoding.ordered & (encoding.levels > 1)).tolist():
        near[:, index] = encoding.stepped(index, parents[:, index], whole[:, index])
    redrawn = ~encoding.ordered | (generator.random(parents.shape) < _REDRAWN)
    changed = np.where(order < changes[:, None], np.where(redrawn, anywhere, near), parents)
    return _shaken(encoding, changed, generator)


def around(encoding: Encoding, genome: Array, half: Array, count: int, generator: np.random.Generator) -> Array:
    """Draw points in a box around one, shape (count, d): some differ from it in all genes, some in a few.

    Args:
        encoding: The encoding of the space.
        genome: The point, shape (d,).
        half: Half the sides of the box, shape (d,). The wider it is for a Choice, the more often that changes.
        count: The number of points.
        generator: The random generator.
    """
    width = len(genome)
    low, high = np.clip(genome - half, 0.0, 1.0), np.clip(genome + half, 0.0, 1.0)
    uniform = generator.random((count, width))
    moved = np.where(encoding.ordered, low + uniform * (high - low), uniform)
    shares = generator.choice([1.0, 0.5, min(1.0, 2.0 / width)], size=(count, 1))
    chances = np.where(encoding.ordered, shares, np.minimum(shares, np.minimum(half / 2.0, 0.5)))
    return np.where(generator.random((count, width)) < chances, moved, genome)


def _shaken(encoding: Encoding, rows: Array, generator: np.random.Generator) -> Array:
    """Move the continuous genes of most rows, as a rough loss makes values tried before the least promising."""
    scales = np.exp(generator.uniform(_LOW, _HIGH, size=(len(rows), 1)))
    moved = (generator.random((len(rows), 1)) < _SHAKEN) & (encoding.levels == 0)
    return np.where(moved, np.clip(rows + scales * generator.standard_normal(rows.shape), 0.0, 1.0), rows)


def _stepped(encoding: Encoding, index: int, gene: float, generator: np.random.Generator) -> Array:
    """Return genes of a parameter, some near to a gene and some far from it, shape (m,)."""
    count = int(encoding.levels[index])
    scales = np.exp(generator.uniform(_LOW, _HIGH, size=_NEIGHBOURS // 2))
    steps = scales * generator.standard_normal(_NEIGHBOURS // 2)
    stepped = [np.clip(gene + steps, 0.0, 1.0), generator.random(2)]
    if count:
        stepped.append(encoding.stepped(index, np.full(4, gene), np.array([-2.0, -1.0, 1.0, 2.0])))
    return np.concatenate(stepped)
