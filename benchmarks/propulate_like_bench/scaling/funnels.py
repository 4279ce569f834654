"""Islands against one population, on functions of many optima and several funnels, on 64 simulated ranks."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product

import numpy as np

from propulate_like.search.islands.migration import Islands
from propulate_like_bench.simulated import Point, lowest_loss, rastrigin

RANKS, EVALUATIONS, DIMENSIONS, SEEDS = 64, 30_000, 30, 10


def schwefel(x: Point) -> float:
    """Second-best optima far from the best one, which is about 0 at 420.97 in each dimension."""
    return float(418.9828872724338 * len(x) - np.sum(x * np.sin(np.sqrt(np.abs(x)))))


def birastrigin(x: Point) -> float:
    """Two funnels, the wider one without the optimum, which is 0 at 2.5: Lunacek, Whitley and Sutton 2008."""
    depth, centre = 1.0, 2.5
    scale = 1.0 - 1.0 / (2.0 * math.sqrt(len(x) + 20.0) - 8.2)
    other = -math.sqrt((centre * centre - depth) / scale)
    funnels = min(float(np.sum((x - centre) ** 2)), depth * len(x) + scale * float(np.sum((x - other) ** 2)))
    return funnels + 10.0 * float(np.sum(1.0 - np.cos(2.0 * np.pi * (x - centre))))


FUNCTIONS: dict[str, tuple[Callable[[Point], float], float]] = {
    "rastrigin": (rastrigin, 5.12),
    "schwefel": (schwefel, 500.0),
    "birastrigin": (birastrigin, 5.12),
}
SETTINGS: dict[str, Islands] = {
    "one island": Islands(1),
    "4 islands, no migration": Islands(4, migration_probability=0.0),
    "4 islands, copies migrate": Islands(4),
    "4 islands, individuals migrate": Islands(4, pollination=False),
}


def best_loss(function: str, setting: str, seed: int) -> float:
    """Search once, and return the lowest loss found."""
    loss, bound = FUNCTIONS[function]
    return lowest_loss(
        loss, DIMENSIONS, bound, islands=SETTINGS[setting], ranks=RANKS, evaluations=EVALUATIONS, seed=seed
    )


def compare() -> Iterator[str]:
    """Return a row for each function and setting: the median, the lowest and the highest of the best losses."""
    tasks = list(product(FUNCTIONS, SETTINGS, range(SEEDS)))
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = dict(zip(tasks, pool.map(best_loss, *zip(*tasks, strict=True)), strict=True))
    for function, setting in product(FUNCTIONS, SETTINGS):
        losses = [found[function, setting, seed] for seed in range(SEEDS)]
        yield (
            f"{function:<12} {setting:<31} median {statistics.median(losses):9.3g}   "
            f"{min(losses):9.3g} to {max(losses):9.3g}"
        )
