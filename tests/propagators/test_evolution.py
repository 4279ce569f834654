"""Evolution: ranks go their own ways first, then breed from the best of all; with few evaluations, at once."""

import subprocess
import sys
from collections import Counter
from random import Random

import pytest
from searching import cube

from propulate_like import Choice, Evolution, Float, MeanCrossover, Optimizer, Space
from propulate_like.foundation.declarations import dump
from propulate_like.propagators import from_yaml


def search(loss, space, evaluations, ranks, seed=0, propagator=None):
    """Evaluate on all ranks in turn, each of which knows of all at once."""
    propagator = propagator or Evolution(evaluations)
    optimizers = [Optimizer(space, propagator=propagator, seed=seed, workers=ranks, rank=n) for n in range(ranks)]
    ended = []
    for number in range(evaluations):
        asking = optimizers[number % ranks]
        individual = asking.ask()
        ended.append(asking.tell(individual, loss(individual)))
        for optimizer in optimizers:
            if optimizer is not asking:
                optimizer.absorb(ended[-1])
    return ended


def test_ranks_are_alone_for_almost_half_of_their_evaluations():
    noise = Random(0)
    ended = search(lambda _: noise.random(), cube(3), 800, 8)
    alone = [one.origin == "coordinate_search" for one in ended]
    assert all(alone[:350])
    assert not any(alone[360:])


def test_every_fourth_rank_follows_a_normal_distribution_afterwards():
    noise = Random(0)
    ended = search(lambda _: noise.random(), cube(3), 800, 8)
    ranks = Counter(one.id.rank for one in ended[400:] if one.origin == "cma_es")
    assert ranks == {3: 50, 7: 50}


def test_all_begin_together_where_evaluations_are_few_or_unknown():
    for propagator in (Evolution(200), Evolution()):
        ended = search(lambda one: sum(one.genome), cube(10), 200, 8, propagator=propagator)
        assert not any(one.origin == "coordinate_search" for one in ended)


def test_funnel_is_found_that_random_points_seldom_show():
    def loss(one):
        wide = 0.02 * len(one.genome) + 0.5 * sum((gene - 0.2) ** 2 for gene in one.genome)
        return min(wide, sum((gene - 0.75) ** 2 for gene in one.genome))

    found = [min(one.loss for one in search(loss, cube(10), 2400, 24, seed)) for seed in range(3)]
    assert max(found) < 1e-3


@pytest.mark.parametrize("normal", [True, False])
def test_other_funnel_is_found_once_all_lie_at_the_bottom_of_one(normal):
    def loss(one):
        wide = 0.01 + 0.5 * sum((gene - 0.2) ** 2 for gene in one.genome)
        return min(wide, sum((gene - 0.85) ** 2 for gene in one.genome))

    stuck = 0
    for seed in range(5):
        ended = search(loss, cube(3), 6000, 1, seed, Evolution(6000, normal=normal))
        begun = next(number for number, one in enumerate(ended) if one.origin == "coordinate_search")
        stuck += min(one.loss for one in ended[:begun]) >= 0.01
        assert min(one.loss for one in ended) < 1e-4
    assert stuck


def test_rank_alone_breeds_by_all_ways():
    ended = search(lambda one: sum((gene - 0.3) ** 2 for gene in one.genome), cube(2), 400, 1)
    origins = {one.origin.split("+")[0] for one in ended}
    assert {"uniform_crossover", "mean_crossover", "cma_es"} <= origins
    assert "coordinate_search" not in origins  # it has nobody to differ from


def test_numpy_is_not_loaded_where_no_distribution_is_followed():
    code = (
        "import propulate_like as pl, sys\n"
        "pl.minimize(lambda x: x, {'x': (0.0, 1.0)}, evaluations=99, propagator=pl.Evolution(99, normal=False),"
        " progress=False)\n"
        "print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_seed_repeats_the_search():
    once, again = (search(lambda one: sum(one.genome), cube(2), 300, 4, seed=3) for _ in range(2))
    assert [one.genome for one in once] == [one.genome for one in again]


def test_mean_of_parents_lies_between_them():
    space = Space({"x": Float(0, 1), "kind": Choice("a", "b")})
    optimizer = Optimizer(space, seed=0, propagator=from_yaml.read([{"select_best": 4}, "mean_crossover"]))
    parents = [optimizer.tell(optimizer.ask(), float(n)) for n in range(4)]
    child = optimizer.ask()
    assert child.genome[0] == pytest.approx(sum(one.genome[0] for one in parents) / 4)
    assert child.genome[1] in {one.genome[1] for one in parents}
    assert set(child.parents) == {one.id for one in parents}
    with pytest.raises(ValueError, match="probability=2"):
        MeanCrossover(2)


def test_yaml_says_what_python_says():
    declared = Evolution(500, normal=False)
    assert dump(declared) == {"evolution": {"evaluations": 500, "normal": False}}
    assert dump(from_yaml.read(dump(declared))) == dump(declared)
    with pytest.raises(ValueError, match="evaluations=0 must be a whole number of at least 1"):
        Evolution(0)
    with pytest.raises(ValueError, match="normal='no' must be true or false"):
        Evolution(normal="no")
