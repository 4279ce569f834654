"""Constraints: numbers beside the loss that must be at most 0, and the degree to which they are violated."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from propulate_like.foundation import values

METRIC = "constraint."
"""The prefix of the metrics that keep constraints by their names."""
_MOST = 1000  # constraints of an evaluation
_INFEASIBLE, _HUGE = 1e200, 1e300  # the lowest and the highest merit of what is infeasible


class Constraints(NamedTuple):
    """The constraints of one evaluation.

    Attributes:
        values: Their values, none of which is NaN: the constraint is satisfied where the value is at most 0. Those with
            names are in the order of the names.
        names: Their names, or none where they have none.
    """

    values: tuple[float, ...]
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: object) -> Constraints:
        """Return the constraints that a loss gave: numbers in a sequence, a mapping of names to numbers, or one number.

        An infinite number is a constraint too: nothing violates one more than infinity.

        Raises:
            ValueError: They are no real numbers. The message can go on from the name of what gave them.
        """
        if isinstance(given, Mapping):
            named = {str(values.plain(name)): value for name, value in given.items()}
            names = tuple(sorted(named, key=_position))
            return cls(_numbers((named[name] for name in names), names), names)
        found = values.plain(given.tolist() if hasattr(given, "tolist") else given)
        if isinstance(found, str | bytes) or not isinstance(found, Iterable):
            found = [found]
        return cls(_numbers(found))

    @property
    def metrics(self) -> dict[str, object]:
        """The named constraints as metrics, which JSON can hold."""
        return {
            METRIC + name: value if math.isfinite(value) else str(value)
            for name, value in zip(self.names, self.values, strict=False)
        }


def violation_of(constraints: Iterable[float]) -> float:
    """Return the degree to which constraints are violated: the sum of those above 0."""
    return sum(value for value in constraints if value > 0.0)


def merit_of(loss: float, violation: float) -> float:
    """Return the loss without a violation, and otherwise a number above all losses, which grows with the violation."""
    return min(_INFEASIBLE * (1.0 + violation), _HUGE) if violation > 0.0 else loss


def _numbers(given: Iterable[object], names: tuple[str, ...] = ()) -> tuple[float, ...]:
    """Return constraints as numbers.

    Raises:
        ValueError: One is no real number, or there are too many.
    """
    found: list[float] = []
    for each in given:
        if len(found) == _MOST:
            message = f"more than {_MOST:,} constraints"
            raise ValueError(message)
        try:
            number = values.real(each)
        except ValueError:
            number = math.nan
        if number != number:  # noqa: PLR0124 (NaN)
            which = f"{names[len(found)]!r:.40}" if names else len(found) + 1
            message = f"constraint {which}: {values.brief(each)} is no number"
            raise ValueError(message)
        found.append(number)
    return tuple(found)


def _position(name: str) -> tuple[int, str]:
    """Return what names are ordered by, so that numbers among them are in their own order."""
    return (len(name), name) if name.isdecimal() else (1 << 62, name)
