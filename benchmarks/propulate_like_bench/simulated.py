"""One search on simulated ranks, of a loss on a box."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from propulate_like.population.individual import Individual
from propulate_like.population.outcome import OK, Outcome
from propulate_like.problem.budget import Budget
from propulate_like.problem.parameters import Float
from propulate_like.problem.space import Space
from propulate_like.propagators import Propagator
from propulate_like.search.islands.migration import Islands
from propulate_like.search.simulation import Simulation
from propulate_like.search.specification import SearchSpecification

Point = npt.NDArray[np.float64]


def lowest_loss(
    loss: Callable[[Point], float],
    dimension: int,
    bound: float,
    *,
    islands: Islands,
    ranks: int,
    evaluations: int,
    seed: int,
    propagator: Propagator | str = "auto",
) -> float:
    """Search [-bound, bound]^dimension once, with lognormal evaluation times; infinite where all have failed."""
    space = Space({f"x{number}": Float(-bound, bound) for number in range(dimension)})

    def evaluate(individual: Individual) -> Individual:
        return individual.evaluated(Outcome(OK, loss(2.0 * bound * np.array(individual.genome) - bound)))

    specification = SearchSpecification(
        objective=loss,
        space=space,
        budget=Budget(evaluations),
        islands=islands,
        propagator=propagator,
        seed=seed,
    )
    ending = Simulation(specification, ranks, evaluate, lambda _, times: math.exp(times.gauss(0.0, 1.0))).run()
    return math.inf if ending is None or ending.evaluations.best is None else ending.evaluations.best.loss


def rastrigin(x: Point) -> float:
    """Many local optima in one bowl; 0 at 0."""
    return float(np.sum(x * x + 10.0 * (1.0 - np.cos(2.0 * np.pi * x))))
