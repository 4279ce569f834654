"""The transport within one process: alone, or between endpoints that are run in turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

_Inbox = deque[tuple[int, bytes]]


class LocalTransport:
    """One endpoint of a network inside a process; by default the only one."""

    def __init__(
        self, rank: int = 0, inboxes: Sequence[_Inbox] | None = None, announced: list[bytes] | None = None
    ) -> None:
        self.rank = rank
        self._inboxes: Sequence[_Inbox] = [deque()] if inboxes is None else inboxes
        self._announced: list[bytes] = [] if announced is None else announced
        self._waiting: list[tuple[int, bytes]] = []
        self.size = len(self._inboxes)
        self.batches = 0

    @classmethod
    def network(cls, size: int) -> list[LocalTransport]:
        """Give `size` endpoints that reach each other."""
        inboxes: list[_Inbox] = [deque() for _ in range(size)]
        announced: list[bytes] = []
        return [cls(rank, inboxes, announced) for rank in range(size)]

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
            self._inboxes[peer].append((self.rank, message))
        self.batches += len({peer for peer, _ in self._waiting})
        self._waiting.clear()

    def receive(self) -> list[tuple[int, bytes]]:
        inbox = self._inboxes[self.rank]
        return [inbox.popleft() for _ in range(len(inbox))]

    def broadcast(self, message: bytes | None) -> bytes:
        if message is not None:
            self._announced.append(message)
        return self._announced[-1]

    def gather(self, message: bytes) -> list[bytes]:
        """Give the message of the only process there is."""
        return [message]

    def teams(self, size: int) -> tuple[None, Any]:
        """Refuse: one process is one rank."""
        message = f"teams of {size} ranks need several: start a multiple of {size} ranks, under mpiexec"
        raise ValueError(message)

    def abort(self) -> None:
        """Do nothing: the error that ends this process is raised."""

    def close(self, seconds: float) -> None:
        self.flush()
