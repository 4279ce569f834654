"""Trials of an Optuna study as points, each in the space of the parameters that it asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from propulate_like.integrations.optuna.choices import check_told_apart
from propulate_like.integrations.optuna.constraints import constrained
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import STOPPED, Outcome, Status
from propulate_like.problem.parameters import Choice, Parameter
from propulate_like.problem.space import Genome, Space


class TrialPoints:
    """The conversion between the params of trials and points of spaces.

    A parameter with a single value is left out, as is one whose range no gene can represent.

    Attributes:
        distributions: The latest distribution of each parameter.
    """

    def __init__(self) -> None:
        self.distributions: dict[str, BaseDistribution] = {}
        self._spaces: dict[tuple[str, ...], tuple[dict[str, BaseDistribution], Space]] = {}

    def of(self, trial: FrozenTrial) -> tuple[Genome, Space]:
        """Return the point of a trial, and the space of the parameters that it asked for."""
        names = tuple(trial.params)
        known = self._spaces.get(names)
        if known is None or known[0] != trial.distributions:
            known = self._spaces[names] = dict(trial.distributions), self._space(names, trial.distributions)
        space = known[1]
        params, distributions = trial.params, trial.distributions
        genes = [each.nearest_gene(_option(distributions[name], params[name])) for name, each in space.items()]
        return tuple(genes), space

    def _space(self, names: tuple[str, ...], distributions: Mapping[str, BaseDistribution]) -> Space:
        """Return the space of these parameters, and store their distributions."""
        parameters = {}
        for name in names:
            parameter = searched(distributions[name])
            if parameter is not None and not distributions[name].single():
                parameters[name] = parameter
                self.distributions[name] = distributions[name]
        return Space(parameters, asked_for=True)

    def values(self, individual: Individual, search_space: Mapping[str, BaseDistribution]) -> dict[str, Any]:
        """Return the params of an individual that are in a search space, as values of its distributions."""
        return {
            name: value_of(search_space[name], option)
            for name, option in individual.params.items()
            if name in search_space
        }


def searched(distribution: BaseDistribution) -> Parameter | None:
    """Return the parameter with the distribution's values, or with the indices of choices.

    It is None where no gene can represent the values.

    Raises:
        ValueError: Some choices are equal in Python, so that Optuna cannot tell them apart.
    """
    if isinstance(distribution, CategoricalDistribution):
        check_told_apart(distribution)
        return Choice(*range(len(distribution.choices)))
    try:
        return Parameter.from_optuna(distribution)
    except ValueError:
        return None


def value_of(distribution: BaseDistribution, option: Any) -> Any:
    """Return the distribution's value for a parameter's value, which is an index where these are choices."""
    return distribution.choices[option] if isinstance(distribution, CategoricalDistribution) else option


def drawn(distribution: BaseDistribution, generator: Random) -> Any:
    """Draw a value uniformly, on the distribution's scale."""
    parameter = searched(distribution)
    if parameter is not None:
        return value_of(distribution, parameter.decode(generator.random()))
    assert isinstance(distribution, FloatDistribution | IntDistribution)  # there are no others
    low, high, share, step = distribution.low, distribution.high, generator.random(), distribution.step
    if distribution.log:
        value = math.exp(math.log(low) * (1.0 - share) + math.log(high) * share)
    else:
        value = low * (1.0 - share) + high * share
    if step is not None:
        value = low + step * round((value - low) / step)
    return type(low)(min(max(value, low), high))


def outcome_of(trial: FrozenTrial, losses: tuple[float, ...]) -> Outcome:
    """Return the outcome of a finished trial; a pruned one has the last value that it reported."""
    if trial.state == TrialState.COMPLETE:
        return constrained(Outcome.of(losses), trial)
    if losses and all(map(math.isfinite, losses)):
        return constrained(Outcome(STOPPED, losses[0]), trial)
    return Outcome.failure(Status.ERROR, f"the trial ended as {trial.state.name}")


def _option(distribution: BaseDistribution, value: Any) -> Any:
    """Return the parameter's value for a distribution's value."""
    return int(distribution.to_internal_repr(value)) if isinstance(distribution, CategoricalDistribution) else value
