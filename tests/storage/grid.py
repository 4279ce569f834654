"""A small finite space, and a loss of it that no two points share."""

import propulate_like as pl

GRID = pl.Space({"a": pl.Int(1, 6), "b": pl.Choice("p", "q", "r", "s", "t", "u")})


def grid_loss(a, b):
    return a + "pqrstu".index(b) / 10
