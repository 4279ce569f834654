"""The size of a trust region, as its search succeeds and fails: Eriksson et al. 2019, algorithm 1."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from propulate_like.population.training_data import Array

_FIRST = 0.6  # width, in lengths
_GROWTH, _IN_A_ROW = 1.6, 2


class Region:
    """A box that is wider after two improvements in a row, and half as wide after `patience` failures.

    It begins anew where it has become narrower than `narrowest`. Losses below `least` are improvements.
    """

    def __init__(self, patience: int, widest: float, narrowest: float, jitter: float, least: float = math.inf) -> None:
        self.width = _FIRST
        self._patience, self._widest, self._narrowest, self._jitter = patience, widest, narrowest, jitter
        self._least = least
        self._successes = self._failures = 0

    def update(self, losses: Iterable[float]) -> None:
        """Learn what evaluations came to, in order; NaN is a failure."""
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
        """Return half the sides of the box, in proportion to a model's lengths; its width is varied at random."""
        width = self.width * math.exp(self._jitter * generator.standard_normal())
        half: Array = 0.5 * width * lengths / np.exp(np.mean(np.log(lengths)))
        return half
