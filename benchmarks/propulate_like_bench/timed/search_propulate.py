"""Propulate with its default propagator: python search_propulate.py ORDER, in an environment that has it."""

import json
import logging
import math
import random
import resource
import sys
import tempfile
import time
from typing import Any

from mpi4py import MPI
from propulate import Propulator
from propulate.utils import get_default_propagator


class Loss:
    """The sum of squares, after the order's sleep; and when the evaluations began and ended, if they sleep."""

    def __init__(self, sleep: list[float] | None, seed: int) -> None:
        self._sleep = sleep
        self._times = random.Random(f"{seed}/{MPI.COMM_WORLD.rank}/seconds")
        self.begun: list[float] = []
        self.ended = 0.0

    def __call__(self, params: dict[str, float]) -> float:
        if self._sleep is not None:
            mean, sigma = self._sleep
            self.begun.append(time.time())
            time.sleep(mean * math.exp(sigma * self._times.gauss(0.0, 1.0) - sigma * sigma / 2))
            self.ended = time.time()
        return sum(value**2 for value in params.values())

    def idle_share(self) -> float | None:
        """Return the share of the time from the first evaluation's begin to the last one's that ranks were done."""
        world = MPI.COMM_WORLD
        if self._sleep is None:
            return None
        first, last = world.allreduce(self.begun[0], MPI.MIN), world.allreduce(self.begun[-1], MPI.MAX)
        idle = world.allreduce(max(last - self.ended, 0.0))
        return float(idle / (world.size * (last - first)))


def main() -> None:
    """Search, and let rank 0 print what it came to."""
    order: dict[str, Any] = json.loads(sys.argv[1])
    world = MPI.COMM_WORLD
    logging.disable(logging.CRITICAL)
    limits = {f"x{number}": (-5.12, 5.12) for number in range(order["parameters"])}
    generator = random.Random(world.rank)
    propagator = get_default_propagator(
        pop_size=64, limits=limits, crossover_prob=0.7, mutation_prob=0.4, random_init_prob=0.1, rng=generator
    )
    loss = Loss(order["sleep"], order["seed"])
    with tempfile.TemporaryDirectory() as folder:
        propulator = Propulator(
            loss_fn=loss,
            propagator=propagator,
            rng=generator,
            island_comm=world,
            generations=order["evaluations"] // world.size,
            checkpoint_path=world.bcast(folder),
        )
        world.Barrier()
        began = time.perf_counter()
        propulator.propulate(logging_interval=10**9, debug=0)
        seconds = time.perf_counter() - began
        memory = world.reduce(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, MPI.MAX)
        best = world.reduce(min(individual.loss for individual in propulator.population), MPI.MIN)
        idle_share = loss.idle_share()
        if world.rank == 0:
            evaluations = order["evaluations"] // world.size * world.size
            found = {"evaluations": evaluations, "seconds": seconds, "memory": memory, "best": best}
            print(json.dumps({**found, "idle_share": idle_share}), flush=True)
        world.Barrier()


if __name__ == "__main__":
    main()
