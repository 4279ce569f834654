"""A population keeps what is read of it, in a total order."""

import math
from itertools import count
from random import Random

import pytest
from conftest import make_individual

from propulate_like import Float, Id, Space, Status
from propulate_like.population.population import Population, Requirements

SPACE = Space({"x": Float(0, 1)})


def individuals(losses, rank=0):
    serials = count()
    return [
        make_individual(Id(0, rank, next(serials)), (0.5,), SPACE, status=Status.OK, loss=float(loss))
        for loss in losses
    ]


def losses(sequence):
    return [individual.loss for individual in sequence]


@pytest.mark.parametrize("ties", [False, True])
def test_best_are_the_best_of_all_in_whatever_order_they_arrive(ties):
    generator = Random(3)
    pool = individuals([generator.randrange(20) if ties else generator.random() for _ in range(300)])
    kept = []
    for _ in range(5):
        generator.shuffle(pool)
        population = Population(Requirements(best=16))
        for individual in pool:
            population.add(individual)
        kept.append([individual.id for individual in population.best(16)])
    assert kept[0] == kept[1] == kept[2] == kept[3] == kept[4]
    assert losses(population.best(16)) == sorted(losses(pool))[:16]


def test_what_is_not_kept_here_could_not_be_kept_where_more_is_known():
    """So a rank need not publish what does not enter its own best: publishing by that rule is exact."""
    generator = Random(5)
    everyone, others = Population(Requirements(best=8)), Population(Requirements(best=8))
    mine = Population(Requirements(best=8))
    for individual in individuals([generator.random() for _ in range(500)]):
        everyone.add(individual)
        if individual.id.serial % 2 or mine.add(individual):
            others.add(individual)
    assert losses(others) == losses(everyone)


def test_what_was_once_left_out_is_not_forgotten_where_more_is_read_later():
    population = Population(Requirements(best=4))
    for one in individuals(range(10)):
        population.add(one)
    population.keep(Requirements(best=8))
    assert not population.whole
    for one in individuals(range(8), rank=1):
        population.add(one)
    assert losses(population) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_memory_does_not_grow_beyond_what_is_read():
    population = Population(Requirements(best=4, recent=3))
    for individual in individuals(range(1000, 0, -1)):
        population.add(individual)
    assert losses(population) == [1, 2, 3, 4]
    assert losses(population.recent(3)) == [3, 2, 1]
    assert losses(population.recent(2)) == [2, 1]


def test_everything_is_kept_where_everything_is_read():
    population = Population(Requirements(everything=True))
    for individual in individuals([3, 1, 2]):
        assert population.add(individual)
    assert losses(population) == [1, 2, 3]


def test_the_same_individual_twice_counts_once():
    population = Population(Requirements(best=4))
    one, other = individuals([1.0, 1.0])
    assert [population.add(one), population.add(one), population.add(other), population.add(one)] == [1, 0, 1, 0]
    assert len(population) == 2


def test_the_later_of_equal_losses_comes_first_so_that_plateaus_are_crossed():
    population = Population(Requirements(best=2))
    for individual in individuals([7.0] * 10):
        population.add(individual)
    assert [individual.id.serial for individual in population] == [9, 8]


def test_negative_and_extreme_losses_are_ordered():
    population = Population(Requirements(best=3))
    for individual in individuals([1e308, -1e308, 0.0, -0.5, math.nextafter(0, 1)]):
        population.add(individual)
    assert losses(population) == [-1e308, -0.5, 0.0]


def test_arrivals_come_in_their_order_failures_included_as_far_as_they_are_kept():
    population, pool = Population(Requirements(best=2, arrivals=4)), individuals([3, 1, 2, 9, 5, 4])
    population.add(pool[0])
    population.fail(pool[1])
    assert list(population.arrivals()) == pool[:2]
    seen = population.arrived
    for individual in pool[2:5]:
        population.add(individual)
    assert list(population.arrivals(seen)) == pool[2:5], "those behind the best too"
    assert list(population.arrivals()) == pool[1:5], "the newest four"
    assert not list(population.arrivals(population.arrived))
