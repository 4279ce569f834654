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

    An island has its `share` of that population: apart, and with some migration, the parts find what the whole would.
    """
    suits = _MOST if evaluations is None else min(max(evaluations // 10, _FEWEST), _MOST)
    among = max(round(suits * share), _FEWEST)
    chain = Chain(
        SelectRanked(2, among=among),
        UniformCrossover(0.8),
        SelfAdaptiveMutation(),
        RandomRestart(0.01),
    )
    return Warmup(UniformInitialization(), chain, size=among)
