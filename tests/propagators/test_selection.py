"""Selection: who becomes a parent, and how often."""

import math
from collections import Counter
from random import Random

import pytest
from conftest import make_individual

from propulate_like import (
    BreedingContext,
    Float,
    Id,
    SelectBest,
    SelectRandom,
    SelectRanked,
    SelectTournament,
    SelectWorst,
    Space,
    Status,
)
from propulate_like.population.population import Population, Requirements
from propulate_like.propagators.selection import exponential_rank

SPACE = Space({"x": Float(0, 1)})
DRAWS = 20_000


@pytest.fixture
def breeding():
    return BreedingContext(SPACE, Random(11), Id(0, 0, 10_000))


def pool(losses):
    return [make_individual(Id(0, 0, n), (0.5,), SPACE, status=Status.OK, loss=loss) for n, loss in enumerate(losses)]


def population(losses):
    everyone = Population(Requirements(everything=True))
    for individual in pool(losses):
        everyone.add(individual)
    return everyone


LOSSES = [float(loss) for loss in (5, 3, 9, 1, 7, 2, 8, 0, 6, 4)]


@pytest.mark.parametrize("source", [pool, population])
def test_best_and_worst_come_in_order(source, breeding):
    individuals = source(LOSSES)
    assert [i.loss for i in SelectBest(3)(individuals, breeding)] == [0, 1, 2]
    assert [i.loss for i in SelectWorst(3)(individuals, breeding)] == [9, 8, 7]
    assert len(SelectBest(20)(individuals, breeding)) == 10


@pytest.mark.parametrize("count", [1, 2, 3])
def test_random_selection_is_uniform_and_never_repeats_one(count, breeding):
    individuals = pool(LOSSES)
    seen = Counter()
    for _ in range(DRAWS):
        chosen = SelectRandom(count)(individuals, breeding)
        assert len({i.id for i in chosen}) == count
        seen.update(i.loss for i in chosen)
    expected = DRAWS * count / 10
    assert all(abs(seen[loss] - expected) < 5 * math.sqrt(expected) for loss in LOSSES)


def test_pairs_of_random_selection_are_all_equally_likely(breeding):
    individuals = pool([0.0, 1.0, 2.0])
    pairs = Counter(tuple(i.loss for i in SelectRandom(2)(individuals, breeding)) for _ in range(DRAWS))
    assert len(pairs) == 6
    assert all(abs(n - DRAWS / 6) < 5 * math.sqrt(DRAWS / 6) for n in pairs.values())


def test_tournament_winner_of_rank_r_has_the_probability_of_the_best_of_several_draws(breeding):
    individuals = pool(LOSSES)
    wins = Counter(SelectTournament(1, size=3)(individuals, breeding)[0].loss for _ in range(DRAWS))
    for rank in range(10):
        expected = DRAWS * (((10 - rank) / 10) ** 3 - ((9 - rank) / 10) ** 3)
        assert abs(wins[float(rank)] - expected) < 5 * math.sqrt(expected + 1)


def test_ranked_selection_prefers_the_better_by_the_pressure(breeding):
    individuals = population(LOSSES)
    first = Counter(SelectRanked(1, among=10, pressure=0.01)(individuals, breeding)[0].loss for _ in range(DRAWS))
    shares = [0.01 ** (rank / 10) for rank in range(10)]
    for rank, share in enumerate(shares):
        expected = DRAWS * share / sum(shares)
        assert abs(first[float(rank)] - expected) < 5 * math.sqrt(expected)


def test_ranked_selection_without_pressure_is_uniform(breeding):
    individuals = population(LOSSES)
    first = Counter(SelectRanked(1, among=10, pressure=1.0)(individuals, breeding)[0].loss for _ in range(DRAWS))
    assert min(first.values()) > DRAWS / 10 - 5 * math.sqrt(DRAWS / 10)


def test_ranked_selection_looks_only_among_the_best_and_gives_different_ones(breeding):
    individuals = population(LOSSES)
    for _ in range(1000):
        chosen = {i.loss for i in SelectRanked(3, among=4)(individuals, breeding)}
        assert len(chosen) == 3
        assert chosen <= {0, 1, 2, 3}


def test_exponential_ranks_stay_below_one():
    assert 0.0 == exponential_rank(0.0, 0.05) <= exponential_rank(1 - 2**-53, 0.05) <= 1.0


@pytest.mark.parametrize("kind", [SelectBest, SelectWorst, SelectRandom, SelectTournament, SelectRanked])
@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2"])
def test_impossible_count_is_refused(kind, count):
    with pytest.raises(ValueError, match="must be a whole number of at least 1"):
        kind(count)
