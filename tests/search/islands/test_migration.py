"""Islands: how ranks are divided, and who travels between them."""

from collections import Counter
from itertools import count

import pytest
from conftest import make_individual

import propulate_like as pl
from propulate_like.foundation import strict_yaml
from propulate_like.population.migrating import MigratingPopulation
from propulate_like.population.population import Requirements
from propulate_like.search.islands.migration import Migrator

SPACE = pl.Space({"x": pl.Float(0, 1)})


@pytest.mark.parametrize(
    ("islands", "ranks", "sizes"),
    [
        (pl.Islands(4), 8, [2, 2, 2, 2]),
        (pl.Islands(3), 8, [3, 3, 2]),
        (pl.Islands(4), 2, [1, 1]),
        (pl.Islands(4), 1, [1]),
        (pl.Islands(sizes=[2, 6]), 8, [2, 6]),
        (pl.Islands(sizes=[1, 1, 30]), 4, [1, 1, 2]),
        (pl.Islands(sizes=[5, 1]), 12, [10, 2]),
    ],
)
def test_ranks_are_divided_in_proportion_and_no_island_is_empty(islands, ranks, sizes):
    layout = islands.layout(ranks)
    assert [len(members) for members in layout] == sizes
    assert [rank for members in layout for rank in members] == list(range(ranks))


