"""Publishing: what a rank found out reaches every rank of its island, at a cost that suits its evaluations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache

from propulate_like.parallel import wire
from propulate_like.parallel.coordination import binomial_tree
from propulate_like.parallel.transport import Transport
from propulate_like.population.individual import Individual

SILENT_SECONDS = 0.02
"""A rank that has not taken a batch for so long is busy with something that does not let it pass anything on."""
_STRAIGHT_SHARE = 0.001
"""Straight to each rank is the way where that takes at most this share of an evaluation's time."""
_FEW = 4
"""To so many others, straight is always the way: a tree saves hardly a message, and takes longer."""
_MANY = 256
"""From so many on, and again whenever they have doubled, items waiting for a rank that matter no more are left out."""

_Item = tuple[int | None, bytes, bytes, Individual | None]
"""The place where it began, or None if it is not to be passed on; its kind, its content, and the individual in it."""


class Broadcaster:
    """One rank's way to the other ranks of its island.

    What is published goes straight to each of them where evaluations are long, so that it waits for nobody to pass it
    on, and otherwise along a tree around its sender (see `overlay`), merged on the way with what others published.
    What arises while a batch is under way to a rank waits for that one to be taken. A rank that takes nothing is gone
    around: what it should have passed on goes to those behind it.
    """

    def __init__(self, transport: Transport, members: Sequence[int], matters: Callable[[Individual], bool]) -> None:
        """Publish to `members`, this rank among them; `matters` says if an individual is of use to others still."""
        self.records = 0
        """How many records of individuals were sent, counted for each receiver."""
        self._transport, self._members, self._matters = transport, members, matters
        self._place = members.index(transport.rank)
        self._straight = len(members) - 1 <= _FEW
        self._for_all: list[_Item] = []
        self._waiting: dict[int, list[_Item]] = {}
        self._under_way: dict[int, tuple[float, list[_Item]]] = {}
        self._silent: set[int] = set()
        self._dead: set[int] = set()

    @property
    def done(self) -> bool:
        """Whether nothing waits to be handed to the transport."""
        return not (self._waiting or self._for_all)

    def publish(self, kind: bytes, content: bytes, individual: Individual | None = None) -> None:
        """Tell every other rank of the island; nothing is sent before the next flush."""
        others = len(self._members) - 1
        if others == 0:
            return
        if individual is not None:
            seconds = _STRAIGHT_SHARE * individual.outcome.seconds
            self._straight = others <= _FEW or others * self._transport.send_seconds <= seconds
        if self._straight:
            self._for_all.append((None, kind, content, individual))
        else:
            self._pass_on(self._place, self._place, kind, content, individual)

    def pass_on(self, origin: int, kind: bytes, content: bytes, individual: Individual | None = None) -> None:
        """Tell those behind this rank in the tree around the place `origin`, where this began."""
        self._pass_on(origin, self._place, kind, content, individual)

    def repeat(self, content: bytes, individual: Individual) -> None:
        """Tell every other rank straight of an individual that a dead one may not have passed on."""
        self._for_all.append((None, wire.RECORDS, content, individual))

    def remove_dead(self, dead: Iterable[int]) -> None:
        """Go around dead ranks for ever."""
        for peer in dead:
            _, under_way = self._under_way.pop(peer, (0.0, []))
            self._dead.add(peer)
            if peer in self._members:
                self._go_around(peer, under_way)
            self._waiting.pop(peer, None)

    def flush(self, now: float) -> None:
        """Hand the transport what waits, for each rank that has taken the batch before."""
        if self._for_all:
            self._send_to_all()
        for peer in {**self._under_way, **self._waiting}:
            if self._transport.ready(peer):
                self._under_way.pop(peer, None)
                self._silent.discard(peer)
                self._hand_over(peer, now)
            elif peer not in self._silent:  # whatever it is that it has not taken
                since, items = self._under_way.setdefault(peer, (now, []))
                if now - since > SILENT_SECONDS:
                    self._go_around(peer, items)

    def _hand_over(self, peer: int, now: float) -> None:
        items = self._waiting.pop(peer, [])
        if any(item[0] is not None for item in items):
            self._under_way[peer] = now, items
        self.records += self._records(items)
        for message in self._written(items):
            self._transport.send(peer, message)

    def _send_to_all(self) -> None:
        """Hand over what goes to every rank, written once; for those that are not ready or lag behind, it waits."""
        items, self._for_all = self._for_all, []
        written, records = self._written(items), self._records(items)
        for peer in self._members:
            if peer == self._transport.rank or peer in self._dead:
                continue
            if peer in self._waiting or not self._transport.ready(peer):
                for item in items:
                    self._queue(peer, item)
                continue
            for message in written:
                self._transport.send(peer, message)
            self.records += records

    def _pass_on(self, origin: int, place: int, kind: bytes, content: bytes, individual: Individual | None) -> None:
        """Queue for those next below `place` in the tree around `origin`, and below those of them that are silent."""
        members = self._members
        size = len(members)
        for offset in _below((place - origin) % size, size):
            next_place = (origin + offset) % size
            peer = members[next_place]
            if peer in self._silent:
                if peer not in self._dead:
                    self._queue(peer, (None, kind, content, individual))
                self._pass_on(origin, next_place, kind, content, individual)
            else:
                self._queue(peer, (origin, kind, content, individual))

    def _go_around(self, peer: int, under_way: list[_Item]) -> None:
        self._silent.add(peer)
        place = self._members.index(peer)
        waiting = self._waiting.get(peer, [])
        for origin, kind, content, individual in [*under_way, *waiting]:
            if origin is not None:
                self._pass_on(origin, place, kind, content, individual)
        if waiting:
            self._waiting[peer] = [(None, *item[1:]) for item in waiting]

    def _queue(self, peer: int, item: _Item) -> None:
        items = self._waiting.get(peer)
        if items is None:
            self._waiting[peer] = [item]
            return
        items.append(item)
        if len(items) >= _MANY and len(items) & (len(items) - 1) == 0:
            self._waiting[peer] = [one for one in items if one[3] is None or self._matters(one[3])]

    @staticmethod
    def _records(items: list[_Item]) -> int:
        return sum(item[1] == wire.RECORDS for item in items)

    def _written(self, items: list[_Item]) -> list[bytes]:
        """Write the items as messages, with records that go the same way in one."""
        records: dict[int | None, list[bytes]] = {}
        others = []
        for origin, kind, content, _ in items:
            if kind == wire.RECORDS:
                records.setdefault(origin, []).append(content)
            else:
                others.append((origin, kind + content))
        merged = [(origin, wire.RECORDS + b"".join(contents)) for origin, contents in records.items()]
        return [
            message if origin is None else wire.PASS_ON + wire.origin.pack(origin) + message
            for origin, message in [*merged, *others]
        ]


@cache
def _below(offset: int, size: int) -> tuple[int, ...]:
    return tuple(binomial_tree.below(offset, size))
