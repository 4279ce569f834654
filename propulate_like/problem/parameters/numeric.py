"""Float and Int: numbers of a range, on a linear or logarithmic scale, continuous or in steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from propulate_like.foundation import declarations, values
from propulate_like.problem.parameters.grids import grid_values, highest_on_grid, is_decimal, steps_between
from propulate_like.problem.parameters.parameter import Conditions, Parameter, number_in

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

_LARGEST_INT = 2**49
_DECIDING = 64  # values of an Int at most by which others are asked for or not
_REPAIR_STEPS = 64  # units in the last place tried when a gene is to decode to exactly one float
_CLOSE = 1e-9  # numbers that other software computed may differ from ours in their last digits
_RANGE = {"low", "high", "log", "step"}  # what Optuna's distributions of numbers have


class _Number(Parameter):
    """What Float and Int share: bounds (inclusive), a logarithmic scale and a grid of steps."""

    numeric = True
    _usual_step: ClassVar[float | None] = None
    _log_level: Callable[[float], int]
    _edges: tuple[float, float]
    _grid_value: Callable[[int], Any]

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
        log = declarations.flag("log", log)
        if log and low <= 0:
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
            levels = self.levels = self._grid(low, high, step) + 1
            if log:
                self._edges = self._log_edges()
            self.decode = self._grid_decoder(low, step, levels)

    def _grid(self, low: float, high: float, step: float) -> int:
        """Set `_grid_value`, which gives the value after a number of steps, and return how many there are.

        Raises:
            ValueError: `high` is not low plus a whole number of steps, or these are not above 0.
        """
        raise NotImplementedError

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

    def level_function(self) -> Callable[[float], int]:
        if self.log:
            return self._log_level
        count = self.levels or 1
        return lambda gene: int(gene * count) if gene < 1.0 else count - 1

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
        """Return the logarithms half a step beyond both ends.

        So the first and last value get a share like their neighbours'.
        """
        half = (self.step or 0) / 2
        return math.log(max(self.low - half, self.low / 2)), math.log(self.high + half)

    def encode(self, value: Any) -> float:
        if not self.contains(value):
            message = f"{value!r} is not a value of {self!r}"
            raise ValueError(message)
        if value == self.low:
            return 0.0
        if value == self.high:
            return 1.0
        if self.levels is not None and not self.log:
            return self._exact_gene((self._nearest_level(value) + 0.5) / self.levels, value)
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

    def nearest_gene(self, value: object) -> float:
        if self.contains(value) or isinstance(value, bool) or not isinstance(value, int | float):
            return super().nearest_gene(value)
        within = min(max(value, self.low), self.high)
        return self.encode(within) if self.step is None else self.gene(self._nearest_level(within))

    def _nearest_level(self, value: float) -> int:
        """Return the level of the value on the grid that is nearest to a number of the range."""
        level = round((value - self.low) / (self.step or 1))
        last = (self.levels or 1) - 1
        near = range(max(level - 1, 0), min(level + 1, last) + 1)
        return min(near, key=lambda index: abs(self._grid_value(index) - value))

    def joined(self, other: Parameter) -> Parameter:
        if not isinstance(other, _Number):
            return self
        low, high, log = self._widest(other)
        if self.step is None or self.step != other.step:
            return Float(low, high, log=log)
        apart = steps_between(low, max(self.low, other.low), self.step) is None
        on_grid = not apart and steps_between(low, high, self.step) is not None
        return Float(low, high, log=log, step=self.step if on_grid else None)

    def _widest(self, other: _Number) -> tuple[float, float, bool]:
        """Return the bounds of both, and whether a logarithmic scale has them."""
        low, high = min(self.low, other.low), max(self.high, other.high)
        return low, high, self.log and low > 0

    def declaration(self) -> dict[str, Any]:
        log = {"log": True} if self.log else {}
        step = {"step": self.step} if self.step != self._usual_step else {}
        return {self.kind: [self.low, self.high], **log, **step, **self._conditions()}


class Float(_Number):
    """A float from `low` to `high`, both included.

    Args:
        low: The lowest value.
        high: The highest value.
        log: Whether the logarithm is uniform over the unit interval.
        step: The distance between values, which are then low, low + step, ... up to high.
        when: The values of other parameters with which this one is active, such as {optimizer: sgd}.
    """

    example = "[0.0, 1.0]"

    def __init__(
        self,
        low: float,
        high: float,
        *,
        log: bool = False,
        step: float | None = None,
        when: Conditions | None = None,
    ) -> None:
        """Take the bounds, the scale, and the distance between values where they lie on a grid.

        Raises:
            ValueError: The bounds are reversed or not finite, not above 0 with `log`, or off the grid of steps.
        """
        if low is None or high is None:
            message = "a float needs both bounds, such as Float(0.0, 1.0)"
            raise ValueError(message)
        low, high = (_bound(name, bound) for name, bound in (("low", low), ("high", high)))
        super().__init__(low, high, log=log, step=None if step is None else _bound("step", step), when=when)

    def _grid(self, low: float, high: float, step: float) -> int:
        steps = steps_between(low, high, step)
        if steps is None:
            _refuse_off_grid(high, step, highest_on_grid(low, high, step))
        self._grid_value = grid_values(low, high, step, steps)
        return steps

    def contains(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        return self.step is None or bool(self._grid_value(self._nearest_level(value)) == value)

    def meant(self, given: Any) -> Any:
        number = number_in(given)
        if number is None:
            return given
        if not self.levels or math.isnan(number):
            return number
        step = self.step or 1.0
        value = self._grid_value(self._nearest_level(min(max(number, self.low), self.high)))
        return value if math.isclose(number, value, rel_tol=_CLOSE, abs_tol=_CLOSE * step) else number

    @classmethod
    def of_distribution(cls, form: Mapping[str, Any]) -> Parameter | None:
        if not form.keys() >= _RANGE or isinstance(form["low"], int):
            return None
        return cls(form["low"], form["high"], log=form["log"], step=form["step"])

    def distribution(self, *, exact: bool = False) -> BaseDistribution:
        from optuna.distributions import FloatDistribution

        step = None if self.log and not exact else self._decimal_step  # a logarithmic scale has no steps in Optuna
        return FloatDistribution(self.low, self.high, self.log, step)

    @property
    def _decimal_step(self) -> float | None:
        """The step, where Optuna keeps the highest value of such a grid, which it computes with decimal fractions."""
        decimal = self.step is not None and is_decimal(self.low, self.high, self.step)
        return self.step if decimal else None

    def suggested(self, trial: Trial, name: str) -> float:
        value = trial.suggest_float(name, self.low, self.high, step=self._decimal_step, log=self.log)
        return self.nearest_gene(value)


class Int(_Number):
    """A whole number from `low` to `high`, both included.

    Args:
        low: The lowest value.
        high: The highest value.
        log: Whether the scale is logarithmic.
        step: The distance between values.
        when: The values of other parameters with which this one is active, such as {optimizer: sgd}.
    """

    example = "[1, 8]"
    _usual_step = 1

    def __init__(
        self, low: int, high: int, *, log: bool = False, step: int = 1, when: Conditions | None = None
    ) -> None:
        """Take the bounds, the scale and the distance between values.

        Raises:
            ValueError: The bounds are reversed, not above 0 with `log`, or off the grid of steps.
        """
        low, high, step = map(declarations.whole_in, (low, high, step))
        for name, number in (("low", low), ("high", high), ("step", step)):
            if type(number) is not int:
                message = f"{name}={number!r} must be a whole number"
                raise ValueError(message)
        if max(abs(low), abs(high)) > _LARGEST_INT:
            message = f"bounds {low!r} and {high!r} must lie within 2**49, where every whole number has a gene"
            raise ValueError(message)
        super().__init__(low, high, log=log, step=step, when=when)

    def _grid(self, low: float, high: float, step: float) -> int:
        if step <= 0:
            message = f"step={step!r} must be above 0"
            raise ValueError(message)
        steps, beyond = divmod(high - low, step)
        if beyond:
            _refuse_off_grid(high, step, high - beyond)
        self._grid_value = lambda index: int(low + index * step)
        return int(steps)

    def contains(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int):
            return False
        return self.low <= value <= self.high and (value - self.low) % (self.step or 1) == 0

    @property
    def decides(self) -> bool:
        return self.levels is not None and self.levels <= _DECIDING

    def meant(self, given: Any) -> Any:
        number = number_in(given)
        if number is None:
            return given
        return int(number) if number.is_integer() else number

    def joined(self, other: Parameter) -> Parameter:
        if not isinstance(other, Int):
            return super().joined(other)
        low, high, log = self._widest(other)
        step = math.gcd(int(self.step or 1), int(other.step or 1), int(self.low - other.low))
        return Int(int(low), int(high), log=log, step=step)

    @classmethod
    def of_distribution(cls, form: Mapping[str, Any]) -> Parameter | None:
        if not form.keys() >= _RANGE or not isinstance(form["low"], int):
            return None
        return cls(form["low"], form["high"], log=form["log"], step=form["step"])

    def distribution(self, *, exact: bool = False) -> BaseDistribution:
        from optuna.distributions import IntDistribution

        step = 1 if self.log and not exact else int(self.step or 1)  # a logarithmic scale has no steps in Optuna
        return IntDistribution(int(self.low), int(self.high), self.log, step)

    def suggested(self, trial: Trial, name: str) -> float:
        step = int(self.step or 1)
        return self.encode(trial.suggest_int(name, int(self.low), int(self.high), step=step, log=self.log))


def _bound(name: str, given: Any) -> float:
    """Return the number that was given for a float's bound or step.

    Raises:
        ValueError: It is none.
    """
    try:
        return values.real(given) + 0.0  # never -0.0
    except ValueError:
        message = f"{name}={values.brief(given)} must be a number"
        raise ValueError(message) from None


def _refuse_off_grid(high: float, step: float, below: float) -> NoReturn:
    """Raise the error that the range's end is no value of the grid."""
    message = f"high={high!r} is not low plus a whole number of steps of {step!r}: the nearest below is {below!r}"
    raise ValueError(message)


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
