"""The contract of a parameter: one dimension of a search space, which maps a gene to a value and back."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from operator import itemgetter
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Self

from propulate_like.foundation import declarations, values
from propulate_like.foundation.declarations import nearest
from propulate_like.foundation.registry import register, snake_case

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

Scalar = values.Scalar
Conditions = Mapping[str, Any]

KINDS: dict[str, type[Parameter]] = {}
"""All kinds of parameters, by the names that they have in YAML."""

_FINEST = 4096  # values of a parameter at most that are told apart one by one
_STEP = 0.75  # levels, of a random step


class Parameter:
    """One dimension of a search space: the way from a gene, a float in [0, 1], to a value, and back.

    A kind of parameter is a subclass, in a module of its own. Its constructor takes the values by position and settings
    by keyword, and hands `when`, one of the settings, on to this class. YAML writes it as {kind: [values], settings}.
    It must have `decode`, `encode`, `contains` and `declaration`. Where its values can be counted, its constructor sets
    `levels`, and where their order means nothing, the class sets `ordered`. All else has a default, which suits most
    kinds: override `level`, `gene` and `border` together where levels have unequal shares of the unit interval, and
    whatever else the kind can do better.

    A kind is registered in `KINDS` when it is defined, unless its name begins with `_`. A new one is written in three
    places: its module, `__init__` of this package, and the public names of `propulate_like`.
    """

    kind: ClassVar[str] = ""
    """Its name in YAML; the class's name in snake case unless the class says otherwise."""
    example: ClassVar[str] = "[a, b]"
    """What its values may look like in YAML, for messages and editors."""
    numeric: ClassVar[bool] = False
    """Whether its values are numbers of a range, of which the middle is as good a guess as any."""
    levels: int | None = None
    """The number of distinct values; None where they are continuous."""
    ordered: bool = True
    """Whether neighbouring genes stand for neighbouring values."""
    decode: Callable[[float], Any]
    """Returns the value that a gene stands for: every gene in [0, 1] has one. It is called for every evaluation."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Register the kind.

        Raises:
            ValueError: Another class has its name in YAML.
        """
        super().__init_subclass__(**options)
        if cls.__name__.startswith("_"):
            return
        cls.kind = cls.__dict__.get("kind") or snake_case(cls.__name__)
        register(KINDS, "parameter", cls.kind, cls)

    def __init__(self, when: Conditions | None) -> None:
        """Exist only where the parameters named in `when` have one of the values given for them.

        Args:
            when: Values by the names of other parameters: one value, or several in a list. None for no condition.

        Raises:
            ValueError: `when` is no such mapping, or allows no value.
        """
        if when is not None and (not isinstance(when, Mapping) or not when):
            message = f"when={when!r} must map parameter names to the values they need, such as {{'optimizer': 'sgd'}}"
            raise ValueError(message)
        self.when: dict[str, tuple[Any, ...]] = {
            values.plain(name): tuple(map(values.nested, _several(needed))) for name, needed in (when or {}).items()
        }
        for name, needed in self.when.items():
            if not needed:
                message = f"when={{{name!r}: []}} allows no value, so the parameter would never exist"
                raise ValueError(message)

    def encode(self, value: Any) -> float:
        """Return a gene that decodes to `value`.

        Raises:
            ValueError: `value` is not among the values.
        """
        raise NotImplementedError

    def contains(self, value: Any) -> bool:
        """Return whether `value`, which may be anything, is one that `decode` can return."""
        raise NotImplementedError

    def declaration(self) -> dict[str, Any]:
        """Return the parameter as it would stand in YAML: its kind first, then settings that differ from defaults.

        Two parameters are equal where their declarations are.
        """
        raise NotImplementedError

    @property
    def countable(self) -> bool:
        """Whether its values are so few that a search can tell them apart one by one."""
        return self.levels is not None and self.levels <= _FINEST

    @property
    def decides(self) -> bool:
        """Whether others may be asked for by its value, as far as a space is learned from what losses ask for."""
        return False

    def level(self, gene: float) -> int:
        """Return the number, from 0 on, of the value that a gene stands for; only where there are `levels`."""
        levels = self.levels or 1
        return min(int(gene * levels), levels - 1)

    def level_function(self) -> Callable[[float], int]:
        """Return what does as `level` does, as fast as can be: it is called for every gene of every individual."""
        return self.level

    def gene(self, level: int) -> float:
        """Return the gene that stands for all those of this level."""
        return (level + 0.5) / (self.levels or 1)

    def border(self, level: int) -> float:
        """Return the gene from which on the next level is meant."""
        return (level + 1) / (self.levels or 1)

    def edges(self, level: int) -> tuple[float, float]:
        """Return the genes between which this level is meant."""
        return self.border(level - 1) if level else 0.0, self.border(level) if level + 1 < (self.levels or 1) else 1.0

    def centered(self, gene: float) -> float:
        """Return the gene that stands for all those that decode to the same value."""
        return gene if self.levels is None else self.gene(self.level(gene))

    def moved(self, level: int, generator: Random) -> int:
        """Return another level, if there is one: a Cauchy step away where they are ordered."""
        levels = self.levels or 1
        if levels <= 2:  # noqa: PLR2004
            return levels - 1 - level
        if not self.ordered:
            other = int(generator.random() * (levels - 1))
            return other + (other >= level)
        jump = _STEP * math.tan(math.pi * (generator.random() - 0.5))
        steps = max(1, round(min(abs(jump), levels)))
        step = steps / levels if jump > 0 else -steps / levels
        target = self.stepped(level, step)
        return self.stepped(level, -step) if target == level else target

    def stepped(self, level: int, step: float) -> int:
        """Return the level a step away, a share of the range.

        The next one at least, and none beyond the range's ends.
        """
        target = self.level(min(max(self.gene(level) + step, 0.0), 1.0))
        if target == level:
            target = min(max(level + (1 if step > 0.0 else -1), 0), (self.levels or 1) - 1)
        return target

    def nearest_gene(self, value: object) -> float:
        """Return the gene of a value, or else of the nearest one; 0.5 for one that is near none."""
        try:
            return self.encode(value)
        except ValueError:
            return 0.5

    def meant(self, given: Any) -> Any:
        """Return the value that is meant by a text or number found elsewhere; `given` itself where none is.

        Raises:
            ValueError: It may be any of several.
        """
        return given

    def joined(self, other: Parameter) -> Parameter:
        """Return a parameter with the values of both, and without conditions; this one where there is no such.

        Raises:
            ValueError: The parameter cannot be, as its range is beyond what floats can tell, say.
        """
        return self

    def conditioned(self, when: Mapping[str, tuple[Any, ...]]) -> Self:
        """Return the parameter with these conditions instead of its own; with none where there are none."""
        if values.same(when, self.when):
            return self
        other = copy.copy(self)
        other.__dict__.pop("_identity", None)
        other.when = dict(when)
        return other

    @classmethod
    def of_distribution(cls, form: Mapping[str, Any]) -> Parameter | None:
        """Return the parameter of this kind with the values of one of Optuna's distributions; None for any other.

        Args:
            form: The distribution's attributes.

        Raises:
            ValueError: The kind cannot have these values.
        """
        return None

    def distribution(self, *, exact: bool = False) -> BaseDistribution:
        """Return Optuna's distribution of the same values.

        Args:
            exact: Refuse where values cannot be drawn by it as they are here. Otherwise it may lack their order or
                their steps.

        Raises:
            ValueError: There is none.
        """
        message = f"Optuna has no distribution with the values of {self!r}"
        raise ValueError(message)

    def suggested(self, trial: Trial, name: str) -> float:
        """Ask one of Optuna's trials for a value under this name, and return its gene.

        Raises:
            ValueError: Optuna has no such distribution.
        """
        message = f"Optuna has no distribution with the values of {self!r}"
        raise ValueError(message)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the kind's form in YAML, with an example in its description."""
        members = declarations.schema(cls, {})["anyOf"][0]["properties"]
        texts = declarations.described(cls)
        values = " ".join(f"{name}: {text}" for name, text in texts.items() if name not in cls.settings())
        return {
            "type": "object",
            "description": f"{inspect.getdoc(cls)}\n\nSuch as {{{cls.kind}: {cls.example}}}.",
            "properties": {
                cls.kind: {"type": "array", "minItems": 1, "description": values},
                **{name: members[name] for name in cls.settings()},
            },
            "required": [cls.kind],
            "additionalProperties": False,
        }

    @classmethod
    def settings(cls) -> list[str]:
        """Return the names of the kind's settings: what it takes by keyword alone."""
        parameters = inspect.signature(cls).parameters.values()
        return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]

    @staticmethod
    def from_declaration(form: Any) -> Parameter:
        """Read a parameter as it stands in YAML, such as {"int": [1, 8], "log": True}: the reverse of `declaration`.

        Raises:
            ValueError: The form is none of a parameter.
        """
        if not isinstance(form, Mapping):
            message = f"{form!r} must be a mapping such as {{float: [0.0, 1.0]}}"
            raise ValueError(message)
        kinds = [key for key in form if key in KINDS]
        if len(kinds) != 1:
            settings = {name for kind in KINDS.values() for name in kind.settings()}
            unknown = [key for key in form if key not in KINDS and key not in settings]
            hint = nearest(unknown[0], list(KINDS)) if unknown else f"; valid: {', '.join(KINDS)}"
            message = f"{dict(form)!r} must name one kind of parameter{hint}"
            raise ValueError(message)
        kind = KINDS[kinds[0]]
        arguments = form[kind.kind]
        if not isinstance(arguments, list):
            message = f"{kind.kind}: {arguments!r} must be a list such as {kind.example}"
            raise ValueError(message)
        return declarations.build(kind, arguments, {key: value for key, value in form.items() if key != kind.kind})

    @staticmethod
    def from_optuna(distribution: BaseDistribution) -> Parameter:
        """Return the parameter with the same values as one of Optuna's distributions, on the same scale.

        Raises:
            ValueError: It is a choice among values that no run's folder can hold, or no distribution.
        """
        form: Mapping[str, Any] = getattr(distribution, "_asdict", dict)()
        for kind in KINDS.values():
            parameter = kind.of_distribution(form)
            if parameter is not None:
                return parameter
        message = f"{distribution!r} is none of Optuna's distributions"
        raise ValueError(message)

    def _conditions(self) -> dict[str, Any]:
        """Return the conditions as they would stand in YAML, for `declaration`."""
        conditions = {name: _alone(list(map(values.written, needed))) for name, needed in self.when.items()}
        return {"when": conditions} if conditions else {}

    @cached_property
    def _identity(self) -> str:
        """The declaration as text, in which values of different types differ."""
        return repr({**self.declaration(), "when": sorted(self.when.items(), key=itemgetter(0))})

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Parameter) and self._identity == other._identity)

    def __hash__(self) -> int:
        return hash(self._identity)

    def __repr__(self) -> str:
        (_, arguments), *options = self.declaration().items()
        words = [repr(argument) for argument in arguments] + [f"{name}={value!r}" for name, value in options]
        return f"{type(self).__name__}({', '.join(words)})"


