"""Evaluations a second where an evaluation costs nothing, beside a bare loop and other programs.

python -m propulate_like_bench.throughput [--propulate PYTHON] [--optuna PYTHON]
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile

from propulate_like_bench.arguments import count
from propulate_like_bench.timed.order import Found, Order
from propulate_like_bench.timed.searches import search


def ours(by: str, evaluations: int, ranks: int) -> Found:
    """Search with this package, with its journal on."""
    with tempfile.TemporaryDirectory() as folder:
        return search("ours", Order(evaluations=evaluations, by=by, folder=folder, journal=True), ranks)


def show(name: str, evaluations: int, ranks: int, runs: list[Found]) -> float:
    """Print the median of several runs as a row of the table, and return its rate."""
    rates = [run.evaluations / run.seconds for run in runs]
    rate = statistics.median(rates)
    spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
    first = runs[0]
    batches = "-" if first.batches is None else first.batches
    print(
        f"{name:<16} {ranks:>5} {evaluations:>11,} {rate:>12,.0f} {spread:>22} {batches:>9} "
        f"{first.memory:>7.0f} {first.best:>9.1e}",
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
    chain: dict[int, float] = {}
    automatic: dict[int, float] = {}
    bare: dict[int, float] = {}
    for evaluations in chosen.evaluations:
        runs: dict[str, list[Found]] = {"propulate_like": [], "auto": [], "bare loop": []}
        for _ in range(chosen.repeats):
            runs["auto"].append(ours("auto", evaluations, chosen.ranks))
            runs["propulate_like"].append(ours("chain", evaluations, chosen.ranks))
            runs["bare loop"].append(search("bare", Order(evaluations=evaluations), chosen.ranks))
        rates = {name: show(name, evaluations, chosen.ranks, found) for name, found in runs.items()}
        chain[evaluations], automatic[evaluations], bare[evaluations] = rates.values()
    for evaluations, rate in chain.items():
        print(f"propulate_like / bare loop at {evaluations:,}: {rate / bare[evaluations]:.2f}")
    least = min(chosen.evaluations)
    if chosen.propulate:
        found = search("propulate", Order(evaluations=least), chosen.ranks, chosen.propulate)
        rate = show("propulate", least, chosen.ranks, [found])
        print(
            f"propulate_like / propulate at {least:,}: {chain[least] / rate:.0f}; auto: {automatic[least] / rate:.0f}"
        )
    if chosen.optuna:
        found = search("optuna", Order(evaluations=1000, by="TPESampler"), 1, chosen.optuna)
        rate = show("optuna TPE", 1000, 1, [found])
        print(
            f"propulate_like at {least:,} on {chosen.ranks} ranks / optuna at 1,000 in one process: "
            f"{chain[least] / rate:.0f}"
        )


if __name__ == "__main__":
    main()
