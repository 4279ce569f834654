"""A population that individuals may leave: who lives here, whatever the order of the messages, and who is told."""

from itertools import permutations
from random import Random

import pytest
from conftest import make_individual

import propulate_like as pl
from propulate_like.population.migrating import REPLACED, MigratingPopulation
from propulate_like.population.population import Requirements, key_of

SPACE = pl.Space({"x": pl.Float(0, 1)})


def individual(loss, serial=0, rank=0, moves=0):
    return make_individual(pl.Id(0, rank, serial), (0.5,), SPACE, status=pl.Status.OK, loss=float(loss), moves=moves)


def test_news_of_leaving_may_come_before_the_individual():
    population, one = MigratingPopulation(Requirements(best=4), 8), individual(1)
    assert population.retire(one.id, key_of(one), 0)
    assert not population.add(one)
    assert len(population) == 0


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_one_that_left_and_came_back_is_there_in_whatever_order_that_is_told(order):
    population, one = MigratingPopulation(Requirements(best=4), 8), individual(1)
    back = individual(1, moves=2)
    told = [
        lambda: population.add(one),
        lambda: population.retire(one.id, key_of(one), 0),
        lambda: population.add(back),
        lambda: population.add(one),
    ]
    for number in order:
        told[number]()
    assert [kept.moves for kept in population] == [2]
    population.retire(one.id, key_of(one), 2)
    assert len(population) == 0


def test_one_cannot_be_taken_in_charge_twice_or_after_it_left():
    population, one = MigratingPopulation(Requirements(best=4), 8), individual(1)
    assert population.claim(one)
    assert not population.claim(one)
    population.leave(one)
    assert not population.claim(one)
    assert population.claim(individual(1, moves=2))


def test_one_that_was_replaced_comes_back_no_more():
    population, one = MigratingPopulation(Requirements(best=4), 8), individual(1)
    population.claim(one)
    population.add(one)
    population.leave(one, REPLACED)
    assert not population.add(individual(1, moves=6))
    assert len(population.owned) == len(population) == 0


def test_those_that_others_may_have_forgotten_are_told_again_when_they_come_forward():
    population = MigratingPopulation(
        Requirements(best=2), 8
    )  # keeps 10, tells of the first 6, and again from place 4 on
    mine = individual(100, serial=0)
    population.claim(mine)
    assert population.add(mine)
    better = [individual(loss, serial=loss + 1, rank=1) for loss in range(6)]
    for other in better:
        population.add(other)
    resurfaced = []
    for other in better:
        population.retire(other.id, key_of(other), 0)
        resurfaced.append([one.loss for one in population.resurfaced()])
    assert resurfaced == [[], [], [100.0], [], [], []]


def test_one_in_charge_that_fell_out_of_the_kept_comes_back_when_others_leave():
    population = MigratingPopulation(Requirements(best=2), 4)
    mine = individual(100)
    population.claim(mine)
    population.add(mine)
    better = [individual(loss, serial=loss + 1, rank=1) for loss in range(8)]
    for other in better:
        population.add(other)
    assert mine not in list(population)
    for other in better:
        population.retire(other.id, key_of(other), 0)
    assert [one.loss for one in population.resurfaced()] == [100.0]
    assert [one.loss for one in population] == [100.0]


def test_no_rank_lets_so_many_leave_that_it_might_forget_one_of_the_best():
    """It keeps 1024 of those in its charge; the best of all 3000 must be known after any number of departures."""
    generator = Random(1)
    population = MigratingPopulation(Requirements(best=2), 8)
    everyone = [individual(generator.random(), serial=serial) for serial in range(3000)]
    for one in everyone:
        population.claim(one)
        population.add(one)
    left = set()
    while population.may_spare:
        leaving = population.owned[0]
        left.add(leaving.id)
        population.leave(leaving)
        population.resurfaced()
    assert len(left) > 1000
    stayed = sorted((one for one in everyone if one.id not in left), key=lambda one: one.loss)
    assert [one.id for one in population.best(2)] == [one.id for one in stayed[:2]]


def test_memory_does_not_grow_with_the_length_of_the_run():
    population, generator = MigratingPopulation(Requirements(best=8), 64), Random(0)
    for serial in range(20_000):
        one = individual(generator.random(), serial)
        population.claim(one)
        population.add(one)
    assert len(population) <= 8 + 64
    assert len(population.owned) <= 1024
