"""A rank of this package's search: python search_ours.py ORDER."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import msgspec

import propulate_like as pl
from propulate_like.parallel.transport import launched
from propulate_like_bench.chain import CHAIN
from propulate_like_bench.timed.noting import BOUND, Notes, peak_megabytes
from propulate_like_bench.timed.order import Order


def sphere(x0: float, x1: float) -> float:
    """Return the sum of squares, as fast as can be."""
    return x0 * x0 + x1 * x1


def sleeping(mean: float, sigma: float, seed: int, rank: int) -> Callable[..., float]:
    """Return a loss that sleeps for lognormal times."""
    times = Random(f"{seed}/{rank}/seconds")

    def loss(**params: float) -> float:
        time.sleep(mean * math.exp(sigma * times.gauss(0.0, 1.0) - sigma * sigma / 2))
        return sum(value * value for value in params.values())

    return loss


def noting(notes: Notes) -> Callable[..., float]:
    """Return a loss of which each evaluation's end is noted."""
    return lambda **params: notes.loss(params.values())


def main() -> None:
    """Search once all ranks have begun; rank 0 prints what it came to, and each rank writes its notes."""
    order = msgspec.json.decode(sys.argv[1], type=Order)
    rank, _ = launched() or (0, 1)
    if launched():
        from mpi4py import MPI

        MPI.COMM_WORLD.Barrier()
    notes = Notes(order.marks)
    loss: Callable[..., float] = sphere
    if order.marks or order.parameters != 2:  # noqa: PLR2004
        loss = noting(notes)
    elif order.sleep is not None:
        loss = sleeping(*order.sleep, order.seed, rank)
    began = time.perf_counter()
    result = pl.minimize(
        loss,
        {f"x{number}": pl.Float(-BOUND, BOUND) for number in range(order.parameters)},
        evaluations=order.evaluations,
        seconds=order.seconds,
        propagator="auto" if order.by == "auto" else CHAIN,
        seed=order.seed,
        run=Path(order.folder, "run") if order.journal else None,
        progress=False,
    )
    seconds = time.perf_counter() - began
    if order.marks:
        Path(order.folder, f"{rank}.json").write_text(json.dumps(notes.data()), encoding="utf-8")
    memory = MPI.COMM_WORLD.reduce(peak_megabytes(), MPI.MAX) if launched() else peak_megabytes()
    if rank == 0:
        figures = {name: getattr(result, name) for name in ("batches", "volume", "idle_share", "tail_share")}
        found = {"evaluations": result.evaluations, "seconds": seconds, "memory": memory, "best": result.value}
        print(json.dumps({**found, "searched": result.seconds, **figures}), flush=True)


if __name__ == "__main__":
    main()
