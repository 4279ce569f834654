"""Compare searches with constraints: python -m propulate_like_bench.constraints (needs optuna and scikit-learn)."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from multiprocessing import get_context

from propulate_like_bench.arguments import count
from propulate_like_bench.constraints.contestants import CONTESTANTS
from propulate_like_bench.constraints.measures import Job, compete, first_feasible, reached
from propulate_like_bench.constraints.problems import PROBLEMS, Values


def main() -> None:
    """Search with several processes at a time, and print a row for each problem and contestant."""
    parser = argparse.ArgumentParser(prog="python -m propulate_like_bench.constraints", description=__doc__)
    parser.add_argument("--problems", nargs="+", metavar="NAME", choices=list(PROBLEMS), default=list(PROBLEMS))
    parser.add_argument("--contestants", nargs="+", metavar="NAME", choices=list(CONTESTANTS), default=[*CONTESTANTS])
    parser.add_argument("--evaluations", type=count, default=100)
    parser.add_argument("--workers", type=count, default=16)
    parser.add_argument("--seeds", type=count, default=10)
    parser.add_argument("--jobs", type=count, default=2, help="processes")
    chosen = parser.parse_args()
    jobs = [
        Job(problem, contestant, seed, chosen.workers, chosen.evaluations)
        for problem in chosen.problems
        for contestant in chosen.contestants
        for seed in range(chosen.seeds)
    ]
    print("| problem | contestant | first feasible (worst) | feasible | reached (worst seed) | ask, ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    courses: list[tuple[list[Values], float]] = []
    with get_context("spawn").Pool(chosen.jobs) as pool:
        for job, course in zip(jobs, pool.imap(compete, jobs), strict=True):
            courses.append(course)
            if len(courses) == chosen.seeds:
                print(row(job, courses), flush=True)
                courses = []


def row(job: Job, courses: Sequence[tuple[list[Values], float]]) -> str:
    """Return the row of a problem and a contestant, of a search for each seed: medians, and the worst in brackets."""
    problem = PROBLEMS[job.problem]()
    first = sorted(first_feasible(found) for found, _ in courses)
    reach = sorted((reached(problem, found) for found, _ in courses), reverse=bool(problem.reference))
    shares = statistics.mean(sum(one.feasible for one in found) / len(found) for found, _ in courses)
    asking = statistics.mean(seconds for _, seconds in courses)
    return (
        f"| {job.problem} | {job.contestant} | {statistics.median(first):.3g} ({first[-1]:.3g}) | {shares:.0%} | "
        f"{statistics.median(reach):.5g} ({reach[-1]:.5g}) | {1e3 * asking:.1f} |"
    )


if __name__ == "__main__":
    main()
