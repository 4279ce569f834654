"""How long a record of another rank waits to be absorbed, on a rank whose child works for ten seconds."""

from __future__ import annotations

import time

import propulate_like as pl
from propulate_like.parallel.transport import launched
from propulate_like.search.optimizer import Optimizer

WORK_SECONDS = 10.0
RANK = (launched() or (0, 1))[0]


def work(x: float, evaluation: pl.Evaluation) -> float:
    """Sleep on rank 0; elsewhere, find something better in every evaluation, so that each is sent."""
    time.sleep(WORK_SECONDS if evaluation.id.rank == 0 else 0.002)
    return x - time.time()


def main() -> None:
    """Search for a little longer than rank 0's first evaluation, and print what it saw."""
    delays = []
    absorb = Optimizer.absorb

    def timed(self: Optimizer, individual: pl.Individual) -> bool:
        if individual.id.rank != RANK:
            delays.append(1e3 * (time.time() - individual.ended))
        return absorb(self, individual)

    Optimizer.absorb = timed  # type: ignore[method-assign]
    seconds = WORK_SECONDS + 1
    pl.minimize(work, {"x": pl.Float(0, 1)}, seconds=seconds, progress=False, evaluation={"isolate": True})
    if RANK == 0:
        delays.sort()
        median, late = delays[len(delays) // 2], delays[int(len(delays) * 0.99)]
        print(f"  {len(delays):,} absorbed: median {median:.1f} ms, 99 % {late:.1f} ms, longest {delays[-1]:.1f} ms")


if __name__ == "__main__":
    main()
