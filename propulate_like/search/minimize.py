"""minimize and maximize: a whole search, on however many ranks this program was started with."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from propulate_like.evaluation.command import Command
from propulate_like.evaluation.objective import Loss
from propulate_like.evaluation.pruning import Pruner
from propulate_like.evaluation.settings import EvaluationSettings
from propulate_like.problem.budget import Budget
from propulate_like.problem.directions import signs_of
from propulate_like.problem.fidelity import Fidelity
from propulate_like.problem.space import Space
from propulate_like.propagators import Propagator
from propulate_like.search.islands.migration import Islands, IslandsForm
from propulate_like.search.result import Result
from propulate_like.search.session import How, Search


def minimize(
    loss: Loss | Command | str,
    space: Space | Mapping[str, Any] | None = None,
    *,
    directions: Sequence[str] | None = None,
    evaluations: int | None = None,
    seconds: float | None = None,
    target: float | None = None,
    islands: IslandsForm = None,
    migration: Mapping[str, Any] | None = None,
    propagator: Propagator | str = "auto",
    pruner: Pruner | str | Mapping[str, Any] | list[Any] | None = None,
    fidelity: Fidelity | Mapping[str, Any] | None = None,
    evaluation: EvaluationSettings | Mapping[str, Any] | None = None,
    seed: int | None = None,
    run: str | os.PathLike[str] | None = None,
    fork: str | os.PathLike[str] | None = None,
    warm_start: Any = None,
    progress: bool | None = None,
) -> Result:
    """Search for the parameters with the lowest loss, on every rank that this program was started with.

    The search ends after exactly `evaluations` over all ranks, after `seconds`, or once a loss of at most `target` was
    found, whichever comes first; at least one must be given. With `run`, a folder, every evaluation is on disk, and
    the same call continues where the last one ended: the budget counts from the run's first beginning. Without, all
    is kept in memory. With `fork`, a new folder, the search goes on in a copy of the run there, and may be another one:
    those of its individuals that fit are taken over. With a `warm_start` (a run's folder, a study of Optuna's, a table,
    or several, see `WarmStart`), it begins knowing what they hold, which counts nowhere. `progress` shows a bar or
    lines on standard error; None does so where that is a terminal.

    `islands` divides the ranks into populations that evolve apart: their number, their sizes, a mapping or `Islands`.
    `migration` may say between which of them individuals travel, and how (see `Islands`).

    `loss` is a function, or a `Command`. One that takes a `trial` asks for its parameters as Optuna's objectives do
    (see `Trial`), without a `space`. One that returns several losses needs `directions`, such as ["minimize",
    "maximize"]: then there is no best one, but `result.front`. A parameter of it that is named `evaluation` receives
    the context (see `Evaluation`). It may yield intermediate losses, or report them: then `pruner` may stop it early,
    and its last one stands for it. With a `fidelity`, cheap evaluations come first. `evaluation` says how an evaluation
    is carried out, with the keys that YAML has: isolate, timeout, memory, retries, gpus, ranks_per_worker, energy and
    others.

    Every rank gets the same result. Ctrl-C ends the search in good order, and gives the result so far.

    ValueError where the input cannot work; SearchFailed where every evaluation failed.
    """
    budget = Budget(evaluations, seconds, target)
    islands_given = Islands.of(islands, migration)
    how = How(islands_given, propagator, pruner, fidelity, evaluation, warm_start, signs_of(directions))
    return Search(loss, space, budget, how, seed, run, fork, progress=progress).run()


def maximize(
    loss: Loss | Command | str,
    space: Space | Mapping[str, Any] | None = None,
    *,
    evaluations: int | None = None,
    seconds: float | None = None,
    target: float | None = None,
    islands: IslandsForm = None,
    migration: Mapping[str, Any] | None = None,
    propagator: Propagator | str = "auto",
    pruner: Pruner | str | Mapping[str, Any] | list[Any] | None = None,
    fidelity: Fidelity | Mapping[str, Any] | None = None,
    evaluation: EvaluationSettings | Mapping[str, Any] | None = None,
    seed: int | None = None,
    run: str | os.PathLike[str] | None = None,
    fork: str | os.PathLike[str] | None = None,
    warm_start: Any = None,
    progress: bool | None = None,
) -> Result:
    """Search for the parameters with the highest value: as `minimize`, of the value negated.

    An individual's `loss` is the value negated; the result's `value` and `target` are as the function returns them.
    """
    budget = Budget(evaluations, seconds, target)
    islands_given, signs = Islands.of(islands, migration), signs_of(None, maximize=True)
    how = How(islands_given, propagator, pruner, fidelity, evaluation, warm_start, signs)
    return Search(loss, space, budget, how, seed, run, fork, progress=progress).run()
