"""The worker: the one loop that every rank runs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Protocol, cast

import msgspec

from propulate_like.evaluation.context import Evaluator
from propulate_like.evaluation.pruning.pruner import PrunerState
from propulate_like.evaluation.pulse import Pulse
from propulate_like.foundation.backoff import Pause
from propulate_like.foundation.console import say
from propulate_like.parallel import wire
from propulate_like.parallel.coordination.census import Census
from propulate_like.parallel.coordination.curve_sharing import CurveSharing
from propulate_like.parallel.coordination.failover import Failover
from propulate_like.parallel.coordination.membership import Membership
from propulate_like.parallel.coordination.rank_report import RankReport
from propulate_like.parallel.coordination.termination import Reason, SessionSummary, Termination
from propulate_like.parallel.coordination.tickets import Tickets
from propulate_like.parallel.coordination.watchdog import Watchdog
from propulate_like.parallel.transport import Transport
from propulate_like.population.codec import Codec
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import OK, Outcome, Status
from propulate_like.population.summary import Counts
from propulate_like.search.islands.island import Island
from propulate_like.search.optimizer import Optimizer
from propulate_like.storage.events import Closed, Started
from propulate_like.storage.journal import Journal
from propulate_like.storage.recovery import DeadRankState

EXCHANGE_SECONDS = 0.0002
"""How often messages are exchanged while evaluations are shorter than that; after each one otherwise."""
_LOOKING_SHARE = 0.25
"""The share of the time that it may take to look for messages, where there are very many peers."""
LONG_SECONDS = 0.01
"""After an evaluation that took this long, the next one's start is noted in the journal before it begins."""
FAILURES_BEFORE_GIVING_UP = 20
"""A search ends when its ranks together have seen this many failures, at least two each, and no success."""
_ISLAND = frozenset((wire.RECORDS, wire.RETIRED, wire.MIGRANT))
_REPORT_SECONDS = 0.2
GOODBYE_SECONDS = 10.0
"""How long an interrupted search waits for other ranks."""
POISONOUS = 2
"""An individual is not evaluated any more once so many ranks have died over it."""


_TOLD = (Reason.EVALUATIONS, Reason.TARGET, Reason.FAILING)
"""Why a search ends that ranks must be told; each sees by itself that the time is over."""


class Watcher(Protocol):
    """Is shown the worker from time to time, on the one rank that reports progress."""

    def __call__(self, worker: Worker) -> None: ...


