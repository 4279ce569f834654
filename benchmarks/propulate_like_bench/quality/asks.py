"""How long an ask takes: python -m propulate_like_bench.quality.asks [--only NAME ...] [--workers 16].

By propagator, number of parameters and results known, on one thread, in processor time. Several workers share the
search: between two asks a rank learns of a result of each, of sixteen at most, and what it does to models is counted.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import time
from collections.abc import Callable
from random import Random

from propulate_like.population.individual import Candidate, Id, Individual
from propulate_like.population.outcome import Outcome
from propulate_like.problem.parameters import Choice, Float, Int, Ordinal, Parameter
from propulate_like.problem.space import Space
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
from propulate_like.search.optimizer import Optimizer

_MOST = 16  # results between two asks
DIMENSIONS, HISTORIES = (2, 5, 10, 20), (100, 1_000, 10_000)
_EXPENSIVE, _CHEAP = 60.0, 1e-6  # seconds an evaluation

PROPAGATORS: dict[str, tuple[Callable[[], Propagator | str], float]] = {
    "auto, evaluations of 1 us": (lambda: "auto", _CHEAP),
    "auto, finite space, 1 us": (lambda: "auto", _CHEAP),
    "auto, evaluations of 10 ms": (lambda: "auto", 0.01),
    "auto, evaluations of 60 s": (lambda: "auto", _EXPENSIVE),
    "auto, mixed space, 60 s": (lambda: "auto", _EXPENSIVE),
    "genetic_chain": (lambda: genetic_chain(40), _EXPENSIVE),
    "coordinate_search": (CoordinateSearch, _EXPENSIVE),
    "evolution": (Evolution, _EXPENSIVE),
    "cma_es": (CMAES, _EXPENSIVE),
    "quadratic_model": (QuadraticModel, _EXPENSIVE),
    "trust_region": (TrustRegion, _EXPENSIVE),
    "mixed_gaussian_process": (MixedGaussianProcess, _EXPENSIVE),
}


def milliseconds(name: str, dimension: int, history: int, workers: int, asks: int = 48) -> float:
    """Return the mean time of an ask, with what learning others' results before it takes."""
    make, seconds = PROPAGATORS[name]
    space = _space(dimension, name)
    optimizer = Optimizer(space, propagator=make(), workers=workers, evaluations=2 * history, seed=0)
    known = min(workers, _MOST)
    generator = Random(0)
    serial = 0

    def learn(individual: Individual) -> None:
        loss = sum((1 + index) * (gene - 0.4) ** 2 for index, gene in enumerate(individual.genome))
        optimizer.absorb(individual.evaluated(Outcome.of(loss).timed(seconds)))

    def others() -> None:
        nonlocal serial
        serial += 1
        for rank in range(1, known):
            near = tuple(min(max(generator.gauss(0.4, 0.2), 0.0), 1.0) for _ in range(dimension))
            learn(Individual(Candidate(Id(0, rank, serial), near, space)))

    while serial * known < history:
        others()
        learn(Individual(Candidate(Id(0, 0, 10**6 + serial), space.sample(generator), space)))
    spent = 0.0
    warm = 4
    for number in range(warm + asks):
        others()
        began = time.process_time()
        individual = optimizer.ask()
        spent += (time.process_time() - began) * (number >= warm)
        learn(individual)
    return 1e3 * spent / asks


def _space(dimension: int, name: str) -> Space:
    kinds: tuple[Parameter, ...] = (Float(0.0, 1.0),)
    if "mixed" in name:
        kinds = (Float(0.0, 1.0), Int(1, 8), Choice("a", "b", "c"))
    elif "finite" in name:
        kinds = (Int(1, 128, log=True), Choice("a", "b", "c"), Ordinal(16, 32, 64, 128), Choice("yes", "no"))
    return Space({f"x{index}": kinds[index % len(kinds)] for index in range(dimension)})


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PROPAGATORS, metavar="NAME", default=list(PROPAGATORS))
    parser.add_argument("--workers", type=int, default=16)
    chosen = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print(f"milliseconds an ask, {chosen.workers} workers; Python {platform.python_version()}\n")
    sizes = [(dimension, history) for dimension in DIMENSIONS for history in HISTORIES]
    columns = [f"{dimension}-d, {history:,}" for dimension, history in sizes]
    print(f"| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for name in chosen.only:
        times = [milliseconds(name, *size, chosen.workers) for size in sizes]
        print(f"| {name} | {' | '.join(_written(each) for each in times)} |", flush=True)


def _written(number: float) -> str:
    return f"{number:.{max(2 - math.floor(math.log10(max(number, 1e-6))) - 1, 0)}f}"


if __name__ == "__main__":
    main()
