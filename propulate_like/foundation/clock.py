"""Clocks: seconds that only increase, and the Unix times that they stand for."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec


class Clock(msgspec.Struct, frozen=True):
    """A rank's clock: `now` returns its seconds, and `epoch` is the Unix time at which they were 0."""

    now: Callable[[], float]
    epoch: float

    @classmethod
    def system(cls) -> Clock:
        """Return the clock of this process."""
        return cls(time.perf_counter, time.time() - time.perf_counter())

    def unix(self) -> float:
        """Return the Unix time."""
        return self.epoch + self.now()
