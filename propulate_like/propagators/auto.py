"""The propagator chosen where none is named: a self-adaptive genetic chain, fit to the budget."""

from __future__ import annotations

from propulate_like.propagators.chain import Chain, Warmup
from propulate_like.propagators.crossover import UniformCrossover
from propulate_like.propagators.initialization import RandomRestart, UniformInitialization
from propulate_like.propagators.mutation import SelfAdaptiveMutation
from propulate_like.propagators.propagator import Propagator
from propulate_like.propagators.selection import SelectRanked

_FEWEST, _MOST = 4, 40  # individuals to breed from


def auto(evaluations: int | None = None, share: float = 1.0) -> Propagator:
    """Give a self-adaptive genetic chain whose population suits the number of evaluations, if that is known.

    One of several islands, with that `share` of the ranks, breeds from half its share of that: what else it needs comes
    from the others.
    """
    suits = _MOST if evaluations is None else min(max(evaluations // 10, _FEWEST), _MOST)
    among = suits if share == 1.0 else max(round(suits * share / 2), _FEWEST)
    chain = Chain(
        SelectRanked(2, among=among),
        UniformCrossover(0.8),
        SelfAdaptiveMutation(),
        RandomRestart(0.01),
    )
    return Warmup(UniformInitialization(), chain, size=among)
