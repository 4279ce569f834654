"""Losses that do what training jobs do at their worst, at least thirty of each kind; and what is left behind."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Sequence

import psutil

import propulate_like as pl
from propulate_like.parallel.transport import launched

KINDS = ("null pointer", "os._exit", "hang in C", "memory", "100 MB of output", "grandchildren", "grandchildren, exit")
MARK = "86399.125"  # the seconds that the grandchildren sleep
EVALUATIONS = 30 * len(KINDS) + 4 * (len(KINDS) - 1)  # each rank goes through the kinds in turn


def suffer(kind: str) -> float:
    """Do what the kind says."""
    match kind:
        case "null pointer":
            ctypes.string_at(0)
        case "os._exit":
            os._exit(3)
        case "hang in C":
            ctypes.PyDLL(None).sleep(1000)
        case "memory":
            hoard = []
            while True:
                hoard.append(bytearray(20 << 20))
                time.sleep(0.001)
        case "100 MB of output":
            for _ in range(100):
                os.write(1, b"x" * 1_000_000)
        case _:
            subprocess.Popen(["/bin/sh", "-c", f"setsid sleep {MARK} & sleep {MARK} & wait"])
            time.sleep(0.05)
            if kind.endswith("exit"):
                os._exit(0)
    return 1.0


class InTurn(pl.Propagator):
    """Breeds each kind in turn."""

    takes = (0, None)

    def __call__(self, individuals: Sequence[pl.Individual], breeding: pl.BreedingContext) -> Sequence[pl.Individual]:
        kind = KINDS[(breeding.id.serial + 2 * breeding.id.rank) % len(KINDS)]
        return [breeding.child(breeding.space.encode({"kind": kind}))]


def main() -> None:
    """Search, and say on rank 0 what became of each kind."""
    settings = {"isolate": True, "timeout": 2.0, "memory": "500 MiB"}
    began = time.perf_counter()
    result = pl.minimize(
        suffer,
        {"kind": pl.Choice(*KINDS)},
        evaluations=EVALUATIONS,
        propagator=InTurn(),
        progress=False,
        evaluation=settings,
    )
    if (launched() or (0, 1))[0] != 0:
        return
    left = [process.pid for process in psutil.process_iter(["cmdline"]) if MARK in (process.info["cmdline"] or [])]
    print(f"  {result.evaluations} of {EVALUATIONS} evaluations in {time.perf_counter() - began:.1f} s")
    for kind in KINDS:
        of_kind = [individual for individual in result.individuals if individual.params["kind"] == kind]
        statuses = {str(status): count for status, count in Counter(each.status for each in of_kind).items()}
        longest = max(individual.seconds for individual in of_kind)
        print(f"  {kind:<22} {len(of_kind):>3} {statuses!s:<20} longest {longest:.2f} s")
    print(f"  processes left behind: {len(left)}")
    if result.trials is not None:
        shutil.rmtree(result.trials)


if __name__ == "__main__":
    main()
