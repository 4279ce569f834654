"""Tickets: the right to begin one evaluation each, handed from ranks that have many to ranks that run out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import islice

_AHEAD_SECONDS = 0.02
"""A rank asks for tickets when it has fewer left than it uses in this time: longer than an answer takes."""
_ASKED_AT_ONCE = 8
"""How many peers a rank asks at once; a rank that stays idle goes on to the next ones."""
_ASK_AGAIN_SECONDS = 0.02


class Tickets:
    """One rank's share of an exact budget of evaluations.

    There are as many tickets as evaluations, dealt evenly at first. A rank that is about to run out asks several
    peers; each gives a part of its own, or remembers the request until it can. So that everybody knows when
    everything has ended, ranks that have run out tell how many evaluations they finished.
    """

    def __init__(self, total: int | None, rank: int, peers: Sequence[int]) -> None:
        """Deal `total` tickets (None: no limit) to this rank and its `peers`."""
        size = len(peers) + 1
        self.total = total
        self.left: float = math.inf if total is None else total // size + (rank < total % size)
        self.finished = 0
        self.finished_by = dict.fromkeys(peers, 0)
        self._peers = sorted(peers, key=lambda peer: (peer - rank) % size)
        self._next_asked = 0
        self._asked_at = -math.inf
        self._asked_idle = False
        self._asked = False
        self._announced = -1
        self._standing: dict[int, tuple[int, bool]] = {}

    @property
    def all_finished(self) -> bool:
        """Whether every evaluation of the budget has ended, on whichever rank."""
        return self.total is not None and self.finished + sum(self.finished_by.values()) >= self.total

    def running_low(self, seconds: float) -> bool:
        """Say whether it is time to ask, after `seconds` of searching."""
        return not self._asked and self.left <= self.finished / max(seconds, 1e-9) * _AHEAD_SECONDS

    def ask(self, now: float, send: Callable[[int, int, bool], None], *, idle: bool) -> None:
        """Ask several peers by `send(peer, tickets left, idle)`, unless that was done a moment ago."""
        if self._asked and idle == self._asked_idle and (not idle or now - self._asked_at < _ASK_AGAIN_SECONDS):
            return
        self._asked, self._asked_idle, self._asked_at = True, idle, now
        count = min(_ASKED_AT_ONCE, len(self._peers))
        around = self._peers[self._next_asked :] + self._peers[: self._next_asked]
        for peer in islice(around, count):
            send(peer, int(self.left), idle)
        self._next_asked = (self._next_asked + count) % max(len(self._peers), 1)

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
        self._asked = False

    def news(self) -> int | None:
        """Give how many evaluations this rank finished, where its peers do not know that number yet."""
        if self.finished == self._announced:
            return None
        self._announced = self.finished
        return self.finished
