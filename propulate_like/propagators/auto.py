"""The propagator chosen where none is named: a self-adaptive genetic chain, fit to the budget."""

from __future__ import annotations

from propulate_like.propagators.chain import Chain, Warmup
from propulate_like.propagators.crossover import UniformCrossover
from propulate_like.propagators.initialization import RandomRestart, UniformInitialization
from propulate_like.propagators.mutation import SelfAdaptiveMutation
from propulate_like.propagators.propagator import Propagator
from propulate_like.propagators.selection import SelectRanked


def auto(evaluations: int | None = None) -> Propagator:
    """Give a self-adaptive genetic chain whose population suits the number of evaluations, if that is known."""
    budget = evaluations if evaluations is not None else 40 * 64
    among = min(max(budget // 10, 4), 40)
    chain = Chain(
        SelectRanked(2, among=among),
        UniformCrossover(0.8),
        SelfAdaptiveMutation(),
        RandomRestart(0.01),
    )
    return Warmup(UniformInitialization(), chain, size=among)
