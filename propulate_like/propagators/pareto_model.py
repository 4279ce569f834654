"""Bayesian optimization of several losses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from propulate_like.foundation import declarations
from propulate_like.foundation.undisturbed import undisturbed
from propulate_like.population.individual import Individual
from propulate_like.population.population import MODELED, Requirements
from propulate_like.propagators.initialization import CenteredInitialization
from propulate_like.propagators.mixed import fresh_points
from propulate_like.propagators.propagator import Arity, BreedingContext, Propagator

if TYPE_CHECKING:
    from propulate_like.propagators.models.front_search import FrontSearch

_FEWEST = 4  # results that a model needs


class ParetoGaussianProcess(Propagator):
    """Bayesian optimization of several losses: a point that may enlarge the front, for parameters of any kind.

    A Gaussian process of each loss is fitted to `rows` of the results that the rank knows (see `models.front_search`),
    and one of each constraint. The first points are those of a centered design.

    Args:
        rows: The number of results to which the processes are fitted, at least 8.
        boldness: The weight of the standard deviation in the confidence bounds, at least 0.
    """

    takes: Arity = (0, None)
    requirements: Requirements = MODELED
    initial: Propagator = CenteredInitialization()

    def __init__(self, rows: int = 100, boldness: float = 0.5) -> None:
        """Check the arguments.

        Raises:
            ValueError: `rows` is below 8, or `boldness` is below 0.
        """
        self.rows: int = declarations.whole("rows", rows, 8)
        self.boldness: float = declarations.number("boldness", boldness)
        self._search: FrontSearch | None = None

    @undisturbed
    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        if len(individuals) < _FEWEST:
            return self.initial(individuals, breeding)
        from propulate_like.population.training_data import TrainingData
        from propulate_like.propagators.models.feasibility import scaled
        from propulate_like.propagators.models.threads import steadily

        points = TrainingData.of(individuals)
        if self._search is None:
            self._search = self._begin(breeding)
        with steadily():
            self._search.fit(points.genomes, points.several, scaled(points.constraints), points.total)
            genome = self._search.propose(partial(fresh_points, breeding.partition))
        return [breeding.child(tuple(genome.tolist()), origin=self.name)]

    def _begin(self, breeding: BreedingContext) -> FrontSearch:
        """Return a search that knows nothing."""
        import numpy as np

        from propulate_like.propagators.models.encoding import Encoding
        from propulate_like.propagators.models.front_search import FrontSearch

        generator = np.random.default_rng(breeding.generator.getrandbits(64))
        return FrontSearch(Encoding(breeding.space), breeding.losses, self.rows, self.boldness, generator)
