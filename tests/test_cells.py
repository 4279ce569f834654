"""In a space without continuous parameters each point belongs to one rank, and none is evaluated twice."""

import itertools
import random

import pytest

from propulate_like import Choice, Float, Int, MixedGaussianProcess, Optimizer, Ordinal, Space
from propulate_like.cells import Cells

GRID = Space({"kind": Choice("a", "b", "c"), "size": Int(1, 64, log=True), "width": Ordinal(16, 32, 64, 128)})
CONDITIONAL = Space(
    {
        "kind": Choice("a", "b"),
        "depth": Int(1, 5, when={"kind": "a"}),
        "rate": Float(0.0, 1.0, when={"kind": "b"}),
    }
)


def search(space, evaluations, workers, seed, propagator="auto", loss=lambda params: sum(map(hash, params.values()))):
    """Give what was asked for by workers that know only what has ended, each having one under way."""
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
    cells, generator = Cells(GRID, 0), random.Random(0)
    by_code = {}
    for _ in range(3000):
        genome = GRID.sample(generator)
        by_code.setdefault(cells.code(genome), set()).add(tuple(GRID.decode(genome).values()))
    assert all(len(params) == 1 for params in by_code.values())
    assert len(by_code) == len({params for (params,) in by_code.values()})


def test_each_rank_owns_about_as_many():
    ranks = [Cells(GRID, 7, rank, 8) for rank in range(8)]
    owned = [sum(cells.fresh(genome) for genome in GRID_POINTS) for cells in ranks]
    assert sum(owned) == len(GRID_POINTS)
    assert min(owned) > 0.6 * len(GRID_POINTS) / 8


GRID_POINTS = {
    tuple(genome)
    for genome in itertools.product(
        *[[parameter.gene(level) for level in range(parameter.levels)] for parameter in GRID.parameters]
    )
}
