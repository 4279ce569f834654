"""Tickets: the right to begin one evaluation each, handed from ranks that have many to ranks that run out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from propulate_like.parallel.coordination import binomial_tree

_AHEAD_SECONDS = 0.02
"""A rank asks for tickets when it has fewer left than it uses in this time: longer than an answer takes."""
_ASKED_AHEAD = 2
"""How many neighbours a rank asks at a time that is not idle yet."""


class Tickets:
    """One rank's share of an exact budget of evaluations.

    There are as many tickets as evaluations, dealt evenly at first. A rank that is about to run out asks some of its
    neighbours in the overlay, and all of them once it is idle: at most two for each doubling of the number of ranks.
    Each gives a part of its own, or remembers the request until it can: nobody polls. That suffices, because the
    overlay spreads well: once so few tickets are left that a rank's neighbours have none, whoever has one has an idle
    neighbour, and gives it away (see docs/scaling.md).
    """

    def __init__(self, total: int | None, rank: int, size: int, begun: Sequence[int] = ()) -> None:
        """Deal `total` tickets (None: no limit) to `size` ranks, of which this is number `rank`.

        To each rank, the first go for evaluations that it is to begin again: so many of it are `begun`.
        """
        self.total = total
        self.reserved = 0
        """How many are not to be given away."""
        self._size, self._begun = size, begun
        self.left: float = math.inf if total is None else self._dealt(rank)
        self._neighbours: Sequence[int] = binomial_tree.neighbours(rank, size)
        self._given: dict[int, int] = {}  # to each rank, less what it gave
        self._requests: dict[int, bool] = {}  # those of this rank that stand with others, and whether it was idle
        self._asked: bool | None = None  # None: not asked; otherwise whether the rank was idle when it did
        self._standing: dict[int, tuple[int, bool]] = {}

    def running_low(self, rate: float) -> bool:
        """Return whether it is time to ask, where `rate` evaluations end in a second."""
        return self._asked is None and self.left <= rate * _AHEAD_SECONDS

    def ask(self, *, idle: bool) -> list[int]:
        """Return the ranks to be asked now; those where a request stands need not be asked again."""
        if self._asked is not None and self._asked >= idle:
            return []
        self._asked = idle
        open_to = [peer for peer in self._neighbours if self._requests.get(peer, -1) < idle]
        asked = open_to if idle else open_to[:_ASKED_AHEAD]
        self._requests.update(dict.fromkeys(asked, idle))
        return asked

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
            spare = int(self.left) - max(not busy, self.reserved)
            count = (spare + 1) // 2 if idle else (spare - held) // 2
            if count > 0:
                self.give(peer, count)
                gifts[peer] = count
                del self._standing[peer]
        return gifts

    def give(self, peer: int, count: int) -> None:
        """Note that tickets go to a peer."""
        self.left -= count
        self._given[peer] = self._given.get(peer, 0) + count

    def receive(self, peer: int, count: int) -> None:
        """Take in tickets that a peer gave, which meets the request that it had."""
        self.left += count
        self._given[peer] = self._given.get(peer, 0) - count
        self._requests.pop(peer, None)
        self._asked = None

    def remove_dead(self, dead: Iterable[int], neighbours: Sequence[int]) -> int:
        """Ask and serve dead ranks no more; return how many tickets they got of this one, less those that it got."""
        self._neighbours = neighbours
        self._asked = None
        for peer in dead:
            self._requests.pop(peer, None)
            self._standing.pop(peer, None)
        return sum(self._given.get(peer, 0) for peer in dead)

    def lost(self, dead: Iterable[int], finished: int, given: int) -> int:
        """Return how many tickets went with dead ranks that had `finished` so many evaluations.

        The living together have `given` them so many more than they received. What the dead gave each other, or what
        was under way, need not be known.
        """
        return 0 if self.total is None else sum(map(self._dealt, dead)) + given - finished

    def _dealt(self, rank: int) -> int:
        begun = self._begun[rank] if self._begun else 0
        total = (self.total or 0) - sum(self._begun)
        return begun + total // self._size + (rank < total % self._size)
