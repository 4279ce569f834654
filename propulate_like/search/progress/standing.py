"""Where a search stands, as the leader of its ranks knows it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from propulate_like.parallel import rank_status
from propulate_like.parallel.coordination.protocol import CoordinationProtocol
from propulate_like.population.summary import Counts
from propulate_like.storage.run import ResumeSnapshot


class Standing(msgspec.Struct, frozen=True, array_like=True):
    """Where a search stands.

    Attributes:
        counts: The evaluations of all ranks, in all sessions of the run.
        seconds: The time that the run has taken so far.
        over: Whether no further evaluation begins.
        last: Whether the search has ended.
    """

    counts: Counts
    seconds: float
    over: bool = False
    last: bool = False


class Watch:
    """Passes on where the search stands, on the rank that leads, some times a second and at the end."""

    def __init__(self, snapshot: ResumeSnapshot, show: Callable[[Standing], None], seconds: float = 0.1) -> None:
        """Count on from a snapshot.

        Args:
            snapshot: The state in which the search began.
            show: Receives each standing.
            seconds: The least time between two standings.
        """
        self._before, self._seconds_before = snapshot.summary.counts, snapshot.seconds
        self._show, self._seconds = show, seconds
        self._due = 0.0
        self._protocol: CoordinationProtocol | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._protocol is not None:
            self._show(self._standing(self._protocol, last=True))

    def __call__(self, protocol: CoordinationProtocol) -> None:
        """Pass the standing on, if it is time to and this rank leads."""
        now = protocol.clock.now()
        if now >= self._due and protocol.membership.is_leader:
            self._due = now + self._seconds
            self._protocol = protocol
            self._show(self._standing(protocol))

    def _standing(self, protocol: CoordinationProtocol, *, last: bool = False) -> Standing:
        seconds = self._seconds_before + protocol.clock.now() - protocol.rank_report.began
        over = last or protocol.stopping.reason is not None
        return Standing(self._before + protocol.census.counts, seconds, over, last)


def leave(standing: Standing) -> None:
    """Leave where the search stands for the launcher that watches this rank."""
    rank_status.leave(rank_status.STANDING, msgspec.msgpack.encode(standing))


class Watched:
    """Passes on where the search of other processes stands, as their leader leaves it."""

    def __init__(self, show: Callable[[Standing], None]) -> None:
        self._show = show
        self._last: bytes | None = None

    def __call__(self, folder: Path) -> None:
        """Pass the standing on if the ranks have left a new one in the folder."""
        words = rank_status.left(folder, rank_status.STANDING)
        if words is not None and words != self._last:
            self._last = words
            with suppress(msgspec.DecodeError):
                self._show(msgspec.msgpack.decode(words, type=Standing))
