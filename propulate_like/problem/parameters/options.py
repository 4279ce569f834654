"""Choice and Ordinal: one of several values that are listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from propulate_like.foundation import values
from propulate_like.problem.parameters.parameter import Conditions, Parameter, Scalar, number_in

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial


_LONGEST = 10_000  # characters of a text, bits of a whole number


class _Options(Parameter):
    """What Choice and Ordinal share: a list of values, each with an equal share of the unit interval."""

    def __init__(self, options: tuple[Scalar, ...], when: Conditions | None) -> None:
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
        options = tuple(map(values.plain, options))
        self._index: dict[tuple[type, Any], int] = {}
        for index, option in enumerate(options):
            _check(option)
            if self._index.setdefault(values.key(option), index) < index:
                message = f"{option!r} is given twice"
                raise ValueError(message)
        self.options: tuple[Scalar, ...] = options
        count = len(options)
        self.levels: int | None = count
        self.decode: Callable[[float], Any] = lambda gene: options[min(int(gene * count), count - 1)]

    def encode(self, value: Any) -> float:
        if not self.contains(value):
            message = f"{value!r} is not a value of {self!r}"
            raise ValueError(message)
        return (self._index[values.key(value)] + 0.5) / len(self.options)

    def contains(self, value: Any) -> bool:
        return isinstance(value, str | int | float | bool | None) and values.key(value) in self._index

    def declaration(self) -> dict[str, Any]:
        return {self.kind: list(self.options), **self._conditions()}

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
    def _texts(self) -> dict[str, Scalar]:
        """The options by their texts in tables."""
        return {values.typed_text(option): option for option in self.options}

    def joined(self, other: Parameter) -> Parameter:
        if not isinstance(other, _Options):
            return self
        options = self.options + tuple(option for option in other.options if not self.contains(option))
        return (Ordinal if self.ordered and other.ordered else Choice)(*options)

    def distribution(self, *, exact: bool = False) -> BaseDistribution:
        from optuna.distributions import CategoricalDistribution

        if exact and len(set(self.options)) < len(self.options):
            message = f"Optuna cannot tell all options of {self!r} apart, as some are equal in Python"
            raise ValueError(message)
        return CategoricalDistribution(self.options)

    def suggested(self, trial: Trial, name: str) -> float:
        return self.encode(trial.suggest_categorical(name, self.options))


class Choice(_Options):
    """One of several values without an order: strings, numbers, booleans or None.

    Args:
        options: The values.
        when: The values of other parameters with which this one is active, such as {optimizer: sgd}.
    """

    ordered = False

    def __init__(self, *options: Scalar, when: Conditions | None = None) -> None:
        """Choose among these.

        Raises:
            ValueError: There is no option, one twice, or one that cannot be written to disk.
        """
        super().__init__(options, when)

    @classmethod
    def of_distribution(cls, form: Mapping[str, Any]) -> Parameter | None:
        return cls(*form["choices"]) if "choices" in form else None


class Ordinal(_Options):
    """One of several values whose order matters, such as 16, 32, 64, 128.

    Args:
        levels: The values in their order.
        when: The values of other parameters with which this one is active, such as {optimizer: sgd}.
    """

    def __init__(self, *levels: Scalar, when: Conditions | None = None) -> None:
        """Choose among these.

        Raises:
            ValueError: There is no level, one twice, or one that cannot be written to disk.
        """
        super().__init__(levels, when)


def _is_list(option: Any) -> bool:
    """Return whether what is given as an option is a collection of options."""
    return isinstance(values.plain(option), Iterable) and not isinstance(option, str | bytes | Mapping)


def _check(option: Any) -> None:
    """Check that every file, message and table can hold an option.

    Raises:
        ValueError: One cannot.
    """
    if not isinstance(option, str | int | float | bool | None) or option != option:  # noqa: PLR0124 (NaN)
        message = (
            f"{option!r} must be a string, number, true, false or null, so that a run can be written to disk: "
            "give a name here, and look up what it stands for inside the loss"
        )
        raise ValueError(message)
    if isinstance(option, int) and option.bit_length() > _LONGEST:
        message = f"a whole number of {option.bit_length():,} bits has more than {_LONGEST:,}: give it as a text"
        raise ValueError(message)
    if isinstance(option, str) and len(option) > _LONGEST:
        message = f"{option[:20]!r}... has {len(option):,} characters: at most {_LONGEST:,}, so give a name here"
        raise ValueError(message)


def _means(given: Any, option: Scalar) -> bool:
    """Return whether what was found stands for an option."""
    if isinstance(given, str):
        if isinstance(option, bool):
            return given.lower() == str(option).lower()
        if given == str(option):
            return True
    return not isinstance(option, bool | str | None) and number_in(given) == option
