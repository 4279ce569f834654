"""A search on real ranks, whose evaluations sleep for lognormal times; rank 0 prints what it cost, as JSON."""

import json
import math
import sys
import time
from random import Random

import propulate_like as pl
from propulate_like.parallel.transport import launched


def main() -> None:
    """Take the evaluations, the mean of their seconds, their sigma and the seed."""
    evaluations, mean, sigma, seed = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    rank, _ = launched() or (0, 1)
    times = Random(f"{seed}/{rank}/seconds")

    def sphere(x: float, y: float) -> float:
        time.sleep(mean * math.exp(sigma * times.gauss(0.0, 1.0) - sigma * sigma / 2))
        return x * x + y * y

    space = {"x": pl.Float(-5.12, 5.12), "y": pl.Float(-5.12, 5.12)}
    result = pl.minimize(sphere, space, evaluations=evaluations, seed=seed, progress=False)
    if rank == 0:
        figures = ("evaluations", "seconds", "idle_share", "tail_share", "batches", "volume")
        print(json.dumps({name: getattr(result, name) for name in figures}), flush=True)


if __name__ == "__main__":
    main()