@pytest.mark.parametrize("ranks", range(1, 60))
@pytest.mark.parametrize("sizes", [[1], [1, 100], [7, 5, 3, 1], [1] * 9])
def test_every_rank_has_an_island_for_any_number_of_ranks(sizes, ranks):
    layout = pl.Islands(sizes=sizes).layout(ranks)
    assert len(layout) == min(len(sizes), ranks)
    assert all(len(members) >= 1 for members in layout)
    assert [rank for members in layout for rank in members] == list(range(ranks))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 0}, "count=0 must be a whole number of at least 1"),
        ({"count": 2, "sizes": [1, 2, 3]}, "name different numbers of islands"),
        ({"sizes": []}, "must be a list of numbers of ranks"),
        ({"sizes": [0, 1]}, "sizes=0 must be a whole number of at least 1"),
        ({"count": 2, "migration_probability": 1.5}, "migration_probability=1.5 must be a number"),
        ({"count": 2, "pollination": "yes"}, "must be true .* or false"),
        ({"count": 2, "emigrants": "uniform_crossover"}, "emigrants: .* must be a selection that gives 1 individual"),
        ({"count": 2, "emigrants": {"select_best": 2}}, "must be a selection that gives 1 individual"),
        ({"count": 2, "pollination": False, "replaced": "select_worst"}, "needs pollination: true"),
        ({"count": 3, "topology": [[0, 1], [1, 0]]}, "is for 2 islands, not 3"),
        ({"count": 3, "propagators": ["auto"]}, "one for each of 3 islands"),
        ({"cuont": 3}, r"unknown key 'cuont'; did you mean 'count'\?"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        pl.Islands.of(settings)


@pytest.mark.parametrize(
    ("islands", "migration", "message"),
    [
        (2, 0.1, "migration=0.1 must be a mapping"),
        (2, "ring", "migration='ring' must be a mapping"),
        (2, {"probability": 0.1}, r"unknown key 'probability'; did you mean 'migration_probability'\?"),
        (pl.Islands(2), {"topology": "full"}, "the islands are given as .* which say it themselves"),
        ({"propagators": ["auto", [{"select_best": 4}]]}, None, "island 1: .* but one is evaluated at a time"),
        ({"propagators": ["auto", "select_best"]}, None, "island 1: select_best: missing a required argument"),
        ({"count": 2, "topology": "rnig"}, None, "topology: unknown topology 'rnig'"),
        ({"count": 2, "emigrants": "select_bets"}, None, "emigrants: unknown step 'select_bets'"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(islands, migration, message):
    with pytest.raises(ValueError, match=message):
        pl.Islands.of(islands, migration)


def test_islands_are_a_number_sizes_a_mapping_or_themselves_and_migration_may_stand_apart():
    assert pl.Islands.of(3).count == 3
    assert pl.Islands.of([2, 4]).sizes == [2, 4]
    assert pl.Islands.of({"count": 2, "topology": "full"}).topology.name == "full"
    assert pl.Islands.of(None).count == 1
    apart = pl.Islands.of(2, {"migration_probability": 0.3, "pollination": False})
    assert (apart.count, apart.migration_probability, apart.pollination) == (2, 0.3, False)


def migrating(losses, rank=0, reserve=0):
    serials, population = count(), MigratingPopulation(Requirements(best=len(losses)), reserve)
    for loss in losses:
        one = make_individual(pl.Id(0, rank, next(serials)), (0.5,), SPACE, status=pl.Status.OK, loss=float(loss))
        population.claim(one)
        population.add(one)
    return population


def migrator(islands, population, ranks=8, rank=0):
    return Migrator(islands, islands.layout(ranks), rank, population, seed=0)


def test_individuals_leave_with_the_probability_given_for_the_islands_of_the_topology():
    islands = pl.Islands(4, topology="full", migration_probability=0.25)
    travels = migrator(islands, migrating(range(4000)))
    events = [list(travels.departures()) for _ in range(2000)]
    assert 400 < sum(bool(event) for event in events) < 600
    targets = Counter(departure.island for event in events for departure in event)
    assert set(targets) == {1, 2, 3}
    assert max(targets.values()) < 1.2 * min(targets.values())
    assert all(departure.rank in islands.layout(8)[departure.island] for event in events for departure in event)


def test_as_many_leave_as_the_matrix_says():
    islands = pl.Islands(2, topology=[[0, 3], [0, 0]], migration_probability=1.0)
    assert len(list(migrator(islands, migrating(range(100))).departures())) == 3
    assert list(migrator(islands, migrating(range(100)), rank=5).departures()) == []


def test_the_selection_named_says_who_leaves():
    best = pl.Islands(2, migration_probability=1.0, emigrants="select_best")
    worst = pl.Islands(2, migration_probability=1.0, emigrants=pl.SelectWorst(1))
    assert [each.individual.loss for each in migrator(best, migrating([3, 1, 2])).departures()] == [1]
    assert [each.individual.loss for each in migrator(worst, migrating([3, 1, 2])).departures()] == [3]


def test_copies_of_one_go_to_an_island_once():
    islands = pl.Islands(2, migration_probability=1.0, emigrants="select_best")
    travels = migrator(islands, migrating([3, 1, 2]))
    assert [each.individual.loss for _ in range(5) for each in travels.departures()] == [1, 2, 3]


def test_one_in_charge_makes_room_where_that_is_set_and_never_the_one_that_arrived():
    population = migrating([3, 1, 2])
    arrived = population.owned[2]
    islands = pl.Islands(2, replaced="select_worst")
    assert migrator(islands, population).replaced_by(arrived).loss == 2
    assert migrator(pl.Islands(2), population).replaced_by(arrived) is None


def test_islands_are_written_as_they_are_read_and_one_needs_no_word():
    assert pl.Islands(1, topology="full").declaration() is None
    for islands in (
        pl.Islands(3),
        pl.Islands(2, topology=[[0, 2], [1, 0]], emigrants=pl.SelectTournament(1, 3), replaced="select_worst"),
        pl.Islands(sizes=[1, 3], topology=pl.RandomRegular(1), migration_probability=0.5, pollination=False),
        pl.Islands(2, propagators=["auto", pl.Chain(pl.SelectRanked(1), pl.GaussianMutation(0.1))]),
    ):
        written = strict_yaml.load(strict_yaml.dump(islands.declaration()).encode())
        assert pl.Islands.of(written).declaration() == islands.declaration()
