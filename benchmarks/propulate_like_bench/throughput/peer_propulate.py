"""Propulate on the same task, with its default propagator; runs in an environment that has it."""

import logging
import random
import resource
import sys
import tempfile
import time

from mpi4py import MPI
from propulate import Propulator
from propulate.utils import get_default_propagator


def main() -> None:
    """Search, and let rank 0 print evaluations, seconds, no messages, its memory in MB and the best loss."""
    evaluations = int(sys.argv[1])
    world = MPI.COMM_WORLD
    logging.disable(logging.CRITICAL)
    dimension = int(sys.argv[2]) if len(sys.argv) > 2 else 2  # noqa: PLR2004
    limits = {f"x{number}": (-5.12, 5.12) for number in range(dimension)}
    generator = random.Random(world.rank)
    propagator = get_default_propagator(
        pop_size=64, limits=limits, crossover_prob=0.7, mutation_prob=0.4, random_init_prob=0.1, rng=generator
    )
    with tempfile.TemporaryDirectory() as folder:
        propulator = Propulator(
            loss_fn=lambda params: sum(x**2 for x in params.values()),
            propagator=propagator,
            rng=generator,
            island_comm=world,
            generations=evaluations // world.size,
            checkpoint_path=world.bcast(folder),
        )
        world.Barrier()
        began = time.perf_counter()
        propulator.propulate(logging_interval=10**9, debug=0)
        seconds = time.perf_counter() - began
        memory = world.reduce(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, MPI.MAX)
        best = min(individual.loss for individual in propulator.population)
        best = world.reduce(best, MPI.MIN)
        if world.rank == 0:
            print(evaluations // world.size * world.size, seconds, "-", memory, best, flush=True)
        world.Barrier()


if __name__ == "__main__":
    main()
