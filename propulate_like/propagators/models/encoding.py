"""The encoding of genomes of any space as coordinates with meaningful distances."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from propulate_like.population.training_data import Array
from propulate_like.problem.partition import salts
from propulate_like.problem.space import Space

Levels = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int64]

INACTIVE = 0.5
"""The gene of an inactive parameter."""


class Encoding:
    """The conversion of genomes to coordinates, and to the codes of points.

    A number or an Ordinal has one coordinate, from 0 for the first value to 1 for the last one. A Choice has one
    coordinate per option, 1 / sqrt(2) for the chosen option and 0 for the others, so that two options are 1 apart. An
    inactive parameter has the same coordinates in all rows.

    Attributes:
        levels: The number of values of each parameter, shape (d,); 0 where it is continuous, or ordered with very many.
        ordered: Whether each parameter is ordered, shape (d,).
        genes: The gene of each value, by parameter.
        groups: The parameter of each coordinate, shape (number of coordinates,).
    """

    def __init__(self, space: Space) -> None:
        parameters = space.parameters
        told_apart = [p.countable or not p.ordered for p in parameters]
        self.levels: Levels = np.array([(p.levels or 0) if each else 0 for p, each in zip(parameters, told_apart)])
        self.ordered = np.array([p.ordered or p.levels == 1 for p in parameters])
        self.genes = [np.array([p.gene(level) for level in range(count)]) for p, count in zip(parameters, self.levels)]
        self._borders = [[p.border(level) for level in range(count - 1)] for p, count in zip(parameters, self.levels)]
        self._parameters, self._countable = parameters, np.array([p.countable for p in parameters])
        self._conditions = [
            (index, [(parent, list(values)) for parent, values in parents]) for index, parents in space.conditions
        ]
        self._salts: Codes = np.array(salts(space), dtype=np.int64)
        widths = [1 if ordered else max(levels, 1) for ordered, levels in zip(self.ordered, self.levels, strict=True)]
        self.groups: npt.NDArray[np.intp] = np.repeat(np.arange(len(parameters)), widths)

    def canonical(self, genomes: Array) -> tuple[Array, Levels]:
        """Return genomes in canonical form and their levels, both of shape (n, d).

        A level is -1 where the parameter is inactive, and 0 where it is continuous.
        """
        genomes = genomes.copy()
        levels = np.zeros(genomes.shape, dtype=np.int64)
        for index in np.flatnonzero(self.levels).tolist():
            levels[:, index] = np.searchsorted(self._borders[index], genomes[:, index], side="right")
            genomes[:, index] = self.genes[index][levels[:, index]]
        for index, parents in self._conditions:
            for parent, allowed in parents:
                levels[~np.isin(self._levels(parent, genomes, levels), allowed), index] = -1
        genomes[levels < 0] = INACTIVE
        return genomes, levels

    def _levels(self, index: int, genomes: Array, levels: Levels) -> Levels:
        """Return a parameter's levels, shape (n,), also where they are too many to be in `levels`."""
        if self.levels[index]:
            return levels[:, index]
        found = np.array([self._parameters[index].level(gene) for gene in genomes[:, index].tolist()], dtype=np.int64)
        return np.where(levels[:, index] < 0, -1, found)

    def stepped(self, index: int, genes: Array, steps: Array) -> Array:
        """Return the genes of a parameter after steps, always at another level where there is one.

        Args:
            index: The parameter.
            genes: The genes.
            steps: The steps, in levels of mean width.
        """
        centers, borders = self.genes[index], self._borders[index]
        levels = np.searchsorted(borders, genes, side="right")
        targets = np.searchsorted(borders, np.clip(centers[levels] + steps / len(centers), 0.0, 1.0), side="right")
        targets = np.where(targets == levels, levels + np.sign(steps).astype(np.int64), targets)
        stepped: Array = centers[np.clip(targets, 0, len(centers) - 1)]
        return stepped

    def codes(self, levels: Levels) -> Codes:
        """Return the codes (n,) of points by their levels (n, d); they are only valid where `countable` holds."""
        codes: Codes = levels @ self._salts
        return codes

    def coordinates(self, genomes: Array, levels: Levels) -> Array:
        """Return the coordinates (n, number of coordinates) of genomes in canonical form and their levels (n, d)."""
        columns = []
        for index, count in enumerate(self.levels.tolist()):
            if self.ordered[index]:
                low, high = (self.genes[index][0], self.genes[index][-1]) if count > 1 else (0.0, 1.0)
                columns.append(((genomes[:, index] - low) / (high - low))[:, None])
            else:
                columns.append((levels[:, index][:, None] == np.arange(count)) / math.sqrt(2.0))
        coordinates: Array = np.concatenate(columns, axis=1)
        return coordinates

    def countable(self, levels: Levels) -> npt.NDArray[np.bool_]:
        """Return which points have a code, shape (n,): those without an active continuous parameter."""
        without: npt.NDArray[np.bool_] = np.all(self._countable | (levels < 0), axis=1)
        return without
