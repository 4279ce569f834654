"""Define-by-run: the trial that a loss asks for its parameters, as Optuna's objectives do."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from random import Random
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from propulate_like.evaluation.context import Evaluation, NoNumber, Task
from propulate_like.evaluation.trial_study import (
    ATTRIBUTES,
    STUDY_ATTRIBUTES,
    Attributes,
    TrialStorage,
    TrialStudy,
    refuse,
)
from propulate_like.foundation import declarations, values
from propulate_like.population.constraints import Constraints
from propulate_like.population.individual import POINT
from propulate_like.population.outcome import Asked, Outcome, Status, storable
from propulate_like.problem.parameters import Choice, Float, Int, Parameter
from propulate_like.problem.parameters.grids import highest_on_grid
from propulate_like.problem.points import value_of
from propulate_like.problem.space import NOTHING, Space

_Key = tuple[str, type[Parameter], tuple[Any, ...], tuple[type, ...], tuple[str, ...]]
"""A parameter that was asked for: its name, kind, arguments, their types (as 1 and True are equal), and keywords."""
_SCALE = ("step", "log")


class _Written(str):
    """An option that is a list or tuple, as JSON."""

    __slots__ = ()


class Trial:
    """A trial as in Optuna's objectives: one evaluation, which is asked for parameters and receives reports.

    A parameter's value is the one that was bred for it, or a random one where the search does not know the parameter
    yet, or the bred value is outside the range asked for. At a starting point, it is the one that the point gives.
    Within an evaluation a name always has the same value. Optuna need not be installed.

    Attributes:
        number: A number that is different for each evaluation of a session: an estimate of how many evaluations
            started before.
        datetime_start: The local time of the start, without a time zone, as Optuna's is.
        params: The values of the parameters asked for so far.
        user_attrs: The user's attributes.
        constraints: The constraints' values.
    """

    def __init__(self, task: Task, evaluation: Evaluation, shared: Attributes | None = None) -> None:
        """Begin an evaluation.

        Args:
            task: The evaluation's task.
            evaluation: Its context.
            shared: The study's user attributes that earlier evaluations of this process have set.
        """
        _accept_as_optunas()
        self.number: int = task.number
        self.datetime_start: dt.datetime = dt.datetime.fromtimestamp(time.time())  # noqa: DTZ006 (naive, as Optuna's is)
        self.params: dict[str, Any] = {}
        self.user_attrs: Attributes = Attributes()
        self.constraints: dict[str, float] = {}
        candidate = task.candidate
        self._task, self._shared, self._system_attrs = task, shared, Attributes()
        self._is_point = candidate.origin == POINT
        self._evaluation, self._stream = evaluation, f"{task.seed}/{candidate.continues or candidate.id}"
        self._known = {name: (bred, gene) for (name, bred), gene in zip(candidate.space.items(), candidate.genome)}
        self._asked: dict[str, tuple[_Key, float]] = {}
        self._reported: set[int] = set()

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Return a float.

        Args:
            name: The parameter's name.
            low: The lower bound, included.
            high: The upper bound, included.
            step: The step of the values from `low` on, or None for a continuous range.
            log: Whether the scale is logarithmic.

        Raises:
            ValueError: The range is not valid, or the name was asked for as another kind of parameter.
        """
        low, high = _number(name, "low", low), _number(name, "high", high)
        if step is not None:
            if log:
                message = f"{name}: step={step!r} and log=True exclude each other"
                raise ValueError(message)
            step = _number(name, "step", step)
            try:
                high = highest_on_grid(low, high, step)
            except ValueError as error:
                message = f"{name}: {error}"
                raise ValueError(message) from None
        return float(self._suggest(name, Float, low, high, step, log, keywords=_SCALE))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Return a whole number.

        Args:
            name: The parameter's name.
            low: The lower bound, included.
            high: The upper bound, included.
            step: The step of the values from `low` on.
            log: Whether the scale is logarithmic.

        Raises:
            ValueError: The range is not valid, or the name was asked for as another kind of parameter.
        """
        if log and step != 1:
            message = f"{name}: step={step!r} and log=True exclude each other"
            raise ValueError(message)
        low, high, step = int(low), int(high), int(step)
        high = high - (high - low) % step if step > 0 else high
        return int(self._suggest(name, Int, low, high, step, log, keywords=_SCALE))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Return one of several choices: strings, numbers, booleans, None, or tuples and lists of these.

        Those of a set are put in order.

        Raises:
            ValueError: The choices are not valid, or the name was asked for with others.
        """
        given = declarations.ordered(choices) if isinstance(choices, set | frozenset) else choices
        return self._suggest(name, Choice, *map(_hashable, given))

    def suggest_uniform(self, name: str, low: float, high: float) -> float:
        """Return a float, as `suggest_float`: Optuna's former name."""
        return self.suggest_float(name, low, high)

    def suggest_loguniform(self, name: str, low: float, high: float) -> float:
        """Return a float on a logarithmic scale, as `suggest_float`: Optuna's former name."""
        return self.suggest_float(name, low, high, log=True)

    def suggest_discrete_uniform(self, name: str, low: float, high: float, q: float) -> float:
        """Return `low` plus a multiple of the step `q`, as `suggest_float`: Optuna's former name."""
        return self.suggest_float(name, low, high, step=q)

    @property
    def distributions(self) -> dict[str, Any]:
        """Optuna's distributions of the parameters asked for so far; only this needs Optuna to be installed."""
        return {name: parameter.distribution() for name, parameter in self._space.items()}

    def report(self, value: float, step: int) -> None:
        """Report an intermediate value, at steps of any order; it is ignored where its step has a value already.

        Raises:
            NotImplementedError: There are several losses.
            ValueError: The step is below 0.
        """
        if self._evaluation.losses > 1:
            message = "an evaluation of several losses reports no intermediate values"
            raise NotImplementedError(message)
        if int(step) < 0:
            message = f"step={step!r} must be a whole number of at least 0"
            raise ValueError(message)
        if int(step) not in self._reported:
            self._evaluation.report_at(int(step), value)
            self._reported.add(int(step))

    def should_prune(self) -> bool:
        """Return whether the search's pruner stops this evaluation."""
        return self._evaluation.should_stop

    def set_user_attr(self, key: str, value: Any) -> None:
        """Set an attribute that JSON can hold; it becomes a metric of the individual."""
        self.user_attrs.put(key, value)

    @property
    def system_attrs(self) -> dict[str, Any]:
        """The attributes that integrations have set; the individual keeps them as its metric `system_attrs`."""
        return dict(self._system_attrs)

    def set_system_attr(self, key: str, value: Any) -> None:
        """Set an attribute as an integration does."""
        self._system_attrs.put(key, value)

    @property
    def relative_params(self) -> dict[str, Any]:
        """The values that were bred for this evaluation, before it asks for any."""
        return self._task.candidate.params

    @cached_property
    def study(self) -> TrialStudy:
        """The search, as far as it can be seen from here, in the form of Optuna's study."""
        shared = Attributes() if self._shared is None else self._shared
        return TrialStudy(self, self._task, self._evaluation, shared)

    @property
    def storage(self) -> TrialStorage:
        """The attributes of this evaluation, in the form of Optuna's storage."""
        return self.study._storage  # noqa: SLF001 (it is known under this name)

    @property
    def _trial_id(self) -> int:
        return self.number

    def set_constraint(self, key: str, value: float) -> None:
        """Set a constraint's value: it is satisfied where the value is at most 0. All evaluations must set as many.

        Raises:
            NoNumber: The value is no real number; an evaluation that this ends is invalid.
        """
        try:
            number = values.real(value)
        except ValueError:
            number = math.nan
        if math.isnan(number):
            message = f"constraint {key!r:.40}: {values.brief(value)} is no number"
            raise NoNumber(message)
        self.constraints[str(storable(key))] = number

    def pruned(self) -> Outcome:
        """Return the outcome of an evaluation that its loss pruned: the value that was reported last."""
        if self._evaluation.reported is None:
            return Outcome.failure(Status.INVALID, "it was pruned before it had reported any value")
        return self._evaluation.stopped()

    def completed(self, outcome: Outcome) -> Outcome:
        """Return the outcome with the parameters asked for, the user's attributes and the constraints."""
        constraints = Constraints.of(self.constraints)
        asked = Asked(self._space.written, tuple(gene for _, gene in self._asked.values()))
        if constraints.values:
            outcome = outcome.constrained((*constraints.values, *outcome.constraints))
        metrics = {**self.user_attrs, **self._attributes(), **constraints.metrics, **outcome.metrics}
        stops = "study" in self.__dict__ and self.study.stopping
        return msgspec.structs.replace(outcome, asked=asked, metrics=metrics, stops_search=stops)

    def _attributes(self) -> dict[str, Any]:
        """Return the metrics that hold what integrations have set, and what was set for the study."""
        given = self.study.given if "study" in self.__dict__ else Attributes()
        each = {ATTRIBUTES: self._system_attrs, STUDY_ATTRIBUTES: given}
        return {name: dict(attributes) for name, attributes in each.items() if attributes}

    if not TYPE_CHECKING:  # which is to find misspelled names itself

        def __getattr__(self, name: str) -> NoReturn:
            refuse("trial", name, type(self))

    @property
    def _space(self) -> Space:
        """The space of the parameters asked for so far."""
        return _space(tuple(key for key, _ in self._asked.values()))

    def _suggest(self, name: str, kind: type[Parameter], *arguments: Any, keywords: tuple[str, ...] = ()) -> Any:
        """Return the value of a parameter.

        Args:
            name: The parameter's name.
            kind: The kind of parameter.
            arguments: The arguments of the kind.
            keywords: The names of the last arguments, which are passed by keyword.

        Raises:
            ValueError: The parameter or its name is not valid, or the name was asked for as another parameter. The
                message begins with the name.
        """
        if not self.params:
            _accept_as_optunas()  # which the loss may just have loaded
        if type(name) is not str:
            name = values.text_name(name)
        key: _Key = (name, kind, arguments, tuple(map(type, arguments)), keywords)
        try:
            parameter = _parameter(key)
        except ValueError as error:
            message = f"{name}: {error}"
            raise ValueError(message) from None
        if name in self._asked:
            before, _ = self._asked[name]
            if before[1] is not kind or not (kind.numeric or before == key):
                message = f"{name} was asked for already, as {_parameter(before)!r}, and not as {parameter!r}"
                raise ValueError(message)
            return self.params[name]
        gene = self._gene(name, parameter)
        self._asked[name] = key, gene
        self.params[name] = value = parameter.decode(gene)
        return value

    def _gene(self, name: str, parameter: Parameter) -> float:
        """Return the gene that was bred for a parameter, or a random one."""
        bred, gene = self._known.get(name, (None, 0.0))
        if bred is not None:
            if bred == parameter:
                return gene
            value = bred.decode(gene)
            if self._is_point:
                return self._given_gene(name, parameter, value)
            if parameter.contains(value):
                return parameter.encode(value)
        return Random(f"{self._stream}/{name}").random()

    @staticmethod
    def _given_gene(name: str, parameter: Parameter, value: Any) -> float:
        """Return the gene of a value that the user gave as that of a starting point.

        Raises:
            ValueError: The parameter has no such value.
        """
        try:
            return parameter.encode(value_of(parameter, value))
        except ValueError as error:
            message = f"{name} of a starting point: {error}"
            raise ValueError(message) from None


