"""Watchdog: after a death, checks that the living ranks still receive each other's messages.

A rank that is killed while it sends may leave two other ranks unable to receive from each other (seen after 2 of 252
kills over Open MPI's shared memory).
"""

from __future__ import annotations

from collections.abc import Callable

from propulate_like.parallel.coordination.membership import Membership
from propulate_like.parallel.coordination.rank_report import RankReport
from propulate_like.parallel.transport import Transport

PATIENCE_SECONDS = 120.0
"""How long a waiting rank accepts that others take none of its messages, as they may be in an evaluation that blocks.

Where an evaluation is known to take longer than half of that, twice its time.
"""


class Wedged(RuntimeError):  # noqa: N818 (it says what happened)
    """Ranks no longer receive each other's messages."""


class Watchdog:
    """Watches whether a rank's messages are taken, while the rank itself only waits."""

    def __init__(
        self, transport: Transport, membership: Membership, rank_report: RankReport, now: Callable[[], float]
    ) -> None:
        self._transport, self._membership, self._rank_report, self._now = transport, membership, rank_report, now
        self.start()

    def start(self) -> None:
        """Start to measure the time without progress."""
        self._batches, self._since = self._transport.batches, self._now()

    def check(self) -> None:
        """Check for progress.

        Raises:
            Wedged: Since a rank died, no message was taken for too long.
        """
        transport, dead = self._transport, self._membership.dead
        if transport.batches > self._batches or not (dead and transport.unsent):
            self.start()
        elif self._now() - self._since > (patience := max(PATIENCE_SECONDS, 2 * self._rank_report.longest)):
            message = f"since ranks {list(dead)} died, others have taken nothing for {patience:g} s"
            raise Wedged(message)
