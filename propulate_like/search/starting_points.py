"""Starting points as evaluations that are unfinished: what a run begins, or goes on, before all else."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from random import Random

from propulate_like.population.individual import POINT, Candidate, Id
from propulate_like.problem.partition import PointPartition
from propulate_like.problem.points import Point, placed, shared
from propulate_like.problem.space import Space
from propulate_like.search.islands.migration import island_of
from propulate_like.storage.events import Started
from propulate_like.storage.run import ResumeSnapshot


def add_points(
    snapshot: ResumeSnapshot, points: Sequence[Point], space: Space, layout: Sequence[range]
) -> list[Started]:
    """Add those starting points that a run has not had before to its unfinished evaluations.

    They are dealt to the islands in turn, and there to the ranks, each as an individual that its rank has bred.

    Args:
        snapshot: The state of the run, which is changed: also its serial numbers, and the points that were seen.
        points: The starting points.
        space: The search space.
        layout: The ranks of each island.

    Returns:
        What was added.
    """
    order = [rank for row in zip_longest(*layout) for rank in row if rank is not None]
    added = []
    for number, point in enumerate(_new(points, snapshot.points)):
        rank = order[number % len(order)]
        serial = snapshot.serials.get(rank, 0)
        snapshot.serials = {**snapshot.serials, rank: serial + 1}
        added.append(Started(candidate_at(point, space, Id(island_of(layout, rank), rank, serial), snapshot.seed), 0.0))
    if added and space:
        partition = PointPartition.of(space)
        if partition is not None:
            partition.add_codes(snapshot.seen)
            for started in added:
                partition.add(started.candidate.genome)
            snapshot.seen = partition.codes
    snapshot.unfinished = [*snapshot.unfinished, *added]
    return added


def candidate_at(point: Point, space: Space, ident: Id, seed: int) -> Candidate:
    """Return the candidate at a starting point; what that leaves open is drawn from the candidate's own stream."""
    genome, known = placed(point, space, Random(f"{seed}/{POINT}/{ident}"))
    return Candidate(ident, genome, known, origin=POINT)


def _new(points: Sequence[Point], before: Sequence[Candidate]) -> list[Point]:
    """Return the points of which no candidate was made before: each candidate stands for one of them."""
    left = [(candidate.params, candidate.space) for candidate in before]
    new = set(range(len(points)))
    for number in sorted(new, key=lambda number: -len(points[number])):  # a point that gives less fits more of them
        alike = [shared(points[number], *made) for made in left]
        if max(alike, default=-1) >= 0:
            del left[alike.index(max(alike))]
            new.remove(number)
    return [points[number] for number in sorted(new)]
