"""The worker: the one loop that every rank runs."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol

import msgspec

from propulate_like import messages
from propulate_like.evaluation.context import Evaluator
from propulate_like.evaluation.pulse import Pulse
from propulate_like.individual import OK, STOPPED, Id, Individual, Status
from propulate_like.journal import Closed, Evaluated, Journal
from propulate_like.messages import Farewell, Records
from propulate_like.optimizer import Optimizer
from propulate_like.pruning.curves import Curve, Point
from propulate_like.pruning.pruner import Judges
from propulate_like.tickets import Tickets
from propulate_like.transport import Transport
from propulate_like.waiting import Pause

EXCHANGE_SECONDS = 0.0002
"""How often messages are exchanged while evaluations are shorter than that; after each one otherwise."""
LONG_SECONDS = 0.01
"""After an evaluation that took this long, the next one's start is noted in the journal before it begins."""
FAILURES_BEFORE_GIVING_UP = 20
"""A search ends when its ranks together have seen this many failures, at least two each, and no success."""
_REPORT_SECONDS = 0.2
_GOODBYE_SECONDS = 10.0


class Reason(StrEnum):
    """Why a search ended."""

    EVALUATIONS = "evaluations"
    SECONDS = "seconds"
    TARGET = "target"
    INTERRUPTED = "interrupted"
    FAILING = "failing"


class Watcher(Protocol):
    """Is shown the worker from time to time, on the one rank that reports progress."""

    def __call__(self, worker: Worker) -> None: ...


