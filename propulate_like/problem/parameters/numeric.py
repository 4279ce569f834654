"""The kinds of parameters: each maps one gene, a float in [0, 1], to a value and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from random import Random
from typing import Any

from propulate_like.foundation import declarations

Scalar = str | int | float | bool | None
Conditions = Mapping[str, Any]

_LARGEST_INT = 2**49
_FINEST = 4096  # values of a parameter at most that are told apart one by one
_STEP = 0.75  # levels, of a random step
_REPAIR_STEPS = 64  # units in the last place tried when a gene is to decode to exactly one float


class Parameter:
    """One dimension of a search space.

    `levels` is the number of distinct values (None where values are continuous) and `ordered` says whether
    neighbouring genes stand for neighbouring values.
    """

    levels: int | None = None
    ordered: bool = True
    decode: Callable[[float], Any]

    def __init__(self, when: Conditions | None) -> None:
        """Exist only where the parameters named in `when` have one of the values given for them."""
        if when is not None and (not isinstance(when, Mapping) or not when):
            message = f"when={when!r} must map parameter names to the values they need, such as {{'optimizer': 'sgd'}}"
            raise ValueError(message)
        self.when: dict[str, tuple[Any, ...]] = {
            name: tuple(values) if isinstance(values, list | tuple | set) else (values,)
            for name, values in (when or {}).items()
        }
        for name, values in self.when.items():
            if not values:
                message = f"when={{{name!r}: []}} allows no value, so the parameter would never exist"
                raise ValueError(message)

    def encode(self, value: Any) -> float:
        """Return a gene that decodes to `value`; ValueError where `value` is not among the values."""
        raise NotImplementedError

    @property
    def countable(self) -> bool:
        """Whether its values are so few that a search can tell them apart one by one."""
        return self.levels is not None and self.levels <= _FINEST

    def level(self, gene: float) -> int:
        """Return the number, from 0 on, of the value that a gene stands for; only where there are `levels`."""
        levels = self.levels or 1
        return min(int(gene * levels), levels - 1)

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

    def contains(self, value: Any) -> bool:
        """Return whether `value` is one that `decode` can give."""
        raise NotImplementedError

    def declaration(self) -> dict[str, Any]:
        """Return the parameter as it would stand in YAML."""
        raise NotImplementedError

    def _conditions(self) -> dict[str, Any]:
        conditions = {name: values[0] if len(values) == 1 else list(values) for name, values in self.when.items()}
        return {"when": conditions} if conditions else {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Parameter) and self.declaration() == other.declaration()

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        (kind, arguments), *options = self.declaration().items()
        words = [repr(argument) for argument in arguments] + [f"{name}={value!r}" for name, value in options]
        return f"{kind.capitalize()}({', '.join(words)})"


class _Number(Parameter):
    """What Float and Int share: bounds (inclusive), a logarithmic scale and a grid of steps."""

    kind: str
    _log_level: Callable[[float], int]
    _edges: tuple[float, float]

    def __init__(self, low: float, high: float, *, log: bool, step: float | None, when: Conditions | None) -> None:
        super().__init__(when)
        for name, bound in (("low", low), ("high", high)):
            if not math.isfinite(bound):
                message = f"{name}={bound!r} must be finite"
                raise ValueError(message)
        if low > high:
            message = f"low={low!r} lies above high={high!r}: exchange them"
            raise ValueError(message)
        if not math.isfinite(high - low):
            message = f"high - low must be finite, not {high!r} - {low!r}"
            raise ValueError(message)
        if declarations.flag("log", log) and low <= 0:
            message = f"low={low!r} must be above 0 on a logarithmic scale"
            raise ValueError(message)
        self.low: float = low
        self.high: float = high
        self.log: bool = log
        self.step: float | None = step
        self.decode: Callable[[float], Any]
        self.levels: int | None
        if step is None:
            self.decode = _logarithmic(low, high) if log else _linear(low, high)
        else:
            levels = self.levels = _count_steps(low, high, step)
            if log:
                self._edges = self._log_edges()
            self.decode = self._grid_decoder(low, step, levels)

    def _grid_decoder(self, low: float, step: float, levels: int) -> Callable[[float], Any]:
        value = self._grid_value
        if not self.log:
            return lambda gene: value(min(int(gene * levels), levels - 1))
        start, end = self._edges

        def level(gene: float) -> int:
            index = round((math.exp(start + gene * (end - start)) - low) / step) if gene < 1.0 else levels
            return min(max(index, 0), levels - 1)

        self._log_level = level
        return lambda gene: value(level(gene))

    def level(self, gene: float) -> int:
        return self._log_level(gene) if self.log else super().level(gene)

    def gene(self, level: int) -> float:
        if not self.log:
            return super().gene(level)
        start, end = self._edges
        return float((math.log(self._grid_value(level)) - start) / (end - start))

    def border(self, level: int) -> float:
        if not self.log:
            return super().border(level)
        start, end = self._edges
        return (math.log(self.low + (level + 0.5) * (self.step or 1)) - start) / (end - start)

    def _log_edges(self) -> tuple[float, float]:
        """Half a step beyond both ends, so that the first and last value get a share like their neighbours'."""
        half = (self.step or 0) / 2
        return math.log(max(self.low - half, self.low / 2)), math.log(self.high + half)

    def _grid_value(self, index: int) -> Any:
        raise NotImplementedError

    def encode(self, value: Any) -> float:
        if not self.contains(value):
            message = f"{value!r} is not a value of {self!r}"
            raise ValueError(message)
        if value == self.low:
            return 0.0
        if value == self.high:
            return 1.0
        if self.levels is not None and not self.log:
            return self._exact_gene((round((value - self.low) / (self.step or 1)) + 0.5) / self.levels, value)
        if self.levels is None and self.log:
            return self._exact_gene(math.log(value / self.low) / math.log(self.high / self.low), value)
        if self.log:
            start, end = self._edges
            return self._exact_gene((math.log(value) - start) / (end - start), value)
        return self._exact_gene((value - self.low) / (self.high - self.low), value)

    def _exact_gene(self, guess: float, value: float) -> float:
        """Search the floats around `guess` for a gene that decodes to exactly `value`, if there is one."""
        guess = down = up = min(max(guess, 0.0), 1.0)
        for _ in range(_REPAIR_STEPS):
            for candidate in (down, up):
                if self.decode(candidate) == value:
                    return candidate
            down, up = max(math.nextafter(down, -1.0), 0.0), min(math.nextafter(up, 2.0), 1.0)
        return guess

    def declaration(self) -> dict[str, Any]:
        log = {"log": True} if self.log else {}
        step = {"step": self.step} if self.step is not None and (self.kind, self.step) != ("int", 1) else {}
        return {self.kind: [self.low, self.high], **log, **step, **self._conditions()}


