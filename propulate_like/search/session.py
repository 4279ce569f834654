"""The wiring of one rank's search: makes the parts of what the user said, and a result of what all ranks found."""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import msgspec

from propulate_like.evaluation import loading
from propulate_like.evaluation.command import Command
from propulate_like.evaluation.context import Evaluator, Tasks
from propulate_like.evaluation.objective import Loss, space_of
from propulate_like.evaluation.pruning import AnyPruner, Pruner, PrunerState
from propulate_like.evaluation.settings import EvaluationSettings, Objective, settings_of
from propulate_like.foundation.console import say
from propulate_like.parallel import rank_status
from propulate_like.parallel.coordination.termination import SessionSummary
from propulate_like.parallel.coordination.tickets import Tickets
from propulate_like.parallel.coordination.watchdog import Wedged
from propulate_like.parallel.node_devices import Equipment, equip
from propulate_like.parallel.rank_status import State
from propulate_like.parallel.team import Follower, TeamEvaluator
from propulate_like.parallel.transport import Team, Transport, connect
from propulate_like.population.codec import Codec
from propulate_like.population.outcome import Status
from propulate_like.problem.budget import Budget
from propulate_like.problem.directions import Signs, directions_of
from propulate_like.problem.fidelity import Fidelity
from propulate_like.problem.space import Space
from propulate_like.propagators import Propagator
from propulate_like.search.description import describe
from propulate_like.search.islands.archipelago import Archipelago
from propulate_like.search.islands.migration import Islands
from propulate_like.search.result import Result, SearchFailed
from propulate_like.search.signals import Interruption
from propulate_like.search.worker import GOODBYE_SECONDS, Watcher, Worker
from propulate_like.storage.events import Session
from propulate_like.storage.journal import TakenOver
from propulate_like.storage.journal_lines import Shape
from propulate_like.storage.run import ResumeSnapshot
from propulate_like.storage.run_folder import RunFolder
from propulate_like.storage.warm_start import WarmStart


class _Start(msgspec.Struct, frozen=True):
    """Rank 0's word to all ranks before the search: where to begin, or why not to."""

    snapshot: ResumeSnapshot
    trials: str = ""
    error: str = ""
    token: str = ""


class How(msgspec.Struct, frozen=True):
    """How to search and to evaluate, as the user said it."""

    islands: Islands
    propagator: Propagator | str
    pruner: Pruner | str | Mapping[str, Any] | list[Any] | None
    fidelity: Fidelity | Mapping[str, Any] | None
    evaluation: EvaluationSettings | Mapping[str, Any] | None
    warm_start: Any
    signs: Signs

    def check(self, budget: Budget) -> None:
        """ValueError where there are several losses, and something that judges by one."""
        if len(self.signs) > 1:
            metric = settings_of(self.evaluation).metric
            for name, value in [
                ("target", budget.target),
                ("pruner", self.pruner),
                ("fidelity", self.fidelity),
                ("metric", metric),
            ]:
                if value is not None:
                    message = f"{name}={value!r} needs one loss, and there are {len(self.signs)} directions"
                    raise ValueError(message)


