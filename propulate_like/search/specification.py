"""The specification of a search: all that decides what is searched for, and how, in Python and in YAML alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Annotated, Any, TypedDict, TypeVar, Unpack

import msgspec

from propulate_like.evaluation import loading
from propulate_like.evaluation.command import Command
from propulate_like.evaluation.objective import Loss, space_of
from propulate_like.evaluation.pruning import AnyPruner, Pruner
from propulate_like.evaluation.settings import EvaluationSettings, settings_of
from propulate_like.foundation import declarations
from propulate_like.foundation.passwords import all_masked
from propulate_like.foundation.user_paths import user_path
from propulate_like.foundation.values import brief, tree
from propulate_like.population.individual import Id
from propulate_like.problem.budget import Budget
from propulate_like.problem.directions import Signs, directions_of, signs_of
from propulate_like.problem.fidelity import Fidelity
from propulate_like.problem.points import Point, check_points, points_of
from propulate_like.problem.space import Space
from propulate_like.propagators import BreedingContext, Propagator
from propulate_like.propagators.propagator import whole_propagator
from propulate_like.search.callbacks.callback import callbacks_of
from propulate_like.search.islands.migration import Islands, IslandsForm
from propulate_like.storage.warm_start import WarmStart

_Part = TypeVar("_Part")
_LISTED_POINTS = 100


class SpecificationError(ValueError):
    """A part of a specification that cannot work, or does not fit the others.

    The message is for Python. A file adds its own name and the `place` in it, a key such as "pruner", and says
    `inside`.
    """

    def __init__(self, place: str, inside: str, message: str = "") -> None:
        super().__init__(message or inside)
        self.place, self.inside = place, inside


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A search as a YAML file describes it.

    Attributes:
        objective: What is searched: file.py:function, relative to the YAML file, or module:function, or a command.
        budget: When the search ends.
        space: The parameters by their names, left out where the function is decorated with `objective`, or asks for its
            parameters by a `trial`.
        islands: The number of islands, their sizes, or how they are divided and how individuals migrate.
        propagator: The steps that breed: auto, one step, or a list of steps that is a chain.
        pruner: The rule by which evaluations are stopped early, or a list of rules.
        fidelity: The rungs, where evaluations may be more or less thorough.
        evaluation: How an individual is evaluated.
        maximize: Whether the one loss is maximized.
        directions: For each of several losses, whether to minimize or to maximize it.
        seed: The seed of all random numbers, by default a random one.
        run: The run's folder, relative to the working directory; by default, one in `runs` with the name of this file.
        warm_start: The evaluations to begin with: a run's folder, a study of Optuna's, a CSV file, or a list of these,
            relative to the working directory.
        points: The starting points, which are evaluated before all else: parameters by their names, not all of them.
        callbacks: What is told of each evaluation as it becomes known, such as a tracker, or a list of these.
    """

    objective: str | Command
    budget: Budget
    space: dict[str, Any] | None = None
    islands: int | list[int] | dict[str, Any] | None = None
    propagator: str | list[Any] | dict[str, Any] = "auto"
    pruner: str | list[Any] | dict[str, Any] | None = None
    fidelity: dict[str, Any] | None = None
    evaluation: EvaluationSettings = EvaluationSettings()
    maximize: bool = False
    directions: list[str] | None = None
    seed: Annotated[int, msgspec.Meta(ge=0)] | None = None
    run: str | None = None
    warm_start: str | list[Any] | dict[str, Any] | None = None
    points: list[dict[str, Any]] | dict[str, Any] | None = None
    callbacks: str | list[Any] | dict[str, Any] | None = None


class Options(TypedDict, total=False):
    """How to search and to evaluate, as a caller may say it: parts, or the forms that YAML has of them."""

    islands: IslandsForm
    migration: Mapping[str, Any] | None
    propagator: Propagator | str
    pruner: Pruner | str | Mapping[str, Any] | list[Any] | None
    fidelity: Fidelity | Mapping[str, Any] | None
    evaluation: EvaluationSettings | Mapping[str, Any] | None
    seed: int | None
    run: str | os.PathLike[str] | None
    fork: str | os.PathLike[str] | None
    warm_start: Any
    points: Sequence[Mapping[str, Any]] | Mapping[str, Any] | None
    callbacks: Any


