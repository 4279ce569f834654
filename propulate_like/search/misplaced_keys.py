"""Misplaced keys: where a key belongs that a configuration has in another place, or that other libraries have."""

from __future__ import annotations

import inspect
from typing import Any

from propulate_like.evaluation.command import Command
from propulate_like.evaluation.settings import EvaluationSettings
from propulate_like.foundation.declarations import nearest
from propulate_like.foundation.values import brief
from propulate_like.problem.budget import Budget
from propulate_like.problem.fidelity import Fidelity
from propulate_like.search.islands.migration import Islands
from propulate_like.search.specification import Settings

_STRUCTS = {"budget": Budget, "evaluation": EvaluationSettings, "objective": Command}
_CLASSES = {"islands": Islands, "fidelity": Fidelity}
_OTHER_WORDS = {
    "direction": "write `maximize: true`",
    "n_trials": "write `budget: {evaluations: 100}`",
    "trials": "write `budget: {evaluations: 100}`",
    "sampler": "write `propagator`",
}


def keys_in(place: str) -> tuple[str, ...]:
    """Return the keys that a mapping at a place such as budget may have; those of the whole file for ""."""
    if place in _CLASSES:
        return tuple(inspect.signature(_CLASSES[place]).parameters)
    return _STRUCTS.get(place, Settings).__struct_fields__


def place_of(key: str, place: str) -> str | None:
    """Return the place where a key belongs that is unknown at a place, or None where it is known nowhere."""
    others = [other for other in ("", *_STRUCTS, *_CLASSES) if other != place]
    return next((other for other in others if key in keys_in(other)), None)


def explained(key: str, value: Any, place: str) -> str:
    """Return a message about a key that is unknown at a place, and says what was meant or where it belongs.

    Args:
        key: The key.
        value: Its value.
        place: The place, "" for the file as a whole.
    """
    unknown, near, belongs = f"unknown key {key!r}", nearest(key, keys_in(place)), place_of(key, place)
    if key in _OTHER_WORDS and not place:
        return f"{unknown}: {_OTHER_WORDS[key]}"
    if belongs is None or (place and near.startswith("; did you mean")):
        return f"{unknown}{near}"
    if not belongs:
        return f"{unknown}: it belongs to the top of the file, beside `{place}`"
    return f"{unknown}: it belongs into `{belongs}`, as in `{belongs}: {{{key}: {_shown(value)}}}`"


def _shown(value: Any) -> str:
    """Return a value as YAML has it, where that is short."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else brief(value).strip("'")
