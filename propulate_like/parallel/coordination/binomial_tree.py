"""Overlay: who tells whom, so that a message reaches any number of ranks in a logarithmic number of steps.

The places 0 ... size - 1 form a binomial tree around every one of them: a message that began at one place is passed on
along it by those that it reaches, and no place has more than log2(size) others to pass anything to.
"""

from __future__ import annotations


def below(place: int, size: int) -> list[int]:
    """Return the places to which `place` passes on what began at place 0."""
    return [place + step for step in _steps(size) if step > place and place + step < size]


def above(place: int) -> int:
    """Return the place from which `place`, above 0, learns of what began at place 0; upwards, the one to report to."""
    return place - (1 << (place.bit_length() - 1))


def neighbours(place: int, size: int) -> list[int]:
    """Return the places a power of two away, on a ring of all: those after `place` first, then those before it."""
    ahead = [(place + step) % size for step in _steps(size)]
    behind = [(place - step) % size for step in _steps(size)]
    return list(dict.fromkeys([*ahead, *behind]))


def _steps(size: int) -> list[int]:
    return [1 << power for power in range((size - 1).bit_length())]
