"""One rank's search: its beginning, which all ranks share, its course, and a result of what all of them found."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec

from propulate_like.evaluation import loading
from propulate_like.evaluation.context import Evaluator
from propulate_like.foundation.clock import unix_time
from propulate_like.foundation.console import inform, printable, say
from propulate_like.foundation.parts import PartError
from propulate_like.parallel import rank_status
from propulate_like.parallel.coordination.protocol import CoordinationProtocol, Watcher
from propulate_like.parallel.coordination.stopping import TERMINATION_SECONDS, Reason, StoppingConditions
from propulate_like.parallel.coordination.termination import SessionSummary
from propulate_like.parallel.coordination.tickets import Tickets
from propulate_like.parallel.coordination.watchdog import Wedged
from propulate_like.parallel.rank_status import State
from propulate_like.parallel.team import Follower, TeamEvaluator
from propulate_like.parallel.transport import Transport
from propulate_like.population.codec import Codec
from propulate_like.population.outcome import Status
from propulate_like.population.summary import Summary
from propulate_like.problem.directions import directions_of
from propulate_like.search.assembly import Assembly
from propulate_like.search.observers import Observers
from propulate_like.search.result import Findings, Result
from propulate_like.search.signals import Interruption
from propulate_like.search.specification import SearchSpecification
from propulate_like.search.starting_points import add_points
from propulate_like.search.worker import Worker
from propulate_like.storage.events import Session
from propulate_like.storage.journal import Journal, TakenOver
from propulate_like.storage.run import ResumeSnapshot


class _Start(msgspec.Struct, frozen=True):
    """Rank 0's word to all ranks before the search: where to begin, or why not to."""

    snapshot: ResumeSnapshot
    trials: str = ""
    journals: str = ""
    error: str = ""
    token: str = ""
    seconds: float | None = None


