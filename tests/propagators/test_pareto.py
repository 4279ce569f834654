"""Selection where there are several losses."""

from itertools import pairwise
from random import Random

import pytest
from conftest import make_individual

from propulate_like import BreedingContext, Float, Id, SelectPareto, Space, Status
from propulate_like.population.pareto import front
from propulate_like.population.population import Population, key_of

SPACE = Space({"x": Float(0, 1)})


def individual(serial, *losses):
    return make_individual(Id(0, 0, serial), (0.5,), SPACE, status=Status.OK, loss=losses[0], losses=losses)


def everyone(losses):
    return [individual(serial, *each) for serial, each in enumerate(losses)]


@pytest.fixture
def breeding():
    return BreedingContext(SPACE, Random(11), Id(0, 0, 10_000))


def losses_of(individuals):
    return [each.losses for each in individuals]


def test_those_that_fewer_dominate_come_first(breeding):
    losses = [(3.0, 3.0), (1.0, 4.0), (2.0, 2.0), (4.0, 1.0), (5.0, 5.0)]
    chosen = losses_of(SelectPareto(5)(everyone(losses), breeding))
    assert set(chosen[:3]) == {(1.0, 4.0), (2.0, 2.0), (4.0, 1.0)}
    assert chosen[3:] == [(3.0, 3.0), (5.0, 5.0)]


def test_ends_of_the_front_and_those_with_room_come_before_those_in_a_crowd(breeding):
    crowd = [(5.0 + 0.01 * n, 5.0 - 0.01 * n) for n in range(10)]
    losses = [(0.0, 10.0), (10.0, 0.0), (7.5, 2.5), *crowd]
    assert {(0.0, 10.0), (10.0, 0.0), (7.5, 2.5)} <= set(losses_of(SelectPareto(4)(everyone(losses), breeding)))


def test_what_it_is_given_over_time_it_remembers(breeding):
    generator = Random(3)
    points = everyone([(generator.random(), generator.random()) for _ in range(500)])
    select = SelectPareto(20)
    population = Population(select.requirements)
    for begin, end in pairwise((0, 1, 2, 50, 250, 500)):  # a few at once, and more than the newest
        for each in points[begin:end]:
            population.add(each)
        gradually = select(population, breeding)
    best = front(points)
    assert len(best) < 20
    assert {each.id for each in best} <= {each.id for each in gradually}


def test_those_that_left_the_population_are_not_bred_from(breeding):
    points = everyone([(float(n), 100.0 - n) for n in range(100)])
    select = SelectPareto(10)
    population = Population(select.requirements)
    for each in points:
        population.add(each)
    while len(population) > 1:
        best = select(population, breeding)
        assert len(best) >= min(5, len(population))
        assert {each.id for each in best} <= {each.id for each in population}
        population.discard(key_of(best[0]))


def test_the_same_losses_count_once_while_there_are_others_and_losses_may_be_extreme(breeding):
    losses = [(1.0, 1.0)] * 5 + [(-1e308, 1e308), (1e308, -1e308), (0.0, 0.0)]
    chosen = losses_of(SelectPareto(8)(everyone(losses), breeding))
    assert sorted(chosen[:4]) == sorted([(1.0, 1.0), (-1e308, 1e308), (1e308, -1e308), (0.0, 0.0)])
    assert chosen[4:] == [(1.0, 1.0)] * 4
