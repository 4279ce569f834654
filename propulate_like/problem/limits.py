"""Limits: parameters as Propulate writes them, a pair of numbers or a tuple of strings."""

from __future__ import annotations

from typing import Any

from propulate_like.foundation import values
from propulate_like.problem.parameters import Choice, Float, Int, Parameter


def is_limit(form: Any) -> bool:
    """Return whether something may be meant as a limit."""
    return not isinstance(form, Parameter) and isinstance(values.tree(form), tuple | list)


def from_limit(limit: Any) -> Parameter:
    """Return the parameter that a limit stands for, or a parameter as it is.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(limit, Parameter):
        return limit
    limit = values.tree(limit)
    members = limit if isinstance(limit, tuple | list) else ()
    kinds, pair = {type(member) for member in members}, len(members) == 2  # noqa: PLR2004
    if kinds == {str}:
        return Choice(*limit)
    if kinds == {int} and pair:
        return Int(*limit)
    if kinds in ({float}, {int, float}) and pair:
        return Float(*limit)
    message = f"limits {limit!r} must be two floats, two ints or a tuple of strings"
    raise ValueError(message)
