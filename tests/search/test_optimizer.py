"""The optimizer: ask, tell and absorb, and what its default reaches."""

import json
import math

import numpy as np
import pytest

from propulate_like import (
    Chain,
    Choice,
    Float,
    Id,
    Int,
    Optimizer,
    PointMutation,
    SelectBest,
    SelectRandom,
    Space,
    Status,
    UniformInitialization,
)
from propulate_like.search.optimizer import IslandPlace


def sphere(params):
    return sum((value - 1.0) ** 2 for value in params.values())


def rastrigin(params):
    shifted = [value - 1.0 for value in params.values()]
    return sum(10 + v * v - 10 * math.cos(2 * math.pi * v) for v in shifted)


def cube(dimension):
    return Space({f"x{i}": Float(-5.12, 5.12) for i in range(dimension)})


def search(space, loss, evaluations, seed):
    optimizer = Optimizer(space, evaluations=evaluations, seed=seed)
    for _ in range(evaluations):
        individual = optimizer.ask()
        optimizer.tell(individual, loss(individual.params))
    return optimizer


def test_auto_reaches_the_optimum_of_the_sphere():
    reached = [search(cube(5), sphere, 4000, seed).best.loss for seed in range(10)]
    assert sum(loss < 1e-6 for loss in reached) >= 9, reached


@pytest.mark.parametrize(("searches", "enough"), [(2, 1), pytest.param(10, 8, marks=pytest.mark.slow)])
def test_auto_finds_the_global_basin_of_rastrigin_in_20_dimensions(searches, enough):
    reached = [search(cube(20), rastrigin, 40_000, seed).best.loss for seed in range(searches)]
    assert sum(loss < 1.0 for loss in reached) >= enough, reached


def test_auto_finds_the_one_best_combination_of_a_mixed_conditional_space():
    space = Space(
        {
            "kind": Choice("a", "b", "c"),
            "n": Int(1, 50),
            "x": Float(1e-6, 1, log=True, when={"kind": "b"}),
        }
    )

    def loss(params):
        return abs(params["n"] - 37) + (abs(math.log10(params["x"]) + 3) if params["kind"] == "b" else 5.0)

    for seed in range(5):
        best = search(space, loss, 1500, seed).best
        assert (best.params["kind"], best.params["n"]) == ("b", 37)
        assert best.loss < 0.05


@pytest.mark.parametrize(
    ("space", "loss"),
    [
        (Space({"c": Choice("only")}), lambda _: 1.0),
        (cube(3), lambda _: 0.0),
        (Space({"c": Choice("a", "b")}), lambda p: float(p["c"] == "a")),
    ],
)
def test_degenerate_searches_go_on(space, loss):
    assert search(space, loss, 300, 0).best.loss == min(loss(space.decode((g,) * len(space))) for g in (0, 1))


def test_the_same_seed_gives_the_same_individuals_and_another_seed_others():
    genomes = [
        [[one.genome for one in search(cube(3), rastrigin, 200, seed).population] for _ in range(2)] for seed in (1, 2)
    ]
    assert genomes[0][0] == genomes[0][1]
    assert genomes[0][0] != genomes[1][0]


def test_ranks_of_one_seed_draw_different_streams():
    first = [Optimizer(cube(3), rank=rank, seed=4).ask().genome for rank in range(4)]
    assert len(set(first)) == 4


def test_identity_counts_up_on_each_rank():
    optimizer = Optimizer(cube(2), rank=3, seed=0)
    assert [optimizer.ask().id for _ in range(3)] == [Id(0, 3, 0), Id(0, 3, 1), Id(0, 3, 2)]


@pytest.mark.parametrize(
    ("loss", "status"),
    [
        (math.nan, Status.NAN),
        (math.inf, Status.INFINITE),
        (-math.inf, Status.INFINITE),
        ("0.5", Status.INVALID),
        (None, Status.INVALID),
        (True, Status.INVALID),
        ({"accuracy": 1}, Status.INVALID),
        ([], Status.INVALID),
        (["0.5"], Status.INVALID),
        ([[1.0]], Status.INVALID),
        (1j, Status.INVALID),
        ((1.0, 2.0), Status.INVALID),
        ((1.0, math.nan), Status.NAN),
    ],
)
def test_what_is_no_finite_number_is_a_failure_that_nothing_is_bred_from(loss, status):
    optimizer = Optimizer(cube(2), seed=0)
    failure = optimizer.tell(optimizer.ask(), loss)
    assert (failure.status, failure.failed) == (status, True)
    assert failure.cause
    assert optimizer.best is None
    assert len(optimizer.population) == 0


def test_mapping_is_a_loss_with_metrics():
    optimizer = Optimizer(cube(2), seed=0)
    individual = optimizer.tell(optimizer.ask(), {"loss": 1, "accuracy": 0.5, "name": "x", "bad": math.nan, "o": {1}})
    assert individual.loss == 1.0
    assert individual.metrics == {"accuracy": 0.5, "name": "x", "bad": "nan", "o": "{1}"}


def test_metrics_may_be_lists_and_mappings_as_deep_as_json_is_written():
    deep: list = []
    deep.append(deep)
    optimizer = Optimizer(cube(2), seed=0)
    metrics = {"loss": 1, "shape": (3, 4.5), "by class": {1: [None, True]}, "deep": deep}
    told = optimizer.tell(optimizer.ask(), metrics).metrics
    assert told["shape"] == [3, 4.5]
    assert told["by class"] == {"1": [None, True]}
    assert json.loads(json.dumps(told)) == told


