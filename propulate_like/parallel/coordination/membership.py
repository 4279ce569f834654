"""Membership: which ranks live, as one of them knows it, and the tree that joins them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from propulate_like.parallel.coordination import binomial_tree


class Membership:
    """One rank's view of the living ranks, and its place in their tree.

    The living ranks form a binomial tree in the order of their numbers. Its root, the lowest living rank, is the
    leader. Ranks that know of the same dead ranks have the same tree.
    """

    def __init__(self, rank: int, size: int, dead: Iterable[int] = ()) -> None:
        """Place `rank` among `size` ranks, of which some are `dead`."""
        self.rank, self.size = rank, size
        self._descendants: set[int] | None = None
        self.dead: tuple[int, ...] = ()
        """The dead ranks, in ascending order."""
        self.living: Sequence[int] = range(size)
        self._build_tree()
        if dead:
            self.remove_dead(dead)

    def remove_dead(self, ranks: Iterable[int]) -> None:
        """Remove dead ranks, and build the tree of the others."""
        self.dead = tuple(sorted({*self.dead, *ranks}))
        self.living = [rank for rank in range(self.size) if rank not in self.dead]
        self._build_tree()

    @property
    def is_leader(self) -> bool:
        """Whether this rank is the lowest living one, the root of the tree."""
        return self.living[0] == self.rank

    @property
    def descendants(self) -> set[int]:
        """Every rank whose reports reach the leader through this rank."""
        if self._descendants is None:
            places = [self._place]
            for place in places:
                places += binomial_tree.children(place, len(self.living))
            self._descendants = {self.living[place] for place in places[1:]}
        return self._descendants

    def _build_tree(self) -> None:
        self._place, size = self.living.index(self.rank), len(self.living)
        self._descendants = None
        self.parent = None if self._place == 0 else self.living[binomial_tree.parent(self._place)]
        """The rank to which this one sends its reports; None for the leader."""
        self.children = [self.living[place] for place in binomial_tree.children(self._place, size)]
        """The ranks that send their reports to this one."""
        self.neighbours = [self.living[place] for place in binomial_tree.neighbours(self._place, size)]
        """The ranks that this one asks for tickets."""
