"""Individuals as rows of tables: flat ones with a column for each parameter, or nested ones for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from propulate_like.population.individual import Individual
from propulate_like.population.pareto import losses_of

_PARAMS = "params."


def row(individual: Individual) -> dict[str, Any]:
    """Return an individual as a flat row: `params.x` is the parameter x, which is missing where it is not active.

    Its value is that of the loss function, in the column `value`, and the loss is minimized. Several are in value.0,
    value.1 and so on.
    """
    told = individual.has_loss
    return {
        "id": str(individual.id),
        **_numbered("value", individual.values, told=told),
        "status": str(individual.status),
        **_numbered("loss", losses_of(individual), told=told),
        **_constraint_columns(individual),
        **{f"{_PARAMS}{name}": value for name, value in individual.params.items()},
        **{f"metrics.{name}": value for name, value in individual.metrics.items()},
        "rung": individual.rung,
        "seconds": individual.seconds,
        "ended": individual.ended,
        "origin": individual.origin,
        "parents": " ".join(map(str, individual.parents)),
        "cause": individual.cause,
    }


def nested_row(individual: Individual) -> dict[str, Any]:
    """Return an individual as JSON has it: `params` and `metrics` are mappings, whose values keep their types."""
    values: dict[str, Any] = {"values": list(individual.values), "losses": list(losses_of(individual))}
    if len(individual.values) == 1:
        values = {"value": individual.value, "loss": individual.loss}
    return {
        "id": str(individual.id),
        "status": str(individual.status),
        **(values if individual.has_loss else dict.fromkeys(values)),
        **_constraints(individual),
        "params": individual.params,
        "metrics": individual.metrics,
        "rung": individual.rung,
        "seconds": individual.seconds,
        "ended": individual.ended,
        "origin": individual.origin,
        "parents": list(map(str, individual.parents)),
        "cause": individual.cause,
    }


def column_names(rows: Iterable[Mapping[str, Any]], params: Iterable[str]) -> list[str]:
    """Return the names of the columns of flat rows, in their order.

    Args:
        rows: The rows.
        params: The names of the parameters in the order of the space, in which their columns are.
    """
    names = merged(dict.fromkeys(map(tuple, rows)))
    ordered = [f"{_PARAMS}{name}" for name in params]
    before = next((place for place, name in enumerate(names) if name.startswith(_PARAMS)), len(names))
    return list(dict.fromkeys([*names[:before], *ordered, *names[before:]]))


def param_names(individuals: Iterable[Individual]) -> list[str]:
    """Return the names of all parameters in the order of the space, or of the spaces that evaluations asked for."""
    return merged(dict.fromkeys(individual.space.names for individual in individuals))


def merged(orders: Iterable[Sequence[str]]) -> list[str]:
    """Return all names in one order: a new name comes behind the one before it where it is first met."""
    names: list[str] = []
    known: set[str] = set()
    for order in orders:
        place = 0
        for name in order:
            if name in known:
                place = names.index(name) + 1
            else:
                names.insert(place, name)
                known.add(name)
                place += 1
    return names


def _constraint_columns(individual: Individual) -> dict[str, float]:
    """Return the violation and the constraints as columns of a table; none where there are no constraints."""
    if not individual.constraints:
        return {}
    each = {f"constraints.{number}": value for number, value in enumerate(individual.constraints)}
    return {"violation": individual.violation, **each}


def _constraints(individual: Individual) -> dict[str, Any]:
    """Return the violation and the constraints as JSON has them; nothing where there are no constraints."""
    constraints = individual.constraints
    return {"violation": individual.violation, "constraints": list(constraints)} if constraints else {}


def _numbered(name: str, numbers: Sequence[float], *, told: bool) -> dict[str, float | None]:
    """Return one number, or several, under the names of their columns; None for those of a failure."""
    if len(numbers) == 1:
        return {name: numbers[0] if told else None}
    return {f"{name}.{place}": number if told else None for place, number in enumerate(numbers)}
