"""The transport within one process: alone, or between endpoints that are run in turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence


class LocalTransport:
    """One endpoint of a network inside a process; by default the only one."""

    def __init__(self) -> None:
        self.rank = 0
        self.size = 1
        self._inbox: deque[tuple[int, bytes]] = deque()
        self._waiting: list[tuple[int, bytes]] = []
        self._network: list[LocalTransport] = [self]
        self._announced: list[bytes] = []

    @classmethod
    def network(cls, size: int) -> list[LocalTransport]:
        """Give `size` endpoints that reach each other."""
        endpoints = [cls() for _ in range(size)]
        announced: list[bytes] = []
        for rank, endpoint in enumerate(endpoints):
            endpoint.rank, endpoint.size = rank, size
            endpoint._network, endpoint._announced = endpoints, announced
        return endpoints

    @property
    def peers(self) -> Sequence[int]:
        return [rank for rank in range(self.size) if rank != self.rank]

    @property
    def unsent(self) -> bool:
        return bool(self._waiting)

    def send(self, peer: int, message: bytes) -> None:
        self._waiting.append((peer, message))

    def flush(self) -> None:
        for peer, message in self._waiting:
            self._network[peer]._inbox.append((self.rank, message))
        self._waiting.clear()

    def receive(self) -> list[tuple[int, bytes]]:
        arrived = list(self._inbox)
        self._inbox.clear()
        return arrived

    def broadcast(self, message: bytes | None) -> bytes:
        if message is not None:
            self._announced.append(message)
        return self._announced[-1]

    def close(self, seconds: float) -> None:
        self.flush()
