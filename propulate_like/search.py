"""minimize and maximize: a whole search, on however many ranks this program was started with."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from propulate_like import declarations
from propulate_like.budget import Budget
from propulate_like.evaluation.inline import InlineEvaluator
from propulate_like.evaluation.objective import Loss, space_of
from propulate_like.individual import Status
from propulate_like.interruption import Interruption
from propulate_like.journal import Journal, Session, journal_path
from propulate_like.messages import Farewell
from propulate_like.optimizer import Optimizer
from propulate_like.propagators import Propagator
from propulate_like.result import Result
from propulate_like.run import Beginning, Run
from propulate_like.space import Space
from propulate_like.tickets import Tickets
from propulate_like.transport import connect
from propulate_like.worker import Watcher, Worker


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
    budget = Budget(evaluations, seconds, target)
    return _Search(loss, space, budget, propagator, seed, run, progress=progress, maximize=False).run()


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
    budget = Budget(evaluations, seconds, target)
    return _Search(loss, space, budget, propagator, seed, run, progress=progress, maximize=True).run()


class _Search:
    """One search on this rank: wires the parts together, and puts the result together from every rank's last words."""

    def __init__(
        self,
        loss: Loss,
        space: Space | Mapping[str, Any] | None,
        budget: Budget,
        propagator: Propagator | str,
        seed: int | None,
        run: str | os.PathLike[str] | None,
        *,
        progress: bool | None,
        maximize: bool,
    ) -> None:
        self.space = space_of(loss, space)
        self.budget = budget
        self.maximize = maximize
        self.evaluate = InlineEvaluator(loss, self.space, maximize=maximize)
        self.transport = connect()
        self.optimizer = Optimizer(
            self.space,
            propagator=propagator,
            evaluations=budget.evaluations,
            workers=self.transport.size,
            rank=self.transport.rank,
            seed=seed,
        )
        self.folder = None if run is None else Path(run)
        self.show_progress = sys.stderr.isatty() if progress is None else progress
        self.config = {
            "objective": _name(loss),
            "maximize": maximize or None,
            "space": self.space.declaration(),
            "budget": budget.declaration(),
            "propagator": "auto" if propagator == "auto" else declarations.dump(self.optimizer.propagator),
            "seed": seed,
        }

    def run(self) -> Result:
        beginning = self._begin_together()
        self._restore(beginning)
        with ExitStack() as stack:
            watch = None
            if self.show_progress and self.transport.rank == 0:
                from propulate_like.report.progress import Progress

                watch = stack.enter_context(Progress(beginning, self.budget, maximize=self.maximize))
            try:
                worker = self._worker(beginning, watch)
                stack.enter_context(Interruption(worker))
                worker.run()
            except BaseException:
                # Not the loss, but the search itself failed here (a full disk, say): the others would wait for ever.
                if self.transport.size > 1:
                    traceback.print_exc()
                    self.transport.abort()
                raise
        result = self._result(worker.farewells, beginning)
        if not result.succeeded and result.failure is not None:
            raise SearchFailed(result)
        return result

    def _begin_together(self) -> Beginning:
        """Let rank 0 read or create the run's folder, and hand what it found, or what is wrong, to every rank."""
        message = None
        if self.transport.rank == 0:
            try:
                start = _Start(self._begin())
            except ValueError as error:
                start = _Start(error=str(error))
            except OSError as error:
                start = _Start(error=f"the run's folder {self.folder} cannot be used: {error}")
            message = msgspec.json.encode(start)
        start = msgspec.json.decode(self.transport.broadcast(message), type=_Start)
        if start.beginning is None:
            self.transport.close(1.0)
            raise ValueError(start.error)
        return start.beginning

    def _begin(self) -> Beginning:
        if self.folder is None:
            return Beginning(self.optimizer.seed)
        if self.config["seed"] is None and not Run.exists(self.folder):
            self.config["seed"] = self.optimizer.seed
        return Run.open(self.folder, self.config).recover(self.optimizer.population)

    def _restore(self, beginning: Beginning) -> None:
        """Go on where the run stood: its seed, this rank's count of individuals, and what it knew."""
        self.optimizer.seed = beginning.seed
        self.optimizer.begin(beginning.serials.get(self.optimizer.rank, 0))
        for evaluated in (*beginning.population, *([beginning.best] if beginning.best else [])):
            self.optimizer.absorb(evaluated.individual(self.space))

    def _worker(self, beginning: Beginning, watch: Watcher | None) -> Worker:
        rank, size = self.transport.rank, self.transport.size
        journal = Journal(None if self.folder is None else journal_path(self.folder, rank))
        journal.write(Session(rank=rank, ranks=size, began=time.time(), host=os.uname().nodename, pid=os.getpid()))
        lowest = self.budget.lowest_loss(maximize=self.maximize)
        left = self.budget.evaluations_left(beginning.evaluations)
        if beginning.best is not None and beginning.best.loss is not None and beginning.best.loss <= lowest:
            left = 0
        unfinished = beginning.unfinished[rank::size]
        return Worker(
            self.optimizer,
            self.transport,
            self.evaluate,
            journal,
            Tickets(left, rank, self.transport.peers),
            deadline=time.perf_counter() + self.budget.seconds_left(beginning.seconds),
            target=lowest,
            unfinished=[started.individual(self.space) for started in unfinished],
            watch=watch,
        )

    def _result(self, farewells: dict[int, Farewell], beginning: Beginning) -> Result:
        """Put the ranks' last words together; the same on every rank, whatever order they came in."""
        words = [farewells[rank] for rank in sorted(farewells)]
        statuses = Counter(beginning.statuses)
        for word in words:
            statuses.update(word.statuses)
        bests = [found for found in (beginning.best, *(word.best for word in words)) if found is not None]
        failures = [found for found in (beginning.failure, *(word.failure for word in words)) if found is not None]
        best = min(bests, key=lambda found: (found.loss, found.ended, found.id), default=None)
        failure = min(failures, key=lambda found: (found.ended, found.id), default=None)
        return Result(
            best=None if best is None else best.individual(self.space),
            failure=None if failure is None else failure.individual(self.space),
            statuses={status: statuses[status] for status in Status if statuses[status]},
            seconds=beginning.seconds + max(word.ended for word in words) - min(word.began for word in words),
            idle_share=idle_share(words),
            batches=sum(word.batches for word in words),
            reason=min(words, key=lambda word: word.ended).reason,
            maximize=self.maximize,
            run=self.folder,
            history=[event.individual(self.space) for word in words for event in word.history],
        )


def idle_share(farewells: list[Farewell]) -> float:
    """Give the part of the ranks' time, until the last evaluation began, in which they waited for work."""
    began, until = min(word.began for word in farewells), max(word.last_start for word in farewells)
    idle = sum(max(min(end, until) - begin, 0.0) for word in farewells for begin, end in word.idle)
    return idle / (len(farewells) * (until - began)) if until > began else 0.0


def _name(loss: Loss) -> str:
    module = getattr(loss, "__module__", None)
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if module == "__main__" and script:
        module = Path(script).name
    return f"{module}:{getattr(loss, '__qualname__', type(loss).__name__)}"
