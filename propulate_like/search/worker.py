"""The worker: the one loop that every rank runs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import cast

from propulate_like.evaluation.context import Evaluator
from propulate_like.evaluation.pruning.pruner import PrunerState
from propulate_like.evaluation.pulse import Pulse
from propulate_like.parallel.coordination.curve_sharing import CurveSharing
from propulate_like.parallel.coordination.protocol import CoordinationProtocol
from propulate_like.parallel.coordination.stopping import Reason
from propulate_like.parallel.coordination.termination import SessionSummary
from propulate_like.parallel.coordination.watchdog import Wedged
from propulate_like.population.individual import Id, Individual
from propulate_like.population.outcome import Outcome, Status
from propulate_like.search.islands.island import Island
from propulate_like.search.optimizer import Optimizer
from propulate_like.storage.events import Died
from propulate_like.storage.journal import Journal, TakenOver

# docs/decisions.md, "Flushed within 10 ms and synced from 1 s"
LONG_SECONDS = 0.01
"""After an evaluation that took this long, the next one's start is written to the journal before it begins."""
_SHORT = 0.001  # seconds, in which nobody presses Ctrl-C
# docs/decisions.md, "Deaths are in the leader's journal"
POISONOUS = 2
"""An individual is not evaluated any more once this number of ranks have died while they did."""
_WITHOUT_A_LOSS = {Status.CRASHED, Status.ERROR, Status.INVALID}
"""How an evaluation ends whose process was told to end."""


