"""minimize and maximize: a whole search, on however many ranks this program was started with."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from propulate_like.evaluation.command import Command
from propulate_like.evaluation.objective import Loss
from propulate_like.evaluation.pruning import Pruner
from propulate_like.evaluation.settings import EvaluationSettings
from propulate_like.foundation.console import inform
from propulate_like.foundation.declarations import whole
from propulate_like.parallel.coordination.stopping import Reason
from propulate_like.parallel.transport import launched
from propulate_like.problem.budget import Budget
from propulate_like.problem.directions import MAXIMIZE
from propulate_like.problem.fidelity import Fidelity
from propulate_like.problem.space import Space
from propulate_like.propagators import Propagator
from propulate_like.search.islands.migration import IslandsForm
from propulate_like.search.other_words import names_other_words
from propulate_like.search.result import Result
from propulate_like.search.session import Search
from propulate_like.search.specification import Options, SearchSpecification

_MOST_RANKS = 10_000
"""The largest number of ranks that a call starts."""


class SearchOptions(Options, total=False):
    """The keywords that `minimize` and `maximize` share: how to search and to evaluate, and until when."""

    evaluations: float | None
    seconds: float | str | None
    target: float | None
    ranks: int | None
    progress: bool | None


@names_other_words
def minimize(
    loss: Loss | Command | str,
    space: Space | Mapping[str, Any] | None = None,
    *,
    directions: Sequence[str] | None = None,
    evaluations: float | None = None,
    seconds: float | str | None = None,
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
    points: Sequence[Mapping[str, Any]] | Mapping[str, Any] | None = None,
    callbacks: Any = None,
    ranks: int | None = None,
    progress: bool | None = None,
) -> Result:
    """Search for the parameters with the lowest loss, on every rank that this program was started with.

    The search ends after exactly `evaluations` over all ranks, after `seconds`, or once a loss of at most `target` was
    found, whichever comes first; at least one must be given. Every rank must make the same call, and gets the same
    result. Where ranks differ in it, rank 0 says in what, and every rank exits with status 2; but `seed`, `seconds`,
    `warm_start`, `points`, `callbacks` and `progress` may differ: those of rank 0 hold. Ctrl-C ends the search in good
    order, and gives the result so far.

    Args:
        loss: A function, or a `Command`. It gets its parameters by their names, or all as one mapping where its only
            parameter is named `params` or alike (docs/spaces.md). One that takes a `trial` asks for its parameters
            as Optuna's objectives do (see `Trial`), without a `space`. A parameter of it that is named `evaluation`
            receives the context (see `Evaluation`).
        space: The parameters by their names, or in nested mappings, or limits of them; that of a decorated function by
            default.
        directions: What to do with each of several losses, such as ["minimize", "maximize"]: then there is no best
            individual, but `result.front`.
        evaluations: The number of evaluations over all ranks, a whole number.
        seconds: The time that the search may take, in seconds or as a text such as "10m" or "2h".
        target: The value that is good enough.
        islands: The populations that evolve apart: their number, their sizes, a mapping or `Islands`.
        migration: Between which islands individuals travel, and how (see `Islands`).
        propagator: What breeds: "auto", or a propagator such as a `Chain`.
        pruner: What stops an evaluation early, by the intermediate losses that the loss yields or reports; the last
            one stands for it.
        fidelity: The rungs on which individuals are evaluated, the cheapest first.
        evaluation: How an evaluation is carried out, with the keys that YAML has: isolate, timeout, memory, retries,
            gpus, ranks_per_worker, energy and others (see `EvaluationSettings`).
        seed: A number by which searches on one rank repeat.
        run: A folder in which every evaluation is kept. The same call continues where the last one ended: the budget
            counts from the run's first beginning. Without it, all is kept in memory.
        fork: A new folder: the search goes on in a copy of the run there, and may be another one. Those of its
            individuals that fit are taken over.
        warm_start: What is known from the beginning, and counts nowhere: a run's folder, a study of Optuna's, a
            table, or several of these (see `WarmStart`).
        points: What is evaluated before all else, each once over all ranks: params by their names, as
            [{"learning_rate": 0.01}]. What a point leaves open is drawn at random (docs/searching.md).
        callbacks: What is called as evaluations become known, on one rank: one or a list of `Callback`, functions that
            take (search, individual), and names of trackers such as "mlflow" (docs/callbacks.md).
        ranks: The number of ranks that this call starts, and that search in this program's place; it returns their
            result. For scripts, notebooks and interactive sessions without an MPI launcher. By default the ranks are
            those that this program was started with, which is one without a launcher.
        progress: Whether to show progress on standard error: a bar on a terminal and in a notebook, lines elsewhere. By
            default lines begin after ten seconds.

    Raises:
        ValueError: The input cannot work.
        SystemExit: The input differs between ranks, or cannot work on some of them.
        SearchFailed: Every evaluation failed.
        PartError: A part that the user wrote, such as a propagator, failed.
        RanksFailed: The ranks that this call started ended before the search did.
    """
    options = {
        "directions": directions,
        "islands": islands,
        "migration": migration,
        "propagator": propagator,
        "pruner": pruner,
        "fidelity": fidelity,
        "evaluation": evaluation,
        "seed": seed,
        "run": run,
        "fork": fork,
        "warm_start": warm_start,
        "points": points,
        "callbacks": callbacks,
    }

    def read() -> SearchSpecification:
        _check_ranks(ranks)
        return SearchSpecification.read(loss, space, budget=Budget.of(evaluations, seconds, target), **options)

    if ranks is not None and launched() is None:
        from propulate_like.search.on_ranks.caller import ranks_to_start, search_on_ranks

        _check_ranks(ranks)
        number = ranks_to_start(ranks)
        if number > 1:
            budget = Budget.of(evaluations, seconds, target)
            call = {"objective": loss, "space": space, "budget": budget, **options}
            return _told(search_on_ranks(call, number, progress=progress), progress=progress)
    return _told(Search(read, progress=progress).run(), progress=progress)


def _check_ranks(ranks: Any) -> None:
    """Check the number of ranks that a call is to start, in this process.

    Raises:
        ValueError: It is no number of ranks, or an MPI launcher has started them already.
    """
    if ranks is None:
        return
    number, there = whole("ranks", ranks, 1, _MOST_RANKS), launched()
    if there is not None:
        message = f"ranks={number}: an MPI launcher has started {there[1]} ranks already, so leave it out"
        raise ValueError(message)


def _told(result: Result, *, progress: bool | None) -> Result:
    """Return the result; say, on one rank, where the search was interrupted, and how it goes on."""
    if result.reason == Reason.INTERRUPTED and progress is not False and result.is_root:
        again = "" if result.run is None else f"; the same call continues {result.run}"
        inform(f"interrupted after {result.evaluations} evaluations{again}")
    return result


@names_other_words
def maximize(
    loss: Loss | Command | str, space: Space | Mapping[str, Any] | None = None, **options: Unpack[SearchOptions]
) -> Result:
    """Search for the parameters with the highest value: as `minimize`, of the value negated.

    An individual's `loss` is the value negated; the result's `value` and `target` are as the function returns them.
    """
    return minimize(loss, space, directions=[MAXIMIZE], **options)


def _signature() -> inspect.Signature:
    """Return the signature of `maximize` with its keywords, which are those of `minimize` but for the directions."""
    whole = inspect.signature(minimize)
    return whole.replace(parameters=[each for name, each in whole.parameters.items() if name != "directions"])


maximize.__signature__ = _signature()  # type: ignore[attr-defined]  # what help() and notebooks show
