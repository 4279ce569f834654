"""A topology: a ring that is open."""

from collections.abc import Iterable
from random import Random

import propulate_like as pl


class Line(pl.Topology):
    """Every island sends to the next one, and the last to none."""

    def targets(self, island: int, count: int, generator: Random) -> Iterable[int]:
        """Return the next island."""
        return [island + 1] if island + 1 < count else []
