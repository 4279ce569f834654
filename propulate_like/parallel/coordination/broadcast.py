"""Broadcast: what one rank finds reaches every rank of its island, at a cost that suits its evaluations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache

from propulate_like.parallel import wire
from propulate_like.parallel.coordination import binomial_tree
from propulate_like.parallel.transport import Transport
from propulate_like.population.individual import Individual

# docs/decisions.md, "Two ways to publish"
SILENT_SECONDS = 0.02
"""A rank that has not taken a batch for so long is in an evaluation that blocks, and forwards nothing."""
_DIRECT_SHARE = 0.001
"""Records are sent to each rank directly where that takes at most this share of an evaluation's time."""
_FEW = 4
"""The number of other ranks up to which records always go straight: a tree saves hardly a message, and takes longer."""
_MANY = 256
"""The number of items waiting for a rank at which, and at each doubling, the useless ones are dropped."""

_Item = tuple[int | None, bytes, bytes, Individual | None]
"""The place where it began, or None if it is not to be forwarded; its kind, its content, and the individual in it."""


class Broadcaster:
    """Sends one rank's records to the other ranks of its island, and forwards those of others.

    Where evaluations are long, a message goes to each rank directly, so that no rank is needed to forward it.
    Otherwise it goes along a binomial tree around its sender, merged on the way with other messages. While a batch is
    in flight to a rank, further messages for that rank wait. A rank that takes nothing is bypassed: what it should have
    forwarded is sent to its children in the tree.
    """

    def __init__(self, transport: Transport, members: Sequence[int], matters: Callable[[Individual], bool]) -> None:
        """Prepare to publish.

        Args:
            transport: The way to other ranks.
            members: The ranks of the island, this one included.
            matters: Returns whether an individual is still of use to others.
        """
        self.alone = len(members) == 1
        """Whether the island has no other rank."""
        self.records = 0
        """The number of records of individuals that were sent, counted for each receiver."""
        self._transport, self._members, self._matters = transport, members, matters
        self._place = members.index(transport.rank)
        self._direct = len(members) - 1 <= _FEW
        self._for_all: list[_Item] = []
        self._waiting: dict[int, list[_Item]] = {}
        self._in_flight: dict[int, tuple[float, list[_Item]]] = {}
        self._silent: set[int] = set()
        self._dead: set[int] = set()

    @property
    def done(self) -> bool:
        """Whether nothing waits to be handed to the transport."""
        return not (self._waiting or self._for_all)

    def publish(self, kind: bytes, content: bytes, individual: Individual | None = None) -> None:
        """Queue a message for every other rank of the island; the next flush sends it.

        Args:
            kind: The kind of the message, as in `wire`.
            content: The message without its kind.
            individual: The individual in it, where there is one.
        """
        if self.alone:
            return
        others = len(self._members) - 1
        if individual is not None:
            seconds = _DIRECT_SHARE * individual.outcome.seconds
            self._direct = others <= _FEW or others * self._transport.send_seconds <= seconds
        if self._direct:
            self._for_all.append((None, kind, content, individual))
        else:
            self._forward(self._place, self._place, kind, content, individual)

    def forward(self, origin: int, kind: bytes, content: bytes, individual: Individual | None = None) -> None:
        """Queue a message for this rank's children in the tree around `origin`, the place where the message began."""
        self._forward(origin, self._place, kind, content, individual)

    def republish(self, content: bytes, individual: Individual) -> None:
        """Queue a record that a dead rank may not have forwarded, for every other rank directly."""
        self._for_all.append((None, wire.RECORDS, content, individual))

    def remove_dead(self, dead: Iterable[int]) -> None:
        """Bypass dead ranks from now on."""
        for peer in dead:
            _, in_flight = self._in_flight.pop(peer, (0.0, []))
            self._dead.add(peer)
            if peer in self._members:
                self._bypass(peer, in_flight)
            self._waiting.pop(peer, None)

    def flush(self, now: float) -> None:
        """Hand the transport what waits, for each rank that has taken the batch before.

        Args:
            now: The time in seconds.
        """
        if self._for_all:
            self._send_to_all()
        for peer in {**self._in_flight, **self._waiting}:
            if self._transport.ready(peer):
                self._in_flight.pop(peer, None)
                self._silent.discard(peer)
                self._hand_over(peer, now)
            elif peer not in self._silent:  # whatever it is that it has not taken
                since, items = self._in_flight.setdefault(peer, (now, []))
                if now - since > SILENT_SECONDS:
                    self._bypass(peer, items)

    def _hand_over(self, peer: int, now: float) -> None:
        items = self._waiting.pop(peer, [])
        if any(item[0] is not None for item in items):
            self._in_flight[peer] = now, items
        self.records += self._records(items)
        for message in self._encoded(items):
            self._transport.send(peer, message)

    def _send_to_all(self) -> None:
        """Send what goes to every rank, encoded once; queue it for a rank that is not ready, or has items waiting."""
        items, self._for_all = self._for_all, []
        encoded, records = self._encoded(items), self._records(items)
        for peer in self._members:
            if peer == self._transport.rank or peer in self._dead:
                continue
            if peer in self._waiting or not self._transport.ready(peer):
                for item in items:
                    self._queue(peer, item)
                continue
            for message in encoded:
                self._transport.send(peer, message)
            self.records += records

    def _forward(self, origin: int, place: int, kind: bytes, content: bytes, individual: Individual | None) -> None:
        """Queue for the children of `place` in the tree around `origin`, and for the children of silent ones."""
        members = self._members
        size = len(members)
        for offset in _children((place - origin) % size, size):
            next_place = (origin + offset) % size
            peer = members[next_place]
            if peer in self._silent:
                if peer not in self._dead:
                    self._queue(peer, (None, kind, content, individual))
                self._forward(origin, next_place, kind, content, individual)
            else:
                self._queue(peer, (origin, kind, content, individual))

    def _bypass(self, peer: int, in_flight: list[_Item]) -> None:
        self._silent.add(peer)
        place = self._members.index(peer)
        waiting = self._waiting.get(peer, [])
        for origin, kind, content, individual in [*in_flight, *waiting]:
            if origin is not None:
                self._forward(origin, place, kind, content, individual)
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

    def _encoded(self, items: list[_Item]) -> list[bytes]:
        """Return the items as messages, with the records of the same tree in one."""
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
def _children(offset: int, size: int) -> tuple[int, ...]:
    return tuple(binomial_tree.children(offset, size))