class Worker:
    """Breeds, evaluates, records, publishes, migrates and absorbs, until the budget is used up. It waits for no other.

    `run` carries a search out. It follows `steps`, which a simulation follows in its own time.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        transport: Transport,
        evaluator: Evaluator,
        journal: Journal,
        tickets: Tickets,
        island: Island,
        *,
        deadline: float = math.inf,
        target: float = -math.inf,
        pruner_state: PrunerState | None = None,
        unfinished: Iterable[Started] = (),
        layout: Sequence[range] = (),
        dead_state: Callable[[int], DeadRankState] = lambda _rank: DeadRankState(),
        grace: float = 0.0,
        watch: Watcher | None = None,
        clock: Callable[[], float] = time.perf_counter,
        epoch: float | None = None,
    ) -> None:
        """Search until the tickets are used up, `deadline` (of the clock) or a loss of at most `target`.

        Those `unfinished` before are evaluated first, and have tickets reserved. `layout` has the ranks of each island,
        and `dead_state` tells what a dead rank left. Where the search is interrupted, it waits for evaluations for a
        `grace`. The `clock` counts seconds since `epoch` (Unix time).
        """
        self.optimizer, self.transport, self.tickets = optimizer, transport, tickets
        self.evaluator = evaluator
        self.pruner_state = pruner_state
        self.membership = Membership(transport.rank, transport.size)
        self.rank_report = RankReport(clock())
        self.census = Census(self.membership, self.rank_report)
        self.island = island
        self.reason: Reason | None = None
        self.evaluating = False
        self._journal, self._watch, self._clock = journal, watch, clock
        self._curve_sharing = CurveSharing(pruner_state, island.broadcaster)
        self._report = self.report
        self._deadline, self._target, self._grace = deadline, target, grace
        self._unfinished: list[Started] = []
        for started in unfinished:
            self._reassigned(started)
        self._failover = Failover(self.membership, layout or [range(transport.size)], tickets, self.census, dead_state)
        self._watchdog = Watchdog(transport, self.membership, self.rank_report, clock)
        self._pulse = Pulse(self.exchange, lambda: self._begun)
        self._begun = 0
        self._long = True
        self._due = self._report_due = self.rank_report.began
        self._epoch = time.time() - self.rank_report.began if epoch is None else epoch
        self._leaves_by = math.inf
        self.waits_until = math.inf
        """When it leaves for certain, once it knows what the search came to."""
        self._give_up_after = max(FAILURES_BEFORE_GIVING_UP, 2 * transport.size)
        self._codec = Codec(optimizer.space)
        self._termination = Termination(transport, self.membership, self._codec)
        self._spoke = False

    def run(self) -> SessionSummary:
        """Search to the end, and return what the search came to on all ranks."""
        with self._pulse:
            steps, answer = self.steps(), None
            while True:
                try:
                    step = steps.send(answer)
                except StopIteration as end:
                    return cast("SessionSummary", end.value)
                answer = None
                if isinstance(step, Individual):
                    answer = self._call(step)
                else:
                    time.sleep(step)

    def steps(self) -> Generator[Individual | float, Individual | None, SessionSummary]:
        """Go through the search, and return what it came to. Give each individual, and be sent it with its outcome.

        None is sent for one that was broken off. A number is given where there is nothing to do for so many seconds,
        or until a message arrives.
        """
        self.exchange()
        while self._may_go_on():
            if self.tickets.left < 1:
                yield from self._wait_for_tickets()
                continue
            self.tickets.left -= 1
            begun, deaths = None, 0
            if self._unfinished:
                begun = self._unfinished.pop()
                self.tickets.reserved, deaths = len(self._unfinished), begun.deaths
                individual = Individual(begun.candidate)
                if deaths >= POISONOUS:
                    self._give_up_on(individual, deaths)
                    continue
            else:
                individual = self.optimizer.ask()
            if self._long or begun is not None:
                self._journal.start(individual, deaths)
            self._curve_sharing.begin(individual)
            self._begun += 1
            self.rank_report.last_start = self._clock()
            self.evaluating = True
            evaluated = yield individual
            self.evaluating = False
            if evaluated is None:
                self._journal.start(individual, deaths)
                self.stop(Reason.INTERRUPTED)
                break
            evaluated = self._curve_sharing.end(evaluated)
            self._record(evaluated)
            self.island.add(evaluated)
            if self._clock() >= self._due:
                self.exchange()
        return (yield from self._take_leave())

    def stop(self, reason: Reason) -> None:
        """Begin no further evaluation, on any rank."""
        if reason is Reason.INTERRUPTED:
            self._hurry()
        elif self.reason is None and reason is not Reason.SECONDS:  # every rank sees the clock itself
            self._send_all(self.transport.peers, wire.STOP + reason.encode())
        self.reason = self.reason or reason

    def exchange(self) -> None:
        """Take in what has arrived, answer, and send what waits; waits for nobody."""
        now = self._clock()
        looked = self._receive()
        self._due = now + max(EXCHANGE_SECONDS, looked / _LOOKING_SHARE)
        tickets = self.tickets
        for started in self._failover.reissue():
            self._hand_on(started)
        if now >= self._deadline and self.reason is None:
            self.stop(Reason.SECONDS)
        if tickets.running_low(self.rank_report.finished / max(now - self.rank_report.began, 1e-9)):
            self._ask(idle=False)
        for peer, gift in tickets.gifts(busy=self.evaluating).items():
            self.transport.send(peer, wire.TICKETS + wire.tickets.pack(gift))
        if now >= self._report_due or tickets.left < 1 or self.optimizer.best is None:
            self._report_due = now + _REPORT_SECONDS
            self._report_counts()
        self.island.broadcaster.flush(now)
        self.transport.flush()
        self._journal.flush_if_due()

    def report(self, step: int, loss: float) -> bool:
        """Take an intermediate loss of the running evaluation, while it runs; return whether it is to stop."""
        with self._pulse.lock:
            try:
                return self._curve_sharing.report(step, loss)
            except Exception as error:  # noqa: BLE001 (not the loss, but the rule is broken: the search ends)
                self._pulse.failure = error
                return True

    def _may_go_on(self) -> bool:
        if self._pulse.failure is not None:
            raise self._pulse.failure
        return self.reason is None

    def _call(self, individual: Individual) -> Individual | None:
        """Evaluate, while the pulse may exchange messages; None where the evaluation was interrupted."""
        lock = self._pulse.lock
        lock.release()
        try:
            return self.evaluator(individual, self._report)
        except KeyboardInterrupt:
            return None
        finally:
            self.evaluating = False
            lock.acquire()

    def _record(self, individual: Individual) -> None:
        self._journal.end(individual)
        outcome = individual.outcome
        self._long = outcome.seconds >= LONG_SECONDS
        self.rank_report.count(individual)
        if outcome.loss <= self._target:  # which NaN is not
            self.stop(Reason.TARGET)
        elif outcome.status is not OK and outcome.failed:
            self._stop_if_due()

    def _receive(self) -> float:
        """Take in what has arrived, and return the seconds that it took to look for it."""
        began = self._clock()
        arrived = self.transport.receive()
        looked = self._clock() - began
        for peer, message in arrived:
            self._handle(peer, message)
        if len(self.transport.dead) > len(self.membership.dead):
            self._remove_dead()
        if self._watch is not None:
            self._watch(self)
        return looked

    def _handle(self, peer: int, message: bytes) -> None:
        kind, content = message[:1], message[1:]
        origin: int | None = None
        if kind == wire.PASS_ON:
            (origin,) = wire.origin.unpack_from(content)
            kind, content = content[4:5], content[5:]
        if kind in _ISLAND:
            self.island.handle(kind, content, origin)
        elif kind == wire.CURVE:
            self._curve_sharing.add(content, origin)
        elif kind == wire.COUNT:
            dead, counts = wire.unpack_count(content)
            self.census.add(peer, dead, Counts(*counts))
            self._stop_if_due()
        elif kind == wire.REQUEST:
            held, idle = wire.request.unpack(content)
            self.tickets.requested(peer, held, bool(idle))
        elif kind == wire.TICKETS:
            self.tickets.receive(peer, *wire.tickets.unpack(content))
        elif kind == wire.STOP:
            reason = Reason(content.decode())
            self.reason = self.reason or reason
            if reason is Reason.INTERRUPTED or reason is Reason.SECONDS:
                self._hurry()
        elif kind == wire.REASSIGN:
            self.tickets.receive(peer, 1)
            self._reassigned(self._codec.decode(content, Started))
        else:
            self._termination.handle(peer, kind, content)

    def _report_counts(self) -> None:
        """Tell the rank above what it does not know yet."""
        news = self.census.news()
        if news is not None and self.membership.above is not None:
            content = wire.pack_count(msgspec.structs.astuple(news), self.membership.dead)
            self.transport.send(self.membership.above, wire.COUNT + content)

    def _remove_dead(self) -> None:
        """Go on without ranks that have died."""
        dead = set(self.transport.dead) - set(self.membership.dead)
        self.membership.remove_dead(dead)
        self.census.tickets = self.tickets.remove_dead(self.membership.dead, self.membership.neighbours)
        self._termination.rearrange()
        if not self._spoke:
            self.island.remove_dead(dead)
        if self.reason in _TOLD and self._termination.summary is None:  # the dead may have told some ranks alone
            self._send_all(self.transport.peers, wire.STOP + str(self.reason).encode())
        if self.membership.leads:
            for death, begun in self._failover.take_over():
                self._journal.write(death)
                say(self._failover.death_report(death, begun))
        self._report_counts()
        self._stop_if_due()

    def _hand_on(self, started: Started) -> None:
        """Let another rank evaluate what a dead one had begun, and return it the ticket for that."""
        assignee = self._failover.assignee(started)
        if assignee == self.membership.rank:
            self._reassigned(started)
        else:
            self.tickets.give(assignee, 1)
            self.transport.send(assignee, wire.REASSIGN + self._codec.encode(started))

    def _reassigned(self, started: Started) -> None:
        """Keep it, with its ticket, for the next evaluation; on disk, too, where it is found if this rank dies."""
        self._journal.write(msgspec.structs.replace(started, began=0.0))
        self._unfinished.append(started)
        self.tickets.reserved = len(self._unfinished)

    def _give_up_on(self, individual: Individual, deaths: int) -> None:
        """Note as a failure what has killed ranks, and would kill more."""
        cause = f"{deaths} ranks died while they evaluated it"
        self._record(individual.evaluated(Outcome(Status.CRASHED, ended=self._epoch + self._clock(), cause=cause)))

    def _stop_if_due(self) -> None:
        """Let the lowest rank end a search that is complete, or hopeless because nothing has succeeded yet."""
        if not self.membership.leads or self.reason is not None:
            return
        counts = self.census.counts
        if self.tickets.total is not None and counts.finished >= self.tickets.total:
            self.stop(Reason.EVALUATIONS)
        elif counts.failed == counts.finished >= self._give_up_after and self.optimizer.best is None:
            self.stop(Reason.FAILING)

    def _ask(self, *, idle: bool) -> None:
        request = wire.REQUEST + wire.request.pack(int(self.tickets.left), idle)
        self._send_all(self.tickets.ask(idle=idle), request)

    def _hurry(self) -> None:
        """Wait for no rank any more than for a farewell, and tell the neighbours, who tell theirs.

        Perhaps this rank alone was interrupted; mostly all were, who would tell all others otherwise.
        """
        if self._leaves_by == math.inf:
            self._leaves_by = self._clock() + self._grace + GOODBYE_SECONDS
            reason = Reason.SECONDS if self.reason is Reason.SECONDS else Reason.INTERRUPTED
            self._send_all(self.membership.neighbours, wire.STOP + reason.encode())

    def _send_all(self, peers: Iterable[int], message: bytes) -> None:
        for peer in peers:
            self.transport.send(peer, message)

    def _wait_for_tickets(self) -> Generator[float, None, None]:
        """Idle until there is a ticket, or the search is over."""
        began = self._clock()
        pause = Pause()
        self._journal.flush()
        self._stop_if_due()
        self._watchdog.begin()
        self.exchange()
        while self.reason is None and self.tickets.left < 1:
            self._ask(idle=True)
            self.transport.flush()
            yield pause.next()
            self.exchange()
            self._watchdog.look()
        self.rank_report.idle.append((began, self._clock()))

    def _take_leave(self) -> Generator[float, None, SessionSummary]:
        """Return this rank's last words once all it sent was taken and all below it gave theirs; then wait for the end.

        Nothing is under way between ranks afterwards; what still arrives from others is passed on no more.
        """
        if self.reason is Reason.INTERRUPTED:
            self._hurry()
        self._report_counts()
        ended = self._epoch + self._clock()
        idle = sum(end - begin for begin, end in self.rank_report.idle)
        self._journal.write(Closed(ended, idle, self.reason or Reason.INTERRUPTED))
        pause = Pause()
        self._watchdog.begin()
        while True:
            self._receive()
            self._watchdog.look()
            self.island.broadcaster.flush(self._clock())
            self.transport.flush()
            quiet = self.island.broadcaster.done and not self.transport.unsent
            if (quiet and self._termination.complete) or self._clock() >= self._leaves_by:
                break
            yield pause.next()
        word = self.rank_report.final_report(
            reason=self.reason or Reason.INTERRUPTED,
            ended=ended,
            epoch=self._epoch,
            transport=self.transport,
            records=self.island.broadcaster.records,
            history=self._journal.history,
            died=self._failover.died,
            inherited_best=self._inherited_best(),
        )
        self._termination.speak(word)
        self._spoke = True
        while True:
            proxy_reports = self._failover.proxy_reports()
            self._termination.exchange(proxy_reports, patient=self._clock() < self._leaves_by)
            self.transport.flush()
            if self._termination.summary is not None and self.waits_until == math.inf:
                self.waits_until = self._clock() + GOODBYE_SECONDS
            if self._termination.over or self._clock() >= min(self.waits_until, self._leaves_by + GOODBYE_SECONDS):
                break
            yield pause.next()
            self._receive()
            self._watchdog.look()
        self._journal.close()
        self.transport.close(GOODBYE_SECONDS)
        return self._termination.summary or SessionSummary.of([word])

    def _inherited_best(self) -> Individual | None:
        """Return the best of a dead rank's, where nothing but the memory of others tells of it."""
        best = self.optimizer.best
        return best if best is not None and best.id.rank in self.membership.dead and not self._journal.lasts else None