class Worker:
    """Breeds, evaluates, records, publishes and absorbs, until the budget is used up. It waits for no other rank."""

    def __init__(
        self,
        optimizer: Optimizer,
        transport: Transport,
        evaluator: Evaluator,
        journal: Journal,
        tickets: Tickets,
        *,
        deadline: float = math.inf,
        target: float = -math.inf,
        judges: Judges | None = None,
        unfinished: Iterable[Individual] = (),
        watch: Watcher | None = None,
    ) -> None:
        """Search until the tickets are used up, `deadline` (of time.perf_counter) or a loss of at most `target`."""
        self.optimizer, self.transport, self.tickets = optimizer, transport, tickets
        self.evaluator = evaluator
        self.judges = judges
        self.reason: Reason | None = None
        self.evaluating = False
        self.statuses: Counter[Status] = Counter()
        """How many evaluations of this rank came to each status but OK."""
        self.failed_by = dict.fromkeys(transport.peers, 0)
        self.farewells: dict[int, Farewell] = {}
        self.began = time.perf_counter()
        self._journal, self._watch = journal, watch
        self._curve: Curve | None = None
        self._report = self.report
        self._running: Individual | None = None
        self._deadline, self._target = deadline, target
        self._unfinished = list(unfinished)
        self._records = Records(optimizer.space, optimizer.propagator.traits)
        self._pulse = Pulse(self.exchange, lambda: self._begun)
        self._begun = 0
        self._long = True
        self._due = self._report_due = self._last_start = self.began
        self._epoch = time.time() - self.began
        self._idle: list[tuple[float, float]] = []
        self._failure: Individual | None = None
        self._best: Individual | None = None
        self._give_up_after = max(FAILURES_BEFORE_GIVING_UP, 2 * transport.size)

    def run(self) -> None:
        """Search to the end, and take leave of the other ranks; afterwards `farewells` has every rank's."""
        with self._pulse:
            self.exchange()
            while (individual := self._next()) is not None:
                if self._long:
                    self._journal.start(individual)
                evaluated = self._call(individual)
                if evaluated is None:
                    self._journal.start(individual)
                    self.stop(Reason.INTERRUPTED)
                    break
                if self._curve is not None:
                    evaluated = self._with_curve(evaluated, self._curve)
                self._record(evaluated)
                if self.optimizer.absorb(evaluated):
                    self._publish(evaluated)
                if time.perf_counter() >= self._due:
                    self.exchange()
            self._take_leave()

    def stop(self, reason: Reason) -> None:
        """Begin no further evaluation, on any rank."""
        if self.reason is None:
            self.reason = reason
            if reason is not Reason.SECONDS:  # every rank sees the clock itself
                self._send_all(messages.STOP + reason.encode())

    def exchange(self) -> None:
        """Take in what has arrived, answer, and send what waits; waits for nobody."""
        now = time.perf_counter()
        self._due = now + EXCHANGE_SECONDS
        self._receive()
        tickets = self.tickets
        if now >= self._deadline and self.reason is None:
            self.stop(Reason.SECONDS)
        if tickets.running_low(now - self.began):
            tickets.ask(now, self._request, idle=False)
        for peer, gift in tickets.gifts(busy=self.evaluating).items():
            self.transport.send(peer, messages.TICKETS + messages.tickets.pack(gift))
        if now >= self._report_due:
            self._report_due = now + _REPORT_SECONDS
            if self.transport.rank != 0:
                self.transport.send(0, self._count())
        self.transport.flush()
        self._journal.flush_if_due()

    def _receive(self) -> None:
        for peer, message in self.transport.receive():
            self._handle(peer, message)
        if self._watch is not None:
            self._watch(self)

    @property
    def failed(self) -> int:
        """How many of this rank's evaluations failed."""
        return self.statuses.total() - self.statuses[STOPPED]

    def report(self, step: int, loss: float) -> bool:
        """Take an intermediate loss of the running evaluation, while it runs; say whether it is to stop."""
        judges, running = self.judges, self._running
        if not math.isfinite(loss):
            return judges is not None
        self._curve = self._curve or Curve()
        self._curve.add(Point(step, loss))
        if judges is None or running is None:
            return False
        with self._pulse.lock:
            judges.curves[running.rung].report(running.id, step, loss)
            self._publish_curve(running, step, loss, messages.RUNNING)
            try:
                return judges.stops(running.id, running.rung)
            except Exception as error:  # noqa: BLE001 (not the loss, but the rule is broken: the search ends)
                self._pulse.failure = error
                return True

    def _next(self) -> Individual | None:
        """Give what to evaluate next, once there is a ticket for it; None where the search is over."""
        if self._pulse.failure is not None:
            raise self._pulse.failure
        while self.reason is None:
            tickets = self.tickets
            if tickets.left >= 1:
                tickets.left -= 1
                return self._unfinished.pop() if self._unfinished else self.optimizer.ask()
            if tickets.all_finished:
                self.reason = Reason.EVALUATIONS
                break
            self._wait_for_tickets()
        return None

    def _call(self, individual: Individual) -> Individual | None:
        """Evaluate, while the pulse may exchange messages; None where the evaluation was interrupted."""
        lock = self._pulse.lock
        self._running = individual
        self._begun += 1
        self._last_start = time.perf_counter()
        lock.release()
        try:
            self.evaluating = True
            return self.evaluator(individual, self._report)
        except KeyboardInterrupt:
            return None
        finally:
            self.evaluating = False
            lock.acquire()

    def _record(self, individual: Individual) -> None:
        self._journal.end(individual)
        status = individual.status
        self._long = individual.seconds >= LONG_SECONDS
        self.tickets.finished += 1
        if status is not OK:
            self.statuses[status] += 1
        if status is OK or status is STOPPED:
            best = self._best
            if best is None or ((individual.loss < best.loss or individual.rung) and individual.order < best.order):
                self._best = individual
            if individual.loss <= self._target:
                self.stop(Reason.TARGET)
        else:
            self._failure = self._failure or individual
            if self.optimizer.best is None:
                self._give_up_if_everything_fails()

    def _give_up_if_everything_fails(self) -> None:
        """Let rank 0, which every rank tells of failures as long as nothing has succeeded, end a hopeless search."""
        if self.transport.rank != 0:
            self.transport.send(0, self._count())
            return
        tickets = self.tickets
        failed = self.failed + sum(self.failed_by.values())
        if failed >= self._give_up_after and failed == tickets.finished + sum(tickets.finished_by.values()):
            self.stop(Reason.FAILING)

    def _with_curve(self, individual: Individual, curve: Curve) -> Individual:
        """Give the individual with what it reported, and tell the others that its curve has ended."""
        self._curve = None
        if self.judges is not None:
            completed = individual.status is OK
            self.judges.curves[individual.rung].end(individual.id, completed=completed)
            self._publish_curve(individual, *curve[-1], messages.COMPLETED if completed else messages.CUT)
        return msgspec.structs.replace(individual, curve=tuple(curve.points))

    def _publish_curve(self, individual: Individual, step: int, loss: float, state: int) -> None:
        if self.transport.size > 1:
            island, rank, serial = individual.id.island, individual.id.rank, individual.id.serial
            point = messages.curve.pack(island, rank, serial, individual.rung, step, loss, state)
            self._send_all(messages.CURVE + point)

    def _learn_curve(self, content: bytes) -> None:
        if self.judges is None:
            return
        island, rank, serial, rung, step, loss, state = messages.curve.unpack(content)
        ident, curves = Id(island, rank, serial), self.judges.curves[rung]
        if state == messages.RUNNING:
            curves.report(ident, step, loss)
        else:
            curves.end(ident, completed=state == messages.COMPLETED)

    def _publish(self, individual: Individual) -> None:
        if self.transport.size > 1:
            self._send_all(messages.RECORDS + self._records.pack(individual))

    def _handle(self, peer: int, message: bytes) -> None:
        kind, content = message[:1], message[1:]
        if kind == messages.RECORDS:
            for individual in self._records.unpack(content):
                self.optimizer.absorb(individual)
        elif kind == messages.COUNT:
            self.tickets.finished_by[peer], self.failed_by[peer] = messages.count.unpack(content)
            if self.failed_by[peer] and self.optimizer.best is None and self.transport.rank == 0:
                self._give_up_if_everything_fails()
        elif kind == messages.REQUEST:
            held, idle = messages.request.unpack(content)
            self.tickets.requested(peer, held, bool(idle))
        elif kind == messages.TICKETS:
            self.tickets.receive(*messages.tickets.unpack(content))
        elif kind == messages.CURVE:
            self._learn_curve(content)
        elif kind == messages.STOP:
            self.reason = self.reason or Reason(content.decode())
        elif kind == messages.FAREWELL:
            self.farewells[peer] = messages.farewell_decoder.decode(content)

    def _wait_for_tickets(self) -> None:
        """Idle until there is a ticket, or nothing is left to do anywhere."""
        began = time.perf_counter()
        pause = Pause()
        self._journal.flush()
        while self.reason is None and self.tickets.left < 1 and not self.tickets.all_finished:
            if self.tickets.news() is not None:
                self._send_all(self._count())
            self.tickets.ask(time.perf_counter(), self._request, idle=True)
            self.exchange()
            pause()
        self._idle.append((began, time.perf_counter()))

    def _take_leave(self) -> None:
        """Tell every rank the last, and wait until every rank has: nothing is under way between them afterwards."""
        if self.reason is Reason.INTERRUPTED:  # perhaps this rank alone was: the others are told, and not waited for
            self._send_all(messages.STOP + self.reason.encode())
        if self.tickets.news() is not None:
            self._send_all(self._count())
        farewell = self._farewell()
        self._journal.write(Closed(farewell.ended, sum(end - begin for begin, end in self._idle), farewell.reason))
        self._journal.close()
        self._send_all(messages.FAREWELL + msgspec.json.encode(farewell))
        self.farewells[self.transport.rank] = farewell
        pause = Pause()
        deadline = time.perf_counter() + _GOODBYE_SECONDS if self.reason is Reason.INTERRUPTED else math.inf
        while len(self.farewells) < self.transport.size and time.perf_counter() < deadline:
            self._receive()  # and nothing is sent behind the farewell, as its receiver may have left by then
            self.transport.flush()
            pause()
        self.transport.close(_GOODBYE_SECONDS)

    def _farewell(self) -> Farewell:
        epoch = self._epoch
        return Farewell(
            reason=self.reason or Reason.INTERRUPTED,
            statuses={OK: self.tickets.finished - self.statuses.total(), **self.statuses},
            began=epoch + self.began,
            last_start=epoch + self._last_start,
            ended=epoch + time.perf_counter(),
            idle=[(epoch + begin, epoch + end) for begin, end in self._idle],
            batches=self.transport.batches,
            best=None if self._best is None else Evaluated.of(self._best),
            failure=None if self._failure is None else Evaluated.of(self._failure),
            history=self._journal.history,
        )

    def _count(self) -> bytes:
        return messages.COUNT + messages.count.pack(self.tickets.finished, self.failed)

    def _request(self, peer: int, held: int, idle: bool) -> None:
        self.transport.send(peer, messages.REQUEST + messages.request.pack(held, idle))

    def _send_all(self, message: bytes) -> None:
        for peer in self.transport.peers:
            self.transport.send(peer, message)
