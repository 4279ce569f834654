"""Test functions of any dimension, with their lowest loss, 0, where every parameter is 0."""

import math


def sphere(**x: float) -> float:
    return sum(value * value for value in x.values())


def rastrigin(**x: float) -> float:
    return sum(10.0 + value * value - 10.0 * math.cos(2.0 * math.pi * value) for value in x.values())