def _several(needed: Any) -> Iterable[Any]:
    """Return the values that a condition names, in an order that is the same on every rank."""
    if isinstance(needed, set | frozenset):
        return declarations.ordered(needed)
    needed = values.tree(needed)
    return needed if isinstance(needed, list | tuple | range) else (needed,)


def declared_group(form: Any) -> Mapping[Any, Any] | None:
    """Return the mapping of forms in YAML that stands in place of one; None where one stands there, even a wrong one.

    A parameter's form has a kind with a list. Where what is in a mapping looks like forms, it is a mapping of these.
    """
    if not isinstance(form, Mapping) or not form:
        return None
    kinds = [key for key in form if key in KINDS]
    if any(not isinstance(form[key], Mapping) for key in kinds):
        return None
    if any(_is_form_like(member) for member in form.values()):
        return form
    settings = {name for kind in KINDS.values() for name in kind.settings()}
    is_group = not kinds and settings.isdisjoint(form) and all(isinstance(each, Mapping) for each in form.values())
    return form if is_group else None


def _is_form_like(member: Any) -> bool:
    if not isinstance(member, Mapping):
        return False
    return any(key in KINDS for key in member) or any(isinstance(each, Mapping) for each in member.values())


def _alone(needed: list[Any]) -> Any:
    """Return the one value that a condition names, or the list of several, or of one that is a list itself."""
    return needed[0] if len(needed) == 1 and not isinstance(needed[0], list | dict) else needed


def number_in(given: Any) -> float | None:
    """Return the number that something found elsewhere is, or that its text says; None where it is no number."""
    if given is None or isinstance(given, bool):
        return None
    try:
        return float(given)
    except (TypeError, ValueError, OverflowError):  # the last of a whole number that no float is near
        return None
