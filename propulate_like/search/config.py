"""Configuration: from a YAML file, or the name of a function, to the specification of a search."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from propulate_like.evaluation import loading
from propulate_like.evaluation.command import Command
from propulate_like.evaluation.settings import EvaluationSettings, refusal
from propulate_like.foundation import strict_yaml
from propulate_like.foundation.declarations import nearest
from propulate_like.problem.budget import Budget
from propulate_like.problem.space import Space
from propulate_like.propagators import Propagator, from_yaml
from propulate_like.search.specification import SearchSpecification, Settings, SpecificationError


class ConfigError(ValueError):
    """A configuration that cannot work; the message is one line with the file, the place in it and what is valid."""


class Config:
    """A search as a file describes it: its specification, and where that came from."""

    def __init__(self, settings: Settings, source: str, folder: Path, default_run: str) -> None:
        """Read the parts of the settings, of which the objective lies in `folder`.

        Raises:
            ConfigError: A part cannot work, or does not fit the others.
        """
        self.source, self.folder = source, folder
        self.run = Path(settings.run or f"runs/{default_run}")
        self.objective = settings.objective
        if isinstance(self.objective, Command):
            inside = str((folder / self.objective.folder).resolve())
            self.objective = msgspec.structs.replace(self.objective, folder=inside)
        forms: dict[str, Any] = msgspec.structs.asdict(settings)
        forms |= {"objective": self.objective, "space": self._space(settings.space)}
        forms |= {"propagator": self._propagator(settings.propagator), "run": self.run}
        try:
            self.specification = SearchSpecification.read(**forms)
        except SpecificationError as error:
            raise self.error(error.place, error.inside) from None
        except ValueError as error:
            message = f"{source}: {error}"
            raise ConfigError(message) from None

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

    def located(self) -> SearchSpecification:
        """Return the search of the objective as it is found from anywhere."""
        return msgspec.structs.replace(self.specification, objective=self.located_objective())

    def error(self, place: str, message: str) -> ConfigError:
        """Return an error at a place inside the file."""
        return ConfigError(f"{self.source}: {place}: {message}")

    def _space(self, declared: dict[str, Any] | None) -> Space | None:
        try:
            return None if declared is None else Space.from_declaration(declared)
        except ValueError as error:
            name, colon, rest = str(error).partition(": ")
            inside = colon and name in (declared or {})
            raise self.error(f"space.{name}" if inside else "space", rest if inside else str(error)) from None

    def _propagator(self, form: Any) -> Propagator | str:
        try:
            return "auto" if form == "auto" else from_yaml.read(form)
        except ValueError as error:
            raise self.error("propagator", str(error)) from None


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
    if data.get("budget") == {}:
        message = f"{source}: budget: empty: give evaluations, seconds, hours or target"
        raise ConfigError(message)
    try:
        return msgspec.convert(data, Settings)
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `$")
        place = re.sub(r"^\.", "", where.rstrip("`"))
        refused = isinstance(error.__cause__, ValueError)  # by the part itself, not for its type
    keys = re.search(r"at `key` in `\$\.?(.*)`", text)
    place = keys[1] if keys else place
    prefix = f"{source}: {place}: " if place else f"{source}: "
    if keys:
        text = "every key must be a name"
    elif not refused:
        text = _explained(text, place, data)
    raise ConfigError(prefix + text) from None


def _explained(text: str, place: str, data: dict[str, Any]) -> str:
    """Return what msgspec's `text` says of the value at a place, with what would be valid."""
    unknown = re.search(r"unknown field `(.*)`", text)
    missing = re.search(r"missing required field `(.*)`", text)
    if unknown:
        kinds = {"budget": Budget, "evaluation": EvaluationSettings, "objective": Command}
        kind = kinds.get(place, Settings)
        return f"unknown key {unknown[1]!r}{nearest(unknown[1], kind.__struct_fields__)}"
    if missing:
        example = {"objective": "train.py:train", "budget": "{evaluations: 100}"}.get(missing[1], "...")
        return f"the key {missing[1]!r} is missing: add `{missing[1]}: {example}`"
    value: Any = data
    for part in filter(None, re.sub(r"\[.*", "", place).split(".")):
        value = value.get(part) if isinstance(value, dict) else value
    return refusal(re.sub(r"^evaluation\.|\[.*", "", place), value, text)
