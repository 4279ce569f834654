"""Directions: how many losses an evaluation has, and which way each is better."""

from __future__ import annotations

from collections.abc import Sequence

from propulate_like.foundation.declarations import nearest
from propulate_like.foundation.values import brief, tree

Signs = tuple[float, ...]
"""1 for each value of an evaluation that is minimized, -1 for each that is maximized; losses are values times these."""

MINIMIZE, MAXIMIZE = "minimize", "maximize"
_SIGNS = {MINIMIZE: 1.0, MAXIMIZE: -1.0}


def signs_of(directions: Sequence[str] | None, *, maximize: bool = False) -> Signs:
    """Read directions such as ["minimize", "maximize"]; without any, there is one loss. ValueError for other words."""
    if directions is None:
        return (-1.0 if maximize else 1.0,)
    directions = tree(directions)
    if isinstance(directions, str) or not isinstance(directions, Sequence) or not directions:
        message = f'directions={brief(directions)} must be a list such as ["minimize", "maximize"]'
        if directions == MAXIMIZE:
            message += "; of one loss, call pl.maximize"
        elif directions == MINIMIZE:
            message += "; one loss is minimized without it"
        raise ValueError(message)
    for direction in directions:
        if direction not in _SIGNS:
            message = f"directions: {direction!r} is not valid{nearest(direction, list(_SIGNS))}"
            raise ValueError(message)
    if maximize:
        message = "directions say what is maximized: leave out maximize"
        raise ValueError(message)
    return tuple(_SIGNS[direction] for direction in directions)


def values_of(losses: tuple[float, ...], signs: Signs) -> tuple[float, ...]:
    """Return what was returned for losses, as many as there are signs."""
    return tuple(sign * loss for sign, loss in zip(signs, losses))


def directions_of(signs: Signs) -> list[str]:
    """Return the directions as they are written."""
    return [MINIMIZE if sign > 0 else MAXIMIZE for sign in signs]
