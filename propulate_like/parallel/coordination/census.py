"""Census: the counts of all ranks, summed up the tree so that the leader knows the totals."""

from __future__ import annotations

from propulate_like.parallel.coordination.membership import Membership
from propulate_like.parallel.coordination.rank_report import RankReport
from propulate_like.population.summary import Counts


class Census:
    """The counts that one rank knows: its own, and those of its descendants in the tree of living ranks.

    Ranks have different trees while not all of them know who has died. So counts are sent with the sender's list of
    dead ranks, and a rank adds up only counts with the same list as its own: a rank may be missed for a while, but is
    never counted twice.
    """

    def __init__(self, membership: Membership, rank_report: RankReport) -> None:
        self.tickets = 0
        """The tickets that this rank gave to ranks that are dead now, less those it received from them."""
        self.dead_counts = Counts()
        """The counts of dead ranks; only the leader has them."""
        self._membership, self._rank_report = membership, rank_report
        self._children: dict[int, tuple[tuple[int, ...], Counts]] = {}
        self._sent: tuple[tuple[int, ...], Counts] = (), Counts()

    def add(self, rank: int, dead: tuple[int, ...], counts: Counts) -> None:
        """Take the counts of a child's subtree.

        Args:
            rank: The child.
            dead: The dead ranks that the child knows of.
            counts: The sums over the child and its descendants.
        """
        self._children[rank] = dead, counts

    @property
    def counts(self) -> Counts:
        """The sums over this rank's subtree: for the leader, over all ranks."""
        total = self._rank_report.summary.counts + Counts(ranks=1, tickets=self.tickets)
        for rank in self._membership.children:
            dead, counts = self._children.get(rank, ((), None))
            if counts is not None and dead == self._membership.dead:
                total += counts
        return total + self.dead_counts

    @property
    def complete(self) -> bool:
        """Whether the counts include every living rank; of use to the leader."""
        return self.counts.ranks == len(self._membership.living)

    def unsent(self) -> Counts | None:
        """Return the counts to send to the parent; None where there is no parent, or it was sent the same before."""
        current = self._membership.dead, self.counts
        if self._membership.parent is None or current == self._sent:
            return None
        self._sent = current
        return current[1]
