"""Encoding: genomes of any space as coordinates between which distances mean something."""

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


class Encoding:
    """The way from rows of genes to rows of coordinates, and to their cells.

    A number or Ordinal is one coordinate, its gene from the first value's (0) to the last one's (1). A Choice has one
    for each option, 1 / sqrt(2) where it is chosen and 0 elsewhere, so that two different ones are 1 apart;
    `groups` says which coordinates belong to one parameter. Inactive parameters are alike in all rows.
    """

    def __init__(self, space: Space) -> None:
        parameters = space.parameters
        told_apart = [p.countable or not p.ordered for p in parameters]
        self.levels: Levels = np.array([(p.levels or 0) if each else 0 for p, each in zip(parameters, told_apart)])
        """How many values each parameter has; 0 where they are continuous, or in order and very many."""
        self.ordered = np.array([p.ordered or p.levels == 1 for p in parameters])
        self.genes = [np.array([p.gene(level) for level in range(count)]) for p, count in zip(parameters, self.levels)]
        """The genes that stand for each parameter's values."""
        self._borders = [[p.border(level) for level in range(count - 1)] for p, count in zip(parameters, self.levels)]
        self._parameters, self._countable = parameters, np.array([p.countable for p in parameters])
        self._conditions = [
            (index, [(parent, list(values)) for parent, values in parents]) for index, parents in space.conditions
        ]
        self._salts: Codes = np.array(salts(space), dtype=np.int64)
        widths = [1 if ordered else max(levels, 1) for ordered, levels in zip(self.ordered, self.levels, strict=True)]
        self.groups: npt.NDArray[np.intp] = np.repeat(np.arange(len(parameters)), widths)
        """The parameter that each coordinate belongs to."""

    def canonical(self, genomes: Array) -> tuple[Array, Levels]:
        """Return genomes in canonical form, and their levels: -1 where inactive, 0 where continuous."""
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
        """Return a parameter's levels, also where they are too many for `levels` to hold."""
        if self.levels[index]:
            return levels[:, index]
        found = np.array([self._parameters[index].level(gene) for gene in genomes[:, index].tolist()], dtype=np.int64)
        return np.where(levels[:, index] < 0, -1, found)

    def stepped(self, index: int, genes: Array, steps: Array) -> Array:
        """Return genes of a parameter, moved by so many levels of mean width: to another level, if there is one."""
        centers, borders = self.genes[index], self._borders[index]
        levels = np.searchsorted(borders, genes, side="right")
        targets = np.searchsorted(borders, np.clip(centers[levels] + steps / len(centers), 0.0, 1.0), side="right")
        targets = np.where(targets == levels, levels + np.sign(steps).astype(np.int64), targets)
        stepped: Array = centers[np.clip(targets, 0, len(centers) - 1)]
        return stepped

    def codes(self, levels: Levels) -> Codes:
        """Return the codes of the cells of such rows; those of rows without one mean nothing."""
        codes: Codes = levels @ self._salts
        return codes

    def coordinates(self, genomes: Array, levels: Levels) -> Array:
        """Return the coordinates of rows in canonical form."""
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
        """Say of such rows whether they have a cell: no continuous parameter is active."""
        without: npt.NDArray[np.bool_] = np.all(self._countable | (levels < 0), axis=1)
        return without
