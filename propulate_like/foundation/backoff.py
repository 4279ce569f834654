"""Exponential back-off, for polling what has no file descriptor to wait on."""

from __future__ import annotations

import time

_SHORTEST, _LONGEST = 0.000016, 0.001  # seconds


class Pause:
    """An exponential back-off: each pause is twice as long as the last, from 16 microseconds to 1 millisecond."""

    def __init__(self) -> None:
        self._seconds = _SHORTEST

    def next(self) -> float:
        """Return the length of the next pause in seconds."""
        seconds = self._seconds
        self._seconds = min(seconds * 2, _LONGEST)
        return seconds

    def __call__(self) -> None:
        """Sleep for the next pause."""
        time.sleep(self.next())
