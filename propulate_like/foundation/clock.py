"""Clocks: seconds that only increase, and the Unix times that they stand for."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

_LATEST = 1e11  # in Unix time, below which a journal's times are


class Clock(msgspec.Struct, frozen=True):
    """A rank's clock: `now` returns its seconds, and `epoch` is the Unix time at which they were 0."""

    now: Callable[[], float]
    epoch: float

    @classmethod
    def system(cls) -> Clock:
        """Return the clock of this process."""
        return cls(time.perf_counter, epoch())

    def unix(self) -> float:
        """Return the Unix time."""
        return self.epoch + self.now()


def unix_time() -> float:
    """Return the Unix time as journals can hold it: 0 where a clock is set to a time before 1970."""
    return min(max(time.time(), 0.0), _LATEST - 1e9)


def epoch() -> float:
    """Return the Unix time at which time.perf_counter() was 0."""
    return unix_time() - time.perf_counter()
