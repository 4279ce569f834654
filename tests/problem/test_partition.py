"""In a space without continuous parameters each point belongs to one rank, and none is evaluated twice."""

import itertools
import random

import pytest

from propulate_like import Choice, Float, Int, MixedGaussianProcess, Optimizer, Ordinal, Space
from propulate_like.problem.partition import PointPartition

GRID = Space({"kind": Choice("a", "b", "c"), "size": Int(1, 64, log=True), "width": Ordinal(16, 32, 64, 128)})
SWITCHES = Space({f"s{index}": Choice("on", "off") for index in range(9)})
NESTED = Space(
    {
        "kind": Choice("a", "b", "c"),
        "depth": Int(1, 4, when={"kind": ["a", "b"]}),
        "inner": Ordinal(1, 2, 3, when={"depth": [2, 3]}),
        "only": Ordinal(7),
        "rate": Int(1, 8, log=True, when={"kind": "c"}),
    }
)
CONDITIONAL = Space(
    {
        "kind": Choice("a", "b"),
        "depth": Int(1, 5, when={"kind": "a"}),
        "rate": Float(0.0, 1.0, when={"kind": "b"}),
    }
)


def search(space, evaluations, workers, seed, propagator="auto", loss=lambda params: sum(map(hash, params.values()))):
    """Return what was asked for by workers that know only what has ended, each having one under way."""
    optimizers = [
        Optimizer(space, propagator=propagator, evaluations=evaluations, workers=workers, rank=rank, seed=seed)
        for rank in range(workers)
    ]
    durations = random.Random(seed)
    asked, under_way = [], []
    ready = list(enumerate(optimizers))
    while len(asked) < evaluations:
        for rank, optimizer in ready:
            asked.append(optimizer.ask())
            under_way.append((durations.random() + len(asked) / workers, rank, asked[-1]))
        under_way.sort(key=lambda one: one[0])
        _, rank, individual = under_way.pop(0)
        evaluated = optimizers[rank].tell(individual, loss(individual.params))
        for optimizer in optimizers:
            optimizer.absorb(evaluated)
        ready = [(rank, optimizers[rank])]
    return asked[:evaluations]


@pytest.mark.parametrize("propagator", ["auto", MixedGaussianProcess(rows=30)], ids=["auto", "model"])
@pytest.mark.parametrize("workers", [1, 4, 16])
def test_nothing_is_evaluated_twice_though_nobody_knows_what_others_evaluate(workers, propagator):
    asked = search(GRID, 120, workers, 3, propagator)
    assert len({GRID.canonical(individual.genome) for individual in asked}) == 120


def test_ranks_that_never_hear_of_each_other_propose_different_points():
    optimizers = [Optimizer(GRID, workers=8, rank=rank, seed=1) for rank in range(8)]
    asked = [optimizer.tell(optimizer.ask(), 1.0) for optimizer in optimizers for _ in range(40)]
    assert len({GRID.canonical(individual.genome) for individual in asked}) == 320


def test_a_rank_takes_others_points_once_it_has_met_all_of_its_own():
    optimizer = Optimizer(GRID, workers=8, rank=2, seed=1)
    asked = [optimizer.tell(optimizer.ask(), 1.0) for _ in range(len(GRID_POINTS))]
    assert {GRID.canonical(individual.genome) for individual in asked} == GRID_POINTS


@pytest.mark.parametrize("propagator", ["auto", MixedGaussianProcess()], ids=["auto", "model"])
def test_a_search_goes_on_when_every_point_was_evaluated(propagator):
    space = Space({"a": Choice("x", "y"), "b": Ordinal(1, 2, 3)})
    asked = search(space, 40, 2, 0, propagator)
    assert {individual.params.values().__repr__() for individual in asked} == {
        {"a": a, "b": b}.values().__repr__() for a, b in itertools.product("xy", (1, 2, 3))
    }


