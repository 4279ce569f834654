"""Topologies: between which islands individuals travel."""

import math

import numpy as np
import pytest
from propulate_like_bench.scaling import costs

import propulate_like as pl
from propulate_like.problem.budget import Budget
from propulate_like.search.simulation import Simulation
from propulate_like.search.specification import SearchSpecification


def sends(topology, count, seed=0):
    rows = [pl.Topology.of(topology).row(island, count, seed) for island in range(count)]
    return {island: {other for other, number in enumerate(row) if number} for island, row in enumerate(rows)}


@pytest.mark.parametrize("topology", ["full", "ring", "torus", "star", "hypercube", "random_regular"])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 8, 12, 16])
def test_every_island_can_be_reached_from_every_other_and_none_sends_to_itself(topology, count):
    targets = sends(topology, count)
    assert all(island not in others for island, others in targets.items())
    if topology == "hypercube" and count & (count - 1):
        return  # what is missing of a cube may cut it, which its name says
    for island in range(count):
        reached = [island]
        for one in reached:
            reached += [other for other in sorted(targets[one]) if other not in reached]
        if topology != "random_regular":
            assert len(reached) == count


def test_shapes_are_what_their_names_say():
    assert sends("full", 3) == {0: {1, 2}, 1: {0, 2}, 2: {0, 1}}
    assert sends("ring", 4) == {0: {1}, 1: {2}, 2: {3}, 3: {0}}
    assert sends("star", 4) == {0: {1, 2, 3}, 1: {0}, 2: {0}, 3: {0}}
    assert sends("hypercube", 4) == {0: {1, 2}, 1: {0, 3}, 2: {0, 3}, 3: {1, 2}}
    assert sends("torus", 9)[4] == {1, 3, 5, 7}
    assert sends("torus", 9)[0] == {1, 2, 3, 6}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_random_regular_sends_to_as_many_as_it_receives_from_and_differs_by_seed(seed, degree):
    targets = sends(pl.RandomRegular(degree), 10, seed)
    assert all(len(others) == degree for others in targets.values())
    assert all(sum(island in others for others in targets.values()) == degree for island in range(10))
    assert targets == sends(pl.RandomRegular(degree), 10, seed)
    assert len({str(sends(pl.RandomRegular(degree), 10, other)) for other in range(5)}) > 1


def test_matrix_says_how_many_go_from_where_to_where():
    topology = pl.Topology.of([[0, 3], [1, 0]])
    assert [topology.row(island, 2, 0) for island in range(2)] == [[0, 3], [1, 0]]


@pytest.mark.parametrize(
    "rows", [[], [[0, 1]], [[0, 1], [1]], [[1, 0], [0, 1]], [[0, -1], [1, 0]], [[0, 0.5], [1, 0]], ["ab", "cd"]]
)
def test_what_is_no_matrix_is_refused(rows):
    with pytest.raises(ValueError, match="must be a square matrix of whole numbers"):
        pl.Topology.of(rows)


def test_unknown_name_gets_the_nearest_one():
    with pytest.raises(ValueError, match=r"unknown topology 'rng'; did you mean 'ring'\?"):
        pl.Topology.of("rng")


class _Named(pl.Topology):
    def __init__(self, targets):
        self._targets = targets

    def targets(self, island, count, generator):
        return self._targets(island, count, generator)

    def __repr__(self):
        return "Named(this)"


class _Rows(_Named):
    def row(self, island, count, _seed):
        return self._targets(island, count, None)


def ended_by(topology, islands=3):
    specification = SearchSpecification(
        objective=costs.sphere,
        space=pl.Space({"x": pl.Float(-5, 5)}),
        budget=Budget(30),
        islands=pl.Islands(islands, topology=topology, migration_probability=0.5),
        seed=0,
    )
    summary = Simulation(specification, islands, costs.sphere, lambda *_: 1.0).run()
    assert summary.evaluations.finished == 30


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        (lambda *_: [3], "names 3, and the islands are 0 to 2"),
        (lambda *_: [-1], "names -1"),
        (lambda *_: [math.nan], "names nan"),
        (lambda *_: ["1"], "names '1'"),
        (lambda *_: [1.5], "names 1.5"),
        (lambda *_: None, "raised TypeError"),
        (lambda *_: 1 / 0, "raised ZeroDivisionError"),
        (lambda *_: (1 / 0 for _ in range(2)), "raised ZeroDivisionError"),
    ],
)
def test_a_topology_of_ones_own_that_names_no_island_ends_the_search_with_its_name(targets, words):
    with pytest.raises(pl.PartError, match=rf"^Named\(this\) {words}"):
        ended_by(_Named(targets))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (lambda *_: [0, 1], r"gave \[0, 1\] for island 0, and not 3 whole numbers, 0 for the island itself"),
        (lambda *_: [0, 1, 1, 1], "gave"),
        (lambda *_: [0, -1, 1], "gave"),
        (lambda *_: [1, 1, 1], "gave"),
        (lambda *_: [0, 0.5, 1], "raised TypeError"),
        (lambda *_: [0, math.nan, 1], "raised TypeError"),
        (lambda *_: "010", "raised TypeError"),
        (lambda *_: None, "raised TypeError"),
    ],
)
def test_a_row_of_ones_own_is_a_number_for_each_island_or_ends_the_search(row, words):
    with pytest.raises(pl.PartError, match=rf"^Named\(this\) {words}"):
        ended_by(_Rows(row))


def test_targets_and_rows_of_any_whole_numbers_will_do():
    ended_by(_Named(lambda island, count, _: iter((island, (island + 1) % count, np.int64(0)))))
    ended_by(_Rows(lambda island, count, _: np.arange(count) * (np.arange(count) != island)))