def test_numbers_of_numpy_count_as_losses():
    np = pytest.importorskip("numpy")
    optimizer = Optimizer(cube(2), seed=0)
    for loss in (np.float32(1.5), np.int64(2), np.array(0.25)):
        assert optimizer.tell(optimizer.ask(), loss).status is Status.OK


def test_absorbed_individuals_become_parents():
    here, there = Optimizer(cube(2), rank=0, seed=0), Optimizer(cube(2), rank=1, seed=0)
    for _ in range(100):
        individual = there.ask()
        here.absorb(there.tell(individual, sphere(individual.params)))
    assert here.best == there.best
    assert any(parent.rank == 1 for parent in here.ask().parents)


def test_absorb_says_whether_an_individual_may_matter_to_others():
    optimizer = Optimizer(cube(2), propagator=Chain(SelectBest(10), SelectRandom(1), PointMutation(1)), seed=0)
    size = optimizer.propagator.requirements.best
    individuals = [optimizer.ask() for _ in range(size + 2)]
    assert all(optimizer.absorb(i.evaluated(outcome(n))) for n, i in enumerate(individuals[:size]))
    assert not optimizer.absorb(individuals[size].evaluated(outcome(1000)))
    assert optimizer.absorb(individuals[size + 1].evaluated(outcome(-1)))


def outcome(loss):
    from propulate_like.population.outcome import Outcome

    return Outcome(Status.OK, float(loss))


def test_what_cannot_be_told_is_refused_in_one_line():
    optimizer = Optimizer(cube(2), seed=0)
    individual = optimizer.ask()
    for foreign in (Optimizer(cube(3), seed=0).ask(), {"x0": 1.0}, None):
        with pytest.raises(ValueError, match=r"takes an individual that ask\(\) gave, of this space"):
            optimizer.tell(foreign, 1.0)
    with pytest.raises(ValueError, match="seconds='a' must be a number"):
        optimizer.tell(individual, 1.0, seconds="a")
    optimizer.tell(individual, 1.0)
    with pytest.raises(ValueError, match="individual 0-0-0 was told before"):
        optimizer.tell(individual, 2.0)
    assert optimizer.best.loss == 1.0


@pytest.mark.parametrize("arguments", [{"rank": -1}, {"workers": 0}, {"seed": "a"}, {"seed": 1.5}, {"rank": True}])
def test_impossible_numbers_are_refused(arguments):
    ((name, _),) = arguments.items()
    with pytest.raises(ValueError, match=f"{name}=.* must be a whole number"):
        Optimizer(cube(2), **arguments)


@pytest.mark.parametrize("loss", [True, np.bool_(True), "1.0"])
def test_truth_values_and_words_are_no_losses(loss):
    optimizer = Optimizer(cube(2), seed=0)
    told = optimizer.tell(optimizer.ask(), loss)
    assert told.failed
    assert "is no number" in told.cause


def test_a_number_names_the_individual_and_its_stream_of_random_numbers():
    optimizer, other = (Optimizer(cube(3), propagator=UniformInitialization(), seed=1) for _ in range(2))
    first, following = optimizer.ask(7), optimizer.ask()
    assert (first.id.serial, following.id.serial) == (7, 8)
    other.ask()
    assert other.ask(7) == first
    assert other.ask(8).genome != following.genome


@pytest.mark.parametrize(("seconds", "fewest", "most"), [(1.0, 70, 100), (1e-6, 0, 55)])
def test_no_point_is_bred_again_where_evaluations_take_their_time(seconds, fewest, most):
    space = {"kind": Choice("svm", "forest"), "x": Float(0, 1)}
    space |= {name: Float(0, 1, when={"kind": "svm"}) for name in ("c", "d")}  # a change of these changes nothing
    optimizer = Optimizer(space, seed=0, propagator=Chain(SelectBest(5), SelectRandom(1), PointMutation(1)))
    points = set()
    for _ in range(100):
        individual = optimizer.ask()
        params = individual.params
        points.add(tuple(params.items()))
        optimizer.tell(individual, params["x"] + (params["kind"] == "svm"), seconds)
    assert fewest <= len(points) <= most


def test_an_individual_that_was_evaluated_already_becomes_a_newborn():
    optimizer = Optimizer(cube(2), propagator=SelectBest(1), seed=0)
    known = optimizer.tell(optimizer.ask(), 1.0, seconds=0.0)
    copied = optimizer.ask()
    assert (copied.genome, copied.status, copied.parents) == (known.genome, Status.BRED, (known.id,))
    assert copied.id != known.id


def test_a_space_that_is_equal_is_the_same_space():
    individual = Optimizer(cube(2), seed=0).ask()
    assert Optimizer(cube(2), seed=0).tell(individual, 1.0).loss == 1.0


def test_a_rank_promotes_what_its_own_place_has_bred():
    place = IslandPlace(1, 2, range(4, 7))
    owners = {
        (island, rank): [member for member in place.members if place.promotes(member, Id(island, rank, 0))]
        for island, rank in [(1, 4), (1, 5), (1, 6), (1, 8), (3, 4), (0, 4)]
    }
    assert owners == {(1, 4): [4], (1, 5): [5], (1, 6): [6], (1, 8): [5], (3, 4): [4], (0, 4): []}
