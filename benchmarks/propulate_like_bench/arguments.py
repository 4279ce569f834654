"""Numbers of a command line that mean something."""

from __future__ import annotations

from argparse import ArgumentTypeError


def count(text: str) -> int:
    """Read a whole number of at least 1."""
    return _whole(text, 1)


def natural(text: str) -> int:
    """Read a whole number of at least 0."""
    return _whole(text, 0)


def seconds(text: str) -> float:
    """Read a number of at least 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < float("inf"):
        message = f"{text!r} must be a number of at least 0"
        raise ArgumentTypeError(message)
    return value


def _whole(text: str, low: int) -> int:
    if not text.isdecimal() or int(text) < low:
        message = f"{text!r} must be a whole number of at least {low}"
        raise ArgumentTypeError(message)
    return int(text)
