"""Points: what a rank knows as arrays."""

import numpy as np
import pytest

from propulate_like import (
    Choice,
    Float,
    Id,
    Int,
    Optimizer,
    PointMutation,
    SelectBest,
    SelectRandom,
    Space,
    TrustRegion,
)
from propulate_like.population.individual import Candidate, Individual
from propulate_like.population.outcome import Outcome
from propulate_like.population.population import Population, Requirements
from propulate_like.population.training_data import TrainingData
from propulate_like.propagators import Chain

SPACE = Space({"x": Float(0.0, 1.0), "n": Int(1, 4), "y": Float(0.0, 1.0, when={"n": [1, 2]}), "c": Choice("a", "b")})


def one(serial, genome=(0.3, 0.1, 0.8, 0.9), loss=1.0):
    return Individual(Candidate(Id(0, 0, serial), genome, SPACE), Outcome.of(loss))


def test_rows_are_canonical_and_in_the_order_in_which_they_were_learnt():
    points = TrainingData(8)
    points.add(one(1))
    points.add(one(0, (0.3, 0.9, 0.8, 0.1), 2.0))
    assert points.genomes == pytest.approx(np.array([[0.3, 0.125, 0.8, 0.75], [0.3, 0.875, 0.5, 0.25]]))
    assert points.losses.tolist() == [1.0, 2.0]


def test_the_newest_are_kept_and_all_are_counted_once():
    points = TrainingData(100)
    for serial in range(1000):
        assert points.add(one(serial, loss=float(serial)))
        assert not points.add(one(serial, loss=float(serial)))
    assert points.losses.tolist() == [float(serial) for serial in range(900, 1000)]
    assert (len(points), points.total) == (100, 1000)


def test_failures_are_rows_without_a_loss():
    optimizer = Optimizer(SPACE, propagator=TrustRegion(), seed=0)
    for number in range(8):
        optimizer.tell(optimizer.ask(), float("nan") if number > 4 else 1.0)
    assert np.isnan(optimizer.population.training_data.losses).sum() >= 2


def test_a_population_has_points_from_when_they_are_asked_for_and_goes_on_counting():
    population = Population(Requirements(best=9, training_data=9))
    for serial in range(5):
        population.add(one(serial, loss=float(serial)))
    assert population.training_data.total == 5
    population.add(one(5))
    assert population.training_data.total == 6
    population.keep(Requirements(best=2))
    population.keep(Requirements(best=9, training_data=9))
    assert (len(population), population.training_data.total) == (2, 8)


def test_a_model_goes_on_learning_when_old_points_are_forgotten():
    model = TrustRegion()
    model.requirements = Requirements(best=40, training_data=40)
    optimizer = Optimizer({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)}, propagator=model, seed=0)
    for _ in range(150):
        individual = optimizer.ask()
        optimizer.tell(individual, sum((gene - 0.9) ** 2 for gene in individual.genome))
    assert optimizer.best.loss < 1e-6


def test_points_that_are_read_for_once_are_those_of_all_that_is_known():
    population = Population(Requirements(best=5))
    for number in range(9):
        population.add(one(number, loss=float(number)))
    assert len(population.training_data) == 5
    population.keep(Requirements(best=50, training_data=50))
    for number in range(9, 20):
        population.add(one(number, loss=float(number)))
    assert len(population.training_data) == 16


def test_nothing_is_kept_as_points_where_no_model_reads_them():
    chain = Chain(SelectBest(4), SelectRandom(1), PointMutation(1))
    optimizer = Optimizer(SPACE, propagator=chain, seed=0)
    for _ in range(20):
        optimizer.tell(optimizer.ask(), 1.0)
    assert optimizer.population._training_data is None
