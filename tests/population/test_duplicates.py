"""A rank remembers which points were evaluated, as far as that is worth it."""

from random import Random

import pytest

from propulate_like import Choice, Float, Id, Individual, Int, Space
from propulate_like.population.duplicates import EXPENSIVE_SECONDS, REMEMBERED, DuplicateMemory
from propulate_like.population.individual import Candidate
from propulate_like.population.outcome import Outcome

CUBE = Space({"x": Float(0, 1), "y": Float(0, 1)})
GRID = Space({"kind": Choice("a", "b", "c"), "size": Int(1, 4)})
BRANCHES = Space({"kind": Choice("a", "b"), "x": Float(0, 1, when={"kind": "a"})})


def bred(space, genome, serial=0):
    return Individual(Candidate(Id(0, 0, serial), genome, space))


def last(seconds):
    return bred(CUBE, (0.0, 0.0)).evaluated(Outcome.of(1.0).timed(seconds))


def test_a_continuous_point_is_claimed_once_where_evaluations_are_expensive():
    memory = DuplicateMemory(CUBE, 0, 0, 1)
    assert memory.claim((0.5, 0.5), last(EXPENSIVE_SECONDS))
    assert not memory.claim((0.5, 0.5), last(EXPENSIVE_SECONDS))
    assert memory.claim((0.5, 0.5), last(EXPENSIVE_SECONDS / 2))


def test_before_a_rank_has_evaluated_anything_it_proposes_no_point_that_it_was_told_of():
    memory = DuplicateMemory(CUBE, 0, 0, 1)
    assert memory.claim((0.5, 0.5), None)
    assert memory.claim((0.5, 0.5), None)
    memory.add((0.5, 0.5), note=True)
    assert not memory.claim((0.5, 0.5), None)


def test_a_point_that_differs_in_an_inactive_gene_alone_is_the_same():
    memory = DuplicateMemory(BRANCHES, 0, 0, 1)
    assert memory.claim((0.75, 0.1), last(0.0))
    assert not memory.claim((0.75, 0.9), last(0.0))
    assert memory.claim((0.25, 0.1), last(0.0))
    assert memory.claim((0.25, 0.1), last(0.0))  # a continuous one, and cheap


def test_of_points_that_can_be_listed_each_is_claimed_by_one_rank_once_whatever_it_costs():
    genomes = [((kind + 0.5) / 3, (size + 0.5) / 4) for kind in range(3) for size in range(4)]
    memories = [DuplicateMemory(GRID, 7, rank, 3) for rank in range(3)]
    assert all(memory.few for memory in memories)
    claims = [[memory.claim(genome, last(0.0)) for memory in memories] for genome in genomes]
    assert [sum(each) for each in claims] == [1] * 12
    assert not any(memory.claim(genome, None) for memory in memories for genome in genomes)


def test_a_point_is_bred_again_and_then_changed_until_it_is_new():
    memory, met = DuplicateMemory(GRID, 0, 0, 1), (0.5, 0.125)
    memory.add(met, note=False)
    tries = []

    def breed(genome):
        tries.append(genome)
        return bred(GRID, genome, len(tries))

    changed = memory.renewed(lambda: breed(met), None, Random(0))
    assert len(tries) > 1
    assert GRID.canonical(changed.genome) != GRID.canonical(met)
    assert changed.id == Id(0, 0, len(tries))
    assert not memory.claim(changed.genome, None)
    assert memory.renewed(lambda: breed((0.9, 0.9)), None, Random(0)).genome == (0.9, 0.9)


def test_without_a_partition_a_point_that_is_bred_again_and_again_stays():
    memory = DuplicateMemory(CUBE, 0, 0, 1)
    memory.add((0.5, 0.5), note=True)
    one = bred(CUBE, (0.5, 0.5))
    assert memory.renewed(lambda: one, None, Random(0)) is one


def test_another_space_begins_with_nothing_known():
    memory = DuplicateMemory(GRID, 0, 0, 1)
    assert memory.claim((0.5, 0.5), None)
    memory.begin(CUBE)
    assert (memory.partition, memory.few) == (None, False)
    memory.add((0.5, 0.5), note=True)
    memory.begin(GRID)
    assert memory.claim((0.5, 0.5), None)


@pytest.mark.parametrize("space", [CUBE, BRANCHES])
def test_of_very_many_points_the_newest_are_remembered(space):
    memory = DuplicateMemory(space, 0, 0, 1)
    points = [(0.25, serial / (REMEMBERED + 10)) for serial in range(REMEMBERED + 10)]
    for point in points:
        memory.add(point, note=True)
    assert memory.claim(points[0], last(1.0))
    assert not memory.claim(points[-1], last(1.0))
