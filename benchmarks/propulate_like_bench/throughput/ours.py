"""The search through the public API, with a hand-written chain (or "auto") and the journal on."""

import resource
import sys
import tempfile
import time

from mpi4py import MPI

import propulate_like as pl
from propulate_like_bench.chain import CHAIN


@pl.objective(x=pl.Float(-5.12, 5.12), y=pl.Float(-5.12, 5.12))
def sphere(x: float, y: float) -> float:
    """Return the sum of squares."""
    return x * x + y * y


def main() -> None:
    """Search, and let rank 0 print evaluations, seconds, batches of messages, its memory in MB and the best loss."""
    evaluations = int(sys.argv[1])
    world = MPI.COMM_WORLD
    with tempfile.TemporaryDirectory() as folder:
        run = world.bcast(f"{folder}/run")
        world.Barrier()
        began = time.perf_counter()
        chosen = "auto" if "auto" in sys.argv else CHAIN
        result = pl.minimize(sphere, evaluations=evaluations, propagator=chosen, seed=0, run=run, progress=False)
        seconds = time.perf_counter() - began
        memory = world.reduce(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, MPI.MAX)
        if world.rank == 0:
            print(result.evaluations, seconds, result.batches, memory, result.best.loss, flush=True)
        world.Barrier()


if __name__ == "__main__":
    main()
