"""A rank of this package's search: python ours.py ORDER, an order in JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import propulate_like as pl
from propulate_like.parallel.transport import launched
from propulate_like_bench.chain import CHAIN
from propulate_like_bench.comparison.timed.noting import BOUND, Notes


def main() -> None:
    """Search once all ranks have begun, and write this rank's notes into the order's folder."""
    order: dict[str, Any] = json.loads(sys.argv[1])
    rank, _ = launched() or (0, 1)
    if launched():
        from mpi4py import MPI

        MPI.COMM_WORLD.Barrier()
    notes = Notes(order["marks"])

    def sphere(**params: float) -> float:
        return notes.loss(params.values())

    space = {f"x{number}": pl.Float(-BOUND, BOUND) for number in range(order["parameters"])}
    folder = Path(order["folder"])
    pl.minimize(
        sphere,
        space,
        evaluations=order["trials"],
        seconds=order["seconds"],
        propagator="auto" if order["contestant"] == "auto" else CHAIN,
        seed=order["seed"],
        run=folder / "run" if order["storage"] == "folder" else None,
        progress=False,
    )
    (folder / f"{rank}.json").write_text(json.dumps(notes.data()), encoding="utf-8")


if __name__ == "__main__":
    main()