class Float(_Number):
    """A float from `low` to `high`, both included.

    With `log=True` the logarithm is uniform over the unit interval; with `step` the values are low, low + step, ...
    up to high, which must be one of them.
    """

    kind = "float"

    def __init__(
        self,
        low: float,
        high: float,
        *,
        log: bool = False,
        step: float | None = None,
        when: Conditions | None = None,
    ) -> None:
        """ValueError where the bounds are reversed or not finite, not above 0 with `log`, or off the grid of steps."""
        for name, number in (("low", low), ("high", high), ("step", step)):
            if isinstance(number, bool) or not isinstance(number, int | float | None):
                message = f"{name}={number!r} must be a number"
                raise ValueError(message)
        if low is None or high is None:
            message = "a float needs both bounds, such as Float(0.0, 1.0)"
            raise ValueError(message)
        self._digits = _decimals(low, step) if step is not None else 0
        super().__init__(float(low), float(high), log=log, step=None if step is None else float(step), when=when)

    def _grid_value(self, index: int) -> float:
        return round(self.low + index * (self.step or 0.0), self._digits)

    def contains(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        return self.step is None or self._grid_value(round((value - self.low) / self.step)) == value


class Int(_Number):
    """A whole number from `low` to `high`, both included, on a linear or logarithmic scale, in steps of `step`."""

    kind = "int"

    def __init__(
        self, low: int, high: int, *, log: bool = False, step: int = 1, when: Conditions | None = None
    ) -> None:
        """ValueError where the bounds are reversed, not above 0 with `log`, or off the grid of steps."""
        for name, number in (("low", low), ("high", high), ("step", step)):
            if isinstance(number, bool) or not isinstance(number, int):
                message = f"{name}={number!r} must be a whole number"
                raise ValueError(message)
        if max(abs(low), abs(high)) > _LARGEST_INT:
            message = f"bounds {low!r} and {high!r} must lie within 2**49, where every whole number has a gene"
            raise ValueError(message)
        super().__init__(low, high, log=log, step=step, when=when)

    def _grid_value(self, index: int) -> int:
        return int(self.low + index * (self.step or 1))

    def contains(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int):
            return False
        return self.low <= value <= self.high and (value - self.low) % (self.step or 1) == 0


class _Options(Parameter):
    """What Choice and Ordinal share: a list of values, each with an equal share of the unit interval."""

    kind: str

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
        self.options = options
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


class Choice(_Options):
    """One of several values without an order: strings, numbers, booleans or None."""

    kind = "choice"
    ordered = False

    def __init__(self, *options: Scalar, when: Conditions | None = None) -> None:
        """ValueError where there is no option, one twice, or one that cannot be written to disk."""
        super().__init__(options, when)


class Ordinal(_Options):
    """One of several values whose order matters, such as 16, 32, 64, 128."""

    kind = "ordinal"

    def __init__(self, *levels: Scalar, when: Conditions | None = None) -> None:
        """ValueError where there is no level, one twice, or one that cannot be written to disk."""
        super().__init__(levels, when)


KINDS: dict[str, type[Parameter]] = {kind.kind: kind for kind in (Float, Int, Choice, Ordinal)}


def _linear(low: float, high: float) -> Callable[[float], float]:
    span = high - low

    def decode(gene: float) -> float:
        value = low + gene * span
        return value if value < high else high

    return decode


def _logarithmic(low: float, high: float) -> Callable[[float], float]:
    ratio = high / low
    if not math.isfinite(ratio):
        message = f"high / low must be finite on a logarithmic scale, not {high!r} / {low!r}"
        raise ValueError(message)

    def decode(gene: float) -> float:
        value: float = low * ratio**gene
        return value if low <= value < high else low if value < low else high

    return decode


def _count_steps(low: float, high: float, step: float) -> int:
    if not math.isfinite(step) or step <= 0:
        message = f"step={step!r} must be above 0"
        raise ValueError(message)
    exact = (Decimal(str(high)) - Decimal(str(low))) / Decimal(str(step))
    steps = int(exact)
    if exact != steps:
        below = Decimal(str(low)) + steps * Decimal(str(step))
        message = f"high={high!r} is not low plus a whole number of steps of {step!r}: the nearest below is {below}"
        raise ValueError(message)
    return steps + 1


def _decimals(*numbers: float) -> int:
    """Count the decimal places that write all the numbers out, so that 0.1 + 2 * 0.1 decodes to 0.3."""
    exponents = [Decimal(str(number)).as_tuple().exponent for number in numbers]
    return max(-exponent if isinstance(exponent, int) else 0 for exponent in exponents)
