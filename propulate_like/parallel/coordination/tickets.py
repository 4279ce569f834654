"""Tickets: the right to begin one evaluation each, passed from ranks that have many to ranks that run out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from propulate_like.parallel.coordination import binomial_tree

_AHEAD_SECONDS = 0.02
"""A rank requests tickets when it has fewer left than it uses in this time, which is longer than an answer takes."""
# docs/decisions.md, "Tickets are requested from neighbours alone"
_ASKED_AHEAD = 2
"""The number of neighbours that a rank asks at a time while it is not idle yet."""


class Tickets:
    """One rank's share of an exact budget of evaluations.

    There are as many tickets as evaluations, dealt evenly at first. A rank that is about to run out requests more from
    some of its neighbours, and from all of them once it is idle: at most two for each doubling of the number of ranks.
    A neighbour grants a part of its own tickets, or keeps the request until it can, so that nobody polls. Neighbours
    are enough, because their graph spreads well: once a rank's neighbours have no tickets left, every rank that has
    some has an idle neighbour, and passes them on (see docs/scaling.md).
    """

    def __init__(self, total: int | None, rank: int, size: int, begun: Sequence[int] = ()) -> None:
        """Deal tickets.

        Args:
            total: The number of tickets; None for no limit.
            rank: This rank.
            size: The number of ranks.
            begun: For each rank, how many evaluations it is to begin again; their tickets are dealt first.
        """
        self.total = total
        self.reserved = 0
        """The number of tickets that are not to be granted to others."""
        self._size, self._begun = size, begun
        self.left: float = math.inf if total is None else self._dealt(rank)
        self._neighbours: Sequence[int] = binomial_tree.neighbours(rank, size)
        self._given: dict[int, int] = {}  # to each rank, less what it gave
        self._requests: dict[int, bool] = {}  # this rank's own, by peer, and whether it was idle
        self._asked: bool | None = None  # None: not asked; otherwise whether the rank was idle when it did
        self._waiting: dict[int, tuple[int, bool]] = {}  # the peers' requests

    def running_low(self, rate: float) -> bool:
        """Return whether it is time to request tickets.

        Args:
            rate: The evaluations that end in a second.
        """
        return self._asked is None and self.left <= rate * _AHEAD_SECONDS

    def ask(self, *, idle: bool) -> list[int]:
        """Return the ranks to send a request to now, which are those that hold no request of this rank yet.

        Args:
            idle: Whether this rank has no tickets left.
        """
        if self._asked is not None and self._asked >= idle:
            return []
        self._asked = idle
        open_to = [peer for peer in self._neighbours if self._requests.get(peer, -1) < idle]
        asked = open_to if idle else open_to[:_ASKED_AHEAD]
        self._requests.update(dict.fromkeys(asked, idle))
        return asked

    def requested(self, peer: int, held: int, idle: bool) -> None:
        """Keep the request of a peer, which holds `held` tickets."""
        self._waiting[peer] = held, idle

    def grants(self, *, busy: bool) -> dict[int, int]:
        """Take from this rank's tickets those to send to the peers that requested some.

        An idle peer gets half of the tickets left, rounded up; any other gets half the difference to what it holds. A
        rank that is not `busy` evaluating keeps one, or tickets would circulate among idle ranks forever.

        Returns:
            The number of tickets for each peer that gets some.
        """
        grants: dict[int, int] = {}
        if not self._waiting or self.left == math.inf:
            return grants
        for peer, (held, idle) in sorted(self._waiting.items(), key=lambda request: not request[1][1]):
            spare = int(self.left) - max(not busy, self.reserved)
            count = (spare + 1) // 2 if idle else (spare - held) // 2
            if count > 0:
                self.give(peer, count)
                grants[peer] = count
                del self._waiting[peer]
        return grants

    def give(self, peer: int, count: int) -> None:
        """Account for tickets that go to a peer."""
        self.left -= count
        self._given[peer] = self._given.get(peer, 0) + count

    def receive(self, peer: int, count: int) -> None:
        """Account for tickets that came from a peer, which answers the request that it holds."""
        self.left += count
        self._given[peer] = self._given.get(peer, 0) - count
        self._requests.pop(peer, None)
        self._asked = None

    def remove_dead(self, dead: Iterable[int], neighbours: Sequence[int]) -> int:
        """Request nothing from dead ranks any more, and grant them nothing.

        Args:
            dead: All dead ranks.
            neighbours: The ranks to ask from now on.

        Returns:
            The number of tickets that the dead ranks got from this one, less those that it got from them.
        """
        self._neighbours = neighbours
        self._asked = None
        for peer in dead:
            self._requests.pop(peer, None)
            self._waiting.pop(peer, None)
        return sum(self._given.get(peer, 0) for peer in dead)

    def lost(self, dead: Iterable[int], finished: int, given: int) -> int:
        """Return the number of tickets that were lost with dead ranks.

        What dead ranks gave each other, and what was on its way, need not be known.

        Args:
            dead: All dead ranks.
            finished: The evaluations that they finished.
            given: The tickets that all living ranks together gave them, less those received from them.
        """
        return 0 if self.total is None else sum(map(self._dealt, dead)) + given - finished

    def _dealt(self, rank: int) -> int:
        begun = self._begun[rank] if self._begun else 0
        total = (self.total or 0) - sum(self._begun)
        return begun + total // self._size + (rank < total % self._size)
