"""Census: what all ranks have done so far, summed up a tree so that the lowest living one knows."""

from __future__ import annotations

import math

from propulate_like.parallel.coordination.membership import Membership
from propulate_like.parallel.coordination.rank_report import RankReport
from propulate_like.population.summary import Counts


class Census:
    """What one rank knows: its own counts, and those of the ranks below it in the tree of the living.

    Trees differ between ranks while not all know who died. So counts are sent with the sender's list of the dead, and
    nothing is summed up but what was counted in this rank's own tree: a rank may be missed for a while, but is never
    counted twice.
    """

    def __init__(self, membership: Membership, rank_report: RankReport) -> None:
        self.tickets = 0
        """Given to ranks that are dead now, less those received of them."""
        self.departed = Counts()
        """What the dead had done, on the lowest living rank."""
        self._membership, self._rank_report = membership, rank_report
        self._below: dict[int, tuple[tuple[int, ...], Counts]] = {}
        self._told: tuple[tuple[int, ...], Counts] = (), Counts()

    def add(self, rank: int, dead: tuple[int, ...], counts: Counts) -> None:
        """Take what a rank below reports of itself and all below it."""
        self._below[rank] = dead, counts

    @property
    def counts(self) -> Counts:
        """What is known of this rank and all below it: on the lowest living one, of every rank."""
        own, best = self._rank_report, self._rank_report.best
        rung, loss = (0, math.inf) if best is None else (best.rung, best.loss)
        total = Counts(own.finished, own.failed, rung, loss, 1, self.tickets)
        for rank in self._membership.below:
            dead, counts = self._below.get(rank, ((), None))
            if counts is not None and dead == self._membership.dead:
                total += counts
        return total + self.departed

    @property
    def complete(self) -> bool:
        """Whether every living rank is counted, on the lowest of them."""
        return self.counts.ranks == len(self._membership.living)

    def news(self) -> Counts | None:
        """Return the counts for the rank above, where there is one and it does not know them yet."""
        news = self._membership.dead, self.counts
        if self._membership.above is None or news == self._told:
            return None
        self._told = news
        return news[1]
