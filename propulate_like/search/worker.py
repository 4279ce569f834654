"""The worker: the one loop that every rank runs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Protocol, cast

import msgspec

from propulate_like.evaluation.context import Evaluator
from propulate_like.evaluation.pruning.pruner import Judges
from propulate_like.evaluation.pulse import Pulse
from propulate_like.foundation.backoff import Pause
from propulate_like.foundation.console import say
from propulate_like.parallel import wire
from propulate_like.parallel.coordination.census import Census
from propulate_like.parallel.coordination.curve_sharing import Reporting
from propulate_like.parallel.coordination.failover import Succession
from propulate_like.parallel.coordination.membership import Roster
from propulate_like.parallel.coordination.rank_report import Tally
from propulate_like.parallel.coordination.termination import Ending, Gathering, Reason
from propulate_like.parallel.coordination.tickets import Tickets
from propulate_like.parallel.coordination.watchdog import Watchdog
from propulate_like.parallel.transport import Transport
from propulate_like.population.individual import OK, Individual, Outcome, Status
from propulate_like.search.islands.island import Island
from propulate_like.search.optimizer import Optimizer
from propulate_like.storage.counts import Counts
from propulate_like.storage.events import Closed, Started
from propulate_like.storage.journal import Journal
from propulate_like.storage.recovery import Remains

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
        judges: Judges | None = None,
        unfinished: Iterable[Started] = (),
        layout: Sequence[range] = (),
        remains: Callable[[int], Remains] = lambda _rank: Remains(),
        grace: float = 0.0,
        watch: Watcher | None = None,
        clock: Callable[[], float] = time.perf_counter,
        epoch: float | None = None,
    ) -> None:
        """Search until the tickets are used up, `deadline` (of the clock) or a loss of at most `target`.

        Those `unfinished` before are evaluated first, and have tickets reserved. `layout` has the ranks of each island,
        and `remains` tells what a dead rank left. Where the search is interrupted, it waits for evaluations for a
        `grace`. The `clock` counts seconds since `epoch` (Unix time).
        """
        self.optimizer, self.transport, self.tickets = optimizer, transport, tickets
        self.evaluator = evaluator
        self.judges = judges
        self.roster = Roster(transport.rank, transport.size)
        self.tally = Tally(clock())
        self.census = Census(self.roster, self.tally)
        self.island = island
        self.reason: Reason | None = None
        self.evaluating = False
        self._journal, self._watch, self._clock = journal, watch, clock
        self._reporting = Reporting(judges, island.publisher)
        self._report = self.report
        self._deadline, self._target, self._grace = deadline, target, grace
        self._unfinished: list[Started] = []
        for started in unfinished:
            self._adopt(started)
        self._succession = Succession(self.roster, layout or [range(transport.size)], tickets, self.census, remains)
        self._watchdog = Watchdog(transport, self.roster, self.tally, clock)
        self._pulse = Pulse(self.exchange, lambda: self._begun)
        self._begun = 0
        self._long = True
        self._due = self._report_due = self.tally.began
        self._epoch = time.time() - self.tally.began if epoch is None else epoch
        self._leaves_by = math.inf
        self.waits_until = math.inf
        """When it leaves for certain, once it knows what the search came to."""
        self._give_up_after = max(FAILURES_BEFORE_GIVING_UP, 2 * transport.size)
        self._gathering = Gathering(transport, self.roster)
        self._spoke = False

    def run(self) -> Ending:
        """Search to the end, and give what the search came to on all ranks."""
        with self._pulse:
            steps, answer = self.steps(), None
            while True:
                try:
                    step = steps.send(answer)
                except StopIteration as end:
                    return cast("Ending", end.value)
                answer = None
                if isinstance(step, Individual):
                    answer = self._call(step)
                else:
                    time.sleep(step)

    def steps(self) -> Generator[Individual | float, Individual | None, Ending]:
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
                individual = begun.individual(self.optimizer.space)
                if deaths >= POISONOUS:
                    self._give_up_on(individual, deaths)
                    continue
            else:
                individual = self.optimizer.ask()
            if self._long or begun is not None:
                self._journal.start(individual, deaths)
            self._reporting.begin(individual)
            self._begun += 1
            self.tally.last_start = self._clock()
            self.evaluating = True
            evaluated = yield individual
            self.evaluating = False
            if evaluated is None:
                self._journal.start(individual, deaths)
                self.stop(Reason.INTERRUPTED)
                break
            evaluated = self._reporting.end(evaluated)
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
        for started in self._succession.mint():
            self._hand_on(started)
        if now >= self._deadline and self.reason is None:
            self.stop(Reason.SECONDS)
        if tickets.running_low(self.tally.finished / max(now - self.tally.began, 1e-9)):
            self._ask(idle=False)
        for peer, gift in tickets.gifts(busy=self.evaluating).items():
            self.transport.send(peer, wire.TICKETS + wire.tickets.pack(gift))
        if now >= self._report_due or tickets.left < 1 or self.optimizer.best is None:
            self._report_due = now + _REPORT_SECONDS
            self._report_counts()
        self.island.publisher.flush(now)
        self.transport.flush()
        self._journal.flush_if_due()

    def report(self, step: int, loss: float) -> bool:
        """Take an intermediate loss of the running evaluation, while it runs; say whether it is to stop."""
        with self._pulse.lock:
            try:
                return self._reporting.report(step, loss)
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
        self._long = individual.seconds >= LONG_SECONDS
        self.tally.count(individual)
        if individual.loss <= self._target:  # which NaN is not
            self.stop(Reason.TARGET)
        elif individual.status is not OK and individual.failed:
            self._stop_if_due()

    def _receive(self) -> float:
        """Take in what has arrived, and give the seconds that it took to look for it."""
        began = self._clock()
        arrived = self.transport.receive()
        looked = self._clock() - began
        for peer, message in arrived:
            self._handle(peer, message)
        if len(self.transport.dead) > len(self.roster.dead):
            self._bury()
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
            self._reporting.learn(content, origin)
        elif kind == wire.COUNT:
            dead, counts = wire.unpack_count(content)
            self.census.learn(peer, dead, Counts(*counts))
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
        elif kind == wire.ADOPT:
            self.tickets.receive(peer, 1)
            self._adopt(msgspec.json.decode(content, type=Started))
        else:
            self._gathering.handle(peer, kind, content)

    def _report_counts(self) -> None:
        """Tell the rank above what it does not know yet."""
        news = self.census.news()
        if news is not None and self.roster.above is not None:
            content = wire.pack_count(msgspec.structs.astuple(news), self.roster.dead)
            self.transport.send(self.roster.above, wire.COUNT + content)

    def _bury(self) -> None:
        """Go on without ranks that have died."""
        dead = set(self.transport.dead) - set(self.roster.dead)
        self.roster.bury(dead)
        self.census.tickets = self.tickets.bury(self.roster.dead, self.roster.neighbours)
        self._gathering.rearrange()
        if not self._spoke:
            self.island.bury(dead)
        if self.reason in _TOLD and self._gathering.ending is None:  # the dead may have told some ranks alone
            self._send_all(self.transport.peers, wire.STOP + str(self.reason).encode())
        if self.roster.leads:
            for death, begun in self._succession.take_over():
                self._journal.write(death)
                say(self._succession.obituary(death, begun, self.optimizer.space))
        self._report_counts()
        self._stop_if_due()

    def _hand_on(self, started: Started) -> None:
        """Let another rank evaluate what a dead one had begun, and give it the ticket for that."""
        heir = self._succession.heir(started)
        if heir == self.roster.rank:
            self._adopt(started)
        else:
            self.tickets.give(heir, 1)
            self.transport.send(heir, wire.ADOPT + msgspec.json.encode(started))

    def _adopt(self, started: Started) -> None:
        """Keep it, with its ticket, for the next evaluation; on disk, too, where it is found if this rank dies."""
        self._journal.write(msgspec.structs.replace(started, began=0.0))
        self._unfinished.append(started)
        self.tickets.reserved = len(self._unfinished)

    def _give_up_on(self, individual: Individual, deaths: int) -> None:
        """Note as a failure what has killed ranks, and would kill more."""
        cause = f"{deaths} ranks died while they evaluated it"
        self._record(individual.evaluated(Outcome(Status.CRASHED, cause=cause), 0.0, self._epoch + self._clock()))

    def _stop_if_due(self) -> None:
        """Let the lowest rank end a search that is complete, or hopeless because nothing has succeeded yet."""
        if not self.roster.leads or self.reason is not None:
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
            self._send_all(self.roster.neighbours, wire.STOP + reason.encode())

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
        self.tally.idle.append((began, self._clock()))

    def _take_leave(self) -> Generator[float, None, Ending]:
        """Give this rank's last words once all it sent was taken and all below it gave theirs; then wait for the end.

        Nothing is under way between ranks afterwards; what still arrives from others is passed on no more.
        """
        if self.reason is Reason.INTERRUPTED:
            self._hurry()
        self._report_counts()
        ended = self._epoch + self._clock()
        idle = sum(end - begin for begin, end in self.tally.idle)
        self._journal.write(Closed(ended, idle, self.reason or Reason.INTERRUPTED))
        pause = Pause()
        self._watchdog.begin()
        while True:
            self._receive()
            self._watchdog.look()
            self.island.publisher.flush(self._clock())
            self.transport.flush()
            quiet = self.island.publisher.done and not self.transport.unsent
            if (quiet and self._gathering.complete) or self._clock() >= self._leaves_by:
                break
            yield pause.next()
        word = self.tally.farewell(
            reason=self.reason or Reason.INTERRUPTED,
            ended=ended,
            epoch=self._epoch,
            transport=self.transport,
            records=self.island.publisher.records,
            history=self._journal.history,
            died=self._succession.died,
            heritage=self._heritage(),
        )
        self._gathering.speak(word)
        self._spoke = True
        while True:
            ghosts = self._succession.ghosts()
            self._gathering.exchange(ghosts, patient=self._clock() < self._leaves_by)
            self.transport.flush()
            if self._gathering.ending is not None and self.waits_until == math.inf:
                self.waits_until = self._clock() + GOODBYE_SECONDS
            if self._gathering.over or self._clock() >= min(self.waits_until, self._leaves_by + GOODBYE_SECONDS):
                break
            yield pause.next()
            self._receive()
            self._watchdog.look()
        self._journal.close()
        self.transport.close(GOODBYE_SECONDS)
        return self._gathering.ending or Ending.of([word])

    def _heritage(self) -> Individual | None:
        """Give the best of a dead rank's, where nothing but the memory of others tells of it."""
        best = self.optimizer.best
        return best if best is not None and best.id.rank in self.roster.dead and not self._journal.lasts else None
