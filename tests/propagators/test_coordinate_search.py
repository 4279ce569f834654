"""Coordinate search: each rank goes down from its own point, a gene at a time, and begins again elsewhere."""

import math
from itertools import pairwise

import pytest
from searching import cube, every_kind, lowest, search

from propulate_like import Choice, CoordinateSearch, Int, Optimizer, Space
from propulate_like.foundation.declarations import dump
from propulate_like.propagators import from_yaml


def test_each_gene_of_a_parabola_is_solved_by_four_evaluations_or_so():
    ended = search(
        CoordinateSearch(),
        lambda one: sum((n + 1) * (gene - 0.3) ** 2 for n, gene in enumerate(one.genome)),
        cube(20),
        160,
    )
    assert lowest(ended) < 1e-4


def test_one_gene_changes_at_a_time():
    ended = search(CoordinateSearch(), lambda one: sum(abs(gene - 0.3) for gene in one.genome), cube(5), 40)
    best = ended[0]
    for one in ended[1:]:
        assert sum(a != b for a, b in zip(best.genome, one.genome, strict=True)) == 1
        best = min(best, one, key=lambda each: each.loss)


def test_optimum_on_the_border_is_found():
    assert lowest(search(CoordinateSearch(), lambda one: one.genome[0] - one.genome[1], cube(2), 80)) == -1.0


def test_ranks_find_different_optima():
    def loss(one):
        return min(sum((gene - place) ** 2 for gene in one.genome) for place in (0.1, 0.9))

    found = {round(search(CoordinateSearch(), loss, cube(3), 100, seed=seed)[-1].genome[0]) for seed in range(10)}
    assert found == {0, 1}


def test_every_other_search_begins_at_the_best_point_that_is_known():
    optimizer = Optimizer(cube(3), propagator=CoordinateSearch(best=True, smallest=1e-3), seed=0)
    known = optimizer.tell(Optimizer(cube(3), seed=9, rank=1).ask(), -1.0)
    asked = [optimizer.tell(optimizer.ask(), 1.0) for _ in range(400)]
    near = [sum(a != b for a, b in zip(known.genome, one.genome, strict=True)) == 1 for one in asked]
    assert near[0]
    assert 100 < sum(near) < 300


def test_search_begins_again_elsewhere_when_it_has_ended():
    ended = search(CoordinateSearch(smallest=1e-3), lambda one: abs(one.genome[0] - 0.3), cube(1), 400)
    jumps = [abs(a.genome[0] - b.genome[0]) for a, b in pairwise(ended[200:])]
    assert max(jumps) > 0.1


@pytest.mark.parametrize("value", [1.0, math.nan])
def test_constant_loss_leaves_it_searching(value):
    ended = search(CoordinateSearch(), lambda _: value, cube(2), 500)
    assert len({one.genome for one in ended[-100:]}) > 20


def test_failures_are_not_built_upon():
    def loss(one):
        return math.nan if one.genome[0] < 0.5 else (one.genome[0] - 0.52) ** 2 + (one.genome[1] - 0.2) ** 2

    assert lowest(search(CoordinateSearch(), loss, cube(2), 300)) < 1e-12


def test_every_kind_of_parameter_is_searched():
    space, loss = every_kind()
    assert lowest(search(CoordinateSearch(), loss, space, 200)) < 1e-6


def test_small_whole_numbers_on_a_logarithmic_scale_are_told_apart():
    space = Space({f"n{number}": Int(1, 500, log=True) for number in range(3)})
    ended = search(CoordinateSearch(), lambda one: sum(abs(value - 2) for value in one.params.values()), space, 80)
    assert lowest(ended) == 0


def test_one_point_is_evaluated_again_where_there_is_no_other():
    assert len(search(CoordinateSearch(), lambda _: 1.0, Space({"x": Choice("only")}), 5)) == 5


def test_copy_of_one_that_searches_begins_anew():
    optimizer = Optimizer(cube(2), propagator=CoordinateSearch(), seed=0)
    first = optimizer.tell(optimizer.ask(), 1.0)
    other = Optimizer(cube(2), propagator=optimizer.propagator, seed=0)
    assert other.ask().genome == first.genome


def test_loss_of_another_point_than_was_asked_for_is_not_credited_to_it():
    """Another step of a chain, or the search for a point that is fresh, may change what is evaluated."""
    optimizer = Optimizer(cube(2), propagator=CoordinateSearch(), seed=0)
    moved = [optimizer.ask().with_genome((0.9, 0.9)) for _ in range(50)]
    for one in moved:
        optimizer.tell(one, -1.0)
    ended = [optimizer.tell(one, sum(one.genome)) for one in (optimizer.ask() for _ in range(60))]
    assert lowest(ended) == 0.0


def test_answers_that_come_late_do_no_harm():
    optimizer = Optimizer(cube(2), propagator=CoordinateSearch(), seed=0)
    pending = [optimizer.ask() for _ in range(5)]
    for one in reversed(pending):
        optimizer.tell(one, sum(one.genome))
    assert all(0 <= gene <= 1 for gene in optimizer.ask().genome)


def test_yaml_says_what_python_says():
    assert dump(from_yaml.read({"coordinate_search": {"step": 0.5}})) == dump(CoordinateSearch(0.5))
    with pytest.raises(ValueError, match=r"smallest=0.4 must be a number above 0 and at most 0.25"):
        CoordinateSearch(smallest=0.4)
