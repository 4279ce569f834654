"""The watchdog: after a death, sees that those who live still hear each other.

A rank that is killed within a send may leave two others deaf to each other for ever (seen in 2 of 252 kills under Open
MPI's shared memory).
"""

from __future__ import annotations

from collections.abc import Callable

from propulate_like.parallel.coordination.membership import Membership
from propulate_like.parallel.coordination.rank_report import RankReport
from propulate_like.parallel.transport import Transport

PATIENCE_SECONDS = 120.0
"""For so long a rank that waits bears that others take nothing it sends: they may be in an evaluation that is deaf.

At least: evaluations that are known to take long are borne twice as long as they take.
"""


class Wedged(RuntimeError):  # noqa: N818 (it says what happened)
    """Ranks do not hear each other any more."""


class Watchdog:
    """Watches one rank's sending while the rank has nothing to do but wait."""

    def __init__(
        self, transport: Transport, membership: Membership, rank_report: RankReport, clock: Callable[[], float]
    ) -> None:
        self._transport, self._membership, self._rank_report, self._clock = transport, membership, rank_report, clock
        self.begin()

    def begin(self) -> None:
        """Begin to wait."""
        self._batches, self._since = self._transport.batches, self._clock()

    def look(self) -> None:
        """Look on; Wedged where nothing has moved for too long since somebody died."""
        transport, dead = self._transport, self._membership.dead
        if transport.batches > self._batches or not (dead and transport.unsent):
            self.begin()
        elif self._clock() - self._since > (patience := max(PATIENCE_SECONDS, 2 * self._rank_report.longest)):
            message = f"since ranks {list(dead)} died, others have taken nothing for {patience:g} s"
            raise Wedged(message)
