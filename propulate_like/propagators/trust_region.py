"""A Gaussian process in a trust region, as a propagator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from propulate_like.propagators.local import LocalModel

if TYPE_CHECKING:
    import numpy as np

    from propulate_like.models.trust_region import Array


class TrustRegion(LocalModel):
    """A point near the best one, where a Gaussian process of the points around it is low.

    After Eriksson et al. 2019, Scalable global optimization via local Bayesian optimization; each rank draws anew how
    far it looks and how optimistic it is, which takes the place of knowing what other ranks are evaluating. An ask
    takes 2 to 20 ms.
    """

    def prepare(self, dimension: int, workers: int) -> None:
        from propulate_like.models.trust_region import TrustRegion as Region

        self._region = Region(dimension, workers)
        self._learnt = 0

    def propose(self, points: Array, losses: Array, generator: np.random.Generator, *, begun: bool) -> Array:
        if begun:
            self._region.begin(float(losses.min()))
            self._learnt = len(losses)
        self._region.learn(losses[self._learnt :])
        self._learnt = len(losses)
        return self._region.propose(points, losses, generator)
