"""Test functions of any dimension, with a lowest loss of 0."""

import math


def sphere(**x: float) -> float:
    """Have one optimum: 0 at 0."""
    return sum(value * value for value in x.values())


def rastrigin(**x: float) -> float:
    """Have many local optima in one funnel; the lowest is 0 at 0."""
    return sum(10.0 + value * value - 10.0 * math.cos(2.0 * math.pi * value) for value in x.values())


def birastrigin(**x: float) -> float:
    """Have two funnels with many local optima each: the lowest, 0, is at 2.5 everywhere, the wider funnel at -2.7.

    Lunacek, Whitley and Sutton 2008, The impact of global structure on search.
    """
    scale = 1 - 1 / (2 * math.sqrt(len(x) + 20) - 8.2)
    wider = -math.sqrt((2.5**2 - 1) / scale)
    narrow = sum((value - 2.5) ** 2 for value in x.values())
    wide = len(x) + scale * sum((value - wider) ** 2 for value in x.values())
    return min(narrow, wide) + sum(10 * (1 - math.cos(2 * math.pi * (value - 2.5))) for value in x.values())
