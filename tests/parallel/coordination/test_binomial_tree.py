"""Binomial trees reach every place in few steps, and neighbours spread well."""

import math

import pytest

from propulate_like.parallel.coordination import binomial_tree

SIZES = [1, 2, 3, 7, 8, 64, 100, 1024]


@pytest.mark.parametrize("size", SIZES)
def test_tree_around_place_0_reaches_every_place_once_in_at_most_log2_steps(size):
    reached, steps = [0], {0: 0}
    for place in reached:
        for other in binomial_tree.children(place, size):
            assert binomial_tree.parent(other) == place
            reached.append(other)
            steps[other] = steps[place] + 1
    assert sorted(reached) == list(range(size))
    assert max(steps.values()) <= math.ceil(math.log2(size))


@pytest.mark.parametrize("size", SIZES)
def test_no_place_has_more_than_log2_children(size):
    assert max(len(binomial_tree.children(place, size)) for place in range(size)) <= math.ceil(math.log2(size))


@pytest.mark.parametrize("size", SIZES)
def test_neighbours_are_mutual_and_at_most_two_for_each_doubling(size):
    for place in range(size):
        near = binomial_tree.neighbours(place, size)
        assert place not in near
        assert len(set(near)) == len(near) <= 2 * math.ceil(math.log2(size))
        assert all(place in binomial_tree.neighbours(other, size) for other in near)
