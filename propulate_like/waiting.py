"""Waiting for what has no descriptor to wait on: looking again and again, ever less often."""

from __future__ import annotations

import time

_SHORTEST, _LONGEST = 0.000016, 0.001


class Pause:
    """Sleeps a little longer at each call, from 16 microseconds up to a millisecond."""

    def __init__(self) -> None:
        self._seconds = _SHORTEST

    def __call__(self) -> None:
        time.sleep(self._seconds)
        self._seconds = min(self._seconds * 2, _LONGEST)