class Search:
    """One search on this rank, from its beginning, which all ranks share, to its result, which is the same on all."""

    def __init__(self, read: Callable[[], SearchSpecification], *, progress: bool | None = None) -> None:
        """Assemble the search.

        Args:
            read: Returns the specification. What it raises, all ranks know of before it is raised here.
            progress: Whether to show progress. By default there is a bar on a terminal and in a notebook, and lines
                after ten seconds elsewhere.

        Raises:
            ValueError: A child process that imports the objective begins a search, or the parts cannot be made.
            RanksDiffer: Ranks were asked for different searches, or some of them cannot begin.
        """
        loading.refuse_in_child()
        self._progress = progress
        self._parts = Assembly(read)
        self._specification = self._parts.specification
        self._world, self._archipelago = self._parts.world, self._parts.archipelago
        self._run_folder = self._parts.run_folder
        self._observers = Observers(
            self._specification, self._run_folder, self._parts.shape, self._world.rank, progress=progress
        )
        self._temporary = ""

    @property
    def codec(self) -> Codec:
        """The codec by which individuals travel between processes of this search."""
        return self._parts.codec

    def run(self) -> Result:
        """Search, as the only one in the run's folder."""
        try:
            return self._run()
        finally:
            if self._temporary:
                with suppress(OSError):  # evaluations keep files there
                    Path(self._temporary).rmdir()
            self._run_folder.release()

    def _run(self) -> Result:
        count, ranks = self._archipelago.islands.count, self._archipelago.ranks
        if count > ranks:
            self._say(f"{count} islands need as many ranks: on {ranks} there are {ranks}")
        start = self._begin_together()
        self._run_folder.token = start.token
        try:
            summary = self._search(start)
        except BaseException:
            self._observers.finish(None)
            raise
        if self._parts.team is not None:
            self._world.close(TERMINATION_SECONDS)
        self._run_folder.restore()
        result = self._result(summary, start)
        unsaved = summary.history if self._run_folder.folder is not None else ()
        self._observers.finish(result, summary.evaluations.finished, unsaved)
        return result.checked()

    def _search(self, start: _Start) -> SessionSummary:
        """Search or evaluate on this rank; where the search itself fails here, and not the loss, end all ranks."""
        transport = self._parts.transport
        try:
            return self._follow(start) if transport is None else self._lead(start, transport)
        except BaseException as error:
            if self._world.size > 1:  # the others would wait forever for what failed here, such as a broken pruner
                if isinstance(error, TakenOver | Wedged | PartError):
                    say(printable(str(error)))
                    rank_status.refuse(str(error), part=True)
                else:
                    traceback.print_exc()
                if not isinstance(error, Wedged):  # which may pass
                    rank_status.write(State.FAILED)
                self._world.abort()
            raise

    def _lead(self, start: _Start, transport: Transport) -> SessionSummary:
        """Search on this rank, with its team where it has one, and return what all workers found."""
        snapshot, budget = start.snapshot, self._specification.budget
        objective, codec = self._parts.objective, self._parts.codec
        self._parts.restore(snapshot)
        with ExitStack() as stack:
            evaluator = self._parts.evaluator(snapshot.seed, start.trials)
            stack.callback(evaluator.close)
            team = None
            if self._parts.team is not None:
                here, limit = objective.in_rank, objective.limit_in_rank
                team = TeamEvaluator(self._parts.team, evaluator, codec, communicates=here, timeout=limit)
                stack.enter_context(team)
            watch = stack.enter_context(self._observers.watching(snapshot))
            left = budget.seconds_left(snapshot.seconds)
            worker = self._worker(snapshot, transport, objective.whole(team or evaluator), watch)
            interruption = Interruption(worker, self._specification.evaluation.grace, left)
            worker.overheard = stack.enter_context(interruption).overheard
            rank_status.write(State.SEARCHING)
            summary = worker.run()
        if worker.prunes_in_vain and Status.STOPPED not in summary.evaluations.statuses:
            self._say("the pruner stopped nothing, as the loss neither reports nor yields intermediate losses")
        if team is not None:
            team.disband(codec.encode(summary), TERMINATION_SECONDS)
        return summary

    def _follow(self, start: _Start) -> SessionSummary:
        """Evaluate with the leader of this rank's team, and return what that knows in the end."""
        team, specification, codec = self._parts.team, self._specification, self._parts.codec
        if team is None:
            message = "a rank that leads no team must belong to one"
            raise RuntimeError(message)
        evaluator = self._parts.evaluator(start.snapshot.seed, start.trials)
        here, limit = self._parts.objective.in_rank, self._parts.objective.limit_in_rank
        follower = Follower(team, evaluator, codec, communicates=here, timeout=limit)
        left = specification.budget.seconds_left(start.snapshot.seconds)
        with Interruption(follower, specification.evaluation.grace, left):
            rank_status.write(State.SEARCHING)
            words = follower.run()
        summary: SessionSummary = codec.decode(words, SessionSummary)
        return summary

    def _begin_together(self) -> _Start:
        """Let rank 0 read or create the run's folder, and hand what it found, or what is wrong, to every rank."""
        message = None
        if self._world.rank == 0:
            message = self._parts.codec.encode(self._begin())
        start: _Start = self._parts.codec.decode(self._world.broadcast(message), _Start)
        if start.error:
            self._world.close(1.0)
            raise ValueError(start.error)
        if start.journals:
            self._share_journals(Path(start.journals))
        budget = self._specification.budget
        if budget.seconds != start.seconds:  # those of rank 0 hold for all
            budget = msgspec.structs.replace(budget, seconds=start.seconds)
            self._specification = msgspec.structs.replace(self._specification, budget=budget)
        return start

    def _share_journals(self, folder: Path) -> None:
        """Keep journals in a folder of rank 0's for callbacks, as there is no run folder.

        Raises:
            ValueError: A rank does not see it.
        """
        if b"" in self._world.gather(b"seen" if folder.is_dir() else b""):
            self._world.close(1.0)
            message = "callbacks on several hosts need run=, a folder that all of them see"
            raise ValueError(message)
        self._run_folder.journals = folder

    def _begin(self) -> _Start:
        """Read or create the run's folder on rank 0, and return what all ranks are to know of it."""
        specification, folder = self._specification, self._run_folder
        nowhere = ResumeSnapshot(seed=0)
        try:
            known = specification.warm_start.read(
                self._parts.space,
                directions_of(specification.signs),
                specification.fidelity,
                specification.evaluation.metric,
                self._say,
            )
            died = {rank // specification.evaluation.ranks_per_worker for rank in rank_status.died_before}
            begun = folder.begin(self._parts.optimizer.seed, self._archipelago.recovering(), sorted(died), self._say)
            begun.known = known
            if self._parts.objective.doubt:
                self._say(self._parts.objective.doubt)
            added = add_points(begun, specification.points, self._parts.space, self._archipelago.layout)
            folder.note(added)
            begun.points = []
            return _Start(
                begun,
                self._trials(),
                self._observers.prepare(begun),
                token=folder.token,
                seconds=specification.budget.seconds,
            )
        except ValueError as error:
            return _Start(nowhere, error=str(error))
        except OSError as error:
            return _Start(nowhere, error=f"the run's folder {folder.known_as} cannot be used: {error}")

    def _say(self, news: str) -> None:
        if self._progress is not False and self._world.rank == 0:
            inform(news)

    def _trials(self) -> str:
        """Return where evaluations keep their files.

        In the run's folder, or in a temporary one that is left in place unless it stays empty.
        """
        folder = self._run_folder.folder
        if folder is not None:
            return str(folder.resolve() / "trials")
        if not self._parts.objective.keeps_files:
            return ""
        import tempfile

        self._temporary = tempfile.mkdtemp(prefix="propulate-like-")
        return self._temporary

    def _journal(self, snapshot: ResumeSnapshot, transport: Transport) -> Journal:
        """Open this rank's journal, and note the session and, on rank 0, the deaths that ended the one before."""
        journal = self._run_folder.journal(transport.rank)
        journal.write(
            Session(
                rank=transport.rank,
                ranks=transport.size,
                began=unix_time(),
                host=os.uname().nodename,
                pid=os.getpid(),
                devices=self._parts.devices,
                team=self._specification.evaluation.ranks_per_worker,
                island=self._parts.optimizer.island,
                islands=len(self._archipelago.layout),
                token=self._run_folder.token,
                run=snapshot.run,
            )
        )
        if transport.rank == 0:
            for death in snapshot.died:
                journal.write(death)
        return journal

    def _worker(
        self, snapshot: ResumeSnapshot, transport: Transport, evaluator: Evaluator, watch: Watcher | None
    ) -> Worker:
        """Return this rank's worker, with its share of what is left of the budget and of what was unfinished."""
        rank, size = transport.rank, transport.size
        journal = self._journal(snapshot, transport)
        optimizer, archipelago = self._parts.optimizer, self._archipelago
        budget, lowest = self._specification.budget, self._specification.lowest_loss
        left = budget.evaluations_left(snapshot.summary.finished)
        if self._had_target(snapshot):
            left = 0
        begun = snapshot.unfinished[:left]
        shares = archipelago.shares(begun)
        island = archipelago.island(optimizer, transport, journal)
        deadline = time.perf_counter() + budget.seconds_left(snapshot.seconds)
        protocol = CoordinationProtocol(
            transport,
            journal,
            Tickets(left, rank, size, [len(share) for share in shares]),
            island.broadcaster,
            self._parts.codec,
            optimizer,
            conditions=StoppingConditions(deadline, lowest, self._specification.evaluation.grace),
            unfinished=shares[rank] if shares else (),
            layout=archipelago.layout,
            dead_state=self._run_folder.inherit,
            watch=watch,
        )
        return Worker(optimizer, protocol, evaluator, journal, island, self._parts.pruner_state(snapshot))

    def _had_target(self, snapshot: ResumeSnapshot) -> bool:
        """Return whether the run had reached its target before this session."""
        best = snapshot.summary.best
        return best is not None and best.feasible and best.loss <= self._specification.lowest_loss

    def _reason(self, summary: SessionSummary, snapshot: ResumeSnapshot) -> str:
        """Return why the search ended; one that had reached its target before had nothing left to evaluate."""
        if summary.reason == Reason.EVALUATIONS and self._had_target(snapshot):
            return Reason.TARGET
        return summary.reason

    def _result(self, summary: SessionSummary, start: _Start) -> Result:
        """Put what was found before and in this session together; but for `is_root`, the same on every rank."""
        snapshot, specification = start.snapshot, self._specification
        root = min(set(range(self._archipelago.ranks)) - set(summary.dead))
        findings = Findings(
            Summary.of([snapshot.summary, summary.evaluations]),
            msgspec.structs.replace(summary, reason=self._reason(summary, snapshot)),
            snapshot.seconds + summary.seconds,
            start.trials if self._parts.objective.keeps_files else "",
        )
        return Result(
            findings,
            shape=self._parts.shape,
            signs=specification.signs,
            run=self._run_folder.known_as,
            is_root=self._world.rank == root * specification.evaluation.ranks_per_worker,
        )
