"""The roster: which ranks live, as one of them knows it, and who tells whom among those."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from propulate_like.parallel.coordination import binomial_tree


class Membership:
    """One rank's place among the living, which the overlay joins in the order of their ranks."""

    def __init__(self, rank: int, size: int, dead: Iterable[int] = ()) -> None:
        self.rank, self.size = rank, size
        self._all_below: set[int] | None = None
        self.dead: tuple[int, ...] = ()
        """In ascending order. Ranks that know of the same dead have the same overlay."""
        self.living: Sequence[int] = range(size)
        self._arrange()
        if dead:
            self.remove_dead(dead)

    def remove_dead(self, ranks: Iterable[int]) -> None:
        """Close the gap that dead ranks leave."""
        self.dead = tuple(sorted({*self.dead, *ranks}))
        self.living = [rank for rank in range(self.size) if rank not in self.dead]
        self._arrange()

    @property
    def leads(self) -> bool:
        """Whether this rank is the lowest living one, to which all others report."""
        return self.living[0] == self.rank

    @property
    def all_below(self) -> set[int]:
        """Every rank whose reports go through this one."""
        if self._all_below is None:
            places = [self._place]
            for place in places:
                places += binomial_tree.below(place, len(self.living))
            self._all_below = {self.living[place] for place in places[1:]}
        return self._all_below

    def _arrange(self) -> None:
        self._place, size = self.living.index(self.rank), len(self.living)
        self._all_below = None
        self.above = None if self._place == 0 else self.living[binomial_tree.above(self._place)]
        """The rank to report to."""
        self.below = [self.living[place] for place in binomial_tree.below(self._place, size)]
        """Those that report to this one."""
        self.neighbours = [self.living[place] for place in binomial_tree.neighbours(self._place, size)]
        """Those to ask for tickets."""
