"""Evaluations to 1e-10 on the rotated 10-d ellipsoid (condition 1e6), told in and out of order, beside pycma."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from random import Random

import numpy as np
import numpy.typing as npt

from propulate_like.population.individual import Individual
from propulate_like.problem.parameters import Float
from propulate_like.problem.space import Space
from propulate_like.propagators import CMAES
from propulate_like.search.optimizer import Optimizer

DIMENSION, CONDITION, TARGET, SEEDS, WORKERS = 10, 1e6, 1e-10, 15, 16
_MOST = 50_000  # evaluations
_Loss = Callable[[npt.NDArray[np.float64]], float]


def ellipsoid(seed: int, dimension: int = DIMENSION) -> _Loss:
    """Return a rotated ellipsoid on [-5, 5]^d, as a function of the unit cube, with its optimum in [-3, 3]^d."""
    generator = np.random.default_rng([seed, dimension])
    rotation, _ = np.linalg.qr(generator.standard_normal((dimension, dimension)))
    scales = CONDITION ** (np.arange(dimension) / (dimension - 1))
    optimum = generator.uniform(0.2, 0.8, dimension)
    return lambda point: float(scales @ np.square(rotation @ (10.0 * (point - optimum))))


def evaluations(seed: int, loss: _Loss, ranks: int = 1, ahead: int = 1) -> int:
    """Count evaluations to the target on `ranks`, each `ahead` points ahead, whose evaluations end in random order."""
    space = Space({f"x{number}": Float(0.0, 1.0) for number in range(DIMENSION)})
    together = ranks * ahead
    optimizers = [Optimizer(space, propagator=CMAES(), seed=seed, workers=together, rank=rank) for rank in range(ranks)]
    order = Random(seed)
    pending: list[tuple[int, Individual]] = [
        (rank, optimizer.ask()) for rank, optimizer in enumerate(optimizers) for _ in range(ahead)
    ]
    for count in range(1, _MOST):
        rank, individual = pending.pop(order.randrange(together))
        found = loss(np.array(individual.genome))
        if found < TARGET:
            return count
        evaluated = optimizers[rank].tell(individual, found)
        for other, optimizer in enumerate(optimizers):
            if other != rank:
                optimizer.absorb(evaluated)
        pending.append((rank, optimizers[rank].ask()))
    return _MOST


def evaluations_of_pycma(seed: int, loss: _Loss) -> int:
    """Count pycma's evaluations to the target, told in order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of missing packages for plots
        import cma
    start = np.random.default_rng(seed).uniform(0.2, 0.8, DIMENSION)
    search = cma.CMAEvolutionStrategy(start, 0.25, {"verbose": -9, "seed": seed + 1})
    count = 0
    while count < _MOST:
        points = search.ask()
        losses = []
        for point in points:
            count += 1
            losses.append(loss(point))
            if losses[-1] < TARGET:
                return count
        search.tell(points, losses)
    return count


def main() -> None:
    """Print the median, lowest and highest numbers of evaluations."""
    ways: dict[str, Callable[[int, _Loss], int]] = {
        "pycma, told in order": evaluations_of_pycma,
        "cma_es, told in order": evaluations,
        f"cma_es, {WORKERS} ahead, told in random order": lambda seed, loss: evaluations(seed, loss, ahead=WORKERS),
        f"cma_es, {WORKERS} ranks, told in random order": lambda seed, loss: evaluations(seed, loss, ranks=WORKERS),
    }
    reference = 0.0
    for name, count in ways.items():
        began = time.perf_counter()
        counts = [count(seed, ellipsoid(seed)) for seed in range(SEEDS)]
        each = (time.perf_counter() - began) / sum(counts)
        median = statistics.median(counts)
        reference = reference or median
        print(
            f"{name:<41} median {median:6.0f} ({min(counts)} to {max(counts)}), {median / reference:4.2f} of pycma's; "
            f"{1e6 * each:4.0f} us an evaluation",
            flush=True,
        )


if __name__ == "__main__":
    main()
