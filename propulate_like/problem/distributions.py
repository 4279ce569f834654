"""Optuna's distributions as parameters of this package, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from propulate_like.problem.parameters import Choice, Float, Int, Ordinal, Parameter

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial


def parameter_of(distribution: BaseDistribution) -> Parameter:
    """Return the parameter with the same values on the same scale.

    ValueError for a choice among values other than strings, numbers, booleans and None, and for what is none of
    Optuna's distributions.
    """
    form: Mapping[str, Any] = getattr(distribution, "_asdict", dict)()
    if "choices" in form:
        return Choice(*form["choices"])
    if {"low", "high", "log", "step"} <= form.keys():
        if isinstance(form["low"], int):
            return Int(form["low"], form["high"], log=form["log"], step=form["step"])
        return Float(form["low"], form["high"], log=form["log"], step=form["step"])
    message = f"{distribution!r} is none of Optuna's distributions"
    raise ValueError(message)


def distribution_of(parameter: Parameter) -> BaseDistribution:
    """Return the distribution with the same values on the same scale; an Ordinal's order is lost.

    ValueError for a logarithmic scale with steps.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(parameter, Choice | Ordinal):
        return CategoricalDistribution(parameter.options)
    if isinstance(parameter, Int):
        return IntDistribution(int(parameter.low), int(parameter.high), parameter.log, int(parameter.step or 1))
    if isinstance(parameter, Float):
        return FloatDistribution(parameter.low, parameter.high, parameter.log, parameter.step)
    message = f"{parameter!r} is none of Float, Int, Choice and Ordinal"
    raise ValueError(message)


def suggested(trial: Trial, name: str, parameter: Parameter) -> float:
    """Ask the trial for a value of the parameter, and return its gene."""
    if isinstance(parameter, Choice | Ordinal):
        return parameter.encode(trial.suggest_categorical(name, parameter.options))
    if isinstance(parameter, Int):
        first, last, step = int(parameter.low), int(parameter.high), int(parameter.step or 1)
        return parameter.encode(trial.suggest_int(name, first, last, step=step, log=parameter.log))
    if isinstance(parameter, Float):
        value = trial.suggest_float(name, parameter.low, parameter.high, step=parameter.step, log=parameter.log)
        if parameter.step is None:
            return parameter.encode(value)
        return parameter.gene(round((value - parameter.low) / parameter.step))
    message = f"{parameter!r} is none of Float, Int, Choice and Ordinal"
    raise ValueError(message)
