"""Pareto dominance: what is better where there are several losses, and perhaps constraints."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from propulate_like.population.individual import Individual

_SOME = 4096
Losses = tuple[float, ...]
Standing = tuple[float, Losses]
"""What an individual is compared by: its violation of constraints, and its losses."""


def losses_of(individual: Individual) -> Losses:
    """Return the losses, be there one or several."""
    return individual.losses or (individual.loss,)


def dominates(one: Losses, other: Losses) -> bool:
    """Return whether one is in no loss worse than the other, and in one better."""
    return one != other and all(mine <= its for mine, its in zip(one, other))


def standing_of(individual: Individual) -> Standing:
    """Return what an individual is compared by."""
    return individual.violation, losses_of(individual)


def surpasses(one: Standing, other: Standing) -> bool:
    """Return whether one violates constraints less than the other, or equally and its losses dominate.

    This is the constrained domination of Deb et al. 2002, A fast and elitist multiobjective genetic algorithm: NSGA-II,
    section VI, with the sum of violations.
    """
    return one[0] < other[0] if one[0] != other[0] else dominates(one[1], other[1])


def feasible_front(individuals: Iterable[Individual]) -> list[Individual]:
    """Return those feasible ones that no other feasible one dominates, ordered by their losses."""
    return front(individual for individual in individuals if individual.feasible)


def front(individuals: Iterable[Individual]) -> list[Individual]:
    """Return those that no other one dominates, ordered by their losses.

    Of those with the same losses and params, only the one that ended first is returned; others with the same losses
    all are.
    """
    found: list[Individual] = []
    rest = iter(individuals)
    while some := list(islice(rest, _SOME)):  # so that all of a long run's are never in memory
        found = _front_of([*found, *some])
    return found


def _front_of(individuals: list[Individual]) -> list[Individual]:
    """Return the same as `front`, of a few individuals."""
    found: list[Individual] = []
    alike: set[str] = set()  # the params of those last found, which have the same losses
    for individual in sorted(individuals, key=lambda one: (losses_of(one), one.ended, one.id)):
        losses = losses_of(individual)  # those that come later in this order dominate none before
        if found and losses != losses_of(found[-1]):
            alike.clear()
        if any(dominates(losses_of(other), losses) for other in reversed(found)):
            continue
        params = repr(individual.params)
        if params not in alike:
            alike.add(params)
            found.append(individual)
    return found
