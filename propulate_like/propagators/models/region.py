"""The size of a trust region, by the successes and failures of its search: Eriksson et al. 2019, algorithm 1."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from propulate_like.population.training_data import Array

_FIRST = 0.6  # initial width, in length scales
_GROWTH, _IN_A_ROW = 1.6, 2


class Region:
    """A trust region, a box that grows after two successes in a row and halves after some failures in a row.

    Attributes:
        width: The width, in length scales of a model.
    """

    def __init__(self, patience: int, widest: float, narrowest: float, jitter: float, least: float = math.inf) -> None:
        """Start with the initial width.

        Args:
            patience: The number of failures in a row after which the width halves.
            widest: The largest width.
            narrowest: The width below which the region restarts with the initial width.
            jitter: The standard deviation of the random factor's logarithm in `half`.
            least: The lowest loss so far; a lower one is a success.
        """
        self.width = _FIRST
        self._patience, self._widest, self._narrowest, self._jitter = patience, widest, narrowest, jitter
        self._least = least
        self._successes = self._failures = 0

    def update(self, losses: Iterable[float]) -> None:
        """Adapt the width to new losses, in their order; NaN is a failure."""
        for loss in losses:
            if loss < self._least:
                self._least = loss
                self._successes, self._failures = self._successes + 1, 0
            else:
                self._successes, self._failures = 0, self._failures + 1
            if self._successes == _IN_A_ROW:
                self.width, self._successes = min(_GROWTH * self.width, self._widest), 0
            elif self._failures == self._patience:
                self.width, self._failures = 0.5 * self.width, 0
                if self.width < self._narrowest:
                    self.width = _FIRST

    def half(self, lengths: Array, generator: np.random.Generator) -> Array:
        """Return half the sides of the box, shape (d,), with a random factor.

        Args:
            lengths: The model's length scales, shape (d,), to which the sides are proportional.
            generator: The random generator.
        """
        width = self.width * math.exp(self._jitter * generator.standard_normal())
        half: Array = 0.5 * width * lengths / np.exp(np.mean(np.log(lengths)))
        return half
