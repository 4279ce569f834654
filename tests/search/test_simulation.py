"""A whole search on virtual ranks: exact, repeatable, and nobody lost on the way between islands."""

import math

import pytest
from conftest import some_of
from propulate_like_bench.scaling import costs
from propulate_like_bench.scaling.schedules import Schedule, conservation, exactness

import propulate_like as pl
from propulate_like.evaluation.calling import Call
from propulate_like.evaluation.context import Tasks, never_stop
from propulate_like.evaluation.inline import InlineEvaluator
from propulate_like.parallel.coordination.stopping import Reason
from propulate_like.parallel.transport.simulated import Network
from propulate_like.population.outcome import Outcome
from propulate_like.population.population import Requirements
from propulate_like.problem.budget import Budget
from propulate_like.search.simulation import Simulation
from propulate_like.search.specification import SearchSpecification

SPACE = pl.Space({"x": pl.Float(-5, 5), "y": pl.Float(-5, 5)})


CHAIN = pl.Chain(pl.SelectBest(8), pl.SelectRandom(2), pl.UniformCrossover(), pl.GaussianMutation(0.1))  # quick


def simulation(ranks=8, evaluations=400, islands=1, seconds=None, propagator=CHAIN, **settings):
    """Return a search of the sphere; budget and seed are among the settings."""
    budget = Budget(evaluations, settings.pop("deadline", None), settings.pop("target", None))
    specification = SearchSpecification(
        objective=costs.sphere,
        space=SPACE,
        budget=budget,
        islands=pl.Islands.of(islands),
        propagator=propagator,
        seed=settings.pop("seed", 0),
    )
    seconds = seconds or (lambda _, generator: math.exp(generator.gauss(0, 1)))
    return Simulation(specification, ranks, costs.sphere, seconds, **settings)


def outcome(summary):
    return (
        summary.seconds,
        summary.batches,
        summary.volume,
        summary.evaluations.best.genome,
        summary.evaluations.best.loss,
    )


def test_same_seed_is_the_same_simulation_to_the_bit_and_another_seed_is_another():
    islands = {"count": 3, "topology": "full", "migration_probability": 0.2, "pollination": False}
    endings = [simulation(12, islands=islands, seed=seed, propagator="auto").run() for seed in (1, 1, 2)]
    assert outcome(endings[0]) == outcome(endings[1]) != outcome(endings[2])


@pytest.mark.parametrize("selection", ["select_best", "select_pareto", "select_random", "select_tournament"])
@pytest.mark.parametrize("pollination", [False, True])
def test_individuals_of_equal_losses_migrate(selection, pollination):
    """Their losses are all equal, on every island."""
    islands = {"count": 3, "topology": "full", "migration_probability": 0.5, "emigrants": selection}
    islands |= {"pollination": pollination} | ({"replaced": selection} if pollination else {})
    propagator = pl.Chain(pl.SelectPareto(8), pl.SelectRandom(2), pl.UniformCrossover())
    specification = SearchSpecification(
        objective=costs.sphere,
        space=SPACE,
        budget=Budget(200),
        islands=pl.Islands.of(islands),
        propagator=propagator,
        signs=(1.0, 1.0),
        seed=0,
    )
    tied = lambda individual: individual.evaluated(Outcome.of((1.0, 1.0)))  # noqa: E731
    summary = Simulation(specification, 6, tied, lambda _, generator: generator.random()).run()
    assert summary.evaluations.statuses == {pl.Status.OK: 200}


@pytest.mark.parametrize("ranks", [1, 2, 3, 7, 40])
@pytest.mark.parametrize("evaluations", [1, 10, 333])
@pytest.mark.parametrize("scale", [0.0, 1e-5, 1e-2, 100.0])
def test_budget_is_exact_however_long_evaluations_take(ranks, evaluations, scale):
    lengths = lambda _, generator: scale * math.exp(generator.gauss(0, 1))  # noqa: E731
    summary = simulation(ranks, evaluations, seconds=lengths).run()
    assert summary.evaluations.statuses == {pl.Status.OK: evaluations}
    assert summary.reason == "evaluations"


def test_search_ends_at_its_time_or_its_target():
    late = simulation(evaluations=None, deadline=30.0).run()
    assert late.reason == "seconds"
    assert late.seconds >= 30.0
    found = simulation(evaluations=None, target=0.5).run()
    assert (found.reason, found.evaluations.best.loss <= 0.5) == ("target", True)


def test_hardly_anybody_is_idle_on_many_ranks_whose_evaluations_differ():
    """64 ranks, 50 evaluations each."""
    summary = simulation(64, 3200, seconds=lambda _, generator: 60 * math.exp(generator.gauss(0, 1))).run()
    assert summary.idle_share < 0.01


def test_fast_ranks_do_the_work_of_slow_ones():
    slow_first = lambda individual, _: 100.0 if individual.id.rank == 0 else 1.0  # noqa: E731
    search = simulation(4, 400, seconds=slow_first)
    summary = search.run()
    assert search.ranks[0].worker.protocol.rank_report.summary.finished <= 3
    assert summary.seconds < 250.0


def test_slower_network_makes_messages_later_and_loses_nothing():
    slow = simulation(network=Network(latency=5.0)).run()
    assert slow.evaluations.statuses == {pl.Status.OK: 400}
    assert slow.seconds > simulation().run().seconds


@pytest.mark.parametrize("most", [64, pytest.param(256, marks=pytest.mark.slow)])
def test_short_evaluations_cost_messages_that_grow_no_faster_than_log2_of_the_ranks(most):
    per_step = {}
    for ranks in (4, 16, most):
        per_step[ranks] = costs.search(ranks, 50 * ranks, 1e-3).batches / (50 * ranks) / math.log2(ranks)
    assert max(per_step.values()) < 1.1 * per_step[4]


