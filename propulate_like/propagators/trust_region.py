"""A Gaussian process in a trust region, as a propagator."""

from __future__ import annotations

from propulate_like.propagators.local import LocalModel, Proposer


class TrustRegion(LocalModel):
    """A point near the best one, where a Gaussian process of the points around it is low.

    After Eriksson et al. 2019, Scalable global optimization via local Bayesian optimization; each rank draws anew how
    far it looks and how optimistic it is, which takes the place of knowing what other ranks are evaluating. An ask
    takes 2 to 20 ms.
    """

    by_loss = True

    def proposer(self, size: int, workers: int) -> Proposer:
        from propulate_like.models.trust_region import TrustRegionSearch

        return TrustRegionSearch(size, workers).propose
