"""Stopping: when a search stops and why, and that all ranks learn it."""

from __future__ import annotations

import math
import typing
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

import msgspec

from propulate_like.parallel import wire
from propulate_like.parallel.coordination.census import Census
from propulate_like.parallel.coordination.dispatch import Handler
from propulate_like.parallel.coordination.membership import Membership
from propulate_like.parallel.transport import Transport
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import OK

FAILURES_BEFORE_GIVING_UP = 20
"""A search stops when its ranks together have seen this many failures, at least two each, and no success."""
TERMINATION_SECONDS = 10.0
"""How long a rank waits for others once an interrupted search is to end, or once it has the summary."""


class Reason(StrEnum):
    """Why a search stops."""

    EVALUATIONS = "evaluations"
    SECONDS = "seconds"
    TARGET = "target"
    INTERRUPTED = "interrupted"
    FAILING = "failing"
    CALLBACK = "callback"


_ANNOUNCED = (Reason.EVALUATIONS, Reason.TARGET, Reason.FAILING, Reason.CALLBACK)
"""The reasons that are sent to all ranks, and again after a death.

SECONDS is not, which each rank sees by itself. Nor is INTERRUPTED: it goes from neighbour to neighbour.
"""


class StoppingConditions(msgspec.Struct, frozen=True):
    """When a search stops, beside the end of its tickets.

    `deadline` is a time of the rank's clock, `target` a loss that is low enough, and `grace` the seconds for which an
    interrupted search waits for running evaluations.
    """

    deadline: float = math.inf
    target: float = -math.inf
    grace: float = 0.0


class SearchState(typing.Protocol):
    """What the protocol reads of the search on its rank; an optimizer has it."""

    @property
    def leading(self) -> Individual | None:
        """The first individual in their order that this rank knows of."""
        ...


class Stopping:
    """Stops the search on one rank, and tells the others.

    Each rank sees by itself that the time is over. A rank that reaches the target tells all others. The leader knows
    the counts of all ranks: it stops the search when the budget is used up, or when evaluations do nothing but fail.
    """

    def __init__(
        self,
        conditions: StoppingConditions,
        total: int | None,
        transport: Transport,
        census: Census,
        membership: Membership,
        search: SearchState,
        now: Callable[[], float],
    ) -> None:
        """Watch for the conditions, and for the end of the budget.

        Args:
            conditions: When to stop, beside the end of the budget.
            total: The budget in evaluations; None for no limit.
            transport: The way to the other ranks.
            census: The counts that this rank knows.
            membership: Which ranks live.
            search: The search on this rank.
            now: Returns the time in seconds.
        """
        self.reason: Reason | None = None
        """Why no further evaluation begins; None while the search goes on. A signal's handler sets it, too."""
        self.termination_deadline = math.inf
        """When this rank waits no longer for the final reports of others; infinite unless the search is cut short."""
        self._conditions, self._total = conditions, total
        self._transport, self._census, self._membership = transport, census, membership
        self._search, self._now = search, now
        self._give_up_after = max(FAILURES_BEFORE_GIVING_UP, 2 * transport.size)

    @property
    def handlers(self) -> Mapping[bytes, Handler]:
        """The handlers of the messages of other ranks."""
        return {wire.STOP: self._receive_stop}

    def stop(self, reason: Reason) -> None:
        """Begin no further evaluation, on any rank."""
        if reason is Reason.INTERRUPTED:
            self.limit_termination()
        elif self.reason is None and reason is not Reason.SECONDS:
            self._send(self._transport.peers, reason)
        self.reason = self.reason or reason

    def check_time(self, now: float) -> None:
        """Stop at the deadline."""
        if now >= self._conditions.deadline and self.reason is None:
            self.stop(Reason.SECONDS)

    def check_outcome(self, individual: Individual) -> None:
        """Stop where an evaluation on this rank has reached the target, was one failure too many, or asked for it."""
        outcome = individual.outcome
        if outcome.loss <= self._conditions.target and outcome.feasible:  # NaN is not
            self.stop(Reason.TARGET)
        elif outcome.status is not OK and outcome.failed:
            self.check_counts()
        if outcome.stops_search:
            self.stop(Reason.CALLBACK)

    def check_counts(self) -> None:
        """As the leader, stop a search that is complete, or in which nothing has succeeded for too long."""
        if not self._membership.is_leader or self.reason is not None:
            return
        counts = self._census.counts
        if self._total is not None and counts.finished >= self._total:
            self.stop(Reason.EVALUATIONS)
        elif counts.failed == counts.finished >= self._give_up_after and self._search.leading is None:
            self.stop(Reason.FAILING)

    def repeat(self) -> None:
        """Tell all ranks the reason again: a rank that has died may not have told all of them."""
        if self.reason in _ANNOUNCED:
            self._send(self._transport.peers, self.reason)

    def limit_termination(self) -> None:
        """Set a deadline for the termination, and tell the neighbours to do the same, who tell theirs.

        This rank alone may have been interrupted. Mostly all have been, and would all tell all others otherwise.
        """
        if self.termination_deadline == math.inf:
            self.termination_deadline = self._now() + self._conditions.grace + TERMINATION_SECONDS
            reason = Reason.SECONDS if self.reason is Reason.SECONDS else Reason.INTERRUPTED
            self._send(self._membership.neighbours, reason)

    def _receive_stop(self, _peer: int, content: bytes, _origin: int | None) -> None:
        reason = Reason(content.decode())
        self.reason = self.reason or reason
        if reason is Reason.INTERRUPTED or reason is Reason.SECONDS:
            self.limit_termination()

    def _send(self, peers: Iterable[int], reason: Reason) -> None:
        for peer in peers:
            self._transport.send(peer, wire.STOP + reason.encode())
