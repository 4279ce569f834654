"""Configuration: from a YAML file to settings that are known to be valid, and the JSON Schema of such files."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Annotated, Any, TypeVar

import msgspec

from propulate_like.evaluation import loading
from propulate_like.evaluation.command import Command
from propulate_like.evaluation.pruning import PRUNERS, AnyPruner
from propulate_like.evaluation.settings import EvaluationSettings, refusal
from propulate_like.foundation import declarations, strict_yaml
from propulate_like.foundation.declarations import nearest
from propulate_like.population.individual import Id
from propulate_like.problem.budget import Budget
from propulate_like.problem.directions import signs_of
from propulate_like.problem.fidelity import Fidelity
from propulate_like.problem.parameters import KINDS
from propulate_like.problem.space import Space
from propulate_like.propagators import PROPAGATORS, BreedingContext, Propagator, from_yaml
from propulate_like.propagators.propagator import whole_propagator
from propulate_like.search.islands.migration import Islands
from propulate_like.search.islands.topologies import TOPOLOGIES, Topology
from propulate_like.storage.warm_start import FORMS, WarmStart

_Part = TypeVar("_Part")
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class ConfigError(ValueError):
    """A configuration that cannot work; the message is one line with the file, the place in it and what is valid."""


class BudgetSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a search ends: at the first of these."""

    evaluations: Annotated[int, msgspec.Meta(ge=1)] | None = None
    seconds: Annotated[float, msgspec.Meta(gt=0)] | None = None
    hours: Annotated[float, msgspec.Meta(gt=0)] | None = None
    target: float | None = None

    @property
    def total_seconds(self) -> float | None:
        """The time given, in seconds: seconds and hours together."""
        if self.seconds is None and self.hours is None:
            return None
        return (self.seconds or 0.0) + 3600.0 * (self.hours or 0.0)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A search as a YAML file describes it.

    `objective` is file.py:function, relative to the YAML file, or module:function, or a command. `space` is left out
    where the function is decorated with `objective`, or asks for its parameters by a `trial`. `directions` says of each
    of several losses whether to minimize or maximize it. `run` is the run's folder, relative to the working directory,
    as is what `warm_start` names.
    """

    objective: str | Command
    budget: BudgetSettings
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


class Config:
    """Valid settings, and where they came from."""

    def __init__(self, settings: Settings, source: str, folder: Path, default_run: str) -> None:
        """ConfigError where the parts do not fit each other."""
        objective = settings.objective
        if isinstance(objective, Command):
            objective = msgspec.structs.replace(objective, folder=str((folder / objective.folder).resolve()))
        self.objective = objective
        self.settings, self.source, self.folder = settings, source, folder
        self.run = Path(settings.run or f"runs/{default_run}")
        try:
            self.signs = signs_of(settings.directions, maximize=settings.maximize)
        except ValueError as error:
            raise self.error("directions", str(error).removeprefix("directions: ")) from None
        given = settings.budget
        if given == BudgetSettings():
            raise self.error("budget", "empty: give evaluations, seconds, hours or target")
        try:
            self.budget = Budget(given.evaluations, given.total_seconds, given.target)
        except ValueError as error:
            raise self.error("budget", str(error)) from None
        try:
            self.space = None if settings.space is None else Space.from_declaration(settings.space)
        except ValueError as error:
            name, colon, rest = str(error).partition(": ")
            inside = colon and name in (settings.space or {})
            raise self.error(f"space.{name}" if inside else "space", rest if inside else str(error)) from None
        self.islands = self._part("islands", Islands.of, settings.islands) or Islands()
        self.propagator = self._propagator(settings.propagator)
        if isinstance(self.propagator, Propagator) and self.space is not None:
            breeding = BreedingContext(self.space, Random(0), Id(0, 0, 0), losses=len(self.signs))
            self._part("propagator", self.propagator.check, breeding)
        self.pruner = self._part("pruner", AnyPruner.of, settings.pruner)
        self.fidelity = self._part("fidelity", Fidelity.of, settings.fidelity)
        self.warm_start = self._part("warm_start", WarmStart, settings.warm_start) or WarmStart()
        if self.fidelity is not None and self.space is not None and self.fidelity.name in self.space:
            raise self.error("fidelity", f"{self.fidelity.name!r} is the name of a parameter")
        self._part("evaluation", partial(settings.evaluation.check, pruned=self.pruner is not None), objective)
        if isinstance(objective, Command):
            if self.space is None:
                raise self.error("space", "missing: a command has none of its own")
            try:
                objective.check(self.space, "" if self.fidelity is None else self.fidelity.name)
            except ValueError as error:
                raise self.error("objective", str(error)) from None

    @classmethod
    def read(cls, source: str, changes: Sequence[str] = (), run: str | None = None) -> Config:
        """Read a YAML file, or make settings of a reference such as train.py:train.

        `changes` are texts such as budget.evaluations=500, `run` another run folder. ConfigError where anything is
        wrong.
        """
        return cls.parse(text_of(source), source, changes, run)

    @classmethod
    def parse(
        cls, text: bytes | None, source: str, changes: Sequence[str] = (), run: str | None = None, folder: str = ""
    ) -> Config:
        """Make settings of a file's text, or, where that is None, of the reference that `source` is.

        `folder` is where the objective is looked for; by default, where the file is.
        """
        path = Path(source)
        if text is None:
            data: Any = {"objective": source}
            place, default_run = Path(), source.rpartition(":")[2]
        else:
            data = _load(path, text)
            place, default_run = path.parent, path.stem
        if not isinstance(data, dict):
            message = (
                f"{source}: a configuration must be a mapping such as `objective: train.py:train`, not {data!r:.60}"
            )
            raise ConfigError(message)
        for change in changes:
            _change(data, change)
        if run is not None:
            data["run"] = run
        if text is None and "budget" not in data:
            message = f"{source}: no budget: add --set budget.evaluations=100"
            raise ConfigError(message)
        return cls(_settings(data, source), source, Path(folder) if folder else place, default_run)

    def check_objective(self) -> None:
        """See that the objective exists, running nothing; ConfigError where it does not."""
        try:
            if isinstance(self.objective, Command):
                self.objective.find()
            else:
                loading.check(self.objective, self.folder)
        except ValueError as error:
            raise self.error("objective", str(error)) from None

    def located_objective(self) -> str | Command:
        """Return the objective as it is found from anywhere, not imported."""
        objective = self.objective
        return objective if isinstance(objective, Command) else loading.located(objective, self.folder)

    def error(self, place: str, message: str) -> ConfigError:
        """Return an error at a place inside the file."""
        return ConfigError(f"{self.source}: {place}: {message}")

    def _part(self, place: str, read: Callable[[Any], _Part], form: Any) -> _Part | None:
        try:
            return None if form is None else read(form)
        except ValueError as error:
            raise self.error(place, str(error)) from None

    def _propagator(self, form: Any) -> Propagator | str:
        if form == "auto":
            return "auto"
        try:
            return whole_propagator(from_yaml.read(form))
        except ValueError as error:
            raise self.error("propagator", str(error)) from None


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a configuration, for editors."""
    whole = msgspec.json.schema(Settings)
    step = {"$ref": "#/$defs/step"}
    definitions = whole["$defs"]
    definitions["step"] = {"anyOf": [*PROPAGATORS.schema({Propagator: step}), {"type": "array", "items": step}]}
    definitions["parameter"] = {"anyOf": [kind.schema() for kind in KINDS.values()]}
    properties = definitions["Settings"]["properties"]
    definitions["rule"] = {"anyOf": [*PRUNERS.schema(), {"type": "array", "items": {"$ref": "#/$defs/rule"}}]}
    properties["pruner"] = {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/rule"}], "default": None}
    properties["fidelity"] = {
        "anyOf": [{"type": "null"}, declarations.schema(Fidelity, {})["anyOf"][0]],
        "default": None,
    }
    definitions["topology"] = {"anyOf": [{"type": "array"}, *TOPOLOGIES.schema()]}
    islands = declarations.schema(Islands, {Propagator: step, Topology: {"$ref": "#/$defs/topology"}})
    properties["islands"] = {
        "anyOf": [{"type": "null"}, {"type": "integer", "minimum": 1}, {"type": "array"}, islands["anyOf"][0]],
        "default": None,
    }
    source = [{"type": "string"}, *(declarations.schema(form, {})["anyOf"][0] for form in FORMS)]
    sources = {"type": "array", "items": {"anyOf": [*source, {"type": "object"}]}}
    properties["warm_start"] = {"anyOf": [{"type": "null"}, *source, sources], "default": None}
    properties["propagator"] = {"anyOf": [{"const": "auto"}, step], "default": "auto"}
    properties["space"] = {"type": "object", "minProperties": 1, "additionalProperties": {"$ref": "#/$defs/parameter"}}
    return {"$schema": _DIALECT, "title": "propulate-like configuration", **whole}


def text_of(source: str) -> bytes | None:
    """Read a configuration's file; None where `source` is a reference such as train.py:train instead."""
    path = Path(source)
    if loading.is_reference(source) and not path.exists():
        return None
    try:
        with path.open("rb") as file:
            return file.read(strict_yaml.LARGEST_BYTES + 1)
    except FileNotFoundError:
        neighbours = [str(other) for other in sorted(path.parent.glob("*.yaml"))] if path.parent.is_dir() else []
        message = f"{path}: there is no such file{nearest(str(path), neighbours)}"
        raise ConfigError(message) from None
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise ConfigError(message) from None


def _load(path: Path, text: bytes) -> Any:
    try:
        return strict_yaml.load(text)
    except ValueError as error:
        message = f"{path}: {error}"
        raise ConfigError(message) from None


def _change(data: dict[str, Any], change: str) -> None:
    place, equals, text = change.partition("=")
    if not equals:
        message = f"--set {change}: must have the form budget.evaluations=500"
        raise ConfigError(message)
    *parents, key = place.strip().split(".")
    target = data
    for parent in parents:
        target = target.setdefault(parent, {})
        if not isinstance(target, dict):
            message = f"--set {change}: {parent!r} is no mapping"
            raise ConfigError(message)
    try:
        target[key] = strict_yaml.load(text.encode())
    except ValueError as error:
        message = f"--set {change}: {error}"
        raise ConfigError(message) from None


def _settings(data: dict[str, Any], source: str) -> Settings:
    try:
        return msgspec.convert(data, Settings)
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `$")
        place = re.sub(r"^\.", "", where.rstrip("`"))
    unknown = re.search(r"unknown field `(.*)`", text)
    missing = re.search(r"missing required field `(.*)`", text)
    keys = re.search(r"at `key` in `\$\.?(.*)`", text)
    place = keys[1] if keys else place
    prefix = f"{source}: {place}: " if place else f"{source}: "
    if unknown:
        kinds = {"budget": BudgetSettings, "evaluation": EvaluationSettings, "objective": Command}
        kind = kinds.get(place, Settings)
        text = f"unknown key {unknown[1]!r}{nearest(unknown[1], kind.__struct_fields__)}"
    elif keys:
        text = "every key must be a name"
    elif missing:
        example = {"objective": "train.py:train", "budget": "{evaluations: 100}"}.get(missing[1], "...")
        text = f"the key {missing[1]!r} is missing: add `{missing[1]}: {example}`"
    else:
        value: Any = data
        for part in filter(None, re.sub(r"\[.*", "", place).split(".")):
            value = value.get(part) if isinstance(value, dict) else value
        text = refusal(re.sub(r"^evaluation\.|\[.*", "", place), value, text)
    raise ConfigError(prefix + text) from None
