"""Choices of Optuna's that are equal in Python, such as 1 and True, which Optuna takes for the first of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from propulate_like.foundation.values import key

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


def internal(distribution: BaseDistribution, value: Any) -> float:
    """Return the number by which storages know a value; of choices, the index of the one of the same type."""
    for index, choice in enumerate(getattr(distribution, "choices", ())):
        if key(choice) == key(value):
            return index
    return float(distribution.to_internal_repr(value))


def check_told_apart(distribution: BaseDistribution) -> None:
    """Check that Optuna can tell all choices apart.

    Raises:
        ValueError: Some are equal in Python.
    """
    choices = getattr(distribution, "choices", ())
    for index, choice in enumerate(choices):
        if any(choice == other and type(choice) is not type(other) for other in choices[:index]):
            message = f"Optuna cannot tell all of {choices!r} apart, as some are equal in Python"
            raise ValueError(message)
