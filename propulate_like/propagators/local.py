"""Local search by a model of the loss: what its kinds share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from propulate_like.individual import Individual
from propulate_like.population import Reads
from propulate_like.propagators.initialization import CenteredInitialization
from propulate_like.propagators.propagator import Breeding, Propagator

if TYPE_CHECKING:
    import numpy as np

    from propulate_like.models.basins import Array, Basins

_READ = 10_000  # individuals
_FEWEST = 4  # successful evaluations that a model needs
_EXPLORED = 0.3  # share of asks for points anywhere, once a basin was searched to its end


class LocalModel(Propagator):
    """Proposes points near the best one known, by a model of the loss; then near the best one elsewhere.

    Every gene counts as a number. What failed counts as the worst loss known. Where the search in one basin is over
    (see `Basins`), another one is begun, and some points are drawn from anywhere. The first points are a centered
    design's.
    """

    takes = (0, None)
    reads = Reads(best=_READ, points=_READ)
    initial = CenteredInitialization()

    def __init__(self) -> None:
        self._basins: Basins | None = None
        self._generator: np.random.Generator

    def __call__(self, individuals: Sequence[Individual], breeding: Breeding) -> Sequence[Individual]:
        if len(individuals) < _FEWEST:
            return self.initial(individuals, breeding)
        import numpy as np

        from propulate_like.models.basins import Basins
        from propulate_like.points import Points

        if self._basins is None:
            self._basins = Basins(len(breeding.space), breeding.workers)
            self._generator = np.random.default_rng(breeding.generator.getrandbits(64))
            self.prepare(len(breeding.space), breeding.workers)
        points = Points.of(individuals)
        losses = points.losses
        failed = np.isnan(losses)
        if failed.any():
            losses = np.where(failed, losses[~failed].max(), losses)
        rows, begun = self._basins.look(points.genomes, losses, points.total)
        genomes, losses = points.genomes[rows], losses[rows]
        explores = bool(self._basins.finished) and self._generator.random() < _EXPLORED
        if explores or len(losses) < _FEWEST:
            return [breeding.child(breeding.space.sample(breeding.generator), origin=f"{self.name}+random")]
        point = self.propose(genomes, losses, self._generator, begun=begun)
        return [breeding.child(tuple(point.tolist()), origin=self.name)]

    def prepare(self, dimension: int, workers: int) -> None:
        """Make what proposals need; called once, before the first."""

    def propose(self, points: Array, losses: Array, generator: np.random.Generator, *, begun: bool) -> Array:
        """Give a point of the unit cube, from these rows; `begun` says that they lie in another basin than before."""
        raise NotImplementedError
