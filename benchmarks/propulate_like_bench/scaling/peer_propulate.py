"""Propulate on the same work; rank 0 prints its idle share, as JSON. It runs in an environment that has it."""

import json
import logging
import math
import random
import sys
import tempfile
import time

from mpi4py import MPI
from propulate import Propulator
from propulate.utils import get_default_propagator


def main() -> None:
    """Take the evaluations, the mean of their seconds, their sigma and the seed."""
    evaluations, mean, sigma, seed = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    world = MPI.COMM_WORLD
    logging.disable(logging.CRITICAL)
    times, generator = random.Random(f"{seed}/{world.rank}/seconds"), random.Random(world.rank)
    begun: list[float] = []
    ended = [0.0]

    def sphere(params: dict[str, float]) -> float:
        begun.append(time.time())
        time.sleep(mean * math.exp(sigma * times.gauss(0.0, 1.0) - sigma * sigma / 2))
        ended[0] = time.time()
        return params["x"] ** 2 + params["y"] ** 2

    propagator = get_default_propagator(
        pop_size=64, limits={"x": (-5.12, 5.12), "y": (-5.12, 5.12)}, crossover_prob=0.7, mutation_prob=0.4,
        random_init_prob=0.1, rng=generator,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        propulator = Propulator(
            loss_fn=sphere,
            propagator=propagator,
            rng=generator,
            island_comm=world,
            generations=evaluations // world.size,
            checkpoint_path=world.bcast(folder),
        )
        world.Barrier()
        propulator.propulate(logging_interval=10**9, debug=0)
        world.Barrier()
    first, last = world.allreduce(begun[0], MPI.MIN), world.allreduce(begun[-1], MPI.MAX)
    idle = world.allreduce(max(last - ended[0], 0.0))
    if world.rank == 0:
        share = idle / (world.size * (last - first))
        print(json.dumps({"idle_share": share, "seconds": world.size and time.time() - first}), flush=True)
    else:
        time.sleep(0.1)


if __name__ == "__main__":
    main()