class SearchSpecification(msgspec.Struct, frozen=True, kw_only=True):
    """One search: what is searched for, and how. Its parts are known to be valid, and to fit each other.

    `objective` is the loss function, a command, or the name of a function that is loaded later; until then the `space`
    may be None, as the function may declare it. `signs` are those of the directions. `run` is the run's folder, None
    to keep all in memory, and `fork` the new folder of a copy of that run in which to search on. `callbacks` are not
    written to the run's folder. A `temporary` folder is removed after the search, so it need not hold all parts.

    Raises:
        ValueError: Parts do not fit each other.
    """

    objective: Loss | Command | str
    budget: Budget
    space: Space | None = None
    signs: Signs = (1.0,)
    islands: Islands = msgspec.field(default_factory=Islands)
    propagator: Propagator | str = "auto"
    pruner: Pruner | None = None
    fidelity: Fidelity | None = None
    evaluation: EvaluationSettings = EvaluationSettings()
    seed: int | None = None
    run: Path | None = None
    fork: Path | None = None
    warm_start: WarmStart = msgspec.field(default_factory=WarmStart)
    points: tuple[Point, ...] = ()
    callbacks: tuple[Any, ...] = ()
    temporary: bool = False

    @classmethod
    def read(
        cls,
        objective: Loss | Command | str,
        space: Space | Mapping[str, Any] | None = None,
        *,
        budget: Budget,
        directions: Sequence[str] | None = None,
        maximize: bool = False,
        temporary: bool = False,
        **options: Unpack[Options],
    ) -> SearchSpecification:
        """Read a specification as Python or YAML says it; what is None is left to its default.

        Args:
            objective: A loss function, whose own space is taken where none is given; a command; or a function's name.
            space: Parameters by their names, or limits of them.
            budget: When the search ends.
            directions: "minimize" or "maximize" for each of several losses.
            maximize: Whether the one loss is maximized.
            temporary: Whether the run's folder is removed after the search.
            **options: How to search and to evaluate.

        Raises:
            SpecificationError: A part cannot work.
            ValueError: Parts do not fit each other.
        """
        if not (callable(objective) or isinstance(objective, str | Command)):
            message = f"{brief(objective)} is no loss: give a function, a Command, or a name such as train.py:train"
            raise SpecificationError("objective", message)
        signs = _read("directions", lambda: signs_of(directions, maximize=maximize))
        if len(signs) > 1:
            _check_one_loss(len(signs), budget, options)
        parts: dict[str, Any] = {"objective": objective, "budget": budget, "signs": signs, "temporary": temporary}
        if not isinstance(objective, str | Command) or space is not None:
            parts["space"] = _read("space", space_of, objective, space)
        forms = {name: _form(name, form) for name, form in options.items() if form is not None}
        parts["islands"] = _read("islands", Islands.of, forms.pop("islands", None), forms.pop("migration", None))
        for name, form in forms.items():
            parts[name] = _read(name, _READERS[name], form) if name in _READERS else form
        return cls(**parts)

    def __post_init__(self) -> None:
        objective, space, propagator = self.objective, self.space, self.propagator
        if self.fork is not None and self.run is None:
            message = f"fork={str(self.fork)!r} needs run=, the folder of the run to copy"
            raise ValueError(message)
        if isinstance(objective, Command) and space is None:
            message = "missing: a command has none of its own"
            raise SpecificationError("space", message, f"space: {message}")
        if propagator != "auto":
            whole = _read("propagator", whole_propagator, propagator)
            if space is not None:
                breeding = BreedingContext(space, Random(0), Id(0, 0, 0), losses=self.losses)
                _read("propagator", whole.check, breeding)
        fidelity = "" if self.fidelity is None else self.fidelity.name
        if space is not None and fidelity in (*space, *space.arguments):
            message = f"the fidelity {fidelity!r} has the name of a parameter"
            raise SpecificationError("fidelity", f"{fidelity!r} is the name of a parameter", message)
        if space is not None:
            _read("points", check_points, self.points, space)
        try:
            self.evaluation.check(objective, pruned=self.pruner is not None)
        except ValueError as error:  # which begins with a key
            raise SpecificationError("evaluation", str(error), f"evaluation.{error}") from None
        if isinstance(objective, Command) and space is not None:
            _read("objective", objective.check, space, fidelity)
        if self.run is not None and not self.temporary:
            for place, form in self.declaration().items():
                _check_writable(place, form)

    def loaded(self, objective: Loss | Command | str) -> SearchSpecification:
        """Return this search of the objective as it was loaded, whose own space is taken where none was given.

        Raises:
            ValueError: The objective has no space, or does not fit the other parts.
        """
        if objective is self.objective and self.space is not None:
            return self
        return msgspec.structs.replace(self, objective=objective, space=space_of(objective, self.space))

    @property
    def known_space(self) -> Space:
        """The space, which is known once the objective is loaded; empty where that asks for its parameters.

        Raises:
            RuntimeError: The objective is not loaded yet.
        """
        if self.space is None:
            message = f"the space of {self.objective!r} is not known before it is loaded"
            raise RuntimeError(message)
        return self.space

    @property
    def losses(self) -> int:
        """The number of losses that an evaluation has."""
        return len(self.signs)

    @property
    def maximize(self) -> bool:
        """Whether the one loss is a value that is maximized."""
        return self.signs == (-1.0,)

    @property
    def rungs(self) -> int:
        """The number of rungs that an individual may be evaluated on: 1 without a fidelity."""
        return 1 if self.fidelity is None else len(self.fidelity.rungs)

    @property
    def lowest_loss(self) -> float:
        """The loss at which the search may end."""
        return self.budget.lowest_loss(maximize=self.maximize)

    def declaration(self) -> dict[str, Any]:
        """Return what a run's config.yaml says of the search; what is None is left to its default."""
        objective, propagator = self.objective, self.propagator
        declared = {
            "objective": all_masked(msgspec.to_builtins(objective))
            if isinstance(objective, Command)
            else loading.name_of(objective),
            "maximize": self.maximize or None,
            "directions": directions_of(self.signs) if self.losses > 1 else None,
            "space": None if self.space is None else self.space.declaration(),
            "budget": self.budget.declaration(),
            "islands": self.islands.declaration(),
            "propagator": propagator if isinstance(propagator, str) else declarations.dump(propagator),
            "pruner": None if self.pruner is None else declarations.dump(self.pruner),
            "fidelity": None if self.fidelity is None else self.fidelity.declaration(),
            "evaluation": msgspec.to_builtins(self.evaluation) or None,
            "seed": self.seed,
            "warm_start": self.warm_start.declaration(),
            "points": _declared(self.points),
        }
        return _writable(declared) if self.temporary else declared


