"""minimize and maximize: a whole search, on however many ranks this program was started with."""

from __future__ import annotations

import math
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from random import SystemRandom
from typing import Any

import msgspec

from propulate_like import declarations
from propulate_like.evaluation.inline import InlineEvaluator
from propulate_like.evaluation.objective import Loss, space_of
from propulate_like.individual import Individual, Status
from propulate_like.interruption import Interruption
from propulate_like.journal import Journal, Session, journal_path
from propulate_like.messages import Farewell
from propulate_like.optimizer import Optimizer
from propulate_like.propagators import Propagator
from propulate_like.result import Result
from propulate_like.run import Beginning, Run
from propulate_like.space import Space
from propulate_like.tickets import Tickets
from propulate_like.transport import Transport, connect
from propulate_like.worker import Worker


class SearchFailed(RuntimeError):  # noqa: N818 (it says what happened, as the standard library's names do)
    """Every evaluation failed. The message holds the first failure's cause, `result` the search's result."""

    def __init__(self, result: Result) -> None:
        cause = result.failure.cause if result.failure is not None else "no cause is known"
        super().__init__(f"all {result.evaluations} evaluations failed; the first one so:\n{cause}")
        self.result = result


class _Start(msgspec.Struct, frozen=True):
    """Rank 0's word to all ranks before the search: where to begin, or why not to."""

    beginning: Beginning | None = None
    error: str = ""


def minimize(
    loss: Loss,
    space: Space | Mapping[str, Any] | None = None,
    *,
    evaluations: int | None = None,
    seconds: float | None = None,
    target: float | None = None,
    propagator: Propagator | str = "auto",
    seed: int | None = None,
    run: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
) -> Result:
    """Search for the parameters with the lowest loss, on every rank that this program was started with.

    The search ends after exactly `evaluations` over all ranks, after `seconds`, or once a loss of at most `target` was
    found, whichever comes first; at least one must be given. With `run`, a folder, every evaluation is on disk, and
    the same call continues where the last one ended: the budget counts from the run's first beginning. Without, all
    is kept in memory. `progress` shows a bar or lines on standard error; None does so where that is a terminal.

    Every rank gets the same result. Ctrl-C ends the search in good order, and gives the result so far.

    ValueError where the input cannot work; SearchFailed where every evaluation failed.
    """
    return _search(loss, space, evaluations, seconds, target, propagator, seed, run, progress=progress, maximize=False)


def maximize(
    loss: Loss,
    space: Space | Mapping[str, Any] | None = None,
    *,
    evaluations: int | None = None,
    seconds: float | None = None,
    target: float | None = None,
    propagator: Propagator | str = "auto",
    seed: int | None = None,
    run: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
) -> Result:
    """Search for the parameters with the highest value: as `minimize`, of the value negated.

    An individual's `loss` is the value negated; the result's `value` and `target` are as the function returns them.
    """
    return _search(loss, space, evaluations, seconds, target, propagator, seed, run, progress=progress, maximize=True)


def _search(
    loss: Loss,
    space: Space | Mapping[str, Any] | None,
    evaluations: int | None,
    seconds: float | None,
    target: float | None,
    propagator: Propagator | str,
    seed: int | None,
    run: str | os.PathLike[str] | None,
    *,
    progress: bool | None,
    maximize: bool,
) -> Result:
    known_space = space_of(loss, space)
    _check_budget(evaluations, seconds, target)
    evaluator = InlineEvaluator(loss, known_space, maximize=maximize)
    transport = connect()
    optimizer = Optimizer(
        known_space,
        propagator=propagator,
        evaluations=evaluations,
        workers=transport.size,
        rank=transport.rank,
        seed=seed,
    )
    folder = None if run is None else Path(run)
    config = {
        "objective": _name(loss),
        "maximize": maximize or None,
        "space": known_space.declaration(),
        "budget": _given(evaluations=evaluations, seconds=seconds, target=target),
        "propagator": "auto" if propagator == "auto" else declarations.dump(optimizer.propagator),
        "seed": seed,
    }
    beginning = _begin_together(transport, folder, config, optimizer)
    return _continue(
        beginning, transport, optimizer, evaluator, folder, evaluations, seconds, target, progress, maximize=maximize
    )


