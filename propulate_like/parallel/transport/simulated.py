"""The transport between simulated ranks: messages in virtual time, over a network of given latency and bandwidth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from propulate_like.parallel import wire

# docs/decisions.md, "A pulse answers while an evaluation runs"
BEAT_SECONDS = 0.004
"""How often a rank looks at its messages during an evaluation."""
_MAY_WAIT = (wire.RECORDS, wire.CURVE)  # on which a busy rank acts no earlier than it is free
_LENGTH_BYTES = 4


class Network(msgspec.Struct, frozen=True):
    """What a batch costs: `latency` seconds, 1 / `bandwidth` more for a byte, and `sending` seconds of its sender."""

    latency: float = 20e-6
    bandwidth: float = 1e9
    sending: float = 3e-6


_Batch = tuple[float, int, int, list[bytes], bool]
"""When it arrives, its number among those of its sender, the sender, its messages, and whether they may wait."""


class SimulatedTransport:
    """One rank's end of a simulated network.

    A batch is taken when its receiver looks, and only then may the next one for it leave. `notify` is told the rank and
    time where one has a reason to look: something arrives, or a rank for which more waits took what was sent.
    """

    def __init__(
        self,
        rank: int,
        size: int,
        network: Network,
        clock: Callable[[], float],
        notify: Callable[[int, float], None],
        ends: Sequence[SimulatedTransport],
        announced: list[bytes],
    ) -> None:
        self.rank, self.size = rank, size
        self.batches = self.volume = 0
        self.dead: set[int] = set()
        self.closed = False
        self.send_seconds = network.sending
        self.answers = False
        """Whether the rank is busy, and looks at its messages from time to time."""
        self._network, self._clock, self._notify = network, clock, notify
        self._ends, self._announced = ends, announced
        self._outboxes: dict[int, list[bytes]] = {}
        self.under_way: dict[int, float] = {}
        self.wanted: set[int] = set()
        self.inbox: list[_Batch] = []

    @classmethod
    def connected(
        cls,
        size: int,
        network: Network,
        clock: Callable[[], float],
        notify: Callable[[int, float], None] = lambda _rank, _time: None,
    ) -> list[SimulatedTransport]:
        """Return the ends of a network of `size` ranks, with the simulation's `clock`."""
        ends: list[SimulatedTransport] = []
        announced: list[bytes] = []
        ends.extend(cls(rank, size, network, clock, notify, ends, announced) for rank in range(size))
        return ends

    @property
    def peers(self) -> Sequence[int]:
        return [rank for rank in range(self.size) if rank != self.rank and rank not in self.dead]

    @property
    def unsent(self) -> bool:
        return bool(self._outboxes) or any(not self.ready(peer) for peer in list(self.under_way))

    @property
    def next_arrival(self) -> float:
        """When the next batch arrives, or has arrived, that the rank does something about while it is busy."""
        return min((arrival for arrival, _, _, _, may_wait in self.inbox if not may_wait), default=math.inf)

    @property
    def first_arrival(self) -> float:
        """When the next batch arrives, or has arrived."""
        return min((batch[0] for batch in self.inbox), default=math.inf)

    def remove_dead(self, rank: int) -> None:
        """Know that a rank has died: what it sent and is not taken yet, and what waits for it, is lost."""
        self.dead.add(rank)
        self._outboxes.pop(rank, None)
        self.under_way.pop(rank, None)
        self.inbox = [batch for batch in self.inbox if batch[2] != rank]

    def send(self, peer: int, message: bytes) -> None:
        if peer in self.dead:
            return
        outbox = self._outboxes.get(peer)
        if outbox is None:
            self._outboxes[peer] = [message]
        else:
            outbox.append(message)

    def ready(self, peer: int) -> bool:
        arrival = self.under_way.get(peer)
        if arrival is None:
            return True
        taken = arrival + BEAT_SECONDS
        if self._ends[peer].answers:
            if self._clock() >= taken:
                del self.under_way[peer]
                return True
            self._notify(self.rank, taken)
        self.wanted.add(peer)
        return False

    def flush(self) -> None:
        if not self._outboxes:
            return
        now = self._clock() + self._network.latency
        for peer in [peer for peer in self._outboxes if self.ready(peer)]:
            batch = self._outboxes.pop(peer)
            length = _LENGTH_BYTES * len(batch)
            may_wait = True
            for message in batch:
                length += len(message)
                may_wait = may_wait and message[:1] in _MAY_WAIT
            arrival = now + length / self._network.bandwidth
            self.batches += 1
            self.volume += length
            self.under_way[peer] = arrival
            end = self._ends[peer]
            end.inbox.append((arrival, self.batches, self.rank, batch, may_wait))
            if not (may_wait and end.answers):
                self._notify(peer, arrival)

    def receive(self) -> list[tuple[int, bytes]]:
        inbox = self.inbox
        if not inbox:
            return []
        now, rank = self._clock(), self.rank
        inbox.sort()
        count = len(inbox) if inbox[-1][0] <= now else sum(batch[0] <= now for batch in inbox)
        arrived, self.inbox = inbox[:count], inbox[count:]
        taken = []
        for arrival, _, sender, batch, _ in arrived:
            taken += [(sender, message) for message in batch]
            end = self._ends[sender]
            if end.under_way.get(rank) == arrival:
                del end.under_way[rank]
                if end.closed:
                    end.flush()
                if rank in end.wanted:
                    end.wanted.discard(rank)
                    self._notify(sender, now)
        return taken

    def broadcast(self, message: bytes | None) -> bytes:
        """Return what rank 0, which has to be the first to call this, hands to all."""
        if message is not None:
            self._announced.append(message)
        return self._announced[-1]

    def gather(self, message: bytes) -> list[bytes]:
        """Return the one message, as simulated ranks begin one after the other."""
        return [message]

    def teams(self, size: int) -> tuple[None, Any]:
        """Refuse: simulated ranks form no teams."""
        message = f"teams of {size} ranks cannot be simulated: a simulated rank stands for a team"
        raise ValueError(message)

    def abort(self) -> None:
        """Do nothing: the error that ends the simulation is raised."""

    def close(self, seconds: float) -> None:
        """Send what waits, as each batch before is taken."""
        self.closed = True
        self.flush()