class Worker:
    """Breeds, evaluates, records and exchanges, until there is a reason to stop. It waits for no other rank.

    `run` carries a search out in real time. It follows `steps`, as a simulation does in virtual time.

    Args:
        optimizer: Breeds individuals.
        protocol: This rank's side of the coordination with other ranks.
        evaluator: Evaluates individuals.
        journal: Where outcomes are written.
        island: Takes in outcomes, for the optimizer and for the other ranks of the island.
        pruner_state: The pruner, where there is one.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        protocol: CoordinationProtocol,
        evaluator: Evaluator,
        journal: Journal,
        island: Island,
        pruner_state: PrunerState | None = None,
    ) -> None:
        self.optimizer, self.protocol, self.evaluator, self.island = optimizer, protocol, evaluator, island
        self.running: Individual | None = None
        """The individual that is being evaluated."""
        self._journal = journal
        self.curve_sharing = CurveSharing(pruner_state, island.broadcaster)
        self._pulse = Pulse(self.exchange, lambda: protocol.rank_report.summary.finished)
        self._report = self.report  # bound once, not for each evaluation
        self._long = True
        self.overheard: Callable[[], bool] = bool
        """Returns whether a signal that ends the search has gone to the loss itself (see `Interruption`)."""
        self._begun: Individual | None = None
        self._recorded: Id | None = None
        protocol.register(island.handlers, island.remove_dead)
        protocol.register(self.curve_sharing.handlers)

    @property
    def reason(self) -> Reason | None:
        """Why no further evaluation begins; None while the search goes on."""
        return self.protocol.stopping.reason

    @reason.setter
    def reason(self, reason: Reason | None) -> None:
        self.protocol.stopping.reason = reason

    @property
    def evaluating(self) -> bool:
        """Whether an evaluation is running."""
        return self.running is not None

    @property
    def prunes_in_vain(self) -> bool:
        """Whether there is a pruner, but no evaluation on this rank has reported what it could judge by."""
        curves = self.curve_sharing
        return curves.pruner_state is not None and not curves.reported and self.protocol.rank_report.summary.ok > 0

    def run(self) -> SessionSummary:
        """Search to the end, and return the summary of all ranks; where the search fails, what has ended is written."""
        with self._pulse:
            try:
                return self._follow(self.steps())
            except BaseException as error:
                with suppress(Exception):  # of the journal too, which may be what failed
                    self._journal.flush()
                    if isinstance(error, Exception) and not isinstance(error, TakenOver | Wedged):
                        self._blame(self._begun)
                raise

    def _follow(self, steps: Generator[Individual | float, Individual | None, SessionSummary]) -> SessionSummary:
        """Evaluate and wait as the steps say, and return the summary of all ranks."""
        answer = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as end:
                return cast("SessionSummary", end.value)
            answer = None
            if isinstance(step, Individual):
                self._begun = step
                answer = self._evaluate(step)
            else:
                time.sleep(step)

    def steps(self) -> Generator[Individual | float, Individual | None, SessionSummary]:
        """Go through the search step by step.

        Yields:
            An individual to evaluate; it is to be sent back with its outcome, or None where the evaluation was
            interrupted. Or the seconds for which there is nothing to do, unless a message arrives.

        Returns:
            The summary of all ranks.
        """
        protocol, journal, pulse, curves = self.protocol, self._journal, self._pulse, self.curve_sharing
        stopping, tickets, rank_report = protocol.stopping, protocol.tickets, protocol.rank_report
        optimizer = self.optimizer
        now, ask, add = protocol.clock.now, optimizer.ask, self.island.add
        self.exchange()
        while pulse.failure is None and stopping.reason is None:
            if tickets.left < 1:
                yield from protocol.wait_for_tickets()
                continue
            tickets.left -= 1
            if protocol.unfinished:
                individual, deaths = self._resume()
                if deaths >= POISONOUS:
                    continue
            else:
                individual, deaths = ask(), 0
                if self._long:
                    journal.start(individual)
            self.running = individual
            rank_report.last_start = now()
            evaluated = yield individual
            self.running = None
            if evaluated is None or (stopping.reason is not None and self._was_told_as_well(evaluated)):
                journal.start(individual, deaths)
                stopping.stop(Reason.INTERRUPTED)
                return (yield from protocol.terminate())
            if curves.curve is not None:
                if pulse.failure is not None:  # perhaps of the pruner, so that the evaluation is not finished
                    break
                evaluated = curves.end(evaluated)
            if evaluated.outcome.constraints or optimizer.constrained:
                evaluated = optimizer.checked(evaluated)
            self._record(evaluated)
            add(evaluated)
            if now() >= protocol.next_exchange:
                self.exchange()
        if pulse.failure is not None:
            raise pulse.failure
        return (yield from protocol.terminate())

    def exchange(self) -> None:
        """Exchange messages with other ranks; never wait for one."""
        self.protocol.exchange(busy=self.running is not None)

    def report(self, step: int, loss: float) -> bool:
        """Take an intermediate loss of the running evaluation.

        Returns:
            Whether the evaluation is to stop.
        """
        running = self.running
        if running is None:
            return False
        with self._pulse.lock:
            try:
                return self.curve_sharing.report(running, step, loss)
            except Exception as error:  # noqa: BLE001 (not the loss, but the pruner failed: the search ends)
                self._pulse.failure = error
                return True

    def _evaluate(self, individual: Individual) -> Individual | None:
        """Evaluate, while the pulse may exchange messages; return None where the evaluation was interrupted."""
        lock = self._pulse.lock
        lock.release()
        try:
            evaluated = self.evaluator(individual, self._report)
            if evaluated.outcome.seconds > _SHORT and self.overheard():
                return None
        except KeyboardInterrupt:
            return None
        else:
            return evaluated
        finally:
            self.running = None
            lock.acquire()

    def _was_told_as_well(self, individual: Individual) -> bool:
        """Return whether an evaluation's process may have ended of the signal that ends the search.

        Slurm, for one, sends signals to all processes of a job's step: some die, others exit without a loss.
        """
        return self.reason is Reason.INTERRUPTED and individual.status in _WITHOUT_A_LOSS

    def _blame(self, individual: Individual | None) -> None:
        """Note an error of the search over an individual as a death of this rank, unless its evaluation was recorded.

        Otherwise each search that continues the run would evaluate it first, and end in the same way.
        """
        if individual is not None and individual.id != self._recorded:
            self._journal.start(individual)
            self._journal.write(Died(self.optimizer.rank, time.time(), os.uname().nodename, os.getpid(), individual.id))

    def _record(self, individual: Individual) -> None:
        self._journal.end(individual)
        self._recorded = individual.candidate.id
        self._long = individual.outcome.seconds >= LONG_SECONDS
        self.protocol.count(individual)

    def _resume(self) -> tuple[Individual, int]:
        """Return an individual whose evaluation was begun before, and how many ranks have died during that.

        Where too many have, more ranks would: record it as a failure instead.
        """
        started = self.protocol.next_unfinished()
        individual, deaths = Individual(started.candidate), started.deaths
        if deaths < POISONOUS:
            self._journal.start(individual, deaths)
        else:
            cause = f"{deaths} ranks died while they evaluated it"
            self._record(individual.evaluated(Outcome(Status.CRASHED, ended=self.protocol.clock.unix(), cause=cause)))
        return individual, deaths
