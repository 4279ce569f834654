"""The nine functions of Taubert et al. 2023: mean losses of 10 searches on 152 simulated ranks, beside those published.

Massively parallel genetic optimization through asynchronous propagation of populations, ISC High Performance 2023: 256
generations on 152 ranks in two islands. Of the functions as they were published: `step` cuts off the decimals, so its
least value on the box is -25 (with decimals rounded down, as De Jong had it, it would be -30); `schwefel` has its
constant rounded, so its least value is -2.7e-6; `quartic` gives the size of a sum that is mostly noise of standard
deviation 5.5, so that even a search that knew the optimum would come to about 6.9 / 38,912 = 1.8e-4.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from propulate_like.individual import Individual
from propulate_like.islands.archipelago import Archipelago
from propulate_like.islands.migration import Islands
from propulate_like.parameters import Float
from propulate_like.propagators import Evolution, Propagator
from propulate_like.simulation import Simulation
from propulate_like.space import Space

RANKS, EVALUATIONS, ISLANDS, SEEDS = 152, 38_912, 2, 10
_Point = npt.NDArray[np.float64]
_Loss = Callable[[_Point, np.random.Generator], float]


class Function(NamedTuple):
    """A loss on the box [-bound, bound]^dimension, and the mean losses published for Propulate and Optuna."""

    loss: _Loss
    dimension: int
    bound: float
    propulate: float
    optuna: float


def _sphere(x: _Point, _noise: np.random.Generator) -> float:
    return float(x @ x)


def _rosenbrock(x: _Point, _noise: np.random.Generator) -> float:
    return float(100.0 * (x[0] * x[0] - x[1]) ** 2 + (1.0 - x[0]) ** 2)


def _step(x: _Point, _noise: np.random.Generator) -> float:
    return float(np.trunc(x).sum())


def _quartic(x: _Point, noise: np.random.Generator) -> float:
    signal = np.arange(1, len(x) + 1) @ np.square(np.square(x))
    return abs(float(signal + noise.standard_normal(len(x)).sum()))


def _rastrigin(x: _Point, _noise: np.random.Generator) -> float:
    return float(np.sum(x * x + 10.0 * (1.0 - np.cos(2.0 * np.pi * x))))


def _griewank(x: _Point, _noise: np.random.Generator) -> float:
    return float(1.0 + x @ x / 4000.0 - np.prod(np.cos(x / np.sqrt(np.arange(1, len(x) + 1)))))


def _schwefel(x: _Point, _noise: np.random.Generator) -> float:
    return float(418.982887 * len(x) - np.sum(x * np.sin(np.sqrt(np.abs(x)))))


def _bisphere(x: _Point, _noise: np.random.Generator) -> float:
    """Two funnels, the wider one without the optimum: Lunacek, Whitley and Sutton 2008."""
    depth, centre = 1.0, 2.5
    scale = 1.0 - 1.0 / math.sqrt(2.0 * math.sqrt(len(x) + 20.0) - 8.2)
    other = -math.sqrt((centre * centre - depth) / scale)
    return min(float(np.sum((x - centre) ** 2)), depth * len(x) + scale * float(np.sum((x - other) ** 2)))


def _birastrigin(x: _Point, noise: np.random.Generator) -> float:
    return _bisphere(x, noise) + 10.0 * float(np.sum(1.0 - np.cos(2.0 * np.pi * (x - 2.5))))


FUNCTIONS = {
    "sphere": Function(_sphere, 2, 5.12, 6.5e-7, 9.0e-6),
    "rosenbrock": Function(_rosenbrock, 2, 2.048, 5.0e-5, 4.9e-5),
    "step": Function(_step, 5, 5.12, -25.0, -25.0),
    "quartic": Function(_quartic, 30, 1.28, 8.1e-4, 1.2e-3),
    "rastrigin": Function(_rastrigin, 20, 5.12, 4.75, 115.0),
    "griewank": Function(_griewank, 10, 600.0, 0.528, 1.42),
    "schwefel": Function(_schwefel, 10, 500.0, 1.94, 504.0),
    "bisphere": Function(_bisphere, 30, 5.12, 30.0, 33.6),
    "birastrigin": Function(_birastrigin, 30, 5.12, 40.6, 239.0),
}


def search(
    name: str, seed: int, propagator: Propagator | str | None = None, islands: Islands | None = None
) -> tuple[float, float]:
    """Search once, with lognormal evaluation times; give the lowest loss found, and the seconds that it took."""
    function = FUNCTIONS[name]
    space = Space({f"x{number}": Float(-function.bound, function.bound) for number in range(function.dimension)})
    noise = np.random.default_rng([seed, len(name)])

    def evaluate(individual: Individual) -> Individual:
        point = 2.0 * function.bound * np.array(individual.genome) - function.bound
        return individual.succeeded(function.loss(point, noise), 0.0, 0.0)

    began = time.perf_counter()
    simulation = Simulation(
        Archipelago(
            islands or Islands(ISLANDS), space, RANKS, propagator or Evolution(EVALUATIONS, 1 / ISLANDS), EVALUATIONS
        ),
        evaluate,
        lambda _, times: math.exp(times.gauss(0.0, 1.0)),
        evaluations=EVALUATIONS,
        seed=seed,
    )
    ending = simulation.run()
    best = math.inf if ending is None or ending.best is None or ending.best.loss is None else ending.best.loss
    return best, time.perf_counter() - began


def main() -> None:
    """Print a row for each function."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--functions", nargs="+", choices=FUNCTIONS, default=list(FUNCTIONS), metavar="NAME")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    chosen = parser.parse_args()
    print(f"{'function':<12} {'mean loss':>11} {'lowest':>11} {'highest':>11} {'Propulate':>10} {'Optuna':>9} {'s':>6}")
    with ProcessPoolExecutor(chosen.jobs) as pool:
        rows = {name: [pool.submit(search, name, seed) for seed in range(chosen.seeds)] for name in chosen.functions}
        for name, runs in rows.items():
            losses, seconds = zip(*(run.result() for run in runs), strict=True)
            function = FUNCTIONS[name]
            print(
                f"{name:<12} {statistics.mean(losses):11.3g} {min(losses):11.3g} {max(losses):11.3g} "
                f"{function.propulate:10.3g} {function.optuna:9.3g} {statistics.mean(seconds):6.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
