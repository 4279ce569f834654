"""Islands on real ranks: migration, what the journals say of it, and going on with other numbers of ranks."""

import json
from collections import Counter

import pytest
from rank_pool import SIZE

import propulate_like as pl
from propulate_like.population.migrating import MigratingPopulation
from propulate_like.problem.budget import Budget
from propulate_like.search.islands.archipelago import Archipelago
from propulate_like.search.specification import SearchSpecification
from propulate_like.storage.journal import migrations
from propulate_like.storage.migration_history import MigrationHistory
from propulate_like.storage.run import Run

pytestmark = pytest.mark.mpi

SEARCH = """
    import sys, propulate_like as pl
    def loss(x, y):
        return x * x + y * y
    if __name__ == "__main__":
        chain = pl.Chain(pl.SelectBest(8), pl.SelectRandom(2), pl.UniformCrossover(), pl.GaussianMutation(0.1))
        islands = pl.Islands(ISLANDS)
        space = {"x": (-5.0, 5.0), "y": (-5.0, 5.0)}
        result = pl.minimize(loss, space, evaluations=int(sys.argv[1]), seed=0, islands=islands, propagator=chain,
                             run="run", progress=False)
        report(result.best.id, result.evaluations, result.idle_share)
"""
CHAIN = pl.Chain(pl.SelectBest(8), pl.SelectRandom(2), pl.UniformCrossover(), pl.GaussianMutation(0.1))


@pytest.fixture
def search(script, python, pooled):
    """Search on so many ranks, up to so many evaluations, with these islands; give the run as it lies on disk."""

    def run(ranks, evaluations, islands):
        path = script(SEARCH.replace("ISLANDS", islands))
        (pooled if ranks <= SIZE else python)(path, evaluations, ranks=ranks)
        return Run(path.parent / "run")

    return run


@pytest.mark.every_mpi
def test_individuals_migrate_and_every_rank_gets_the_same_result(search, reports):
    run = search(4, 2000, '2, topology="full", migration_probability=0.1')
    individuals = list(run.individuals())
    assert Counter(individual.id.island for individual in individuals).keys() == {0, 1}
    assert len(individuals) == 2000
    assert len({tuple(words) for words in reports()}) == 1
    copies = [event for _, event in migrations(run.folder) if event.copied]
    born = {individual.id for individual in individuals}
    assert len(copies) > 20
    assert all(event.id in born and event.id.island != event.island for event in copies)
    mixed = [one for one in individuals if len({parent.island for parent in one.parents}) == 2]
    assert mixed


def test_islands_without_migration_stay_apart(search):
    run = search(4, 1000, "2, migration_probability=0.0")
    assert not list(migrations(run.folder))
    assert all(parent.island == one.id.island for one in run.individuals() for parent in one.parents)


@pytest.mark.parametrize("ranks", [2, 3, 6])
@pytest.mark.parametrize("more", ["pollination=False", 'pollination=True, replaced="select_worst"'])
def test_run_goes_on_with_other_numbers_of_ranks_and_everyone_where_they_lived(search, ranks, more):
    islands = f'2, topology="full", migration_probability=0.1, {more}'
    run = search(4, 1000, islands)
    history = MigrationHistory(migrations(run.folder))
    replaced = "select_worst" if "True" in more else None
    layout = pl.Islands(2, migration_probability=0.1, pollination="True" in more, replaced=replaced)
    specification = SearchSpecification(
        objective="script.py:loss", space=run.space, budget=Budget(2000), islands=layout, propagator=CHAIN
    )
    archipelago = Archipelago(specification, ranks)
    snapshot = run.recover(archipelago.recovering())
    in_charge = Counter()
    for rank in range(ranks):
        optimizer = archipelago.optimizer(rank, 0)
        archipelago.settle(optimizer, snapshot)
        assert isinstance(optimizer.population, MigratingPopulation)
        living = [one for one in run.individuals() if optimizer.island in history.islands(one.id)]
        best = sorted(one.loss for one in living)[:8]
        assert [one.loss for one in optimizer.population.best(8)] == best
        in_charge.update((optimizer.island, one.id) for one in optimizer.population.owned)
    assert max(in_charge.values()) == 1
    again = search(ranks, 2000, islands)
    assert len({one.id for one in again.individuals()}) == 2000


def test_rank_0_alone_reads_the_configuration_and_the_code(tmp_path, python):
    """The other ranks are in a folder where neither is."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "loss.py").write_text("def loss(x):\n    return x * x\n", encoding="utf-8")
    (tmp_path / "search.yaml").write_text(
        "objective: loss.py:loss\nspace: {x: {float: [-1, 1]}}\nbudget: {evaluations: 200}\nseed: 0\n", encoding="utf-8"
    )
    (tmp_path / "start.py").write_text(
        "import os, sys\n"
        "from propulate_like.parallel.transport import launched\n"
        "from propulate_like.cli import rank\n"
        "run = os.path.abspath('run')\n"
        "if launched()[0]:\n"
        "    os.chdir('elsewhere')\n"
        "sys.exit(rank.run(rank.Order('search.yaml', [], run)))\n",
        encoding="utf-8",
    )
    python(tmp_path / "start.py", ranks=3)
    assert len(list(Run(tmp_path / "run").individuals())) == 200


def test_status_tells_of_each_island(search, python):
    run = search(4, 1000, '2, topology="full", migration_probability=0.2')
    ended = python("-m", "propulate_like", "status", run.folder, "--json")
    islands = json.loads(ended.stdout)["islands"]
    assert {facts["ranks"] for facts in islands.values()} == {2}
    assert sum(facts["evaluations"] for facts in islands.values()) == 1000
    assert sum(facts["arrived"] for facts in islands.values()) > 10
    assert "island 1" in python("-m", "propulate_like", "status", run.folder).stdout
