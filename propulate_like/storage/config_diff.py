"""Differences between a run's config and the one that it is to go on with, and which of them mix two searches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

_KEPT = ("budget", "seed")
"""What stays as it was where nothing is said of it."""
_EXTENDS = ("budget", "objective", "evaluation", "pruner", "islands", "warm_start")
"""What may change: how long a search goes on, on what, how it carries its evaluations out, and what it knew before.

All else would mix two searches: genomes are points of the `space`, in the order of its parameters; losses are stored
with the sign of `maximize`; rungs are numbers of the `fidelity`; the `propagator` reads traits that others did not
write, and is, with the `seed`, what makes a search repeatable. So would two parts of what may change: with another
`evaluation.metric`, losses mean something else; and no island may breed in a way that none did before.
"""
_MIXES = ("evaluation.metric",)


class Difference(NamedTuple):
    """One value that differs, at a place such as budget.evaluations."""

    place: str
    was: Any
    now: Any

    @property
    def mixes(self) -> bool:
        """Whether going on would mix two searches."""
        return self.place in _MIXES or self.place.partition(".")[0] not in _EXTENDS

    @property
    def change(self) -> str:
        """Say it as news."""
        return f"{self.place} {_said(self.was)} -> {_said(self.now)}"

    def __str__(self) -> str:
        return f"{self.place}: was {_said(self.was)}, is {_said(self.now)}"


def joined(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run goes on with: all that is said now, and what is kept where nothing is."""
    kept = {key: value for key, value in before.items() if key in _KEPT}
    return kept | {key: value for key, value in now.items() if value is not None}


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Return every value that differs between two configs."""
    was, now_is = (config.get("islands") for config in (before, now))
    islands = {"islands": was or _one_island(now_is)}, {"islands": now_is or _one_island(was)}
    found = list(_differences("", {**before, **islands[0]}, {**now, **islands[1]}))
    if before["space"] == now["space"] and [*before["space"]] != [*now["space"]]:
        found.append(Difference("space", "in the order " + ", ".join(before["space"]), ", ".join(now["space"])))
    new = [breeding for breeding in _breeding(now) if breeding not in _breeding(before)]
    if new and not any(difference.place == "propagator" for difference in found):
        found.append(Difference("propagator", _breeding(before), _breeding(now)))
    return found


def _differences(place: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    for key in {**before, **now}:
        was, now_is = before.get(key), now.get(key)
        inner = f"{place}.{key}" if place else str(key)
        if was == now_is:
            continue
        if isinstance(was or {}, dict) and isinstance(now_is or {}, dict) and ((was and now_is) or not place):
            yield from _differences(inner, was or {}, now_is or {})
        else:
            yield Difference(inner, was, now_is)


def _one_island(other: Any) -> Any:
    """Return what a config that says nothing of islands stands for, beside one that does."""
    return {**other, "count": 1, "sizes": None} if isinstance(other, dict) else None


def _breeding(config: Mapping[str, Any]) -> list[Any]:
    """Return the propagators of all islands."""
    islands = config.get("islands")
    propagators = islands.get("propagators") if isinstance(islands, dict) else None
    return propagators if isinstance(propagators, list) else [config.get("propagator")]


def _said(value: Any) -> str:
    return "left to its default" if value is None else value if isinstance(value, str) else repr(value)
