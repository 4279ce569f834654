"""Fidelity: cheap evaluations first, and more expensive ones for those that deserve them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import isfinite
from typing import Any

from propulate_like.foundation import declarations
from propulate_like.foundation.values import identifier, tree

_MOST = 256  # rungs
_LARGEST = 2**63 - 1  # of their values, which go to other processes


class Fidelity:
    """How thoroughly an individual is evaluated, such as the epochs of its training or the share of the data.

    Individuals begin at the first of the `rungs`. Whenever a rank is free, it promotes the best of its own that are
    among the best 1 / `reduction` of all that reached their rung, and breeds a new one where there is none: Li et al.
    2020, A system for massively parallel hyperparameter tuning, algorithm 2. Which share is the best is decided by
    what the rank knows at that moment. One promoted is evaluated as an individual of its own, in the same directory.

    Args:
        name: The name under which the loss receives the value of the rung, such as epochs.
        rungs: The values, at least two, each larger than the one before.
        reduction: The ratio of individuals that reach a rung to those that are promoted, above 1.
    """

    def __init__(self, name: str, rungs: Sequence[float], reduction: float = 3) -> None:
        """Set the name, the rungs and the reduction.

        Raises:
            ValueError: There are fewer than two rungs, they do not rise, or the reduction is not above 1.
        """
        name = identifier(name)
        if not isinstance(name, str) or not name.isidentifier() or name == "evaluation":
            message = f"name={name!r} must be a name such as 'epochs', and not 'evaluation'"
            raise ValueError(message)
        self.name = name
        rungs = tree(rungs)
        numbers = isinstance(rungs, list | tuple) and all(
            isfinite(rung) if type(rung) is float else type(rung) is int and abs(rung) <= _LARGEST for rung in rungs
        )
        if not numbers or not 2 <= len(rungs) <= _MOST or any(low >= high for low, high in pairwise(rungs)):  # noqa: PLR2004
            message = f"rungs={rungs!r:.80} must be at least two rising numbers, and at most {_MOST}, such as [1, 3, 9]"
            raise ValueError(message)
        self.rungs: tuple[float, ...] = tuple(rungs)
        self.reduction: float = declarations.number("reduction", reduction, 1.0, above=True)

    @classmethod
    def of(cls, form: Fidelity | Mapping[str, Any]) -> Fidelity:
        """Return a fidelity as it is, or read one from its form in YAML.

        Raises:
            ValueError: There can be no such fidelity.
        """
        if isinstance(form, Fidelity):
            return form
        if not isinstance(form, Mapping):
            message = f"{form!r} must be a mapping such as {{name: epochs, rungs: [1, 3, 9]}}"
            raise ValueError(message)
        return declarations.build(cls, [], form)

    def declaration(self) -> dict[str, Any]:
        """Return its YAML form."""
        return {"name": self.name, "rungs": list(self.rungs), "reduction": self.reduction}

    def __repr__(self) -> str:
        return declarations.shown(self)
