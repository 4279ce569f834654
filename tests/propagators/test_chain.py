"""Chains: steps fit each other, or are refused by name."""

from collections import Counter
from random import Random

import pytest
from conftest import make_individual

from propulate_like import (
    CMAES,
    BreedingContext,
    Chain,
    Choose,
    Float,
    GaussianMutation,
    Id,
    MultiParentCrossover,
    Optimizer,
    PointMutation,
    Propagator,
    QuadraticModel,
    RandomRestart,
    SelectBest,
    SelectRandom,
    Sometimes,
    Space,
    Status,
    TrustRegion,
    UniformCrossover,
    UniformInitialization,
    Variation,
    Warmup,
)
from propulate_like.foundation.declarations import dump
from propulate_like.population.population import Population, Requirements
from propulate_like.propagators import PROPAGATORS

SPACE = Space({"x": Float(0, 1), "y": Float(0, 1)})


def population(size):
    known = Population(Requirements(everything=True))
    for n in range(size):
        known.add(make_individual(Id(0, 0, n), (n / 100, 0.5), SPACE, status=Status.OK, loss=float(n)))
    return known


@pytest.fixture
def breeding():
    return BreedingContext(SPACE, Random(3), Id(0, 0, 999))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Chain(SelectBest(1), UniformCrossover()), r"UniformCrossover\(\) takes exactly 2 .* SelectBest\(1\)"),
        (lambda: Chain(SelectBest(64), SelectRandom(3), UniformCrossover()), r"takes exactly 2 .* gives 3 individuals"),
        (lambda: Chain(SelectBest(4), PointMutation()), r"PointMutation\(\) takes exactly 1 .* gives 4"),
        (lambda: Chain(SelectBest(1), SelectRandom(2)), r"SelectRandom\(2\) takes at least 2 .* gives 1 individual"),
        (lambda: Chain(SelectBest(1), SelectBest(2), UniformCrossover()), r"SelectBest\(2\) takes at least 2"),
        (lambda: Chain(SelectBest(1), MultiParentCrossover()), "takes at least 2"),
        (lambda: Chain(SelectBest(8), TrustRegion()), r"TrustRegion\(\) .* must come first, not after SelectBest\(8\)"),
        (lambda: Chain(SelectBest(8), Choose(CMAES(), QuadraticModel())), "must come first"),
        (Chain, "at least one step"),
        (lambda: Chain(SelectBest), "is no propagator"),
        (lambda: Chain("point_mutation"), "is no propagator"),
        (lambda: Warmup(UniformInitialization(), SelectBest(2), 5), "gives 1 individual but .* gives 2"),
        (lambda: Warmup(UniformInitialization(), Chain(SelectBest(8), SelectRandom(1)), 5), "size=5 is too small"),
        (lambda: Sometimes(1.5, PointMutation()), "probability=1.5"),
        (lambda: Sometimes(0.5, UniformCrossover()), "needs an `otherwise`"),
        (lambda: Sometimes(0.5, PointMutation(), UniformCrossover()), "no number of individuals suits"),
        (Choose, "at least one propagator"),
        (lambda: Choose(PointMutation(), SelectBest(3)), "must give the same"),
        (lambda: Choose(PointMutation(), weights=[1.0, 2.0]), "must hold 1 numbers"),
        (lambda: Choose(PointMutation(), weights=[0.0]), "not all 0"),
        (lambda: Optimizer(SPACE, propagator=SelectBest(2)), "one is evaluated at a time"),
        (lambda: Optimizer(SPACE, propagator=PointMutation()), "begin with a selection"),
        (lambda: Optimizer(SPACE, propagator="Auto"), "did you mean 'auto'"),
    ],
)
def test_chain_that_cannot_work_is_refused_when_it_is_made(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_chain_reads_what_its_first_step_reads():
    chain = Chain(SelectBest(64), SelectRandom(2), UniformCrossover())
    assert (chain.requirements, chain.wants, chain.gives) == (Requirements(best=64), 64, 1)
    assert Chain(SelectRandom(2), UniformCrossover()).requirements == Requirements(everything=True)


def test_warmup_changes_over_when_the_population_is_large_enough(breeding):
    step = Warmup(UniformInitialization(), Chain(SelectBest(2), UniformCrossover()), 5)
    for size in range(10):
        (child,) = step(population(size), breeding)
        assert bool(child.parents) == (size >= 5)


def test_sometimes_applies_its_step_with_its_probability(breeding):
    draws = Counter()
    (newborn,) = UniformInitialization()([], breeding)
    for _ in range(4000):
        (child,) = Sometimes(0.25, PointMutation())([newborn], breeding)
        draws[child is newborn] += 1
    assert 850 < draws[False] < 1150


def test_sometimes_takes_the_other_way_otherwise(breeding):
    step = Sometimes(0.0, UniformInitialization(), SelectBest(1))
    assert step(population(5), breeding)[0].loss == 0.0


def test_choose_draws_by_weight(breeding):
    (newborn,) = UniformInitialization()([], breeding)
    step = Choose(PointMutation(), GaussianMutation(), RandomRestart(1.0), weights=[1, 3, 0])
    origins = Counter(step([newborn], breeding)[0].origin for _ in range(4000))
    assert set(origins) == {"uniform_initialization+point_mutation", "uniform_initialization+gaussian_mutation"}
    assert 850 < origins["uniform_initialization+point_mutation"] < 1150


def test_own_propagator_is_a_class_with_one_method():
    class Halve(Variation):
        def __call__(self, individuals, breeding):
            (individual,) = individuals
            return [self.derive(individual, tuple(gene / 2 for gene in individual.genome), breeding)]

    optimizer = Optimizer(SPACE, propagator=Chain(SelectBest(1), Halve()), seed=0)
    first = optimizer.tell(optimizer.ask(), 1.0)
    second = optimizer.ask()
    assert second.genome == tuple(gene / 2 for gene in first.genome)
    assert (second.parents, second.origin) == ((first.id,), "halve")
    assert PROPAGATORS["halve"] is Halve


def test_name_of_a_propagator_cannot_be_taken_twice():
    with pytest.raises(ValueError, match="'point_mutation' is taken by propulate_like"):
        type("PointMutation", (Propagator,), {"__module__": "elsewhere", "__qualname__": "PointMutation"})


def test_chain_is_written_as_it_was_made():
    names = {name: globals()[name] for name in ("Chain", "SelectBest", "SelectRandom", "UniformCrossover", "Choose")}
    names |= {"PointMutation": PointMutation, "GaussianMutation": GaussianMutation, "Sometimes": Sometimes}
    chain = Chain(
        SelectBest(64),
        SelectRandom(2),
        UniformCrossover(0.7),
        Sometimes(0.5, PointMutation(3)),
        Choose(PointMutation(2), GaussianMutation(0.1), weights=[1, 2]),
    )
    assert dump(eval(repr(chain), names)) == dump(chain)