def _continue(
    beginning: Beginning,
    transport: Transport,
    optimizer: Optimizer,
    evaluator: InlineEvaluator,
    folder: Path | None,
    evaluations: int | None,
    seconds: float | None,
    target: float | None,
    progress: bool | None,
    *,
    maximize: bool,
) -> Result:
    rank, size = transport.rank, transport.size
    _restore(optimizer, beginning)
    limit = -math.inf if target is None else -target if maximize else target
    best_before = beginning.best.individual(optimizer.space) if beginning.best is not None else None
    left = None if evaluations is None else max(evaluations - beginning.evaluations, 0)
    if best_before is not None and best_before.loss <= limit:
        left = 0
    journal = Journal(None if folder is None else journal_path(folder, rank))
    journal.write(Session(rank=rank, ranks=size, began=time.time(), host=os.uname().nodename, pid=os.getpid()))
    with ExitStack() as stack:
        watch = None
        if rank == 0 and (progress or (progress is None and sys.stderr.isatty())):
            from propulate_like.report.progress import Progress

            watch = stack.enter_context(Progress(beginning, evaluations, seconds, maximize=maximize))
        worker = Worker(
            optimizer,
            transport,
            evaluator,
            journal,
            Tickets(left, rank, transport.peers),
            deadline=math.inf if seconds is None else time.perf_counter() + seconds - beginning.seconds,
            target=limit,
            unfinished=[
                started.individual(optimizer.space)
                for number, started in enumerate(beginning.unfinished)
                if number % size == rank
            ],
            watch=watch,
        )
        stack.enter_context(Interruption(worker))
        worker.run()
    result = _result(worker.farewells, beginning, optimizer.space, folder, maximize=maximize)
    if not result.succeeded and result.failure is not None:
        raise SearchFailed(result)
    return result


def _begin_together(
    transport: Transport, folder: Path | None, config: dict[str, Any], optimizer: Optimizer
) -> Beginning:
    """Let rank 0 read or create the run's folder, and hand what it found, or what is wrong, to every rank."""
    message = None
    if transport.rank == 0:
        seed = SystemRandom().getrandbits(32) if config["seed"] is None else config["seed"]
        try:
            if folder is None:
                start = _Start(Beginning(seed))
            else:
                fresh = not (folder / "config.yaml").exists()
                opened = Run.open(folder, config | {"seed": seed if fresh else config["seed"]})
                start = _Start(opened.recover(optimizer.population))
        except ValueError as error:
            start = _Start(error=str(error))
        except OSError as error:
            start = _Start(error=f"the run's folder {folder} cannot be used: {error}")
        message = msgspec.json.encode(start)
    start = msgspec.json.decode(transport.broadcast(message), type=_Start)
    if start.beginning is None:
        transport.close(1.0)
        raise ValueError(start.error)
    return start.beginning


def _restore(optimizer: Optimizer, beginning: Beginning) -> None:
    """Go on where the run stood: its seed, this rank's count of individuals, and what it knew."""
    optimizer.seed = beginning.seed
    optimizer.begin(beginning.serials.get(optimizer.rank, 0))
    for evaluated in (*beginning.population, *([beginning.best] if beginning.best else [])):
        optimizer.absorb(evaluated.individual(optimizer.space))


def _result(
    farewells: dict[int, Farewell], beginning: Beginning, space: Space, folder: Path | None, *, maximize: bool
) -> Result:
    """Put the ranks' last words together; the same on every rank, whatever order they came in."""
    ordered = [farewells[rank] for rank in sorted(farewells)]
    statuses = Counter(beginning.statuses)
    for farewell in ordered:
        statuses.update(farewell.statuses)
    bests = [word.best for word in ordered if word.best] + ([beginning.best] if beginning.best else [])
    failures = [word.failure for word in ordered if word.failure] + ([beginning.failure] if beginning.failure else [])
    best = min(bests, key=lambda found: (found.loss, found.ended, found.id), default=None)
    failure = min(failures, key=lambda found: (found.ended, found.id), default=None)
    history: list[Individual] = [event.individual(space) for word in ordered for event in word.history]
    return Result(
        best=best and best.individual(space),
        failure=failure and failure.individual(space),
        statuses={status: statuses[status] for status in Status if statuses[status]},
        seconds=beginning.seconds + max(word.ended for word in ordered) - min(word.began for word in ordered),
        idle_share=idle_share(ordered),
        reason=min(ordered, key=lambda word: word.ended).reason,
        maximize=maximize,
        run=folder,
        history=history,
    )


def idle_share(farewells: list[Farewell]) -> float:
    """Give the part of the ranks' time, until the last evaluation began, in which they waited for work."""
    began, until = min(word.began for word in farewells), max(word.last_start for word in farewells)
    idle = sum(max(min(end, until) - begin, 0.0) for word in farewells for begin, end in word.idle)
    return idle / (len(farewells) * (until - began)) if until > began else 0.0


def _check_budget(evaluations: int | None, seconds: float | None, target: float | None) -> None:
    if evaluations is None and seconds is None and target is None:
        message = "no budget: give evaluations=, seconds= or target="
        raise ValueError(message)
    if evaluations is not None:
        declarations.whole("evaluations", evaluations, 1)
    if seconds is not None:
        declarations.number("seconds", seconds, above=True)
    if target is not None:
        declarations.number("target", target, -math.inf)


def _given(**settings: Any) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _name(loss: Loss) -> str:
    module = getattr(loss, "__module__", None)
    main = sys.modules.get("__main__")
    if module == "__main__" and getattr(main, "__file__", None):
        module = Path(str(main.__file__)).name
    return f"{module}:{getattr(loss, '__qualname__', type(loss).__name__)}"
