"""Differential evolution: it learns its own settings, and moves the best by their differences."""

import math
from random import Random

import pytest
from searching import cube, every_kind, lowest, search

from propulate_like import DifferentialEvolution
from propulate_like.foundation.declarations import dump
from propulate_like.propagators import from_yaml


def narrow(one):
    """A valley along the diagonal: no gene can improve by itself."""
    mean = sum(one.genome) / len(one.genome)
    return (mean - 0.6) ** 2 + 1e2 * sum((gene - mean) ** 2 for gene in one.genome)


@pytest.mark.parametrize("ranks", [1, 16])
def test_narrow_valley_is_followed_in_whatever_order_results_come(ranks):
    assert lowest(search(DifferentialEvolution(), narrow, cube(4), 3000, ranks)) < 1e-4


def test_newborn_descends_from_members():
    ended = search(DifferentialEvolution(), narrow, cube(3), 60)
    known = {one.id for one in ended}
    assert len(ended[-1].parents) == 4
    assert known.issuperset(ended[-1].parents)


def test_points_stay_in_the_cube_and_reach_its_corner():
    ended = search(DifferentialEvolution(), lambda one: one.genome[0] - one.genome[1], cube(2), 600)
    assert all(0 <= gene <= 1 for one in ended for gene in one.genome)
    assert lowest(ended) < -0.999


@pytest.mark.parametrize("value", [2.0, math.nan])
def test_constant_loss_leaves_it_searching(value):
    ended = search(DifferentialEvolution(), lambda _: value, cube(2), 500)
    assert len({one.genome for one in ended[-100:]}) > 50


def test_losses_of_any_size_do_no_harm():
    ended = search(DifferentialEvolution(), lambda one: 1.7e308 * (one.genome[0] - 0.5), cube(2), 300)
    assert all(0 <= gene <= 1 for one in ended for gene in one.genome)
    assert lowest(ended) < -8e307


def test_failures_are_not_bred_from():
    fails = Random(3)
    assert (
        lowest(
            search(
                DifferentialEvolution(), lambda one: math.nan if fails.random() < 0.5 else narrow(one), cube(3), 3000
            )
        )
        < 1e-8
    )


def test_every_kind_of_parameter_is_searched():
    space, loss = every_kind()
    assert lowest(search(DifferentialEvolution(), loss, space, 800)) < 1e-3


def test_seed_repeats_the_search():
    once, again = (search(DifferentialEvolution(), narrow, cube(2), 200, 4, seed=5) for _ in range(2))
    assert [one.genome for one in once] == [one.genome for one in again]


def test_yaml_says_what_python_says():
    assert dump(from_yaml.read({"differential_evolution": {"population": 30}})) == dump(DifferentialEvolution(30))
    with pytest.raises(ValueError, match="population=3 must be a whole number of at least 4"):
        DifferentialEvolution(3)
