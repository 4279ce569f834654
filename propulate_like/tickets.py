"""Tickets: the right to begin one evaluation each, handed from ranks that have many to ranks that run out."""

from __future__ import annotations

import math

from propulate_like import overlay

_AHEAD_SECONDS = 0.02
"""A rank asks for tickets when it has fewer left than it uses in this time: longer than an answer takes."""


class Tickets:
    """One rank's share of an exact budget of evaluations.

    There are as many tickets as evaluations, dealt evenly at first. A rank that is about to run out asks its
    neighbours in the overlay, at most two for each doubling of the number of ranks. Each gives a part of its own, or
    remembers the request until it can: nobody polls. That suffices, because the overlay spreads well: as long as any
    rank has more than it can use, hardly one has no neighbour with a ticket to give (see docs/scaling.md).
    """

    def __init__(self, total: int | None, rank: int, size: int) -> None:
        """Deal `total` tickets (None: no limit) to `size` ranks, of which this is number `rank`."""
        self.total = total
        self.left: float = math.inf if total is None else total // size + (rank < total % size)
        self._neighbours = overlay.neighbours(rank, size)
        self._asked: bool | None = None  # None: not asked; otherwise whether the rank was idle when it did
        self._standing: dict[int, tuple[int, bool]] = {}

    def running_low(self, rate: float) -> bool:
        """Say whether it is time to ask, where `rate` evaluations end in a second."""
        return self._asked is None and self.left <= rate * _AHEAD_SECONDS

    def ask(self, *, idle: bool) -> list[int]:
        """Give the ranks to be asked now: none where they were asked already, and this rank was as idle then."""
        if self._asked is not None and self._asked >= idle:
            return []
        self._asked = idle
        return self._neighbours

    def requested(self, peer: int, held: int, idle: bool) -> None:
        """Remember that a peer that holds `held` tickets asks for some."""
        self._standing[peer] = held, idle

    def gifts(self, *, busy: bool) -> dict[int, int]:
        """Give up tickets to those who asked: to an idle peer half of what is left, rounded up, else half the lead.

        A rank that is not `busy` evaluating keeps one for itself, or tickets would go round among idle ranks for ever.
        """
        gifts: dict[int, int] = {}
        if not self._standing or self.left == math.inf:
            return gifts
        for peer, (held, idle) in sorted(self._standing.items(), key=lambda request: not request[1][1]):
            spare = int(self.left) - (not busy)
            count = (spare + 1) // 2 if idle else (spare - held) // 2
            if count > 0:
                self.left -= count
                gifts[peer] = count
                del self._standing[peer]
        return gifts

    def receive(self, count: int) -> None:
        """Take in tickets that a peer gave."""
        self.left += count
        self._asked = None
