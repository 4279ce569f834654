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

from propulate_like.propagators import Evolution
from propulate_like.search.islands.migration import Islands
from propulate_like_bench.arguments import count, natural
from propulate_like_bench.simulated import Point, lowest_loss, rastrigin

RANKS, EVALUATIONS, ISLANDS, SEEDS = 152, 38_912, 2, 10
_Loss = Callable[[Point, np.random.Generator], float]


class Function(NamedTuple):
    """A loss on the box [-bound, bound]^dimension, and the mean losses published for Propulate and Optuna."""

    loss: _Loss
    dimension: int
    bound: float
    propulate: float
    optuna: float


def _sphere(x: Point, _noise: np.random.Generator) -> float:
    return float(x @ x)


def _rosenbrock(x: Point, _noise: np.random.Generator) -> float:
    return float(100.0 * (x[0] * x[0] - x[1]) ** 2 + (1.0 - x[0]) ** 2)


def _step(x: Point, _noise: np.random.Generator) -> float:
    return float(np.trunc(x).sum())


def _quartic(x: Point, noise: np.random.Generator) -> float:
    signal = np.arange(1, len(x) + 1) @ np.square(np.square(x))
    return abs(float(signal + noise.standard_normal(len(x)).sum()))


def _griewank(x: Point, _noise: np.random.Generator) -> float:
    return float(1.0 + x @ x / 4000.0 - np.prod(np.cos(x / np.sqrt(np.arange(1, len(x) + 1)))))


def _schwefel(x: Point, _noise: np.random.Generator) -> float:
    return float(418.982887 * len(x) - np.sum(x * np.sin(np.sqrt(np.abs(x)))))


def _bisphere(x: Point, _noise: np.random.Generator) -> float:
    """Two funnels, the wider one without the optimum: Lunacek, Whitley and Sutton 2008."""
    depth, centre = 1.0, 2.5
    scale = 1.0 - 1.0 / math.sqrt(2.0 * math.sqrt(len(x) + 20.0) - 8.2)
    other = -math.sqrt((centre * centre - depth) / scale)
    return min(float(np.sum((x - centre) ** 2)), depth * len(x) + scale * float(np.sum((x - other) ** 2)))


def _birastrigin(x: Point, noise: np.random.Generator) -> float:
    return _bisphere(x, noise) + 10.0 * float(np.sum(1.0 - np.cos(2.0 * np.pi * (x - 2.5))))


FUNCTIONS = {
    "sphere": Function(_sphere, 2, 5.12, 6.5e-7, 9.0e-6),
    "rosenbrock": Function(_rosenbrock, 2, 2.048, 5.0e-5, 4.9e-5),
    "step": Function(_step, 5, 5.12, -25.0, -25.0),
    "quartic": Function(_quartic, 30, 1.28, 8.1e-4, 1.2e-3),
    "rastrigin": Function(lambda x, _: rastrigin(x), 20, 5.12, 4.75, 115.0),
    "griewank": Function(_griewank, 10, 600.0, 0.528, 1.42),
    "schwefel": Function(_schwefel, 10, 500.0, 1.94, 504.0),
    "bisphere": Function(_bisphere, 30, 5.12, 30.0, 33.6),
    "birastrigin": Function(_birastrigin, 30, 5.12, 40.6, 239.0),
}


def search(name: str, seed: int) -> tuple[float, float]:
    """Search once; return the lowest loss found, and the seconds that it took."""
    function, noise = FUNCTIONS[name], np.random.default_rng([seed, len(name)])
    began = time.perf_counter()
    found = lowest_loss(
        lambda point: function.loss(point, noise),
        function.dimension,
        function.bound,
        islands=Islands(ISLANDS),
        ranks=RANKS,
        evaluations=EVALUATIONS,
        seed=seed,
        propagator=Evolution(EVALUATIONS, 1 / ISLANDS),
    )
    return found, time.perf_counter() - began


def main() -> None:
    """Print a row for each function."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--functions", nargs="+", choices=FUNCTIONS, default=list(FUNCTIONS), metavar="NAME")
    parser.add_argument("--seeds", type=count, default=SEEDS)
    parser.add_argument("--first-seed", type=natural, default=0)
    parser.add_argument("--jobs", type=count, default=len(os.sched_getaffinity(0)))
    chosen = parser.parse_args()
    print(f"{'function':<12} {'mean loss':>11} {'lowest':>11} {'highest':>11} {'Propulate':>10} {'Optuna':>9} {'s':>6}")
    seeds = range(chosen.first_seed, chosen.first_seed + chosen.seeds)
    with ProcessPoolExecutor(chosen.jobs) as pool:
        rows = {name: [pool.submit(search, name, seed) for seed in seeds] for name in chosen.functions}
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
