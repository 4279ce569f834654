"""Choice and Ordinal: one of several values that are listed."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from propulate_like.foundation import values
from propulate_like.problem.parameters.parameter import Conditions, Parameter, number_in

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial


_LONGEST = 10_000  # characters of a text, bits of a whole number


class _Options(Parameter):
    """What Choice and Ordinal share: a list of values, each with an equal share of the unit interval."""

    def __init__(self, options: tuple[Any, ...], when: Conditions | None) -> None:
        super().__init__(when)
        if not options:
            message = f"{type(self).__name__}() needs at least one value"
            raise ValueError(message)
        if len(options) == 1 and _is_list(options[0]):
            name = type(self).__name__
            message = (
                f"{values.brief(options[0])} must be a string, number, true, false or null: to choose from a list, "
                f'write {name}("a", "b") or {name}(*options), in YAML {{{self.kind}: [a, b]}}'
            )
            raise ValueError(message)
        options = tuple(map(values.nested, options))
        self._index: dict[tuple[type, Any], int] = {}
        for index, option in enumerate(options):
            _check(option)
            is_known = isinstance(option, list | tuple) and option in options[:index]  # as (1,) and (True,) are equal
            if self._index.setdefault(values.key(option), index) < index or is_known:
                message = f"{option!r} is given twice"
                raise ValueError(message)
        for index, option in enumerate(options):
            if type(option) is tuple:  # which a database of Optuna's has as a list
                self._index.setdefault(values.key(_listed(option)), index)
        self.options: tuple[Any, ...] = options
        count = len(options)
        self.levels: int | None = count
        self.decode: Callable[[float], Any] = lambda gene: options[min(int(gene * count), count - 1)]
        if any(isinstance(option, list | tuple) for option in options):
            self.decode = lambda gene: values.nested(options[min(int(gene * count), count - 1)])  # a new list each time

    def encode(self, value: Any) -> float:
        if not self.contains(value):
            message = f"{value!r} is not a value of {self!r}"
            raise ValueError(message)
        return (self._index[values.key(values.nested(value))] + 0.5) / len(self.options)

    def contains(self, value: Any) -> bool:
        if isinstance(value, list | tuple):
            value = values.nested(value)
        try:
            return values.key(value) in self._index
        except TypeError:  # of what has no hash
            return False

    def declaration(self) -> dict[str, Any]:
        write = values.marked if len(self.options) == 1 else values.written
        return {self.kind: list(map(write, self.options)), **self._conditions()}

    @property
    def decides(self) -> bool:
        return True

    def level_function(self) -> Callable[[float], int]:
        count = len(self.options)
        return lambda gene: int(gene * count) if gene < 1.0 else count - 1

    def meant(self, given: Any) -> Any:
        if isinstance(given, str) and given in self._texts:
            return self._texts[given]
        meant = [option for option in self.options if _means(given, option)]
        if len(meant) > 1:
            message = f"{given!r} may be {' or '.join(map(repr, meant))}"
            raise ValueError(message)
        return meant[0] if meant else given

    @cached_property
    def _texts(self) -> dict[str, Any]:
        """The options by their texts in tables."""
        return {values.typed_text(option): option for option in self.options}

    def joined(self, other: Parameter) -> Parameter:
        if not isinstance(other, _Options):
            return self
        options = self.options + tuple(option for option in other.options if not self.contains(option))
        return (Ordinal if self.ordered and other.ordered else Choice)(*map(values.marked, options))

    def distribution(self, *, exact: bool = False) -> BaseDistribution:
        from optuna.distributions import CategoricalDistribution

        options = self.options
        if exact and any(option in options[:index] for index, option in enumerate(options)):
            message = f"Optuna cannot tell all options of {self!r} apart, as some are equal in Python"
            raise ValueError(message)
        with _silent():
            return CategoricalDistribution(options)

    def suggested(self, trial: Trial, name: str) -> float:
        with _silent():
            return self.encode(trial.suggest_categorical(name, self.options))


class Choice(_Options):
    """One of several values without an order: strings, numbers, booleans, None, or tuples and lists of these.

    Args:
        options: The values.
        when: The values of other parameters with which this one is active, such as {optimizer: sgd}.
    """

    ordered = False

    def __init__(self, *options: Any, when: Conditions | None = None) -> None:
        """Choose among these.

        Raises:
            ValueError: There is no option, one twice, or one that cannot be written to disk.
        """
        super().__init__(options, when)

    @classmethod
    def of_distribution(cls, form: Mapping[str, Any]) -> Parameter | None:
        return cls(*map(values.marked, form["choices"])) if "choices" in form else None


class Ordinal(_Options):
    """One of several values whose order matters, such as 16, 32, 64, 128.

    Args:
        levels: The values in their order.
        when: The values of other parameters with which this one is active, such as {optimizer: sgd}.
    """

    def __init__(self, *levels: Any, when: Conditions | None = None) -> None:
        """Choose among these.

        Raises:
            ValueError: There is no level, one twice, or one that cannot be written to disk.
        """
        super().__init__(levels, when)


def _is_list(option: Any) -> bool:
    """Return whether what is given as an option is a collection of options."""
    return isinstance(values.plain(option), Iterable) and not isinstance(option, str | bytes | Mapping)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Drop Optuna's warning that not every storage of its own holds tuples and lists."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Choices for a categorical distribution should be")
        yield


def _listed(option: Any) -> Any:
    """Return an option with lists in place of tuples."""
    return list(map(_listed, option)) if type(option) in (list, tuple) else option


def _check(option: Any) -> None:
    """Check that every file, message and table can hold an option.

    Raises:
        ValueError: One cannot.
    """
    if type(option) in (list, tuple):
        for member in option:
            _check(member)
        if len(str(option)) > _LONGEST:
            message = f"an option of {len(option):,} members is longer than {_LONGEST:,} characters: give a name here"
            raise ValueError(message)
        return
    if not isinstance(option, str | int | float | bool | None) or option != option:  # noqa: PLR0124 (NaN)
        message = (
            f"{option!r} must be a string, number, true, false or null, or a list or tuple of these, so that a run can "
            "be written to disk: "
            "give a name here, and look up what it stands for inside the loss"
        )
        raise ValueError(message)
    if isinstance(option, int) and option.bit_length() > _LONGEST:
        message = f"a whole number of {option.bit_length():,} bits has more than {_LONGEST:,}: give it as a text"
        raise ValueError(message)
    if isinstance(option, str) and len(option) > _LONGEST:
        message = f"{option[:20]!r}... has {len(option):,} characters: at most {_LONGEST:,}, so give a name here"
        raise ValueError(message)


def _means(given: Any, option: Any) -> bool:
    """Return whether what was found stands for an option."""
    if isinstance(given, str):
        if isinstance(option, bool):
            return given.lower() == str(option).lower()
        if given == str(option):
            return True
    return not isinstance(option, bool | str | None) and number_in(given) == option
