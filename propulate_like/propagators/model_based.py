"""Local search by a model of the loss: a quadratic one, or a Gaussian process in a trust region."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from propulate_like.population.individual import Individual
from propulate_like.population.population import MODELED, Requirements
from propulate_like.propagators.initialization import CenteredInitialization
from propulate_like.propagators.propagator import Arity, BreedingContext, Propagator

if TYPE_CHECKING:
    import numpy as np

    from propulate_like.population.training_data import Array
    from propulate_like.propagators.models.basins import Basins

_FEWEST = 4  # successful evaluations that a model needs
_EXPLORED = 0.3  # share of random points among those that are to lie elsewhere
# docs/decisions.md, "A basin that seems done is not given up"
_ELSEWHERE, _AFTERWARDS = 0.5, 0.9  # share of those, once a basin seems to be done, and once it certainly is

Proposer = Callable[["Array", "Array", int, "np.random.Generator"], "Array"]


class LocalModel(Propagator, abstract=True):
    """Proposes points near the best one known, by a model of the loss.

    Every gene counts as a number. What failed counts as the worst loss known. Where the search in a basin seems to be
    over (see `Basins`), points are also proposed near the best one elsewhere, and some drawn from anywhere; so is what
    would be a known point again, as an optimum in a corner. The first points are a centered design's.
    """

    takes: Arity = (0, None)
    requirements: Requirements = MODELED
    initial: Propagator = CenteredInitialization()

    def __init__(self) -> None:
        self._basins: Basins | None = None
        self._generator: np.random.Generator
        self._here: Proposer
        self._elsewhere: Proposer
        self._seen = [0, 0]  # how many points there were when each proposed last

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        if len(individuals) < _FEWEST:
            return self.initial(individuals, breeding)
        import numpy as np

        from propulate_like.population.training_data import TrainingData
        from propulate_like.propagators.models.basins import Basins
        from propulate_like.propagators.models.threads import one_thread

        points = TrainingData.of(individuals)
        genomes, losses = points.genomes, points.losses
        failed = np.isnan(losses)
        if len(losses) - np.count_nonzero(failed) < _FEWEST:
            return self.initial(individuals, breeding)
        if failed.any():
            losses = np.where(failed, losses[~failed].max(), losses)
        size, workers = len(breeding.space), breeding.workers
        if self._basins is None:
            self._basins = Basins(size, workers)
            self._generator = np.random.default_rng(breeding.generator.getrandbits(64))
            self._here = self.proposer(size, workers)
        rows, begun = self._basins.look(genomes, losses, points.total)
        if begun:
            self._elsewhere = self.proposer(size, workers)
        propose, which = self._here, 0
        if self._basins.finished and self._generator.random() < (_AFTERWARDS if self._basins.polished else _ELSEWHERE):
            genomes, losses, propose, which = genomes[rows], losses[rows], self._elsewhere, 1
            if len(losses) < _FEWEST or self._generator.random() < _EXPLORED:
                return self._anywhere(breeding)
        new = min(points.total - self._seen[which], len(rows))
        self._seen[which] = points.total
        with one_thread():
            point = propose(genomes, losses, int(rows[len(rows) - new :].sum()) if which else new, self._generator)
        genome = breeding.space.canonical(point.tolist())
        if (points.genomes == genome).all(axis=1).any():
            return self._anywhere(breeding)
        return [breeding.child(genome, origin=self.name)]

    def _anywhere(self, breeding: BreedingContext) -> Sequence[Individual]:
        return [breeding.child(breeding.space.sample(breeding.generator), origin=f"{self.name}+random")]

    def proposer(self, size: int, workers: int) -> Proposer:
        """Return what proposes a point of the unit cube, from points, their losses, and how many of them are new."""
        raise NotImplementedError


class QuadraticModel(LocalModel):
    """The least point, within some radius, of a quadratic model of the loss around the best point.

    In the manner of trust-region methods without derivatives (Powell 2006, The NEWUOA software) and of Hansen 2019, A
    global surrogate assisted CMA-ES; see `models.quadratic`. An ask takes about 1 ms in 5 dimensions, and 5 in 20.
    """

    by_loss = True

    def proposer(self, size: int, workers: int) -> Proposer:
        from propulate_like.propagators.models.quadratic import propose

        return lambda points, losses, _new, generator: propose(points, losses, generator)


class TrustRegion(LocalModel):
    """A point near the best one, where a Gaussian process of the points around it is low.

    After Eriksson et al. 2019, Scalable global optimization via local Bayesian optimization; each rank draws anew how
    far it looks and how optimistic it is, which takes the place of knowing what other ranks are evaluating. An ask
    takes 2 to 20 ms.
    """

    by_loss = True

    def proposer(self, size: int, workers: int) -> Proposer:
        from propulate_like.propagators.models.trust_region import TrustRegionSearch

        return TrustRegionSearch(size, workers).propose
