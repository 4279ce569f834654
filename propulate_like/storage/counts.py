"""Counts of evaluations, and of the best of them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from propulate_like.population.individual import OK, STOPPED, Status
from propulate_like.storage.events import Evaluated


class Counts(msgspec.Struct, frozen=True, array_like=True):
    """Evaluations finished and failed, and the lowest loss found (infinite: none) on the highest rung reached.

    Of so many `ranks`, which together have given dead ones `tickets` more than they received of them.
    """

    finished: int = 0
    failed: int = 0
    rung: int = 0
    loss: float = math.inf
    ranks: int = 0
    tickets: int = 0

    @classmethod
    def of(cls, statuses: Mapping[Status, int], best: Evaluated | None) -> Counts:
        """Return the counts of evaluations that came to these statuses, of which one was the best."""
        finished = sum(statuses.values())
        failed = finished - statuses.get(OK, 0) - statuses.get(STOPPED, 0)
        return (
            cls(finished, failed) if best is None or best.loss is None else cls(finished, failed, best.rung, best.loss)
        )

    def __add__(self, other: Counts) -> Counts:
        best = min((-self.rung, self.loss), (-other.rung, other.loss))
        return Counts(
            self.finished + other.finished,
            self.failed + other.failed,
            -best[0],
            best[1],
            self.ranks + other.ranks,
            self.tickets + other.tickets,
        )
