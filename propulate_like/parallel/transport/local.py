"""The transport of a process that is alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class LocalTransport:
    """The only rank there is: nobody to send anything to."""

    rank = 0
    size = 1
    batches = 0
    volume = 0
    send_seconds = 0.0
    dead = ()
    unsent = False
    peers: Sequence[int] = ()

    def ready(self, peer: int) -> bool:
        """Say that nothing is under way."""
        return True

    def send(self, peer: int, message: bytes) -> None:
        """Refuse: LookupError, as there is no peer."""
        refusal = f"there is no rank {peer} beside this one"
        raise LookupError(refusal)

    def flush(self) -> None:
        """Do nothing: nothing waits."""

    def receive(self) -> list[tuple[int, bytes]]:
        return []

    def broadcast(self, message: bytes | None) -> bytes:
        return message or b""

    def gather(self, message: bytes) -> list[bytes]:
        return [message]

    def teams(self, size: int) -> tuple[None, Any]:
        """Refuse: one process is one rank."""
        message = f"teams of {size} ranks need several: start a multiple of {size} ranks, under mpiexec"
        raise ValueError(message)

    def abort(self) -> None:
        """Do nothing: the error that ends this process is raised."""

    def close(self, seconds: float) -> None:
        """Do nothing: nothing is open."""
