"""Run the comparison: python -m propulate_like_bench.stopping (needs torch, scikit-learn and optuna)."""

from __future__ import annotations

import argparse
import math
import statistics
from multiprocessing import get_context

from propulate_like_bench.arguments import count
from propulate_like_bench.stopping.contestants import CONTESTANTS, Course, compete
from propulate_like_bench.stopping.network import EPOCHS


def epochs_to(course: Course, target: float) -> float:
    """Return the epochs after which a loss of at most `target` was known."""
    return next((spent for spent, loss in course if loss <= target), math.inf)


def lowest(course: Course, epochs: int) -> float:
    """Return the lowest loss known after a number of epochs."""
    return min((loss for spent, loss in course if spent <= epochs), default=math.inf)


def show(courses: dict[str, dict[int, Course]], target: float, epochs: int) -> None:
    """Print a row for each contestant: medians over the seeds, and each seed's epochs."""
    print(f"epochs until a validation loss of {target:g} (share of the first row's), lowest after {epochs:,}; medians")
    base = math.nan
    for name, by_seed in courses.items():
        each = [epochs_to(course, target) for _, course in sorted(by_seed.items())]
        median = statistics.median(each)
        base = median if math.isnan(base) else base
        best = statistics.median(lowest(course, epochs) for course in by_seed.values())
        written = " ".join(f"{value:>7,.0f}" for value in each)
        print(f"{name:<28} {median:>7,.0f} {median / base:>6.0%} {best:>8.4f}   {written}", flush=True)


def main() -> None:
    """Search with several processes at a time, each on one core, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=count, default=100 * EPOCHS, help="of training in total, for each search")
    parser.add_argument("--target", type=float, nargs="+", default=[0.08, 0.07, 0.06])
    parser.add_argument("--seeds", type=count, default=5)
    parser.add_argument("--processes", type=count, default=4)
    parser.add_argument("--only", nargs="+", metavar="CONTESTANT", choices=list(CONTESTANTS), default=[*CONTESTANTS])
    chosen = parser.parse_args()
    jobs = [(name, seed, chosen.epochs) for name in chosen.only for seed in range(chosen.seeds)]
    courses: dict[str, dict[int, Course]] = {name: {} for name in chosen.only}
    with get_context("spawn").Pool(chosen.processes) as pool:
        for name, seed, course in pool.imap_unordered(compete, jobs):
            courses[name][seed] = course
            print(f"# {name}, seed {seed}: {len(course)} evaluations, {course[-1][0]:,} epochs", flush=True)
    for target in chosen.target:
        show(courses, target, chosen.epochs)


if __name__ == "__main__":
    main()