_READERS: dict[str, Callable[[Any], Any]] = {
    "pruner": AnyPruner.of,
    "fidelity": Fidelity.of,
    "evaluation": settings_of,
    "run": user_path,
    "fork": user_path,
    "warm_start": WarmStart.of,
    "points": points_of,
    "seed": declarations.seed_of,
    "callbacks": callbacks_of,
}


def _form(name: str, form: Any) -> Any:
    """Return an option with the values that its scalars are.

    What a warm start reads may be large, and says itself; callbacks are objects of users.
    """
    return form if name in ("warm_start", "callbacks") else tree(form)


def _read(place: str, read: Callable[..., _Part], *forms: Any) -> _Part:
    """Read or check a part; what is wrong with it is said with its place."""
    try:
        return read(*forms)
    except ValueError as error:
        message = str(error)
        raise SpecificationError(place, message.removeprefix(f"{place}: "), message) from None


def _declared(points: Sequence[Point]) -> Any:
    """Return starting points as a run's config.yaml has them: their number alone where they are many."""
    if len(points) > _LISTED_POINTS:
        return f"{len(points)} points"
    return [_writable(point) for point in points] or None


def _writable(form: Any) -> Any:
    """Return a form in which what no file can hold is replaced by a text about it."""
    if isinstance(form, Mapping):
        return {_writable(key): _writable(value) for key, value in form.items()}
    if isinstance(form, list | tuple):
        return [_writable(member) for member in form]
    return form if isinstance(form, str | int | float | bool | None) else f"{form!r:.80}"


def _check_writable(place: str, form: Any) -> None:
    """Check that a run's folder can hold a part of the declaration.

    Raises:
        SpecificationError: It is not made of texts, numbers, truth values, lists and mappings.
    """
    if isinstance(form, Mapping):
        for member in [*form, *form.values()]:
            _check_writable(place, member)
    elif isinstance(form, list | tuple):
        for member in form:
            _check_writable(place, member)
    elif not isinstance(form, str | int | float | bool | None):
        message = (
            f"{form!r:.80} cannot be written to a run's folder: give texts, numbers, lists and mappings, or no run="
        )
        raise SpecificationError(place, message, f"{place}: {message}")


def _check_one_loss(losses: int, budget: Budget, options: Options) -> None:
    """Refuse what judges by one loss, where there are several, in the form in which it is given."""
    judges = {
        "target": budget.target,
        "pruner": options.get("pruner"),
        "fidelity": options.get("fidelity"),
        "metric": settings_of(options.get("evaluation")).metric,
    }
    for name, form in judges.items():
        if form is not None:
            message = f"{name}={form!r} needs one loss, and there are {losses} directions"
            raise ValueError(message)
