"""CMA-ES: it finds optima whatever their shape and whatever the order of results, and begins anew elsewhere."""

import math
from random import Random

import numpy as np
import pytest
from searching import cube, every_kind, lowest, search

from propulate_like import CMAES, Choice, Float, Int, Optimizer, Space
from propulate_like.foundation.declarations import dump
from propulate_like.propagators import from_yaml
from propulate_like.propagators.models import cma_es
from propulate_like.propagators.models.restarts import RestartedCMAES


def ellipsoid(dimension, seed=0):
    generator = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(generator.standard_normal((dimension, dimension)))
    scales = 1e6 ** (np.arange(dimension) / (dimension - 1))
    optimum = generator.uniform(0.2, 0.8, dimension)
    return lambda genome: float(scales @ np.square(rotation @ (10 * (np.array(genome) - optimum))))


@pytest.mark.parametrize(("ranks", "evaluations"), [(1, 2000), (16, 3200)])
def test_rotated_ellipsoid_is_solved_in_whatever_order_results_come(ranks, evaluations):
    loss = ellipsoid(5)
    assert lowest(search(CMAES(), lambda one: loss(one.genome), cube(5), evaluations, ranks)) < 1e-10


def test_only_the_order_of_losses_matters():
    loss = ellipsoid(3)
    one = search(CMAES(), lambda each: loss(each.genome), cube(3), 300)
    other = search(CMAES(), lambda each: math.log(loss(each.genome)) ** 3 - 7, cube(3), 300)
    assert [each.genome for each in one] == [each.genome for each in other]


def test_seed_repeats_the_search():
    loss = ellipsoid(3)
    once, again, other = (
        search(CMAES(), lambda each: loss(each.genome), cube(3), 200, 4, seed, order=Random(1)) for seed in (5, 5, 6)
    )
    assert [each.genome for each in once] == [each.genome for each in again]
    assert [each.genome for each in once] != [each.genome for each in other]


def test_optimum_in_a_corner_is_found_exactly():
    ended = search(CMAES(), lambda one: sum(one.genome) - 2 * one.genome[0], cube(4), 600)
    assert all(0 <= gene <= 1 for one in ended for gene in one.genome)
    assert lowest(ended) == -1.0


def test_failures_are_not_learnt_from():
    loss, fails = ellipsoid(3), Random(3)
    ended = search(CMAES(), lambda one: math.nan if fails.random() < 0.5 else loss(one.genome), cube(3), 3000)
    assert lowest(ended) < 1e-9


@pytest.mark.parametrize("value", [0.0, math.nan])
def test_constant_loss_leaves_it_searching(value):
    ended = search(CMAES(), lambda _: value, cube(2), 800)
    late = np.array([one.genome for one in ended[-300:]])
    assert np.all(late.std(axis=0) > 0.02)


def test_restart_finds_the_narrower_funnel_that_holds_the_optimum():
    def loss(one):
        wide = 0.1 + sum((gene - 0.3) ** 2 for gene in one.genome)
        return min(wide, 4 * sum((gene - 0.8) ** 2 for gene in one.genome))

    found = [lowest(search(CMAES(), loss, cube(4), 6000, seed=seed)) for seed in range(5)]
    assert sum(each < 1e-9 for each in found) >= 4


def test_search_begins_at_the_best_that_is_known():
    optimizer = Optimizer(cube(6), propagator=CMAES(sigma=1e-6), seed=0)
    best = search(CMAES(), lambda one: one.genome[0], cube(6), 1)[0]
    optimizer.absorb(best)
    assert optimizer.ask().genome == pytest.approx(best.genome, abs=1e-4)


def test_losses_of_any_size_do_no_harm():
    """Warnings are errors here: nothing overflows."""
    search = RestartedCMAES(2, 0.25, np.random.default_rng(0), np.random.default_rng(1))
    for number in range(3000):
        point = search.ask()
        search.tell(point, [0.0, 1e308, -1e308, 1e-308, float(point[0])][number % 5])
    assert np.all(np.isfinite(search.ask()))


def test_points_drawn_elsewhere_far_away_are_not_followed_all_the_way():
    search = cma_es.EvolutionStrategy(np.full(5, 0.1), 0.001, np.random.default_rng(0))
    for _ in range(search.population):
        search.tell(np.full(5, 0.9), 0.0)
    assert 0.1 < search.mean[0] < 0.11


def test_restart_learns_nothing_from_where_the_last_search_ended():
    search = RestartedCMAES(2, 0.25, np.random.default_rng(0), np.random.default_rng(1))
    while not search.restarts:
        point = search.ask()
        search.tell(point, float(np.sum(np.square(point - 0.3))))
    before = search.search.mean.copy()
    for _ in range(2 * search.search.population):
        search.tell(np.full(2, 0.3), 0.0)
    assert np.array_equal(search.search.mean, before)


def test_mixed_space_is_searched_whole():
    space = Space({"rate": Float(1e-5, 1, log=True), **every_kind()[0]})

    def loss(one):
        params = one.params
        off = abs(math.log10(params["rate"]) + 2) + abs(params["layers"] - 13) + abs(params["width"] - 64) / 16
        return off + (params["kind"] != "b") + abs(params.get("momentum", 0.0) - 0.7)

    assert lowest(search(CMAES(), loss, space, 2000)) < 1e-2


def test_steps_keep_a_chance_to_be_left_however_narrow_the_distribution_is():
    space = Space({"n": Int(1, 20), "m": Int(1, 500, log=True), "x": Float(0, 1)})
    ended = search(CMAES(sigma=1e-9), lambda _: 1.0, space, 60)
    for name in ("n", "m"):
        values = [one.params[name] for one in ended[5:]]
        most, others = max(map(values.count, values)), len(set(values))
        assert others > 1
        assert most > 25


def test_choices_alone_are_searched_too():
    space = Space({f"c{n}": Choice(*range(4)) for n in range(4)})
    assert lowest(search(CMAES(), lambda one: sum(value != 3 for value in one.params.values()), space, 500)) == 0


def test_yaml_says_what_python_says():
    assert dump(from_yaml.read({"cma_es": {"sigma": 0.1, "population": 20}})) == dump(CMAES(0.1, 20))
    assert dump(CMAES()) == "cma_es"
    with pytest.raises(ValueError, match="sigma=0 must be a number above 0 and at most 1"):
        CMAES(sigma=0)
    with pytest.raises(ValueError, match="population=3 must be a whole number of at least 4"):
        CMAES(population=3)
