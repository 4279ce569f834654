"""The coordination protocol: one rank's part in membership, budget, counts, failover and termination."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence

import msgspec

from propulate_like.foundation.backoff import Pause
from propulate_like.foundation.clock import Clock
from propulate_like.foundation.console import say
from propulate_like.parallel import wire
from propulate_like.parallel.coordination.broadcast import Broadcaster
from propulate_like.parallel.coordination.census import Census
from propulate_like.parallel.coordination.dispatch import Dispatcher, Handler
from propulate_like.parallel.coordination.failover import Failover
from propulate_like.parallel.coordination.membership import Membership
from propulate_like.parallel.coordination.rank_report import RankReport
from propulate_like.parallel.coordination.stopping import (
    TERMINATION_SECONDS,
    Reason,
    SearchState,
    Stopping,
    StoppingConditions,
)
from propulate_like.parallel.coordination.termination import FinalReport, SessionSummary, Termination
from propulate_like.parallel.coordination.tickets import Tickets
from propulate_like.parallel.coordination.watchdog import Watchdog
from propulate_like.parallel.transport import Transport
from propulate_like.population.codec import Codec
from propulate_like.population.individual import Individual
from propulate_like.population.summary import Counts
from propulate_like.storage.events import Closed, Started
from propulate_like.storage.journal import Journal
from propulate_like.storage.recovery import DeadRankState

EXCHANGE_SECONDS = 0.0002
"""How often messages are exchanged while evaluations are shorter than that; after each one otherwise."""
_POLLING_SHARE = 0.25
"""The share of the time that looking for messages may take, where there are very many peers."""
_COUNTS_SECONDS = 0.2
"""How often a rank sends its counts to its parent."""

Watcher = Callable[["CoordinationProtocol"], None]
"""Is called whenever messages were received, on the one rank that shows progress."""


class CoordinationProtocol:
    """One rank's side of what ranks agree on: who lives, who evaluates how much, when to stop, and the summary.

    The rank's loop takes a ticket for each evaluation, passes its outcome to `count`, and calls `exchange` at
    `next_exchange`, until `stopping` has a reason; then `terminate` leads to the summary of all ranks. Nothing waits
    for another rank while there is something to evaluate.

    Args:
        transport: The way to the other ranks.
        journal: Where events are written.
        tickets: This rank's share of the budget.
        broadcaster: The way to the ranks of this rank's island; it is flushed at every exchange.
        codec: Encodes individuals in messages.
        search: The search on this rank.
        conditions: When to stop, beside the end of the budget; never by default.
        unfinished: Evaluations to begin again before all others, for which there are tickets.
        layout: The ranks of each island; one island by default.
        dead_state: Reads what a dead rank left in its journal.
        watch: Shows progress.
        clock: This rank's clock; that of the process by default.
    """

    def __init__(
        self,
        transport: Transport,
        journal: Journal,
        tickets: Tickets,
        broadcaster: Broadcaster,
        codec: Codec,
        search: SearchState,
        *,
        conditions: StoppingConditions | None = None,
        unfinished: Iterable[Started] = (),
        layout: Sequence[range] = (),
        dead_state: Callable[[int], DeadRankState] = lambda _rank: DeadRankState(),
        watch: Watcher | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or Clock.system()
        now = self.clock.now()
        self.transport, self.tickets = transport, tickets
        self.membership = Membership(transport.rank, transport.size)
        self.rank_report = RankReport(now)
        self.census = Census(self.membership, self.rank_report)
        conditions = conditions or StoppingConditions()
        self.stopping = Stopping(
            conditions, tickets.total, transport, self.census, self.membership, search, self.clock.now
        )
        self.unfinished: deque[Started] = deque()
        """Evaluations that were begun and not ended, before this session or by dead ranks, and are this rank's now."""
        self.next_exchange = self._counts_due = now
        self.leaves_at = math.inf
        """When this rank leaves for certain, once it has the summary."""
        self.dispatcher = Dispatcher()
        self._journal, self._broadcaster, self._codec = journal, broadcaster, codec
        self._search, self._watch = search, watch
        layout = layout or [range(transport.size)]
        self._failover = Failover(self.membership, layout, tickets, self.census, dead_state)
        self._watchdog = Watchdog(transport, self.membership, self.rank_report, self.clock.now)
        self._termination = Termination(transport, self.membership, codec)
        self._reported = False
        self._on_deaths: list[Callable[[Collection[int]], None]] = []
        for handlers in (self._handlers, self.stopping.handlers, self._termination.handlers):
            self.register(handlers)
        for started in unfinished:
            self._queue(started)

    def register(
        self, handlers: Mapping[bytes, Handler], on_deaths: Callable[[Collection[int]], None] | None = None
    ) -> None:
        """Register another part of the search for its messages, and for the deaths of ranks.

        Args:
            handlers: The handler of each kind of message, as in `wire`.
            on_deaths: Is called with the ranks that have newly died, until this rank has made its final report.

        Raises:
            ValueError: A kind has a handler already.
        """
        self.dispatcher.register(handlers)
        if on_deaths is not None:
            self._on_deaths.append(on_deaths)

    def next_unfinished(self) -> Started:
        """Return one of the `unfinished` evaluations, for which a ticket was taken."""
        started = self.unfinished.popleft()
        self.tickets.reserved = len(self.unfinished)
        return started

    def count(self, individual: Individual) -> None:
        """Count an evaluation that has ended on this rank, and stop the search where it is the reason to."""
        self.rank_report.add(individual)
        self.stopping.check_outcome(individual)

    def exchange(self, *, busy: bool) -> None:
        """Handle the messages that have arrived, and send those that wait. Never wait for another rank.

        Args:
            busy: Whether an evaluation is running on this rank.
        """
        now = self.clock.now()
        polling = self._receive()
        self.next_exchange = now + max(EXCHANGE_SECONDS, polling / _POLLING_SHARE)
        for started in self._failover.reissue():
            self._assign(started)
        self.stopping.check_time(now)
        self._exchange_tickets(now, busy=busy)
        if now >= self._counts_due or self.tickets.left < 1 or self._search.leading is None:
            self._counts_due = now + _COUNTS_SECONDS
            self._send_counts()
        self._broadcaster.flush(now)
        self.transport.flush()
        self._journal.flush_if_due()

    def wait_for_tickets(self) -> Generator[float, None, None]:
        """Wait until there is a ticket, or a reason to stop. Yield the seconds to wait, or until a message arrives."""
        began = self.clock.now()
        pause = Pause()
        self._journal.flush()
        self.stopping.check_counts()
        self._watchdog.start()
        self.exchange(busy=False)
        while self.stopping.reason is None and self.tickets.left < 1:
            self._request_tickets(idle=True)
            self.transport.flush()
            yield pause.next()
            self.exchange(busy=False)
            self._watchdog.check()
        self.rank_report.idle.append((began, self.clock.now()))

    def terminate(self) -> Generator[float, None, SessionSummary]:
        """Make this rank's final report, wait for the summary, and close the journal and the transport.

        Yield the seconds to wait, or until a message arrives.

        Returns:
            The summary of all ranks; of this rank alone where none came in time.
        """
        reason = self.stopping.reason or Reason.INTERRUPTED
        if self.stopping.reason is Reason.INTERRUPTED:
            self.stopping.limit_termination()
        self._send_counts()
        ended = self.clock.unix()
        idle = sum(end - begin for begin, end in self.rank_report.idle)
        self._journal.write(Closed(ended, idle, reason))
        pause = Pause()
        self._watchdog.start()
        yield from self._drain(pause)
        report = self._final_report(ended)
        self._termination.add(report)
        self._reported = True
        yield from self._wait_for_summary(pause)
        self._journal.close()
        self.transport.close(TERMINATION_SECONDS)
        return self._termination.summary or SessionSummary.of([report])

    def _drain(self, pause: Pause) -> Generator[float, None, None]:
        """Wait until all that this rank sent was taken, and all its descendants have reported.

        From then on no record is in flight to or from this rank, and what arrives is not forwarded any more.
        """
        while True:
            self._receive()
            self._watchdog.check()
            self._broadcaster.flush(self.clock.now())
            self.transport.flush()
            sent = self._broadcaster.done and not self.transport.unsent
            if (sent and self._termination.complete) or self.clock.now() >= self.stopping.termination_deadline:
                return
            yield pause.next()

    def _wait_for_summary(self, pause: Pause) -> Generator[float, None, None]:
        """Wait until the summary is here, and all descendants have acknowledged it; or until the deadline."""
        while True:
            proxy_reports = self._failover.proxy_reports()
            deadline = self.stopping.termination_deadline
            self._termination.exchange(proxy_reports, wait=self.clock.now() < deadline)
            self.transport.flush()
            if self._termination.summary is not None and self.leaves_at == math.inf:
                self.leaves_at = self.clock.now() + TERMINATION_SECONDS
            if self._termination.over or self.clock.now() >= min(self.leaves_at, deadline + TERMINATION_SECONDS):
                return
            yield pause.next()
            self._receive()
            self._watchdog.check()

    def _final_report(self, ended: float) -> FinalReport:
        best = self._search.leading
        if best is not None and (best.id.rank not in self.membership.dead or self._journal.lasts):
            best = None  # its own rank reports it, or a journal has it
        return self.rank_report.final_report(
            reason=self.stopping.reason or Reason.INTERRUPTED,
            ended=ended,
            epoch=self.clock.epoch,
            transport=self.transport,
            records=self._broadcaster.records,
            history=self._journal.history,
            died=self._failover.died,
            inherited_best=best,
        )

    def _receive(self) -> float:
        """Handle messages and deaths since the last call; return the seconds that it took to look for messages."""
        began = self.clock.now()
        arrived = self.transport.receive()
        polling = self.clock.now() - began
        for peer, message in arrived:
            self.dispatcher.dispatch(peer, message)
        if len(self.transport.dead) > len(self.membership.dead):
            self._remove_dead()
        if self._watch is not None:
            self._watch(self)
        return polling

    @property
    def _handlers(self) -> Mapping[bytes, Handler]:
        return {
            wire.COUNT: self._receive_counts,
            wire.REQUEST: self._receive_request,
            wire.TICKETS: self._receive_tickets,
            wire.REASSIGN: self._receive_reassigned,
        }

    def _receive_counts(self, peer: int, content: bytes, _origin: int | None) -> None:
        dead, counts = wire.unpack_count(content)
        self.census.add(peer, dead, Counts(*counts))
        self.stopping.check_counts()

    def _receive_request(self, peer: int, content: bytes, _origin: int | None) -> None:
        held, idle = wire.request.unpack(content)
        self.tickets.requested(peer, held, bool(idle))

    def _receive_tickets(self, peer: int, content: bytes, _origin: int | None) -> None:
        self.tickets.receive(peer, *wire.tickets.unpack(content))

    def _receive_reassigned(self, peer: int, content: bytes, _origin: int | None) -> None:
        self.tickets.receive(peer, 1)
        self._queue(self._codec.decode(content, Started))

    def _exchange_tickets(self, now: float, *, busy: bool) -> None:
        """Request tickets if they run low, and grant some to peers that have requested them."""
        tickets, report = self.tickets, self.rank_report
        if tickets.running_low(report.summary.finished / max(now - report.began, 1e-9)):
            self._request_tickets(idle=False)
        for peer, count in tickets.grants(busy=busy).items():
            self.transport.send(peer, wire.TICKETS + wire.tickets.pack(count))

    def _request_tickets(self, *, idle: bool) -> None:
        request = wire.REQUEST + wire.request.pack(int(self.tickets.left), idle)
        for peer in self.tickets.ask(idle=idle):
            self.transport.send(peer, request)

    def _send_counts(self) -> None:
        """Send the counts of this rank's subtree to its parent, where they have changed."""
        counts, parent = self.census.unsent(), self.membership.parent
        if counts is not None and parent is not None:
            content = wire.pack_count(msgspec.structs.astuple(counts), self.membership.dead)
            self.transport.send(parent, wire.COUNT + content)

    def _remove_dead(self) -> None:
        """Go on without ranks that have died."""
        dead = set(self.transport.dead) - set(self.membership.dead)
        self.membership.remove_dead(dead)
        self.census.tickets = self.tickets.remove_dead(self.membership.dead, self.membership.neighbours)
        self._termination.rebuild()
        if not self._reported:
            for on_deaths in self._on_deaths:
                on_deaths(dead)
        if self._termination.summary is None:
            self.stopping.repeat()
        if self.membership.is_leader:
            for death, begun in self._failover.take_over():
                self._journal.write(death)
                say(self._failover.death_report(death, begun))
        self._send_counts()
        self.stopping.check_counts()

    def _assign(self, started: Started) -> None:
        """Have a living rank evaluate what a dead one had begun, with one of the reissued tickets."""
        assignee = self._failover.assignee(started)
        if assignee == self.membership.rank:
            self._queue(started)
        else:
            self.tickets.give(assignee, 1)
            self.transport.send(assignee, wire.REASSIGN + self._codec.encode(started))

    def _queue(self, started: Started) -> None:
        """Queue an evaluation for this rank; in its journal, too, where the leader finds it if this rank dies."""
        self._journal.write(msgspec.structs.replace(started, began=0.0))
        self.unfinished.append(started)
        self.tickets.reserved = len(self.unfinished)
