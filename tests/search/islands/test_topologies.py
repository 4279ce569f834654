"""Topologies: between which islands individuals travel."""

import pytest

import propulate_like as pl


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
