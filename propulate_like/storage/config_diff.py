"""Differences between a run's config and the config that it continues with, and which of them mix two searches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from propulate_like.foundation.console import short
from propulate_like.foundation.values import same
from propulate_like.problem.names import flat_name, flattened
from propulate_like.problem.parameters.parameter import declared_group
from propulate_like.problem.space import Space

_KEPT = ("budget", "seed", "points")
"""The keys that keep their value where the new config does not name them."""
# docs/decisions.md, "What mixes two searches is refused"
_EXTENDS = ("budget", "objective", "evaluation", "pruner", "islands", "warm_start", "points")
"""The keys that may change.

They say how long a search goes on, with which loss, how it evaluates, and what it was told at its start. A change of
any other key would mix two searches: genomes are points of the `space`, in the order of its parameters; losses are
stored with the sign of `maximize`; rungs are indices into the `fidelity`; the `propagator` reads traits that another
one has not written, and makes a search repeatable together with the `seed`. Two parts of these keys must not change
either: with another `evaluation.metric` the losses have another meaning, and no island may use a propagator that no
island used before.
"""
_MIXES = ("evaluation.metric",)
_TYPED = ("space", "fidelity")
"""The keys of what the loss receives, to which 1, 1.0 and True are different."""


class Difference(NamedTuple):
    """One value that differs between two configs.

    Attributes:
        place: Where the value is, as in budget.evaluations.
        was: The value before.
        now: The value now.
    """

    place: str
    was: Any
    now: Any

    @property
    def mixes(self) -> bool:
        """Whether a run that continued with this difference would mix two searches."""
        return self.place in _MIXES or self.place.partition(".")[0] not in _EXTENDS

    @property
    def change(self) -> str:
        """The difference as a message about what changes."""
        return f"{self.place} {_said(self.was)} -> {_said(self.now)}"

    def __str__(self) -> str:
        return f"{self.place}: was {_said(self.was)}, is {_said(self.now)}"


def joined(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config that a run continues with: the new one, with with what it has none of of `_KEPT` as it was."""
    kept = {key: value for key, value in before.items() if key in _KEPT}
    return kept | {key: value for key, value in now.items() if value is not None}


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Return every value that differs between two configs, and a changed order of the space's parameters."""
    before, now = ({**config, "space": _plain_space(config["space"])} for config in (before, now))
    was, now_is = (config.get("islands") for config in (before, now))
    islands = {"islands": was or _one_island(now_is)}, {"islands": now_is or _one_island(was)}
    found = list(_differences("", {**before, **islands[0]}, {**now, **islands[1]}))
    order, new_order = _names(before["space"]), _names(now["space"])
    if before["space"] == now["space"] and order != new_order:
        found.append(Difference("space", "in the order " + ", ".join(order), ", ".join(new_order)))
    new = [breeding for breeding in _breeding(now) if breeding not in _breeding(before)]
    if new and not any(difference.place == "propagator" for difference in found):
        found.append(Difference("propagator", _breeding(before), _breeding(now)))
    return found


def _differences(place: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield the differences between two mappings at a place, key by key."""
    for key in {**before, **now}:
        was, now_is = before.get(key), now.get(key)
        inner = f"{place}.{key}" if place else str(key)
        if same(was, now_is) if inner.startswith(_TYPED) else was == now_is:
            continue
        if isinstance(was or {}, dict) and isinstance(now_is or {}, dict) and ((was and now_is) or not place):
            yield from _differences(inner, was or {}, now_is or {})
        else:
            yield Difference(inner, was, now_is)


def _plain_space(space: Any) -> Any:
    """Return a space as this version declares it: the same one may have been written by hand, or by another version."""
    try:
        return Space.from_declaration(space).declaration()
    except (ValueError, TypeError):
        return space


def _names(space: Any) -> list[str]:
    """Return the names of a space's parameters in their order."""
    try:
        return [flat_name(path) for path in flattened(space, declared_group)]
    except (ValueError, TypeError):
        return list(space)


def _one_island(other: Any) -> Any:
    """Return what a config without islands means where the other config has some: the same with one island."""
    return {**other, "count": 1, "sizes": None} if isinstance(other, dict) else None


def _breeding(config: Mapping[str, Any]) -> list[Any]:
    """Return the propagators of all islands, as the config declares them."""
    islands = config.get("islands")
    propagators = islands.get("propagators") if isinstance(islands, dict) else None
    return propagators if isinstance(propagators, list) else [config.get("propagator")]


def _said(value: Any) -> str:
    """Return a value as messages show it."""
    return "left to its default" if value is None else short(value if isinstance(value, str) else repr(value))
