"""An optimizer without a space learns it from what evaluations asked for, and searches what it knows."""

import math
from random import Random

import numpy as np
import pytest

import propulate_like as pl
from propulate_like.population.migrating import MigratingPopulation
from propulate_like.population.outcome import Outcome
from propulate_like.propagators import PROPAGATORS
from propulate_like.search.optimizer import IslandPlace


class Trial:
    """Suggests the values of an individual, and draws what it does not have."""

    def __init__(self, individual, generator):
        self.known, self.generator = individual.params, generator
        self.parameters, self.genome = {}, []

    def __call__(self, name, parameter):
        value = self.known.get(name)
        drawn = self.generator.random()
        gene = parameter.encode(value) if name in self.known and parameter.contains(value) else drawn
        self.parameters[name] = parameter
        self.genome.append(gene)
        return parameter.decode(gene)

    def asked(self, individual):
        space = pl.Space(self.parameters, asked_for=True)
        return individual.with_genome(tuple(self.genome), space)


def nested(ask):
    if ask("model", pl.Choice("forest", "network")) == "forest":
        return 2.0 + abs(ask("trees", pl.Int(1, 100)) - 40) / 100
    loss = sum((ask(f"units_{i}", pl.Float(1.0, 8.0)) - 3.0) ** 2 for i in range(ask("layers", pl.Int(1, 3))))
    return loss + (ask("rate", pl.Float(1e-4, 1.0, log=True)) - 0.01) ** 2


def evaluate(optimizer, objective, generator, seconds=None):
    individual = optimizer.ask()
    trial = Trial(individual, generator)
    loss = objective(trial)
    return optimizer.tell(trial.asked(individual), loss, seconds)


def search(objective, evaluations, seconds=None, **options):
    optimizer, generator = pl.Optimizer(seed=0, **options), Random(0)
    told = [evaluate(optimizer, objective, generator, seconds) for _ in range(evaluations)]
    return optimizer, told


def test_the_first_individual_has_no_values_and_the_space_is_what_was_asked_for():
    optimizer = pl.Optimizer(seed=0)
    first = optimizer.ask()
    assert (first.params, len(optimizer.space)) == ({}, 0)
    trial = Trial(first, Random(0))
    nested(trial)
    optimizer.tell(trial.asked(first), 1.0)
    assert dict(optimizer.space) == trial.parameters


def test_an_objective_that_asks_for_nothing_is_evaluated_all_the_same():
    optimizer, told = search(lambda _ask: 1.0, 20)
    assert [one.params for one in told] == [{}] * 20
    assert optimizer.best.loss == 1.0


@pytest.mark.parametrize("seconds", [1e-6, 1e-2, 1.0])
def test_auto_finds_the_optimum_of_nested_branches(seconds):
    optimizer, _ = search(nested, 300, seconds)
    assert optimizer.best.params["model"] == "network"
    assert optimizer.best.loss < 0.1
    assert optimizer.space["units_1"].when == {"layers": (2, 3)}


SKIPPED = {"chain", "warmup", "sometimes", "choose", "auto"}


def alone(name):
    """Return a propagator by name that can breed on its own; None for steps of a chain."""
    if name in SKIPPED or not PROPAGATORS[name].__module__.startswith("propulate"):
        return None
    try:
        made = PROPAGATORS[name]()
    except TypeError:
        return None
    return made if made.gives == 1 and made.takes == (0, None) else None


@pytest.mark.parametrize("name", [name for name in PROPAGATORS if alone(name)])
def test_every_propagator_goes_on_as_the_space_grows(name):
    optimizer, told = search(nested, 60, propagator=alone(name))
    assert len(optimizer.space) == 7
    used = [one for one in told if one.origin.startswith(name)]
    assert len(used) > 40 or name == "evolution"


def test_the_population_is_told_in_terms_of_the_space_and_the_best_as_it_was_evaluated():
    chain = pl.Chain(pl.SelectBest(8), pl.SelectRandom(2), pl.UniformCrossover(), pl.PointMutation(1))
    optimizer = pl.Optimizer(seed=0, propagator=chain)
    population, generator = optimizer.population, Random(0)
    told = {}
    for _ in range(100):
        one = evaluate(optimizer, nested, generator)
        told[one.id] = one
        assert all(each.space is optimizer.space for each in population)
        assert all(each.params == told[each.id].params for each in population)
    assert optimizer.population is population
    assert optimizer.best is told[optimizer.best.id]
    assert optimizer.as_evaluated() == [told[one.id] for one in population]


def test_residents_come_forward_in_terms_of_the_space_and_leave_as_they_were_evaluated():
    chain = pl.Chain(pl.SelectBest(8), pl.SelectRandom(1), pl.PointMutation(1))
    place = IslandPlace(0, 1, range(1), reserve=4)
    optimizer, generator = pl.Optimizer(seed=0, propagator=chain, place=place), Random(0)
    migrating, told = optimizer.population, []
    assert isinstance(migrating, MigratingPopulation)
    for _ in range(40):
        told.append(evaluate(optimizer, nested, generator))
        migrating.claim(told[-1])
    for one in sorted(told, key=lambda one: one.loss)[:10]:
        migrating.leave(one)
    evaluated = {one.id: one for one in told}
    resurfaced = migrating.resurfaced()
    assert len(resurfaced) > 1
    assert all(one is evaluated[one.id] for one in resurfaced)
    assert {one.id for one in resurfaced} <= {one.id for one in migrating}
    assert {one.space for one in migrating} == {optimizer.space}


def test_failures_remain_points_as_the_space_grows():
    def growing(ask, more):
        ask("x", pl.Float(0.0, 1.0))
        if more:
            ask("y", pl.Float(0.0, 1.0))

    optimizer, generator = pl.Optimizer(seed=0, propagator=pl.MixedGaussianProcess()), Random(0)
    for serial in range(20):
        individual = optimizer.ask()
        trial = Trial(individual, generator)
        growing(trial, serial >= 10)
        optimizer.tell(trial.asked(individual), math.nan if serial % 2 else 1.0)
        points = optimizer.population.training_data
        assert points.genomes.shape == (serial + 1, len(optimizer.space))
        assert np.count_nonzero(np.isnan(points.losses)) == (serial + 1) // 2


def test_nothing_is_evaluated_twice_where_the_points_that_were_asked_for_are_few():
    def few(ask):
        if ask("kind", pl.Choice("a", "b", "c")) == "a":
            return ask("n", pl.Int(1, 20)) / 20
        return 2.0 + ask("m", pl.Int(1, 10))

    _, told = search(few, 40)
    params = [tuple(one.params.items()) for one in told[5:]]
    assert len(set(params)) > 30


def test_what_others_evaluated_is_absorbed_whatever_it_asked_for():
    _, told = search(nested, 100)
    other = pl.Optimizer(rank=1, seed=0)
    for one in told:
        other.absorb(one)
    assert len(other.space) == 7
    assert other.best == min(told, key=lambda one: one.loss)  # the first of equals
    assert set(other.ask().params) <= set(other.space)


def test_the_same_seed_gives_the_same_individuals():
    assert search(nested, 100, 1e-6)[1] == search(nested, 100, 1e-6)[1]


def test_what_a_declared_space_found_is_learned_too():
    declared = pl.Space({"kind": pl.Choice("a", "b"), "x": pl.Float(0.0, 1.0, when={"kind": "b"})})
    closed, opened = pl.Optimizer(declared, seed=0), pl.Optimizer(rank=1)
    for _ in range(40):
        opened.absorb(closed.ask().evaluated(Outcome.of(1.0)))
    assert opened.space == declared
