"""The coordination protocol between two ranks, in virtual time, without anything that evaluates."""

from types import SimpleNamespace

import propulate_like as pl
from propulate_like.foundation.clock import Clock
from propulate_like.parallel.coordination.broadcast import Broadcaster
from propulate_like.parallel.coordination.protocol import EXCHANGE_SECONDS, CoordinationProtocol
from propulate_like.parallel.coordination.stopping import FAILURES_BEFORE_GIVING_UP, Reason, StoppingConditions
from propulate_like.parallel.coordination.tickets import Tickets
from propulate_like.parallel.transport.simulated import Network, SimulatedTransport
from propulate_like.population.codec import Codec
from propulate_like.population.individual import Candidate, Individual
from propulate_like.population.outcome import OK, Outcome, Status
from propulate_like.storage.events import Started
from propulate_like.storage.journal import Journal

SPACE = pl.Space({"x": pl.Float(0, 1)})
KIND = bytes([200])


def individual(rank, serial=0, outcome=None):
    candidate = Candidate(pl.Id(0, rank, serial), (0.5,), SPACE)
    return Individual(candidate) if outcome is None else Individual(candidate, outcome)


class Ranks:
    """Ranks with a protocol each, and the time they share."""

    def __init__(self, size=2, evaluations=None, best=None, **settings):
        self.now = 0.0
        self.ends = SimulatedTransport.connected(size, Network(), lambda: self.now)
        self.protocols = [
            CoordinationProtocol(
                end,
                Journal(None),
                Tickets(evaluations, end.rank, size),
                Broadcaster(end, range(size), lambda _one: True),
                Codec(SPACE),
                SimpleNamespace(leading=best),
                clock=Clock(lambda: self.now, 1e9),
                **settings,
            )
            for end in self.ends
        ]

    def exchange(self, seconds=0.3):
        """Let all ranks exchange messages, from one millisecond to the next."""
        until = self.now + seconds
        while self.now < until:
            self.now += 0.001
            for protocol in self.protocols:
                if protocol.transport.rank not in self.dead:
                    protocol.exchange(busy=True)

    dead = ()

    def die(self, rank):
        self.dead = (rank,)
        for end in self.ends:
            if end.rank != rank:
                end.remove_dead(rank)

    @property
    def reasons(self):
        return [protocol.stopping.reason for protocol in self.protocols]


def test_other_parts_get_the_messages_of_their_kinds_and_the_deaths():
    ranks = Ranks(3)
    received, deaths = [], []
    ranks.protocols[1].register({KIND: lambda *message: received.append(message)}, deaths.append)
    ranks.ends[0].send(1, KIND + b"content")
    ranks.exchange(0.01)
    assert received == [(0, b"content", None)]
    ranks.die(2)
    ranks.exchange(0.01)
    assert deaths == [{2}]


def test_the_next_exchange_is_due_after_a_while():
    ranks = Ranks()
    ranks.exchange(0.01)
    assert ranks.protocols[0].next_exchange == ranks.now + EXCHANGE_SECONDS


def test_a_rank_that_reaches_the_target_stops_all():
    ranks = Ranks(conditions=StoppingConditions(target=0.1))
    ranks.protocols[1].count(individual(1, outcome=Outcome(OK, 0.2)))
    assert ranks.reasons == [None, None]
    ranks.protocols[1].count(individual(1, outcome=Outcome(OK, 0.1)))
    ranks.exchange(0.01)
    assert ranks.reasons == [Reason.TARGET] * 2


def test_the_leader_stops_a_search_whose_budget_is_used_up():
    ranks = Ranks(evaluations=5)
    for serial in range(5):
        ranks.protocols[1].count(individual(1, serial, Outcome(OK, 0.2)))
        assert ranks.reasons == [None, None]
    ranks.exchange()
    assert ranks.reasons == [Reason.EVALUATIONS] * 2


def test_the_leader_stops_a_search_in_which_nothing_succeeds():
    failed = individual(0, outcome=Outcome(Status.ERROR))
    for best, reason in ((None, Reason.FAILING), (individual(0, outcome=Outcome(OK, 0.2)), None)):
        ranks = Ranks(best=best)
        for serial in range(FAILURES_BEFORE_GIVING_UP):
            ranks.protocols[serial % 2].count(failed)
        ranks.exchange()
        assert ranks.reasons == [reason] * 2


def test_each_rank_sees_the_deadline_by_itself():
    ranks = Ranks(conditions=StoppingConditions(deadline=0.05))
    ranks.protocols[0].exchange(busy=True)
    assert ranks.reasons == [None, None]
    ranks.now = 0.06
    ranks.protocols[1].exchange(busy=True)
    assert ranks.reasons == [None, Reason.SECONDS]


def test_unfinished_evaluations_have_their_tickets_reserved():
    begun = [Started.now(individual(0, serial)) for serial in range(3)]
    protocol = Ranks(1, evaluations=3, unfinished=begun).protocols[0]
    assert protocol.tickets.reserved == 3
    assert {protocol.next_unfinished().id.serial for _ in range(3)} == {0, 1, 2}
    assert protocol.tickets.reserved == 0


def test_the_summary_is_the_same_on_every_rank():
    ranks = Ranks(3, evaluations=3)
    for rank, protocol in enumerate(ranks.protocols):
        protocol.count(individual(rank, outcome=Outcome(OK, 1.0 - rank / 10)))
    ranks.exchange()
    terminations = [protocol.terminate() for protocol in ranks.protocols]
    summaries = {}
    while len(summaries) < 3:
        ranks.now += 0.001
        for rank, steps in enumerate(terminations):
            try:
                if rank not in summaries:
                    next(steps)
            except StopIteration as end:
                summaries[rank] = end.value
    assert summaries[0] == summaries[1] == summaries[2]
    assert (summaries[0].reason, summaries[0].evaluations.statuses) == ("evaluations", {Status.OK: 3})
    assert summaries[0].evaluations.best.id == pl.Id(0, 2, 0)
