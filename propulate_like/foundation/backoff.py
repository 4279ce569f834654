"""Waiting for what has no descriptor to wait on: looking again and again, ever less often."""

from __future__ import annotations

import time

_SHORTEST, _LONGEST = 0.000016, 0.001


class Pause:
    """Waits a little longer each time, from 16 microseconds up to a millisecond."""

    def __init__(self) -> None:
        self._seconds = _SHORTEST

    def next(self) -> float:
        """Return for how many seconds to wait now."""
        seconds = self._seconds
        self._seconds = min(seconds * 2, _LONGEST)
        return seconds

    def __call__(self) -> None:
        """Wait."""
        time.sleep(self.next())
