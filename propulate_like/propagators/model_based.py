"""Local search by a model of the loss: a quadratic model, or a Gaussian process in a trust region."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from propulate_like.foundation.undisturbed import undisturbed
from propulate_like.population.individual import Individual
from propulate_like.population.population import MODELED, Requirements
from propulate_like.propagators.initialization import CenteredInitialization
from propulate_like.propagators.propagator import Arity, BreedingContext, Propagator

if TYPE_CHECKING:
    import numpy as np

    from propulate_like.population.training_data import Array
    from propulate_like.propagators.models.basins import Basins
    from propulate_like.propagators.models.feasibility import Known

_FEWEST = 4  # successful evaluations that a model needs
_EXPLORED = 0.3  # share of random points among those that are proposed elsewhere
# docs/decisions.md, "A basin that seems done is not given up"
_ELSEWHERE, _AFTERWARDS = 0.5, 0.9  # share of points elsewhere once a basin is finished, and once it is polished

Proposer = Callable[["Known", int, "np.random.Generator"], "Array"]
"""A function of known points, the number of new ones and a generator, which returns a point (d,)."""


class LocalModel(Propagator, abstract=True):
    """A propagator that proposes points near the best known one, by a model of the loss.

    Every gene counts as a number, and a failure as the worst known loss. Once a basin is finished (see `Basins`), it
    also proposes points near the best one elsewhere, and random ones. A random point also replaces one that is known
    already, such as an optimum in a corner. The first points are those of a centered design.
    """

    takes: Arity = (0, None)
    requirements: Requirements = MODELED
    initial: Propagator = CenteredInitialization()

    def __init__(self) -> None:
        self._basins: Basins | None = None
        self._generator: np.random.Generator
        self._here: Proposer
        self._elsewhere: Proposer
        self._seen = [0, 0]  # the number of points when each of the two proposed last

    @undisturbed
    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        if len(individuals) < _FEWEST:
            return self.initial(individuals, breeding)
        import numpy as np

        from propulate_like.population.training_data import TrainingData
        from propulate_like.propagators.models.basins import Basins
        from propulate_like.propagators.models.feasibility import Known
        from propulate_like.propagators.models.threads import steadily

        points = TrainingData.of(individuals)
        known = Known.of(points)
        failed = np.isnan(known.losses)
        if len(failed) - np.count_nonzero(failed) < _FEWEST:
            return self.initial(individuals, breeding)
        if failed.any():
            losses, merits = (np.where(failed, each[~failed].max(), each) for each in (known.losses, known.merits))
            known = known._replace(losses=losses, merits=merits)
        size, workers = len(breeding.space), breeding.workers
        if self._basins is None:
            self._basins = Basins(size, workers)
            self._generator = np.random.default_rng(breeding.generator.getrandbits(64))
            self._here = self.proposer(size, workers)
        rows, begun = self._basins.look(known.points, known.merits, points.total)
        if begun:
            self._elsewhere = self.proposer(size, workers)
        propose, which = self._here, 0
        if self._basins.finished and self._generator.random() < (_AFTERWARDS if self._basins.polished else _ELSEWHERE):
            known, propose, which = known.rows(rows), self._elsewhere, 1
            if len(known.points) < _FEWEST or self._generator.random() < _EXPLORED:
                return self._anywhere(breeding)
        new = min(points.total - self._seen[which], len(rows))
        self._seen[which] = points.total
        with steadily():
            point = propose(known, int(rows[len(rows) - new :].sum()) if which else new, self._generator)
        genome = breeding.space.canonical(point.tolist())
        if (points.genomes == genome).all(axis=1).any():
            return self._anywhere(breeding)
        return [breeding.child(genome, origin=self.name)]

    def _anywhere(self, breeding: BreedingContext) -> Sequence[Individual]:
        """Return a random point."""
        return [breeding.child(breeding.space.sample(breeding.generator), origin=f"{self.name}+random")]

    def proposer(self, size: int, workers: int) -> Proposer:
        """Return a function that proposes points of the unit cube.

        Args:
            size: The number of parameters.
            workers: The number of ranks.
        """
        raise NotImplementedError


class QuadraticModel(LocalModel):
    """The minimum, within a radius, of a quadratic model of the loss around the best point.

    It resembles derivative-free trust-region methods (Powell 2006, The NEWUOA software) and Hansen 2019, A global
    surrogate assisted CMA-ES; see `models.quadratic`. An ask takes about 1 ms in 5 dimensions, and 5 ms in 20.
    """

    by_loss = True

    def proposer(self, size: int, workers: int) -> Proposer:
        from propulate_like.propagators.models.quadratic import propose

        return lambda known, _new, generator: propose(known, generator)


class TrustRegion(LocalModel):
    """Bayesian optimization in a trust region: a point near the best one where a Gaussian process is low.

    After Eriksson et al. 2019, Scalable global optimization via local Bayesian optimization (TuRBO). Each ask draws the
    radius and the optimism of the acquisition function at random, which replaces knowledge of the points that other
    ranks are evaluating. An ask takes 2 to 20 ms.
    """

    by_loss = True

    def proposer(self, size: int, workers: int) -> Proposer:
        from propulate_like.propagators.models.trust_region import TrustRegionSearch

        return TrustRegionSearch(size, workers).propose
