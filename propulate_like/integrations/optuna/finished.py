"""Evaluated individuals as finished trials of an Optuna study."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from propulate_like.evaluation.trial_study import ATTRIBUTES as SYSTEM_ATTRIBUTES
from propulate_like.integrations.optuna.constraints import attributes_of
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import Status
from propulate_like.population.pareto import losses_of
from propulate_like.problem.directions import Signs, directions_of, values_of
from propulate_like.problem.space import Space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

EARLIEST = -6e10
"""The earliest Unix time of a trial; a datetime has none much before."""
PREFIX = "propulate_like:"
"""The prefix of attributes that say how an individual was bred; metrics have their own names."""


class Trials:
    """The conversion of a search's individuals to trials.

    A trial is COMPLETE where its individual was evaluated to the end, feasible or not, PRUNED where it was stopped or
    is on a rung below the highest, and FAIL where it failed. Values have the sign with which the loss function returned
    them.

    Attributes:
        directions: The direction of each loss.
    """

    def __init__(self, signs: Signs, rungs: int) -> None:
        self.directions = directions_of(signs)
        self._signs, self._rungs = signs, rungs
        self._space: Space | None = None
        self._distributions: Mapping[str, BaseDistribution] = {}

    def trial(self, individual: Individual) -> FrozenTrial:
        """Return the trial of an individual, with the number -1 until the study gives it one."""
        from optuna.trial import FrozenTrial, TrialState

        if individual.failed:
            state = TrialState.FAIL
        elif individual.status is Status.STOPPED or individual.rung < self._rungs - 1:
            state = TrialState.PRUNED
        else:
            state = TrialState.COMPLETE
        values = values_of(losses_of(individual), self._signs)
        params = individual.params
        distributions = self._distributions_of(individual.space)
        return FrozenTrial(
            number=-1,
            trial_id=-1,
            state=state,
            value=None,
            values=list(values) if individual.has_loss else None,
            datetime_start=_moment(individual.ended - individual.seconds),
            datetime_complete=_moment(individual.ended),
            params=params,
            distributions={name: distributions[name] for name in params},
            user_attrs=self._attributes(individual),
            system_attrs={**_system_attributes(individual.metrics), **attributes_of(individual)},
            intermediate_values={step: self._signs[0] * loss for step, loss in individual.curve},
        )

    def _distributions_of(self, space: Space) -> Mapping[str, BaseDistribution]:
        """Return the distributions of a space's parameters; those of the last space are cached."""
        if space is not self._space:
            self._space = space
            self._distributions = {name: parameter.distribution() for name, parameter in space.items()}
        return self._distributions

    def _attributes(self, individual: Individual) -> dict[str, Any]:
        """Return the trial's user attributes: the metrics, and how the individual was bred."""
        lineage: dict[str, Any] = {
            "id": str(individual.id),
            "island": individual.id.island,
            "rank": individual.id.rank,
            "origin": individual.origin,
        }
        if individual.parents:
            lineage["parents"] = " ".join(map(str, individual.parents))
        if self._rungs > 1:
            lineage["rung"] = individual.rung
        if individual.attempts > 1:
            lineage["attempts"] = individual.attempts
        if individual.failed:
            lineage |= {"status": str(individual.status), "cause": individual.cause}
        metrics = individual.metrics
        if _system_attributes(metrics):
            metrics = {name: value for name, value in metrics.items() if name != SYSTEM_ATTRIBUTES}
        return {**metrics, **{PREFIX + name: value for name, value in lineage.items()}}


def _system_attributes(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes that integrations of Optuna's have set, as a trial keeps them among its metrics."""
    attributes = metrics.get(SYSTEM_ATTRIBUTES)
    return dict(attributes) if isinstance(attributes, Mapping) else {}


def _moment(seconds: float) -> datetime:
    """Return a Unix time as a local one, as Optuna's are."""
    return datetime.fromtimestamp(max(seconds, EARLIEST))  # noqa: DTZ006