@pytest.mark.parametrize("propagator", ["auto", MixedGaussianProcess()], ids=["auto", "model"])
def test_a_space_of_one_point(propagator):
    space = Space({"only": Choice("x"), "one": Int(3, 3)})
    assert {tuple(one.params.values()) for one in search(space, 20, 4, 0, propagator)} == {("x", 3)}


def test_points_with_an_active_continuous_parameter_are_always_fresh_and_others_are_met_once():
    asked = search(CONDITIONAL, 60, 1, 5)
    depths = [one.params["depth"] for one in asked if one.params["kind"] == "a"]
    assert len(depths) == len(set(depths)) <= 5


def test_a_cell_is_what_decodes_to_the_same_params():
    partition, generator = PointPartition(GRID, 0), random.Random(0)
    by_code = {}
    for _ in range(3000):
        genome = GRID.sample(generator)
        by_code.setdefault(partition.code(genome), set()).add(tuple(GRID.decode(genome).values()))
    assert all(len(params) == 1 for params in by_code.values())
    assert len(by_code) == len({params for (params,) in by_code.values()})


@pytest.mark.parametrize("ranks", [2, 6, 8, 16])
@pytest.mark.parametrize("space", [GRID, SWITCHES], ids=["grid", "switches"])
def test_each_rank_owns_about_as_many(space, ranks):
    everything = points(space)
    owned = [sum(map(PointPartition(space, 7, rank, ranks).fresh, everything)) for rank in range(ranks)]
    assert sum(owned) == len(everything)
    assert min(owned) > 0.6 * len(everything) / ranks


@pytest.mark.parametrize("ranks", [1, 4, 16])
@pytest.mark.parametrize("space", [GRID, SWITCHES, NESTED], ids=["grid", "switches", "nested"])
def test_near_a_point_are_fresh_ones_that_differ_in_few_genes(space, ranks):
    partition, generator = PointPartition(space, 3, ranks // 2, ranks), random.Random(1)
    differing = []
    for _ in range(20):
        genome = space.canonical(space.sample(generator))
        near = partition.near(genome, generator)
        assert partition.fresh(near)
        partition.add(near)
        assert not partition.fresh(near)
        differing.append(sum(one != other for one, other in zip(genome, near, strict=True)))
    assert sum(differing) / len(differing) < 2.5


def test_every_cell_of_nested_conditions_is_evaluated_and_none_twice():
    everything = {space_point(NESTED.decode(genome)) for genome in points(NESTED)}
    for workers in (1, 3):
        asked = search(NESTED, len(everything), 1, 0) if workers == 1 else alone(NESTED, workers)
        assert len({space_point(one.params) for one in asked}) == len(asked)
    assert {space_point(one.params) for one in search(NESTED, len(everything), 1, 1)} == everything


def test_of_very_many_only_the_newest_are_remembered():
    partition = PointPartition(GRID)
    for code in range(350_000):
        partition.meet_code(code)
    assert len(partition.codes) <= 200_000 * 8
    assert not any(partition.unmet(code) for code in range(250_001, 350_000))


def test_another_one_learns_what_was_remembered():
    one, other = PointPartition(GRID, 1), PointPartition(GRID, 2)
    met = sorted(GRID_POINTS)[::3]
    for genome in met:
        one.add(genome)
    other.add_codes(one.codes)
    assert [genome for genome in sorted(GRID_POINTS) if not other.fresh(genome)] == met


def alone(space, workers):
    """Return a few that each of so many asks for, none of which hears of the others."""
    optimizers = [Optimizer(space, workers=workers, rank=rank, seed=1) for rank in range(workers)]
    return [optimizer.tell(optimizer.ask(), 1.0) for optimizer in optimizers for _ in range(5)]


def space_point(params):
    return tuple(sorted(params.items()))


def points(space):
    """Return a genome for each combination of levels."""
    return set(itertools.product(*[[p.gene(level) for level in range(p.levels)] for p in space.parameters]))


GRID_POINTS = points(GRID)