class Search:
    """One search on this rank, from its beginning, which all ranks share, to its result, which is the same on all."""

    def __init__(
        self,
        loss: Loss | Command | str,
        space: Space | Mapping[str, Any] | None,
        budget: Budget,
        how: How,
        seed: int | None,
        run: str | os.PathLike[str] | None,
        fork: str | os.PathLike[str] | None,
        *,
        progress: bool | None,
    ) -> None:
        if loading.in_child:
            message = "the objective's file begins a search when it is imported: write `if __name__ == '__main__':`"
            raise ValueError(message)
        how.check(budget)
        self.budget, self.signs = budget, how.signs
        self.maximize = how.signs == (-1.0,)
        self.pruner = None if how.pruner is None else AnyPruner.of(how.pruner)
        self.fidelity = None if how.fidelity is None else Fidelity.of(how.fidelity)
        self.settings = settings_of(how.evaluation)
        self.warm_start = WarmStart.of(how.warm_start)
        self.world = connect()
        self.equipment, self.problem = Equipment(), ""
        if self.settings.gpus is not None or self.settings.energy:
            try:
                self.equipment = equip(self.settings.shared_gpus(), self.world)
            except ValueError as error:
                self.problem = str(error)
        if isinstance(loss, str) and not (self.settings.isolated and space is not None):
            loss = cast("Loss", loading.load(loss, Path()))  # with its GPUs set, which must come before PyTorch
        self.space = space_of(loss, space)
        self.settings.check(loss, pruned=self.pruner is not None)
        self.objective = Objective(loss, self.space, self.settings, signs=how.signs, fidelity=self.fidelity)
        self.devices = self.equipment.devices
        self.problem = self.problem or self.objective.problem_here()
        self.transport: Transport | None = self.world
        self.team: Team | None = None
        if self.settings.ranks_per_worker > 1:
            self.transport, self.team = self._form_teams()
        self.archipelago = Archipelago(
            how.islands,
            self.space,
            self.world.size // self.settings.ranks_per_worker,
            how.propagator,
            budget.evaluations,
            self.fidelity,
            len(how.signs),
        )
        self.optimizer = self.archipelago.optimizer(self.world.rank // self.settings.ranks_per_worker, seed)
        if fork is not None and run is None:
            message = f"fork={str(fork)!r} needs run=, the folder of the run to copy"
            raise ValueError(message)
        self.show_progress = sys.stderr.isatty() if progress is None else progress
        config = describe(
            loss,
            self.space,
            signs=how.signs,
            budget=budget,
            islands=how.islands,
            propagator=how.propagator,
            pruner=self.pruner,
            fidelity=self.fidelity,
            settings=self.settings,
            seed=seed,
            warm_start=self.warm_start,
        )
        self.shape = Shape(self.space, 1 if self.fidelity is None else len(self.fidelity.rungs), len(how.signs))
        self.codec = Codec(self.space)
        folder = run if fork is None else fork
        original = None if run is None or fork is None else Path(run)
        self.run_folder = RunFolder(
            None if folder is None else Path(folder),
            original,
            config,
            self.shape,
            job=rank_status.token,
            unsure=rank_status.unsure,
        )

    def run(self) -> Result:
        """Search, as the only one in the run's folder."""
        try:
            return self._run()
        finally:
            self.run_folder.release()

    def _run(self) -> Result:
        count, ranks = self.archipelago.islands.count, self.archipelago.ranks
        if count > ranks:
            self._say(f"{count} islands need as many ranks: on {ranks} there are {ranks}")
        start = self._begin_together()
        self.run_folder.token = start.token
        try:
            summary = self._follow(start) if self.transport is None else self._lead(start, self.transport)
        except BaseException as error:
            # Not the loss, but the search itself failed here (a broken pruner, say): the others would wait for ever.
            if self.world.size > 1:
                if isinstance(error, TakenOver | Wedged):
                    say(str(error))
                else:
                    traceback.print_exc()
                if not isinstance(error, Wedged):  # which may pass
                    rank_status.write(State.FAILED)
                self.world.abort()
            raise
        if self.team is not None:
            self.world.close(GOODBYE_SECONDS)
        self.run_folder.restore()
        result = self._result(summary, start)
        if not result.succeeded and result.failure is not None:
            raise SearchFailed(result)
        return result

    def _form_teams(self) -> tuple[Transport | None, Team]:
        """Form the teams; a member that was given GPUs of its own sees no others, so that they are its first ones."""
        transport, team = self.world.teams(self.settings.ranks_per_worker)
        shared = team.transport.gather(msgspec.json.encode(self.equipment.devices))
        self.devices = tuple(name for devices in shared for name in msgspec.json.decode(devices))
        return transport, team if self.settings.gpus is None else msgspec.structs.replace(team, local_rank=0)

    def _lead(self, start: _Start, transport: Transport) -> SessionSummary:
        """Search on this rank, with its team where it has one, and return what all workers found."""
        snapshot = start.snapshot
        self._restore(snapshot)
        with ExitStack() as stack:
            evaluator = self._evaluator(start)
            stack.callback(evaluator.close)
            team = None
            if self.team is not None:
                team = stack.enter_context(
                    TeamEvaluator(self.team, evaluator, self.codec, communicates=self.objective.in_rank)
                )
            watch = None
            if self.show_progress and transport.rank == 0:
                from propulate_like.search.progress import Progress

                watch = stack.enter_context(Progress(snapshot, self.budget, self.signs))
            left = self.budget.seconds_left(snapshot.seconds)
            worker = self._worker(snapshot, transport, self.objective.whole(team or evaluator), watch)
            stack.enter_context(Interruption(worker, self.settings.grace, left))
            rank_status.write(State.SEARCHING)
            summary = worker.run()
        if team is not None:
            team.disband(self.codec.encode(summary), GOODBYE_SECONDS)
        return summary

    def _follow(self, start: _Start) -> SessionSummary:
        """Evaluate with the leader of this rank's team, and return what that knows in the end."""
        if self.team is None:
            message = "a rank that leads no team must belong to one"
            raise RuntimeError(message)
        evaluator = self._evaluator(start)
        follower = Follower(self.team, evaluator, self.codec, communicates=self.objective.in_rank)
        with Interruption(follower, self.settings.grace, self.budget.seconds_left(start.snapshot.seconds)):
            rank_status.write(State.SEARCHING)
            words = follower.run()
        summary: SessionSummary = self.codec.decode(words, SessionSummary)
        return summary

    def _begin_together(self) -> _Start:
        """Let rank 0 read or create the run's folder, and hand what it found, or what is wrong, to every rank.

        What is wrong on one rank's node alone ends the search on all.
        """
        problem = next(filter(None, self.world.gather(self.problem.encode())), b"")
        if problem:
            self.world.close(1.0)
            raise ValueError(problem.decode())
        message = None
        if self.world.rank == 0:
            try:
                snapshot = self._begin()
                start: _Start = _Start(snapshot, self._trials(), token=self.run_folder.token)
            except ValueError as error:
                start = _Start(ResumeSnapshot(seed=0), error=str(error))
            except OSError as error:
                start = _Start(
                    ResumeSnapshot(seed=0), error=f"the run's folder {self.run_folder.folder} cannot be used: {error}"
                )
            message = self.codec.encode(start)
        start = self.codec.decode(self.world.broadcast(message), _Start)
        if start.error:
            self.world.close(1.0)
            raise ValueError(start.error)
        return start

    def _begin(self) -> ResumeSnapshot:
        known = self.warm_start.read(
            self.space, directions_of(self.signs), self.fidelity, self.settings.metric, self._say
        )
        died = sorted({rank // self.settings.ranks_per_worker for rank in rank_status.died_before})
        begun = self.run_folder.begin(self.optimizer.seed, self.archipelago.recovering(), died, self._say)
        begun.known = known
        return begun

    def _say(self, news: str) -> None:
        if self.show_progress and self.world.rank == 0:
            print(news, file=sys.stderr, flush=True)

    def _trials(self) -> str:
        """Return where evaluations keep their files.

        In the run's folder, or in a temporary one that is left in place.
        """
        if self.run_folder.folder is not None:
            return str((self.run_folder.folder / "trials").resolve())
        return tempfile.mkdtemp(prefix="propulate-like-") if self.objective.keeps_files else ""

    def _evaluator(self, start: _Start) -> Evaluator:
        """Return what evaluates on this rank, alone or as a member of its team."""
        rungs = () if self.fidelity is None else self.fidelity.rungs
        tasks = Tasks(start.snapshot.seed, start.trials, self.equipment.devices, rungs, self.archipelago.ranks)
        meter = self.equipment.meter(says=self.world.rank == 0) if self.settings.energy else None
        return self.objective.evaluator(tasks, self.world.rank, meter)

    def _restore(self, snapshot: ResumeSnapshot) -> None:
        """Go on where the run stood: its seed, this rank's count of individuals, and what it knew."""
        self.optimizer.seed = snapshot.seed
        self.optimizer.begin(snapshot.serials.get(self.optimizer.rank, 0), snapshot.summary.finished)
        for ident in snapshot.promoted:
            self.optimizer.promoted(ident)
        self.optimizer.add_seen(snapshot.seen)
        self.archipelago.settle(self.optimizer, snapshot)

    def _worker(
        self, snapshot: ResumeSnapshot, transport: Transport, evaluator: Evaluator, watch: Watcher | None
    ) -> Worker:
        rank, size = transport.rank, transport.size
        journal = self.run_folder.journal(rank)
        journal.write(
            Session(
                rank=rank,
                ranks=size,
                began=time.time(),
                host=os.uname().nodename,
                pid=os.getpid(),
                devices=self.devices,
                team=self.settings.ranks_per_worker,
                island=self.optimizer.island,
                islands=len(self.archipelago.layout),
                token=self.run_folder.token,
            )
        )
        if rank == 0:
            for death in snapshot.died:
                journal.write(death)
        lowest = self.budget.lowest_loss(maximize=self.maximize)
        left = self.budget.evaluations_left(snapshot.summary.finished)
        if snapshot.summary.best is not None and snapshot.summary.best.loss <= lowest:
            left = 0
        begun = snapshot.unfinished[:left]
        shares = [self.archipelago.share(begun, each) for each in range(size)] if begun else []
        return Worker(
            self.optimizer,
            transport,
            evaluator,
            journal,
            Tickets(left, rank, size, [len(share) for share in shares]),
            self.archipelago.island(self.optimizer, transport, journal),
            deadline=time.perf_counter() + self.budget.seconds_left(snapshot.seconds),
            target=lowest,
            pruner_state=self._pruner_state(snapshot),
            unfinished=shares[rank] if shares else (),
            layout=self.archipelago.layout,
            dead_state=self.run_folder.inherit,
            grace=self.settings.grace,
            watch=watch,
        )

    def _pruner_state(self, snapshot: ResumeSnapshot) -> PrunerState | None:
        """Return the pruner, with the curves that there were before."""
        if self.pruner is None:
            return None
        pruner_state = PrunerState(self.pruner, 1 if self.fidelity is None else len(self.fidelity.rungs))
        for individual in snapshot.curves:
            pruner_state.add(individual)
        return pruner_state

    def _result(self, summary: SessionSummary, start: _Start) -> Result:
        """Put what was found before and in this session together; the same on every rank."""
        snapshot = start.snapshot
        statuses = Counter(snapshot.summary.statuses) + Counter(summary.statuses)
        bests = [found for found in (snapshot.summary.best, summary.best) if found is not None]
        best = min(bests, key=lambda found: (found.order, found.ended, found.id), default=None)
        failure = snapshot.summary.failure or summary.failure
        return Result(
            best=best,
            failure=failure,
            statuses={status: statuses[status] for status in Status if statuses[status]},
            seconds=snapshot.seconds + summary.seconds,
            idle_share=summary.idle_share,
            tail_share=summary.tail_share,
            batches=summary.batches,
            volume=summary.volume,
            reason=summary.reason,
            maximize=self.maximize,
            run=self.run_folder.folder,
            trials=Path(start.trials) if self.objective.keeps_files else None,
            history=summary.history,
            deaths=summary.died,
            speaker=min(set(range(self.archipelago.ranks)) - set(summary.dead)) * self.settings.ranks_per_worker,
            space=self.space,
            shape=self.shape,
            signs=self.signs,
        )