def test_free_ranks_know_at_once_while_half_of_the_ranks_are_deaf_for_an_hour():
    found = costs.latency(16, of_busy=True)
    assert found.known > 50
    assert found.median < 0.002
    assert found.longest < 0.05


@some_of(range(3), 1)
def test_with_true_migration_everyone_lives_on_exactly_one_island(numbers):
    """Over a network that delivers messages twice, late and in any order."""
    for seed in numbers:
        homes = conservation(3000, seed)
        assert (homes.evaluated, homes.cared_for) == (3000, 3000), seed
        assert homes.moves > 500, seed
        assert (homes.lost, homes.twice, homes.elsewhere) == (0, 0, 0), seed


@some_of(range(3), 1)
def test_with_pollination_originals_stay_and_copies_are_where_the_journals_say(numbers):
    for seed in numbers:
        homes = conservation(3000, seed, pollination=True)
        assert (homes.evaluated, homes.cared_for, homes.lost, homes.elsewhere) == (3000, 3000, 0, 0), seed
        assert homes.moves > 500, seed
        assert homes.twice > 0, seed


@some_of(range(60), 25)
def test_every_rank_knows_the_best_of_its_island_on_any_schedule(numbers):
    for number in numbers:
        seed, migration = number // 3, ("none", "pollination", "migration")[number % 3]
        found = exactness(seed, migration)
        assert found.wrong == 0, (seed, migration)
        if found.stationary and migration != "migration":
            assert found.ratio < 10, (seed, migration)


def test_islands_have_chains_of_their_own():
    chains = ["auto", pl.UniformInitialization()]
    search = simulation(4, islands={"count": 2, "propagators": chains, "migration_probability": 0.0})
    search.run()
    names = [type(rank.worker.optimizer.propagator).__name__ for rank in search.ranks]
    assert names == ["Auto", "Auto", "UniformInitialization", "UniformInitialization"]


def test_islands_learn_of_each_other_by_migration_alone():
    apart = simulation(8, 800, islands={"count": 2, "migration_probability": 0.0})
    apart.run()
    joined = simulation(8, 800, islands={"count": 2, "migration_probability": 0.1})
    joined.run()
    for search, mixed in ((apart, False), (joined, True)):
        optimizers = [rank.worker.optimizer for rank in search.ranks]
        assert any(one.id.island != each.island for each in optimizers for one in each.population) is mixed


def test_deadline_costs_a_simulation_no_polling():
    """An evaluation may go on for long after it; the ranks that wait are woken by messages alone."""
    search = simulation(16, None, seconds=lambda _, generator: 60 * math.exp(generator.gauss(0, 1)), deadline=600.0)
    assert search.run().reason == "seconds"
    assert search.steps < 20_000


def test_interrupted_rank_holds_up_nobody_who_ended_for_another_reason():
    """Rank 0 reaches the target while rank 1 is interrupted, and rank 3 goes on evaluating for long."""
    lengths = {0: 1.0, 1: 1.5, 2: 1.0, 3: 300.0}
    search = simulation(4, None, seconds=lambda one, _: lengths[one.id.rank], target=1e9)
    search.ranks[1].worker.reason = Reason.INTERRUPTED
    assert search.run() is not None


def test_newest_are_known_to_everybody_where_a_chain_reads_those_and_individuals_leave():
    """The chain reads the newest 8; a rank that never hears of others' would know its own alone."""

    class Newest(pl.Propagator):
        takes, wants, requirements = (1, None), 1, Requirements(best=1, recent=8)

        def __call__(self, individuals, breeding):
            return [breeding.child(individuals.recent(8)[0].genome)]

    islands = {"count": 2, "pollination": False, "migration_probability": 0.1, "propagators": [Newest(), Newest()]}
    search = simulation(8, 800, islands=islands)
    search.run()
    for rank in search.ranks:
        newest = rank.worker.optimizer.population.recent(8)
        assert len({one.id.rank for one in newest}) > 1


def test_copy_of_one_that_lives_here_already_replaces_nobody():
    islands = {"count": 4, "topology": "full", "migration_probability": 0.2, "replaced": "select_worst"}
    schedule = Schedule(
        pl.Islands.of(islands), 8, pl.Chain(pl.SelectRanked(1, among=4), pl.GaussianMutation(0.1)), 2000, seed=0
    )
    schedule.run()
    moved = [event for book in schedule.books for event in book.moved]
    arrivals = {(event.id, event.island) for event in moved if event.copied}
    assert 0 < sum(event.replaced for event in moved) <= len(arrivals)


@pytest.mark.parametrize("migration_probability", [0.0, 0.5])
def test_losses_that_ask_a_trial_are_simulated_on_several_ranks_and_islands(migration_probability):
    """Their individuals have spaces of their own, which travel with them."""

    def ask(trial):
        loss = trial.suggest_float("x", 0, 1)
        return loss + (trial.suggest_int("y", 1, 9) if trial.suggest_categorical("more", [True, False]) else 0)

    islands = {"count": 2, "migration_probability": migration_probability}
    specification = SearchSpecification.read(ask, budget=Budget(60), islands=islands, seed=0)
    evaluator = InlineEvaluator(Call(ask, specification.known_space), Tasks(0, ""))
    evaluate = lambda individual: evaluator(individual, never_stop)  # noqa: E731
    summary = Simulation(specification, 4, evaluate, lambda _, generator: generator.random()).run()
    assert summary.evaluations.statuses == {pl.Status.OK: 60}
    assert "x" in summary.evaluations.best.params
