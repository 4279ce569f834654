"""Bayesian optimization in spaces of parameters of any kind."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from propulate_like.foundation import declarations
from propulate_like.foundation.undisturbed import undisturbed
from propulate_like.population.individual import Individual
from propulate_like.population.population import MODELED, Requirements
from propulate_like.problem.partition import PointPartition
from propulate_like.propagators.initialization import CenteredInitialization
from propulate_like.propagators.propagator import Arity, BreedingContext, Propagator

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from propulate_like.propagators.models.encoding import Codes, Levels
    from propulate_like.propagators.models.mixed_search import MixedSearch

_FEWEST = 4  # results that a model needs


class MixedGaussianProcess(Propagator):
    """Bayesian optimization: the point with the lowest confidence bound, for parameters of any kind.

    A Gaussian process is fitted to `rows` of the results that the rank knows: the best ones, for two thirds of the
    rows, and the newest of the others. An ask takes a few milliseconds. The first points are those of a centered
    design.

    Args:
        rows: The number of results to which the process is fitted, at least 8.
        boldness: The weight of the standard deviation in the confidence bound, at least 0: the lower it is, the nearer
            to the best points it stays.
    """

    by_loss = True
    takes: Arity = (0, None)
    requirements: Requirements = MODELED
    initial: Propagator = CenteredInitialization()

    # docs/decisions.md, "A hundred rows for the mixed Gaussian process"
    def __init__(self, rows: int = 100, boldness: float = 0.5) -> None:
        """Check the arguments.

        Raises:
            ValueError: `rows` is below 8, or `boldness` is below 0.
        """
        self.rows: int = declarations.whole("rows", rows, 8)
        # docs/decisions.md, "The mixed model stays near the best"
        self.boldness: float = declarations.number("boldness", boldness)
        self._search: MixedSearch | None = None

    @undisturbed
    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        if len(individuals) < _FEWEST:
            return self.initial(individuals, breeding)
        import numpy as np

        from propulate_like.population.training_data import TrainingData
        from propulate_like.propagators.models.feasibility import Known
        from propulate_like.propagators.models.threads import steadily

        points = TrainingData.of(individuals)
        if np.count_nonzero(np.isfinite(points.losses)) < _FEWEST:
            return self.initial(individuals, breeding)
        if self._search is None:
            self._search = self._begin(breeding)
        with steadily():
            self._search.fit(Known.of(points), points.total)
            genome = self._search.propose(partial(fresh_points, breeding.partition))
        return [breeding.child(tuple(genome.tolist()), origin=self.name)]

    def _begin(self, breeding: BreedingContext) -> MixedSearch:
        """Return a search that knows nothing."""
        import numpy as np

        from propulate_like.propagators.models.encoding import Encoding
        from propulate_like.propagators.models.mixed_search import MixedSearch

        generator = np.random.default_rng(breeding.generator.getrandbits(64))
        return MixedSearch(Encoding(breeding.space), breeding.workers, self.rows, self.boldness, generator)


def fresh_points(partition: PointPartition | None, levels: Levels, codes: Codes) -> npt.NDArray[np.bool_]:
    """Return which points, of shape (n, d), belong to this rank and are not known, by their levels and codes."""
    import numpy as np

    if partition is None or partition.exhausted:
        return np.ones(len(codes), dtype=bool)
    fresh: npt.NDArray[np.bool_] = levels @ np.array(partition.strides) % partition.shares == partition.share
    fresh[fresh] = np.fromiter(map(partition.unmet, codes[fresh].tolist()), dtype=bool)
    return fresh
