"""The Gaussian process for parameters of any kind finds what is best in few evaluations, whatever the loss does."""

import math

import pytest

from propulate_like import Choice, Float, Int, MixedGaussianProcess, Optimizer, Ordinal, Space, UniformInitialization
from propulate_like.propagators.from_yaml import read

TABLE = Space(
    {
        "kind": Choice("a", "b", "c", "d"),
        "size": Int(1, 64, log=True),
        "width": Ordinal(16, 32, 64, 128, 256),
        "flag": Choice(True, False),
        "depth": Int(1, 8),
    }
)
CONDITIONAL = Space(
    {
        "kind": Choice("a", "b", "c"),
        "n": Int(1, 50),
        "x": Float(1e-6, 1, log=True, when={"kind": "b"}),
    }
)


def table(params):
    off = {"a": 2.0, "b": 0.7, "c": 0.0, "d": 1.0}[params["kind"]]
    size = abs(math.log(params["size"] / 20))
    depth = 0.3 * abs(params["depth"] - 6) * (1.5 if params["flag"] else 1.0)
    return off + size * (1 + off) + depth + 0.2 * params["flag"] + abs(math.log2(params["width"]) - 7) * 0.2


def conditional(params):
    return abs(params["n"] - 37) / 10 + (abs(math.log10(params["x"]) + 3) if params["kind"] == "b" else 3.0)


def search(space, loss, evaluations, seed, propagator=None):
    optimizer = Optimizer(space, propagator=propagator or MixedGaussianProcess(rows=60), seed=seed)
    return [
        optimizer.tell(individual, loss(individual.params))
        for individual in (optimizer.ask() for _ in range(evaluations))
    ]


def least(individuals):
    return min(individual.loss for individual in individuals if individual.has_loss)


def test_it_finds_better_points_of_a_table_than_random_search_with_four_times_the_evaluations():
    ours = [least(search(TABLE, table, 50, seed)) for seed in range(6)]
    random = [least(search(TABLE, table, 200, seed, UniformInitialization())) for seed in range(6)]
    assert sum(ours) < 0.6 * sum(random)


def test_it_finds_the_branch_and_the_values_of_a_conditional_space():
    for seed in range(3):
        best = min(search(CONDITIONAL, conditional, 90, seed), key=lambda individual: individual.loss)
        assert best.params["kind"] == "b"
        assert best.loss < 0.3


def test_where_a_region_fails_it_finds_the_best_beside_it():
    def loss(params):
        return math.nan if params["kind"] in "ac" else table(params)

    asked = search(TABLE, loss, 80, 0)
    assert least(asked) < 1.2
    assert sum(one.failed for one in asked) < 20  # half of all points fail


def test_where_only_the_ends_of_a_range_succeed_it_finds_them():
    def loss(params):
        return params["x"] if params["x"] > 0.93 else math.nan

    space = Space({"x": Float(0, 1), "kind": Choice("a", "b")})
    asked = search(space, loss, 100, 0)
    assert sum(not one.failed for one in asked[50:]) > 25


def test_no_point_is_evaluated_twice_where_some_parameters_are_continuous():
    space = Space({"kind": Choice(*"abcdef"), "x": Float(0, 1)})
    asked = search(space, lambda params: ord(params["kind"]), 80, 0)
    assert len({one.genome for one in asked}) == 80


@pytest.mark.parametrize(
    "loss",
    [lambda _: 1.0, lambda _: math.nan, lambda params: 1e300 if params["flag"] else -1e300, lambda _: math.inf],
    ids=["constant", "failing", "huge", "infinite"],
)
def test_losses_that_say_little_end_nothing(loss):
    assert len({TABLE.canonical(one.genome) for one in search(TABLE, loss, 40, 0)}) == 40


def test_seeds_repeat():
    genomes = [[one.genome for one in search(TABLE, table, 30, seed)] for seed in (1, 1, 2)]
    assert genomes[0] == genomes[1] != genomes[2]


def test_it_is_written_in_yaml_like_any_other():
    assert repr(read({"mixed_gaussian_process": {"rows": 50}})) == repr(MixedGaussianProcess(rows=50))
    with pytest.raises(ValueError, match="rows=3 must be a whole number of at least 8"):
        MixedGaussianProcess(rows=3)
