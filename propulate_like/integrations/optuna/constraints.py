"""The constraints of Optuna's trials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from propulate_like.population.constraints import Constraints
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import Outcome, Status

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

CONSTRAINTS = "constraints"
"""The system attribute in which Optuna stores a trial's constraints; from version 5 on, also one for each, by name."""


def constrained(outcome: Outcome, trial: FrozenTrial) -> Outcome:
    """Return the outcome of a trial with the constraints that the trial has."""
    attributes = trial.system_attrs
    named = {str(number): value for number, value in enumerate(attributes.get(CONSTRAINTS) or ())}
    prefix = f"{CONSTRAINTS}:"
    named |= {key.removeprefix(prefix): value for key, value in attributes.items() if key.startswith(prefix)}
    if not named:
        return outcome
    try:
        return outcome.constrained(Constraints.of(named).values)
    except ValueError as error:
        return Outcome.failure(Status.INVALID, str(error))


def attributes_of(individual: Individual) -> dict[str, Any]:
    """Return the system attributes that hold an individual's constraints; none where it has none."""
    return {CONSTRAINTS: list(individual.constraints)} if individual.constraints else {}
