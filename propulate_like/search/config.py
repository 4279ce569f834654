"""Configuration: from a YAML file, or the name of a function, to the specification of a search."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from propulate_like.evaluation import loading
from propulate_like.evaluation.command import Command
from propulate_like.evaluation.objective import check_fit
from propulate_like.evaluation.settings import EvaluationSettings
from propulate_like.foundation import strict_yaml
from propulate_like.foundation.declarations import nearest
from propulate_like.foundation.user_paths import user_path
from propulate_like.problem.names import Keys, flat_name, flattened, nested
from propulate_like.problem.parameters import Parameter
from propulate_like.problem.parameters.parameter import declared_group
from propulate_like.problem.space import Space
from propulate_like.propagators import Propagator, from_yaml
from propulate_like.search.config_errors import STAND_INS, ConfigError, ConfigErrors, settings_from
from propulate_like.search.config_places import IGNORED, keys_of, split_change
from propulate_like.search.specification import SearchSpecification, Settings, SpecificationError

__all__ = ["Config", "ConfigError", "text_of"]


class Config:
    """A search as a file describes it: its specification, and where that came from."""

    def __init__(self, settings: Settings, folder: Path, default_run: str, errors: ConfigErrors) -> None:
        """Read the parts of the settings, of which the objective lies in `folder`; what is wrong is noted.

        Raises:
            ConfigError: A part cannot work, or does not fit the others.
        """
        self.source, self.folder = errors.source, folder
        self.run = _path("run", settings.run, f"runs/{default_run}", errors)
        self.objective = settings.objective
        if isinstance(self.objective, Command):
            inside = folder / _path("objective.folder", self.objective.folder or None, ".", errors)
            self.objective = msgspec.structs.replace(self.objective, folder=str(inside.resolve()))
        elif self.objective.startswith("~"):
            self.objective = str(_path("objective", self.objective, "train.py:train", errors))
        forms: dict[str, Any] = msgspec.structs.asdict(settings)
        forms |= {"objective": self.objective, "space": _space(settings.space, errors)}
        forms |= {"propagator": _propagator(settings.propagator, errors), "run": self.run}
        self.specification = _specification(forms, errors)

    @classmethod
    def read(cls, source: str, changes: Sequence[str] = (), run: str | None = None) -> Config:
        """Read a YAML file, or make settings of a reference such as train.py:train.

        `changes` are texts such as budget.evaluations=500, `run` another run folder. ConfigError where anything is
        wrong.
        """
        return cls.parse(text_of(source), source, changes, run)

    @classmethod
    def checked(cls, source: str, changes: Sequence[str] = (), run: str | None = None) -> Config:
        """Read as `read` does, and see that the objective exists and fits, running nothing; ConfigError otherwise."""
        return cls.parse(text_of(source), source, changes, run, finds=True)

    @classmethod
    def parse(
        cls,
        text: bytes | None,
        source: str,
        changes: Sequence[str] = (),
        run: str | None = None,
        folder: str = "",
        *,
        finds: bool = False,
    ) -> Config:
        """Make settings of a file's text, or, where that is None, of the reference that `source` is.

        `folder` is where the objective is looked for; by default, where the file is. `finds` says whether to look for
        it already.
        """
        path, errors = user_path(source), ConfigErrors(source)
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
            try:
                _change(data, change)
            except ConfigError as error:
                errors.add_line(str(error))
        if run is not None:
            data["run"] = run
        data = {key: value for key, value in data.items() if not str(key).startswith(IGNORED)}
        errors.data = data
        if text is None and "budget" not in data:
            errors.add("", "no budget: add --set budget.evaluations=100")
            data["budget"] = STAND_INS["budget"]
        config = cls(settings_from(data, errors), Path(folder) if folder else place, default_run, errors)
        if finds:
            config._find(errors)
        errors.check()
        return config

    def check_objective(self) -> None:
        """See that the objective exists and fits, running nothing; ConfigError where it does not."""
        errors = ConfigErrors(self.source)
        self._find(errors)
        errors.check()

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

    def _find(self, errors: ConfigErrors) -> None:
        """Look for the objective and what a warm start names, running nothing; note what is wrong with them."""
        specification, objective = self.specification, self.objective
        try:
            specification.warm_start.find()
        except ValueError as error:
            errors.add("warm_start", str(error))
        if errors.concerns("objective"):
            return
        try:
            if isinstance(objective, Command):
                objective.find()
                return
            declared = loading.check(objective, self.folder)
            if declared is not None and not errors.concerns("space", "fidelity"):
                fidelity = "" if specification.fidelity is None else specification.fidelity.name
                check_fit(declared, specification.space, fidelity)
        except ValueError as error:
            errors.add("objective", str(error))


def _path(place: str, path: str | None, default: str, errors: ConfigErrors) -> Path:
    """Return a path, or the default where there is none; what is wrong with it is noted."""
    try:
        return user_path(default if path is None else path)
    except ValueError as error:
        errors.add(place, str(error))
        return Path(default)


def _specification(forms: dict[str, Any], errors: ConfigErrors) -> SearchSpecification:
    """Read the parts; those that are wrong are noted, and left out.

    Raises:
        ConfigError: Nothing more can be read.
    """
    ill = {key for key in forms if errors.concerns(key)}  # what else is wrong there may come of what was left out
    shaky = (ill | ({"propagator", "objective"} if "space" in ill else set())) - {"evaluation"}
    while True:
        try:
            return SearchSpecification.read(**forms)
        except SpecificationError as error:
            key = error.place.partition(".")[0]
            named, needed = (
                re.search(words, error.inside) for words in (r"^(?:unknown key ')?(\w+)", r" needs (\w+): ")
            )
            if key not in shaky and not (needed and errors.concerns(f"{key}.{needed[1]}")):
                errors.add(error.place, error.inside, named[1] if named else "")
            if not _drop(forms, key, named[1] if named else ""):
                break
        except ValueError as error:
            errors.add("", str(error))
            break
    errors.check()
    message = f"{errors.source}: {forms!r:.200} cannot be read"  # not reached: what is left out was noted
    raise ConfigError(message)


def _drop(forms: dict[str, Any], key: str, named: str) -> bool:
    """Leave out what is wrong, the value of a key or what is `named` in it, and return whether there was any."""
    if key == "space" and forms["space"] is None:
        key = "objective"  # a command without a space
    before: Any = forms.get(key)
    if key == "evaluation" and named in before.__struct_fields__:
        forms[key] = msgspec.structs.replace(before, **{named: getattr(EvaluationSettings(), named)})
    elif key == "islands" and isinstance(before, dict) and named in before and named not in _COUNTS:
        forms[key] = {name: value for name, value in before.items() if name != named}
    else:
        forms[key] = {"objective": "train.py:train", "propagator": "auto", "evaluation": EvaluationSettings()}.get(key)
    return bool(forms[key] != before)


_COUNTS = ("count", "sizes", "propagators")  # by which other keys of islands are judged


def _space(declared: dict[str, Any] | None, errors: ConfigErrors) -> Space | None:
    """Read the space; parameters that are wrong are noted, and left out. None where there are no others."""
    if declared is None or (not declared and errors.concerns("space")):
        return None
    try:
        forms = flattened(declared, declared_group)
    except ValueError as error:
        errors.add("space", str(error))
        return None
    parameters: dict[str, tuple[Keys, Parameter]] = {}
    for path, form in forms.items():
        try:
            parameters[flat_name(path)] = path, Parameter.from_declaration(form)
        except ValueError as error:
            errors.add(f"space.{flat_name(path)}", str(error))
    names = set(map(flat_name, forms))
    while parameters or not declared:
        try:
            return Space(nested(parameters.values()))
        except ValueError as error:
            name, colon, rest = str(error).partition(": ")
            inside = bool(colon) and name in parameters
            missing = inside and not names.isdisjoint(set(parameters[name][1].when) - set(parameters))
            if not missing:
                errors.add(f"space.{name}" if inside else "space", rest if inside else str(error))
            if not inside:
                return None
            del parameters[name]
    return None


def _propagator(form: Any, errors: ConfigErrors) -> Propagator | str:
    """Read the propagator; what is wrong with each step is noted."""
    for number, step in enumerate(form if isinstance(form, list) else [], 1):
        try:
            from_yaml.read(step)
        except ValueError as error:
            errors.add("propagator", f"step {number}: {error}")
    if form == "auto" or errors.concerns("propagator"):
        return "auto"
    try:
        return from_yaml.read(form)
    except ValueError as error:
        errors.add("propagator", str(error))
        return "auto"


def text_of(source: str) -> bytes | None:
    """Read a configuration's file; None where `source` is a reference such as train.py:train instead."""
    path = user_path(source)
    if loading.is_reference(source) and not path.exists():
        return None
    if path.suffix == ".py" and path.is_file():
        message = f"{path} is Python: name its function, such as {path}:{loading.likely_function(path)}"
        raise ConfigError(message)
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
    found = split_change(change)
    if found is None:
        message = f"--set {change}: must have the form budget.evaluations=500"
        raise ConfigError(message)
    *parents, key = keys_of(data, found[0])
    target = data
    for parent in parents:
        target = target.setdefault(parent, {})
        if not isinstance(target, dict):
            message = f"--set {change}: {parent!r} is no mapping"
            raise ConfigError(message)
    try:
        target[key] = strict_yaml.load(found[1].encode())
    except ValueError as error:
        message = f"--set {change}: {error}"
        raise ConfigError(message) from None
