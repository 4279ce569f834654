"""How long an ask takes: python -m propulate_like.benchmarks.quality.asks [--only NAME ...].

By propagator, number of parameters and results known, on one thread, in processor time. Sixteen workers share the
search: between two asks a rank learns of sixteen results, and what it does to models is counted.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import time
from collections.abc import Callable
from random import Random

from propulate_like.individual import Id, Individual, Outcome
from propulate_like.optimizer import Optimizer
from propulate_like.parameters import Choice, Float, Int
from propulate_like.propagators import (
    CMAES,
    CoordinateSearch,
    Evolution,
    MixedGaussianProcess,
    Propagator,
    QuadraticModel,
    TrustRegion,
)
from propulate_like.propagators.evolution import genetic_chain
from propulate_like.space import Space

WORKERS = 16
DIMENSIONS, HISTORIES = (2, 5, 10, 20), (100, 1_000, 10_000)
_DEAR, _CHEAP = 60.0, 1e-6  # seconds an evaluation

PROPAGATORS: dict[str, tuple[Callable[[], Propagator | str], float]] = {
    "auto, evaluations of 1 us": (lambda: "auto", _CHEAP),
    "auto, evaluations of 10 ms": (lambda: "auto", 0.01),
    "auto, evaluations of 60 s": (lambda: "auto", _DEAR),
    "auto, mixed space, 60 s": (lambda: "auto", _DEAR),
    "genetic_chain": (lambda: genetic_chain(40), _DEAR),
    "coordinate_search": (CoordinateSearch, _DEAR),
    "evolution": (Evolution, _DEAR),
    "cma_es": (CMAES, _DEAR),
    "quadratic_model": (QuadraticModel, _DEAR),
    "trust_region": (TrustRegion, _DEAR),
    "mixed_gaussian_process": (MixedGaussianProcess, _DEAR),
}


def milliseconds(name: str, dimension: int, history: int, asks: int = 48) -> float:
    """Give the mean time of an ask, with what learning sixteen results before it takes."""
    make, seconds = PROPAGATORS[name]
    space = _space(dimension, mixed="mixed" in name)
    optimizer = Optimizer(space, propagator=make(), workers=WORKERS, evaluations=2 * history, seed=0)
    generator = Random(0)
    serial = 0

    def learn(individual: Individual) -> None:
        loss = sum((1 + index) * (gene - 0.4) ** 2 for index, gene in enumerate(individual.genome))
        optimizer.absorb(individual.evaluated(Outcome.of(loss), seconds))

    def others() -> None:
        nonlocal serial
        serial += 1
        for rank in range(1, WORKERS):
            near = tuple(min(max(generator.gauss(0.4, 0.2), 0.0), 1.0) for _ in range(dimension))
            learn(Individual(Id(0, rank, serial), near, space))

    while serial * WORKERS < history:
        others()
        learn(Individual(Id(0, 0, 10**6 + serial), space.sample(generator), space))
    spent = 0.0
    warm = 4
    for number in range(warm + asks):
        others()
        began = time.process_time()
        individual = optimizer.ask()
        spent += (time.process_time() - began) * (number >= warm)
        learn(individual)
    return 1e3 * spent / asks


def _space(dimension: int, *, mixed: bool) -> Space:
    kinds = (Float(0.0, 1.0), Int(1, 8), Choice("a", "b", "c")) if mixed else (Float(0.0, 1.0),)
    return Space({f"x{index}": kinds[index % len(kinds)] for index in range(dimension)})


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PROPAGATORS, metavar="NAME", default=list(PROPAGATORS))
    chosen = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print(f"milliseconds an ask; Python {platform.python_version()}, {len(os.sched_getaffinity(0))} cores\n")
    columns = [f"{dimension}-d, {history:,}" for dimension in DIMENSIONS for history in HISTORIES]
    print(f"| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for name in chosen.only:
        times = [milliseconds(name, dimension, history) for dimension in DIMENSIONS for history in HISTORIES]
        print(f"| {name} | {' | '.join(_written(each) for each in times)} |", flush=True)


def _written(number: float) -> str:
    return f"{number:.{max(2 - math.floor(math.log10(max(number, 1e-6))) - 1, 0)}f}"


if __name__ == "__main__":
    main()
