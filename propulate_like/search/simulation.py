"""Simulation: a whole search on virtual ranks, in virtual time, by the same worker that runs on real ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Sequence
from heapq import heappop, heappush
from random import Random
from types import FrameType

from propulate_like.evaluation.context import Report, TeamContext
from propulate_like.foundation.clock import Clock
from propulate_like.parallel.coordination.protocol import CoordinationProtocol
from propulate_like.parallel.coordination.stopping import StoppingConditions
from propulate_like.parallel.coordination.termination import SessionSummary
from propulate_like.parallel.coordination.tickets import Tickets
from propulate_like.parallel.transport.simulated import BEAT_SECONDS, Network, SimulatedTransport
from propulate_like.parallel.wire import IndividualRecords
from propulate_like.population.codec import Codec
from propulate_like.population.individual import Individual
from propulate_like.search.islands.archipelago import Archipelago
from propulate_like.search.specification import SearchSpecification
from propulate_like.search.starting_points import add_points
from propulate_like.search.worker import Worker
from propulate_like.storage.events import Event
from propulate_like.storage.journal import Journal
from propulate_like.storage.recovery import DeadRankState
from propulate_like.storage.run import ResumeSnapshot

_REMEMBERED = 1 << 16  # messages
_POLL_SECONDS = 0.001  # how often an idle rank looks at its messages, once it has waited for a little while


class Simulation:
    """Runs a search on virtual ranks in one process.

    `evaluate` gives an individual with its outcome, at once; `seconds` says how long its evaluation takes in virtual
    time, with the random numbers of its rank, to which the worker's own `overhead` is added. A rank for which `silent`
    says so looks at no message meanwhile. The same seed gives the same simulation, to the bit.
    """

    def __init__(
        self,
        specification: SearchSpecification,
        ranks: int,
        evaluate: Callable[[Individual], Individual],
        seconds: Callable[[Individual, Random], float],
        *,
        network: Network | None = None,
        overhead: float = 30e-6,
        silent: Callable[[int], bool] = lambda _rank: False,
        journal: Callable[[int], Journal] = lambda _rank: Trace(),
        deaths: Sequence[tuple[int, float, Callable[[int], float]]] = (),
        dead_state: Callable[[int], DeadRankState] = lambda _rank: DeadRankState(),
    ) -> None:
        """Begin at time 0, to end when the budget says; pruner and warm start are left out, and a seed of None is 0.

        Each of `deaths` has a rank, a time, and the delay after which each other rank learns of it; `dead_state`
        tells what the rank left.
        """
        self.now = 0.0
        self.overhead = overhead
        self.archipelago = Archipelago(specification, ranks)
        self._evaluate, self._seconds, self._silent = evaluate, seconds, silent
        self._deadline = specification.budget.seconds_left(0.0)
        self._deaths = [(time, rank, rank) for rank, time, _ in deaths]
        for dying, time, delay in deaths:
            others = (rank for rank in range(ranks) if rank != dying)
            self._deaths += [(time + delay(rank), rank, dying) for rank in others]
        self._deaths.sort(reverse=True)
        self._queue: list[tuple[float, int, _Rank, int]] = []
        self.steps = 0
        """How many moments were simulated so far, on all ranks."""
        self._running: _Rank | None = None
        ends = SimulatedTransport.connected(ranks, network or Network(), lambda: self.now, self._notify)
        records = _SharedRecords(self.archipelago.records)
        start = ResumeSnapshot(specification.seed or 0)
        add_points(start, specification.points, specification.known_space, self.archipelago.layout)
        self._shares = self.archipelago.shares(start.unfinished[: specification.budget.evaluations])
        self._serials = start.serials
        self.ranks = [self._rank(specification, end, journal(end.rank), records, dead_state) for end in ends]

    def _rank(
        self,
        specification: SearchSpecification,
        end: SimulatedTransport,
        journal: Journal,
        records: IndividualRecords,
        dead_state: Callable[[int], DeadRankState],
    ) -> _Rank:
        """Return a rank that has not begun yet."""
        seed = specification.seed or 0
        optimizer = self.archipelago.optimizer(end.rank, seed)
        if end.rank in self._serials:
            optimizer.begin(self._serials[end.rank])
        island = self.archipelago.island(optimizer, end, journal, records)
        protocol = CoordinationProtocol(
            end,
            journal,
            Tickets(specification.budget.evaluations, end.rank, end.size, [len(share) for share in self._shares]),
            island.broadcaster,
            Codec(optimizer.space),
            optimizer,
            conditions=StoppingConditions(self._deadline, specification.lowest_loss),
            unfinished=self._shares[end.rank] if self._shares else (),
            layout=self.archipelago.layout,
            dead_state=dead_state,
            clock=Clock(lambda: self.now, 0.0),
        )
        worker = Worker(optimizer, protocol, _Nothing(), journal, island)
        return _Rank(worker, end, Random(f"{seed}/{end.rank}/seconds"))

    def run(self, until: float = math.inf) -> SessionSummary | None:
        """Go on to the end, or up to a time; return what the search came to, where it is over.

        RuntimeError where ranks wait for each other forever, which they should not.
        """
        for rank in self.ranks:
            if rank.steps is None and not rank.dead:
                rank.steps = rank.worker.steps()
                self._resume(rank, None)
        queue = self._queue
        while queue or self._deaths:
            death = self._deaths[-1][0] if self._deaths else math.inf
            if min(death, queue[0][0] if queue else math.inf) > until:
                self.now = until
                return None
            if not queue or death <= queue[0][0]:
                self._lose(*self._deaths.pop())
                continue
            self.now, _, rank, token = heappop(queue)
            if token != rank.token:
                continue
            if rank.individual is None:
                if self.now == rank.wakes:
                    self._resume(rank, None)
            elif self.now == rank.until:
                evaluated = self._evaluate(rank.individual)
                stamped = evaluated.with_outcome(seconds=rank.until - rank.began, ended=self.now)
                self._resume(rank, stamped)
            elif self.now == rank.wakes:
                self._beat(rank)
        waiting = sum(rank.summary is None for rank in self.ranks if not rank.dead)
        if waiting:
            message = f"at {self.now:g} s, {waiting} of {len(self.ranks)} ranks wait for what never comes"
            raise RuntimeError(message)
        return next((rank.summary for rank in self.ranks if not rank.dead), None)

    def _lose(self, time: float, number: int, dead: int) -> None:
        """Let a rank die, or learn that another one has."""
        self.now = time
        rank = self.ranks[number]
        if number == dead:
            rank.dead, rank.steps, rank.end.answers = True, None, False
            rank.token += 1
        else:
            rank.end.remove_dead(dead)
            self._schedule(rank, time)

    def _resume(self, rank: _Rank, answer: Individual | None) -> None:
        """Let a rank take its next step, and begin its evaluation, or its wait."""
        self._running = rank
        rank.noticed, rank.wakes = math.inf, math.inf
        rank.token += 1
        rank.end.answers = False
        try:
            step = rank.steps.send(answer) if rank.steps is not None else 0.0
        except StopIteration as end:
            rank.summary = end.value
            return
        finally:
            self._running = None
        rank.began = self.now
        if isinstance(step, Individual):
            rank.individual = step
            rank.began += self.overhead
            seconds = self._seconds(step, rank.generator)
            rank.until = rank.began + seconds
            rank.end.answers = seconds > BEAT_SECONDS and not self._silent(rank.end.rank)
            self._push(rank.until, rank)
            self._schedule(rank, min(rank.noticed, rank.end.next_arrival))
        else:
            rank.individual = None
            deadlines = [time for time in (self._deadline, rank.worker.protocol.leaves_at) if time > self.now]
            self._schedule(rank, min(rank.noticed, rank.end.first_arrival, *deadlines))

    def _beat(self, rank: _Rank) -> None:
        """Let a rank that is evaluating look at its messages."""
        self._running = rank
        rank.noticed, rank.wakes = math.inf, math.inf
        rank.worker.exchange()
        self._running = None
        self._schedule(rank, min(rank.noticed, rank.end.next_arrival))

    def _notify(self, number: int, time: float) -> None:
        rank = self.ranks[number]
        if rank is self._running:
            rank.noticed = min(rank.noticed, time)
        else:
            self._schedule(rank, time)

    def _schedule(self, rank: _Rank, time: float) -> None:
        """Have a rank look at its messages at its first chance from `time` on."""
        if time == math.inf or rank.summary is not None or rank.steps is None:
            return
        evaluating = rank.individual is not None
        if evaluating and not rank.end.answers:
            return
        interval = BEAT_SECONDS if evaluating else _POLL_SECONDS
        looks = max(math.ceil((max(time, self.now) - rank.began) / interval), 1)
        at = rank.began + looks * interval
        while at <= self.now:  # for all that rounding does
            looks += 1
            at = rank.began + looks * interval
        if at < rank.wakes and not (evaluating and at >= rank.until):
            rank.wakes = at
            self._push(at, rank)

    def _push(self, time: float, rank: _Rank) -> None:
        self.steps += 1
        heappush(self._queue, (time, self.steps, rank, rank.token))


class Trace(Journal):
    """Keeps no more than when each evaluation ended, and its loss."""

    def __init__(self) -> None:
        super().__init__(None)
        self.losses: list[tuple[float, float]] = []

    def end(self, individual: Individual) -> None:
        self.losses.append((individual.ended, individual.loss if individual.feasible else math.nan))

    def write(self, event: Event) -> None:
        """Keep nothing of it."""


class _Rank:
    """Where a rank stands: what it evaluates, if anything, since when and until when, and when it looks again."""

    def __init__(self, worker: Worker, end: SimulatedTransport, generator: Random) -> None:
        self.worker, self.end, self.generator = worker, end, generator
        self.steps: Generator[Individual | float, Individual | None, SessionSummary] | None = None
        self.individual: Individual | None = None
        self.began = self.until = 0.0
        self.wakes = self.noticed = math.inf
        self.token = 0
        self.dead = False
        self.summary: SessionSummary | None = None


class _SharedRecords:
    """Reads each record once for all ranks."""

    def __init__(self, records: IndividualRecords) -> None:
        self._records = records
        self._read: dict[bytes, list[tuple[Individual, bytes]]] = {}

    def pack(self, individual: Individual) -> bytes:
        return self._records.pack(individual)

    def unpack(self, records: bytes) -> Iterable[tuple[Individual, bytes]]:
        found = self._read.get(records)
        if found is None:
            if len(self._read) > _REMEMBERED:
                self._read.clear()
            found = self._read[records] = list(self._records.unpack(records))
        return found


class _Nothing:
    """Evaluates nothing: the simulation does."""

    def __call__(self, individual: Individual, report: Report, team: TeamContext | None = None) -> Individual:
        raise NotImplementedError

    def interrupt(self, frame: FrameType | None) -> bool:
        return False

    def close(self) -> None:
        """Nothing runs."""
