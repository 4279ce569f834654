"""Suites: sets of problems. Each is a module of this folder, named in SUITES, that does what `Suite` says."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast

import msgspec

from propulate_like.foundation.declarations import nearest
from propulate_like.problem.space import Space

SUITES = ("bbob", "mixint", "tables", "tuning")


class Problem(msgspec.Struct, frozen=True):
    """What is searched: `loss` gives the loss of a point's params; the same params always give the same loss.

    `gain` says what a lowest loss so far is worth, from 0 on, larger being better. Where it is None, contestants are
    compared by their ranks alone.
    """

    space: Space
    loss: Callable[[Mapping[str, Any]], float]
    gain: Callable[[float], float] | None = None


class Suite(Protocol):
    """What a suite's module defines."""

    REQUIRES: Sequence[str]
    """Distributions that it needs, as pip names them."""
    DIMENSIONS: Sequence[int]
    """Numbers of parameters that its problems come in; empty where each problem has one of its own."""

    def names(self) -> Sequence[str]:
        """Return the names of the problems."""

    def problem(self, name: str, dimension: int, instance: int) -> Problem:
        """Make a problem. Instances are variants of it; where a suite has none, `instance` is left unused.

        `dimension` is 0 where the suite's DIMENSIONS is empty.
        """

    def version(self) -> str:
        """Name all that decides the losses, such as a library's version: what was measured with another is not used."""


def suite(name: str) -> Suite:
    """Return the suite of that name.

    Raises:
        ValueError: There is none.
    """
    if name not in SUITES:
        message = f"unknown suite {name!r}{nearest(name, SUITES)}"
        raise ValueError(message)
    return cast("Suite", importlib.import_module(f"{__package__}.{name}"))
