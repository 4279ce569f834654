"""What an isolated call costs beside one in the rank, and what it costs to start a child anew."""

from __future__ import annotations

import os
import statistics
from itertools import pairwise
from typing import Any

import propulate_like as pl

CALLS = 10_000


def plain(x: float) -> float:
    """Cost nothing."""
    return x


def dying(x: float) -> float:
    """Die, in every second evaluation."""
    if x < 0.5:  # noqa: PLR2004
        os._exit(1)
    return x


def seconds(loss: Any, calls: int, **settings: Any) -> list[float]:
    """Return what each evaluation took, as the rank measured it."""
    result = pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=calls, seed=0, progress=False, **settings)
    return [individual.seconds for individual in result.individuals]


def main() -> None:
    """Measure in one process, in turn."""
    inline = 1e6 * statistics.median(seconds(plain, CALLS))
    isolated = 1e6 * statistics.median(seconds(plain, CALLS, evaluation={"isolate": True}))
    print(f"  median of {CALLS:,}: in the rank {inline:.1f} us, isolated {isolated:.1f} us")
    random = pl.UniformInitialization()
    result = pl.minimize(
        dying, {"x": (0.0, 1.0)}, evaluations=40, seed=0, propagator=random, evaluation={"isolate": True}
    )
    individuals = result.individuals
    after = [b.seconds for a, b in pairwise(individuals) if a.failed and not b.failed]
    print(f"  an evaluation that starts its child: median {statistics.median(after):.3f} s, longest {max(after):.3f} s")


if __name__ == "__main__":
    main()
