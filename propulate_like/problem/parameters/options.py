"""Choice and Ordinal: one of several values that are listed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from propulate_like.problem.parameters.parameter import Conditions, Parameter, Scalar, number_in

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial


class _Options(Parameter):
    """What Choice and Ordinal share: a list of values, each with an equal share of the unit interval."""

    def __init__(self, options: tuple[Scalar, ...], when: Conditions | None) -> None:
        super().__init__(when)
        if not options:
            message = f"{type(self).__name__}() needs at least one value"
            raise ValueError(message)
        for option in options:
            if not isinstance(option, str | int | float | bool | None) or option != option:  # noqa: PLR0124 (NaN)
                message = (
                    f"{option!r} must be a string, number, true, false or null, so that a run can be written to disk: "
                    "give a name here, and look up what it stands for inside the loss"
                )
                raise ValueError(message)
        self.options: tuple[Scalar, ...] = options
        self._index = {(type(option), option): index for index, option in enumerate(options)}
        if len(self._index) < len(options):
            twice = next(option for index, option in enumerate(options) if option in options[:index])
            message = f"{twice!r} is given twice"
            raise ValueError(message)
        count = len(options)
        self.levels: int | None = count
        self.decode: Callable[[float], Any] = lambda gene: options[min(int(gene * count), count - 1)]

    def encode(self, value: Any) -> float:
        if not self.contains(value):
            message = f"{value!r} is not a value of {self!r}"
            raise ValueError(message)
        return (self._index[type(value), value] + 0.5) / len(self.options)

    def contains(self, value: Any) -> bool:
        return isinstance(value, str | int | float | bool | None) and (type(value), value) in self._index

    def declaration(self) -> dict[str, Any]:
        return {self.kind: list(self.options), **self._conditions()}

    @property
    def decides(self) -> bool:
        return True

    def level_function(self) -> Callable[[float], int]:
        count = len(self.options)
        return lambda gene: int(gene * count) if gene < 1.0 else count - 1

    def meant(self, given: Any) -> Any:
        return next((option for option in self.options if _means(given, option)), given)

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
    """One of several values without an order: strings, numbers, booleans or None."""

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
    """One of several values whose order matters, such as 16, 32, 64, 128."""

    def __init__(self, *levels: Scalar, when: Conditions | None = None) -> None:
        """Choose among these.

        Raises:
            ValueError: There is no level, one twice, or one that cannot be written to disk.
        """
        super().__init__(levels, when)


def _means(given: Any, option: Scalar) -> bool:
    """Return whether what was found stands for an option."""
    if isinstance(given, str):
        if isinstance(option, bool):
            return given.lower() == str(option).lower()
        if given == str(option):
            return True
    return not isinstance(option, bool | str | None) and number_in(given) == option
