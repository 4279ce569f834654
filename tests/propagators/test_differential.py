"""Differential evolution: it learns its own settings, and moves the best by their differences."""

import math
from random import Random

import pytest

from propulate_like import Choice, DifferentialEvolution, Float, Int, Optimizer, Ordinal, Space
from propulate_like.declarations import dump
from propulate_like.propagators import reading


def cube(dimension):
    return Space({f"x{n}": Float(0, 1) for n in range(dimension)})


def search(loss, space, count, ranks=1, seed=0, **options):
    """Evaluate one at a time, of what the ranks have pending, in random order."""
    propagator = DifferentialEvolution(**options)
    optimizers = [Optimizer(space, propagator=propagator, seed=seed, workers=ranks, rank=n) for n in range(ranks)]
    pending, order, ended = [optimizer.ask() for optimizer in optimizers], Random(seed), []
    for _ in range(count):
        rank = order.randrange(ranks)
        ended.append(optimizers[rank].tell(pending[rank], loss(pending[rank])))
        for optimizer in optimizers:
            if optimizer is not optimizers[rank]:
                optimizer.absorb(ended[-1])
        pending[rank] = optimizers[rank].ask()
    return ended


def lowest(individuals):
    return min(one.loss for one in individuals if one.has_loss)


def narrow(one):
    """A valley along the diagonal: no gene can improve by itself."""
    mean = sum(one.genome) / len(one.genome)
    return (mean - 0.6) ** 2 + 1e2 * sum((gene - mean) ** 2 for gene in one.genome)


@pytest.mark.parametrize("ranks", [1, 16])
def test_narrow_valley_is_followed_in_whatever_order_results_come(ranks):
    assert lowest(search(narrow, cube(4), 3000, ranks)) < 1e-4


def test_newborn_descends_from_members():
    ended = search(narrow, cube(3), 60)
    known = {one.id for one in ended}
    assert len(ended[-1].parents) == 4
    assert known.issuperset(ended[-1].parents)


def test_points_stay_in_the_cube_and_reach_its_corner():
    ended = search(lambda one: one.genome[0] - one.genome[1], cube(2), 600)
    assert all(0 <= gene <= 1 for one in ended for gene in one.genome)
    assert lowest(ended) < -0.999


@pytest.mark.parametrize("value", [2.0, math.nan])
def test_constant_loss_leaves_it_searching(value):
    ended = search(lambda _: value, cube(2), 500)
    assert len({one.genome for one in ended[-100:]}) > 50


def test_failures_are_not_bred_from():
    fails = Random(3)
    assert lowest(search(lambda one: math.nan if fails.random() < 0.5 else narrow(one), cube(3), 3000)) < 1e-8


def test_every_kind_of_parameter_is_searched():
    space = Space(
        {
            "layers": Int(1, 20),
            "width": Ordinal(16, 32, 64, 128),
            "kind": Choice("a", "b", "c"),
            "momentum": Float(0, 1, when={"kind": "b"}),
        }
    )

    def loss(one):
        params = one.params
        off = abs(params["layers"] - 13) + abs(params["width"] - 64) / 16
        return off + (params["kind"] != "b") + (params.get("momentum", 0.0) - 0.7) ** 2

    assert lowest(search(loss, space, 800)) < 1e-3


def test_seed_repeats_the_search():
    once, again = (search(narrow, cube(2), 200, 4, seed=5) for _ in range(2))
    assert [one.genome for one in once] == [one.genome for one in again]


def test_yaml_says_what_python_says():
    assert dump(reading.read({"differential_evolution": {"population": 30}})) == dump(DifferentialEvolution(30))
    with pytest.raises(ValueError, match="population=3 must be a whole number of at least 4"):
        DifferentialEvolution(3)
