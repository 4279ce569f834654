"""Reading propagators from their YAML form."""

from __future__ import annotations

from typing import Any

from propulate_like.propagators.chain import Chain
from propulate_like.propagators.propagator import PROPAGATORS, Propagator


def read(form: Any) -> Propagator:
    """Return a propagator.

    Args:
        form: A propagator, a name, {name: arguments}, or a list of such steps, which is a chain.

    Raises:
        ValueError: It is no valid propagator.
    """
    if isinstance(form, Propagator):
        return form
    if isinstance(form, list):
        return Chain(*[_numbered(number, step) for number, step in enumerate(form, 1)])
    return PROPAGATORS.read(form, _convert)


def _numbered(number: int, step: Any) -> Propagator:
    """Read a step of a chain, with its number in the message of an error."""
    try:
        return read(step)
    except ValueError as error:
        message = f"step {number}: {error}"
        raise ValueError(message) from None


def _convert(hint: Any, value: Any) -> Any:
    """Read an argument that is a propagator itself, and return any other as it is."""
    if value is not None and (hint is Propagator or hint == Propagator | None):
        return read(value)
    return value
