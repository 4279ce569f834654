"""What a run's config.yaml says of a search: all that decides what is searched for, and how."""

from __future__ import annotations

from typing import Any

import msgspec

from propulate_like.evaluation import loading
from propulate_like.evaluation.command import Command
from propulate_like.evaluation.objective import Loss
from propulate_like.evaluation.pruning import Pruner
from propulate_like.evaluation.settings import EvaluationSettings
from propulate_like.foundation import declarations
from propulate_like.problem.budget import Budget
from propulate_like.problem.directions import Signs, directions_of
from propulate_like.problem.fidelity import Fidelity
from propulate_like.problem.space import Space
from propulate_like.propagators import Propagator
from propulate_like.search.islands.migration import Islands
from propulate_like.storage.warm_start import WarmStart


def describe(
    loss: Loss | Command | str,
    space: Space | None,
    *,
    signs: Signs,
    budget: Budget,
    islands: Islands,
    propagator: Propagator | str,
    pruner: Pruner | None,
    fidelity: Fidelity | None,
    settings: EvaluationSettings,
    seed: int | None,
    warm_start: WarmStart,
) -> dict[str, Any]:
    """Return it as YAML can hold it; what is None is left to its default."""
    return {
        "objective": msgspec.to_builtins(loss) if isinstance(loss, Command) else loading.name_of(loss),
        "maximize": signs == (-1.0,) or None,
        "directions": directions_of(signs) if len(signs) > 1 else None,
        "space": None if space is None else space.declaration(),
        "budget": budget.declaration(),
        "islands": islands.declaration(),
        "propagator": propagator if isinstance(propagator, str) else declarations.dump(propagator),
        "pruner": None if pruner is None else declarations.dump(pruner),
        "fidelity": None if fidelity is None else fidelity.declaration(),
        "evaluation": msgspec.to_builtins(settings) or None,
        "seed": seed,
        "warm_start": warm_start.declaration(),
    }
