"""One search, and what is measured of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from propulate_like_bench.constraints.contestants import CONTESTANTS
from propulate_like_bench.constraints.problems import PROBLEMS, Problem, Values
from propulate_like_bench.quality.workers import Setting, search


class Job(msgspec.Struct, frozen=True):
    """One search."""

    problem: str
    contestant: str
    seed: int
    workers: int
    evaluations: int


def compete(job: Job) -> tuple[list[Values], float]:
    """Search once, and return what evaluations came to, in the order of their ends, and the seconds of an ask."""
    problem = PROBLEMS[job.problem]()
    setting = Setting(problem.space, job.workers, job.evaluations, job.seed)
    contestant = CONTESTANTS[job.contestant](setting, len(problem.reference) or 1)
    found: list[Values] = []
    course = search(
        contestant,
        problem,  # type: ignore[arg-type]  # whose loss is all that is used
        setting,
        stream=f"{job.problem}/{job.seed}",
        note=lambda _, values: found.append(values),
    )
    return found, course.asking[-1][1] / job.evaluations


def first_feasible(found: Sequence[Values]) -> float:
    """Return the number of evaluations until the first feasible one; infinite where there is none."""
    return next((number for number, values in enumerate(found, 1) if values.feasible), math.inf)


def reached(problem: Problem, found: Sequence[Values]) -> float:
    """Return the lowest feasible loss, or the hypervolume of the feasible front as a share of the reference's box."""
    feasible = [values.losses for values in found if values.feasible]
    if not problem.reference:
        return min((losses[0] for losses in feasible), default=math.inf)
    return hypervolume(feasible, problem.reference) / math.prod(problem.reference)


def hypervolume(losses: Sequence[tuple[float, ...]], reference: Sequence[float]) -> float:
    """Return the area that points of two losses dominate, up to a reference point."""
    area, height = 0.0, reference[1]
    for one, other in sorted(losses):
        if one < reference[0] and other < height:
            area += (reference[0] - one) * (height - other)
            height = other
    return area
