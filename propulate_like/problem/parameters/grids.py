"""Grids of floats: how many steps lead from one bound to the other, and the values there."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

_MOST_STEPS = 2**49  # that genes can tell apart
_ULPS = 4  # by which a bound may miss the grid, as floats round a step and its multiples


@lru_cache(maxsize=4096)
def steps_between(low: float, high: float, step: float) -> int | None:
    """Return how many steps lead from `low` to `high`, as far as floats tell; None where they are no whole number.

    Raises:
        ValueError: The step is not above 0, or too fine.
    """
    exact = _exact_steps(low, high, step)
    steps = round(exact)
    if exact == steps or _is_near(low, high, step, steps):
        return steps
    return None


def is_decimal(low: float, high: float, step: float) -> bool:
    """Return whether the steps from `low` to `high` are a whole number with all three taken as they are written.

    Raises:
        ValueError: The step is not above 0, or too fine.
    """
    return _exact_steps(low, high, step).denominator == 1


def highest_on_grid(low: float, high: float, step: float) -> float:
    """Return the highest value, at most `high`, that is `low` plus a whole number of steps.

    Raises:
        ValueError: The step is not above 0, or too fine.
    """
    if not low <= high < math.inf or steps_between(low, high, step) is not None:
        return high
    return float(_written(low) + math.floor(_exact_steps(low, high, step)) * _written(step))


def grid_values(low: float, high: float, step: float, steps: int) -> Callable[[int], float]:
    """Return what gives the value after a number of steps from `low`; `high` after `steps`.

    Where the bounds and the step are decimal fractions of each other, so are the values: 0.1 + 2 * 0.1 is 0.3.
    """
    ends = low, high

    if is_decimal(low, high, step):
        digits = _decimals(low, step)
        # + 0.0: never -0.0
        return lambda index: round(low + index * step, digits) + 0.0 if 0 < index < steps else ends[index > 0]
    if math.isfinite(steps * max(abs(low), abs(high))):  # so that the middle of -1 to 1 is 0
        return lambda index: (low * (steps - index) + high * index) / steps if 0 < index < steps else ends[index > 0]
    return lambda index: low + (high - low) * (index / steps) if 0 < index < steps else ends[index > 0]


def _exact_steps(low: float, high: float, step: float) -> Fraction:
    """Return how many steps lead from `low` to `high`, all three taken as they are written.

    Raises:
        ValueError: The step is not above 0, or too fine.
    """
    if not math.isfinite(step) or step <= 0:
        message = f"step={step!r} must be above 0"
        raise ValueError(message)
    exact = (_written(high) - _written(low)) / _written(step)
    if exact > _MOST_STEPS or step < math.ulp(max(abs(low), abs(high))):
        message = f"step={step!r} is too fine from {low!r} to {high!r}: floats there cannot tell the values apart"
        raise ValueError(message)
    return exact


def _is_near(low: float, high: float, step: float, steps: int) -> bool:
    missed = abs(Fraction(low) + steps * Fraction(step) - Fraction(high))
    of_step = _ULPS * Fraction(math.ulp(high - low)) + steps * Fraction(math.ulp(step))  # as (high - low) / n rounds it
    of_bounds = of_step + _ULPS * Fraction(math.ulp(max(abs(low), abs(high))))
    return any(missed <= rounding and 4 * rounding < step for rounding in (of_step, of_bounds))


def _written(number: float) -> Fraction:
    """Return the number that a float's shortest text says: of 0.1, a tenth."""
    return Fraction(repr(float(number)))


def _decimals(*numbers: float) -> int:
    """Count the decimal places that write all the numbers out."""
    exponents = [Decimal(str(number)).as_tuple().exponent for number in numbers]
    return max(-exponent if isinstance(exponent, int) else 0 for exponent in exponents)
