"""Run the comparison: python -m propulate_like_bench.throughput [--propulate PYTHON] [--optuna PYTHON]."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
from pathlib import Path

from propulate_like_bench.arguments import count
from propulate_like_bench.launching import measure

HERE = Path(__file__).parent


def show(name: str, evaluations: int, ranks: int, runs: list[list[str]]) -> float:
    """Print the median of several runs as a row of the table, and return its rate."""
    rates = [int(run[0]) / float(run[1]) for run in runs]
    rate = statistics.median(rates)
    spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
    _, _, batches, memory, loss = runs[0]
    print(
        f"{name:<16} {ranks:>5} {evaluations:>11,} {rate:>12,.0f} {spread:>22} {batches:>9} "
        f"{float(memory):>7.0f} {float(loss):>9.1e}",
        flush=True,
    )
    return rate


def main() -> None:
    """Measure in turn, so that all share the machine's changes of speed, and print a table and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=count, default=4)
    parser.add_argument("--evaluations", type=count, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--repeats", type=count, default=3)
    parser.add_argument("--propulate", metavar="PYTHON", help="a Python that has propulate and an MPI")
    parser.add_argument("--optuna", metavar="PYTHON", help="a Python that has optuna")
    chosen = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    print(f"2-d sphere, population 64, {chosen.ranks} ranks on {cores} cores, Python {platform.python_version()}")
    print(
        f"{'':<16} {'ranks':>5} {'evaluations':>11} {'evaluations/s':>13} {'lowest to highest':>21} {'batches':>9} "
        f"{'MB/rank':>7} {'best':>9}"
    )
    ours, automatic, bare = {}, {}, {}
    for evaluations in chosen.evaluations:
        runs: dict[str, list[list[str]]] = {"propulate_like": [], "auto": [], "bare loop": []}
        for _ in range(chosen.repeats):
            runs["auto"].append(measure(sys.executable, HERE / "ours.py", chosen.ranks, evaluations, "auto").split())
            runs["propulate_like"].append(measure(sys.executable, HERE / "ours.py", chosen.ranks, evaluations).split())
            runs["bare loop"].append(measure(sys.executable, HERE / "bare.py", chosen.ranks, evaluations).split())
        ours[evaluations] = show("propulate_like", evaluations, chosen.ranks, runs["propulate_like"])
        automatic[evaluations] = show("auto", evaluations, chosen.ranks, runs["auto"])
        bare[evaluations] = show("bare loop", evaluations, chosen.ranks, runs["bare loop"])
    for evaluations, rate in ours.items():
        print(f"propulate_like / bare loop at {evaluations:,}: {rate / bare[evaluations]:.2f}")
    if chosen.propulate:
        at = min(chosen.evaluations)
        rate = show(
            "propulate",
            at,
            chosen.ranks,
            [measure(chosen.propulate, HERE / "peer_propulate.py", chosen.ranks, at).split()],
        )
        print(f"propulate_like / propulate at {at:,}: {ours[at] / rate:.0f}; auto: {automatic[at] / rate:.0f}")
    if chosen.optuna:
        rate = show("optuna TPE", 1000, 1, [measure(chosen.optuna, HERE / "peer_optuna.py", 1, 1000).split()])
        print(
            f"propulate_like at {min(ours):,} on {chosen.ranks} ranks / optuna at 1,000 in one process: "
            f"{ours[min(ours)] / rate:.0f}"
        )


if __name__ == "__main__":
    main()