def _accept_as_optunas() -> None:
    """Have Optuna's functions, where Optuna is loaded, take a `Trial` as one of their own."""
    kind = getattr(sys.modules.get("optuna.trial"), "Trial", None)
    if kind is not None:
        kind.register(Trial)


def is_pruned(error: BaseException) -> bool:
    """Return whether an exception is Optuna's TrialPruned, without importing Optuna."""
    kinds = type(error).__mro__
    return any(kind.__name__ == "TrialPruned" and str(kind.__module__).startswith("optuna") for kind in kinds)


def _parameter(key: _Key) -> Parameter:
    """Return the parameter of a key; parameters are cached.

    Raises:
        ValueError: The parameter is not valid.
    """
    try:
        return _known_parameter(key)
    except TypeError:  # unhashable values, which the kind refuses
        return _made(key)


def _made(key: _Key) -> Parameter:
    """Create the parameter of a key.

    Raises:
        ValueError: The parameter is not valid.
    """
    make: Callable[..., Parameter]
    _, make, arguments, _, keywords = key
    arguments = tuple(json.loads(given) if type(given) is _Written else given for given in arguments)
    positional = len(arguments) - len(keywords)
    return make(*arguments[:positional], **dict(zip(keywords, arguments[positional:])))


_known_parameter = lru_cache(maxsize=4096)(_made)


@lru_cache(maxsize=4096)
def _space(keys: tuple[_Key, ...]) -> Space:
    """Return the space of some parameters."""
    return Space({key[0]: _parameter(key) for key in keys}, asked_for=True) if keys else NOTHING


def _hashable(option: Any) -> Any:
    """Return an option with the values that its scalars are; a list or tuple as text, from which `_made` reads it."""
    option = values.nested(option)
    if type(option) in (list, tuple):
        with contextlib.suppress(TypeError, ValueError, RecursionError):  # of what `Choice` refuses
            return _Written(json.dumps(values.marked(option)))
    return option


def _number(name: str, word: str, given: Any) -> float:
    """Return the number that was given for a float's bound or step.

    Raises:
        ValueError: It is none. The message begins with the parameter's name.
    """
    try:
        return values.real(given)
    except ValueError:
        message = f"{name}: {word}={values.brief(given)} must be a number"
        raise ValueError(message) from None
