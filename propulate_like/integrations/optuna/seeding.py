"""Seeds for Optuna's samplers: each rank draws from a random stream of its own."""

from __future__ import annotations

import copy
from random import Random
from typing import TYPE_CHECKING

from propulate_like.integrations.optuna.studies import parts
from propulate_like.propagators import BreedingContext

if TYPE_CHECKING:
    import numpy as np
    import optuna


def seed(sampler: optuna.samplers.BaseSampler, breeding: BreedingContext) -> None:
    """Seed all generators of a sampler: from its own seed and the rank, or else from the rank's random stream."""
    one, other = (_draws(copy.deepcopy(sampler)) for _ in range(2))
    given = one == other  # without a seed, copies draw different numbers
    base = f"{one}/{breeding.id}" if given else breeding.generator.getrandbits(64)
    sampler.reseed_rng()  # for generators of other kinds
    for number, state in enumerate(_states(sampler)):
        state.seed(Random(f"{base}/{number}").getrandbits(32))


def _draws(sampler: optuna.samplers.BaseSampler) -> list[int]:
    """Return one draw of each of the sampler's generators."""
    return [int(state.randint(2**31)) for state in _states(sampler)]


def _states(sampler: optuna.samplers.BaseSampler) -> list[np.random.RandomState]:
    """Return the generators of the sampler and of its parts."""
    from numpy.random import RandomState

    held = [state for part in parts(sampler) for state in (getattr(part, "rng", None), *vars(part).values())]
    return list({id(state): state for state in held if isinstance(state, RandomState)}.values())
