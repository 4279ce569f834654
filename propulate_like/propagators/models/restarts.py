"""Restarts of CMA-ES with large and small populations, which avoid the optima found before."""

from __future__ import annotations

import numpy as np

from propulate_like.population.training_data import Array
from propulate_like.propagators.models.cma_es import EvolutionStrategy, usual_population

_NEAR = 0.005  # radius of a known optimum's basin, as a share of the unit cube's diagonal
_MOST = 1024  # largest number of results per update
_REMEMBERED = 1000  # newest optima that are kept
_PATIENCE = 3  # populations of results in a row, all near known optima, after which a search restarts


class RestartedCMAES:
    """CMA-ES in the unit cube that restarts elsewhere whenever it has ended.

    Hansen 2009, Benchmarking a BI-population CMA-ES on the BBOB-2009 function testbed (BIPOP-CMA-ES): the population
    doubles with each large run, and small runs come in between while they have used fewer results. Results near an
    optimum where an earlier search ended are ignored, and a search that moves there ends too.

    Attributes:
        sigma: The initial step size.
        population: The first number of results per update.
        restarts: The number of restarts.
        search: The present search.
    """

    def __init__(
        self,
        dimension: int,
        sigma: float,
        generator: np.random.Generator,
        places: np.random.Generator,
        *,
        start: Array | None = None,
        population: int | None = None,
    ) -> None:
        """Start the first search.

        Args:
            dimension: The number of coordinates, d.
            sigma: The initial step size, as a share of the range.
            generator: The random generator of points.
            places: The random generator of starts, which ranks that search together seed alike.
            start: The first start, shape (d,); by default a random point near the middle.
            population: The first number of results per update, by default `usual_population`.
        """
        self.sigma = sigma
        self.population = population or usual_population(dimension)
        self.restarts = 0
        self._generator, self._places = generator, places
        self._doublings = 0
        self._spent = [0, 0]  # results, by small and large populations
        self._large = True
        self._searched: Array = np.empty((0, dimension))
        self._refused = 0
        place = 0.5 + 0.6 * (places.random(dimension) - 0.5) if start is None else start
        self.search = EvolutionStrategy(place, sigma, generator, self.population)

    def ask(self) -> Array:
        """Draw a point of the unit cube, shape (d,)."""
        return self.search.ask()

    def tell(self, point: Array, loss: float) -> None:
        """Add the loss of a point, shape (d,), of the unit cube; NaN is ignored."""
        if loss != loss:  # noqa: PLR0124 (NaN)
            return
        self._spent[self._large] += 1
        if len(self._searched) and self._known(point):
            self._refused += 1
            if self._refused >= _PATIENCE * self.search.population:
                self._restart()
            return
        self._refused = 0
        self.search.tell(point, loss)
        if self.search.ended:
            self._searched = np.vstack([self._searched[1 - _REMEMBERED :], np.clip(self.search.mean, 0.0, 1.0)])
            self._restart()
        elif len(self._searched) and self._known(self.search.mean, 2.0 * _NEAR):
            self._restart()

    def _known(self, point: Array, near: float = _NEAR) -> bool:
        """Return whether a point is near a known optimum.

        Args:
            point: The point, shape (d,).
            near: The distance, as a share of the unit cube's diagonal.
        """
        distances = np.square(self._searched - point).sum(axis=1)
        return bool(distances.min() < near**2 * len(point))

    def _restart(self) -> None:
        """Start the next search, with a large or a small population."""
        self.restarts += 1
        self._refused = 0
        self._large = self._spent[True] <= self._spent[False] or self._doublings == 0
        place, sigma = self._places.random(len(self.search.mean)), self.sigma
        if self._large:
            self._doublings += self.population << self._doublings < _MOST
            population = self.population << self._doublings
        else:
            share = float(self._places.random()) ** 2
            population = int(self.population * (0.5 * (1 << self._doublings)) ** share)
            sigma *= 10.0 ** (-2.0 * float(self._places.random()))
        self.search = EvolutionStrategy(place, sigma, self._generator, min(population, _MOST))
