"""Census: what all ranks have done so far, summed up a tree so that rank 0 knows."""

from __future__ import annotations

import math

import msgspec

from propulate_like.coordination import overlay
from propulate_like.individual import Individual


class Counts(msgspec.Struct, frozen=True, array_like=True):
    """Evaluations finished and failed, and the lowest loss found (infinite: none) on the highest rung reached."""

    finished: int = 0
    failed: int = 0
    rung: int = 0
    loss: float = math.inf

    def __add__(self, other: Counts) -> Counts:
        best = min((-self.rung, self.loss), (-other.rung, other.loss))
        return Counts(self.finished + other.finished, self.failed + other.failed, -best[0], best[1])


class Census:
    """What one rank knows: its own counts, and those of the ranks below it in the tree around rank 0."""

    def __init__(self, rank: int, size: int) -> None:
        self.finished = 0
        self.failed = 0
        self.best: Individual | None = None
        """The best of this rank's."""
        self.below = dict.fromkeys(overlay.below(rank, size), Counts())
        """What each rank next below reported, of itself and all below it."""
        self.above = overlay.above(rank) if rank else None
        self._told = Counts()

    @property
    def counts(self) -> Counts:
        """What is known of this rank and all below it: on rank 0, of every rank."""
        best = self.best
        own = (
            Counts(self.finished, self.failed)
            if best is None
            else Counts(self.finished, self.failed, best.rung, best.loss)
        )
        return sum(self.below.values(), own)

    def news(self) -> Counts | None:
        """Give the counts for the rank above, where there is one and it does not know them yet."""
        counts = self.counts
        if self.above is None or counts == self._told:
            return None
        self._told = counts
        return counts
