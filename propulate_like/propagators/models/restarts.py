"""Restarts of CMA-ES with growing populations, and small ones in between, that leave alone what was searched before."""

from __future__ import annotations

import numpy as np

from propulate_like.population.training_data import Array
from propulate_like.propagators.models.cma_es import EvolutionStrategy, usual_population

_NEAR = 0.005  # of the unit cube's diagonal: the basin of an optimum found before, for all that restarts know
_MOST = 1024  # results an update
_REMEMBERED = 1000  # optima
_PATIENCE = 3  # populations of results in a row that lie where it was searched before


class RestartedCMAES:
    """CMA-ES in the unit cube that begins anew, elsewhere, whenever it has ended.

    Hansen 2009, Benchmarking a BI-population CMA-ES on the BBOB-2009 function testbed: populations double (from
    `population`), and where these have had more results so far than the runs of smaller ones, one of those comes next.
    What is told from around an optimum where an earlier search ended is not learnt from; a search that is drawn there
    has ended too. `places` draws where searches begin: ranks that search together give it the same seed.
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
        """Draw a point of the unit cube."""
        return self.search.ask()

    def tell(self, point: Array, loss: float) -> None:
        """Learn the loss of a point of the unit cube; nothing is learnt from NaN."""
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
        """Return whether a point is so near (as a share of the cube's diagonal) to where a search has ended."""
        distances = np.square(self._searched - point).sum(axis=1)
        return bool(distances.min() < near**2 * len(point))

    def _restart(self) -> None:
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
