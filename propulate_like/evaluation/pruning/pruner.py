"""What a pruner is: a rule that says, after each intermediate loss, whether the evaluation is worth going on with."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from functools import wraps
from math import isfinite
from typing import Any, ClassVar

from propulate_like.evaluation.pruning.curves import Curves
from propulate_like.foundation import declarations
from propulate_like.foundation.parts import PartError, gave_wrong, is_of_user, raised
from propulate_like.foundation.registry import Registry, snake_case
from propulate_like.population.individual import Id, Individual
from propulate_like.population.outcome import OK

PRUNERS: Registry[Pruner] = Registry(
    "pruner", "propulate_like.pruners", example="a rule such as median, or {patience: 5}"
)


class Pruner:
    """A rule for stopping unpromising evaluations early.

    It uses what this rank knows at that moment: no barrier, no server. A rule of one's own names a subclass ending in
    `Pruner` and defines `stops`; its parameters are those of its `__init__`, under the same names as its attributes.
    In YAML it goes by its class's name in snake case, without `_pruner`. Where it raises an exception, or returns no
    bool, the search ends with a `PartError`, which names it.
    """

    name: ClassVar[str] = "pruner"

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.name = snake_case(cls.__name__.removesuffix("Pruner"))
        if not cls.__name__.startswith("_"):
            PRUNERS.register(cls.name, cls)
        if "stops" in cls.__dict__ and is_of_user(cls):
            cls.stops = _checked(cls.stops)  # type: ignore[assignment,method-assign]

    def stops(self, ident: Id, curves: Curves) -> bool:
        """Return whether to stop the evaluation `ident`, by its newest loss.

        That is the last of `curves[ident]`, whose points are in the order of their steps, unless a loss reports steps
        in another order.
        """
        raise NotImplementedError

    def __repr__(self) -> str:
        return declarations.shown(self)


def _checked(stops: Callable[[Any, Id, Curves], object]) -> Callable[[Any, Id, Curves], bool]:
    """Return the `stops` of a user's rule, with errors that name it."""

    @wraps(stops)
    def checked_stops(pruner: Pruner, ident: Id, curves: Curves) -> bool:
        try:
            verdict = stops(pruner, ident, curves)
        except PartError:  # of a rule that this one is made of
            raise
        except Exception as error:
            raise raised(pruner, error) from error
        numpy: Any = sys.modules.get("numpy")
        if isinstance(verdict, bool) or (numpy is not None and isinstance(verdict, numpy.bool_)):
            return bool(verdict)
        raise gave_wrong(pruner, f"returned {verdict!r:.80}, and not whether to stop, which is True or False")

    return checked_stops


class PrunerState:
    """A rule with the curves that this rank knows, for each rung of a fidelity apart: their losses do not compare."""

    def __init__(self, pruner: Pruner, rungs: int = 1) -> None:
        self.curves: list[Curves] = [Curves() for _ in range(rungs)]
        self._pruners = [pruner] + [copy.deepcopy(pruner) for _ in range(rungs - 1)]

    def add(self, individual: Individual) -> None:
        """Learn the curve of an evaluation that has ended."""
        curves = self.curves[individual.rung]
        for step, loss in individual.curve:
            if isfinite(loss):
                curves.report(individual.id, step, loss)
        curves.end(individual.id, completed=individual.status is OK, loss=individual.loss)

    def stops(self, ident: Id, rung: int) -> bool:
        """Ask the rung's rule about the evaluation's newest intermediate loss."""
        return bool(self._pruners[rung].stops(ident, self.curves[rung]))  # NumPy's too
