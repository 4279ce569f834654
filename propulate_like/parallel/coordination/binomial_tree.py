"""Binomial trees over ranks, by which a message reaches any number of them in a logarithmic number of steps.

The places 0 ... size - 1 form a binomial tree around every one of them: a message from one place is forwarded along
the tree by the places that it reaches, and no place has more than log2(size) children.
"""

from __future__ import annotations


def children(place: int, size: int) -> list[int]:
    """Return the places to which `place` forwards a message from place 0, the root."""
    return [place + step for step in _steps(size) if step > place and place + step < size]


def parent(place: int) -> int:
    """Return the place from which `place`, which must be above 0, receives a message from place 0, the root."""
    return place - (1 << (place.bit_length() - 1))


def neighbours(place: int, size: int) -> list[int]:
    """Return the places at a distance of a power of two on the ring of all: first those after `place`, then before."""
    ahead = [(place + step) % size for step in _steps(size)]
    behind = [(place - step) % size for step in _steps(size)]
    return list(dict.fromkeys([*ahead, *behind]))


def _steps(size: int) -> list[int]:
    return [1 << power for power in range((size - 1).bit_length())]
