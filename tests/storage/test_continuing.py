"""Continuing a run with other settings, and forking it."""

import json
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import make_individual

import propulate_like as pl
from propulate_like.population.migrating import REPLACED
from propulate_like.problem.budget import Budget
from propulate_like.search.islands.archipelago import Archipelago
from propulate_like.search.specification import SearchSpecification
from propulate_like.storage.events import Evaluated, Moved, Session
from propulate_like.storage.fork import fork
from propulate_like.storage.journal import Journal, journal_path
from propulate_like.storage.run import Run

SPACE = pl.Space({"x": pl.Float(-4, 4), "y": pl.Float(-4, 4), "c": pl.Choice("a", "b")})
CHAIN = pl.Chain(pl.SelectBest(8), pl.SelectRandom(2), pl.UniformCrossover(), pl.SelfAdaptiveMutation())


def loss(x, y, c):
    return x * x + y * y + (c == "b")


def search(folder, evaluations=40, space=SPACE, **settings):
    given = {"propagator": CHAIN, "seed": 0, "run": folder} | settings
    return pl.minimize(loss, space, evaluations=evaluations, **given)


def contents(folder):
    return {path: path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


class TestAnotherSearchIsRefused:
    def test_with_all_that_differs_a_line_each_and_what_to_do(self, tmp_path):
        search(tmp_path / "run")
        before = contents(tmp_path / "run")
        space = {"x": pl.Float(-5, 4), "y": pl.Float(-4, 4), "c": pl.Choice("a", "b", "d"), "z": pl.Int(1, 2)}
        with pytest.raises(ValueError, match="is of another search") as caught:
            pl.maximize(lambda x, y, c, z: x, space, evaluations=50, seed=1, run=tmp_path / "run")
        first, *differences, last = str(caught.value).splitlines()
        assert first == f"{tmp_path}/run/config.yaml is of another search:"
        assert sorted(line.strip().partition(":")[0] for line in differences) == [
            "maximize", "propagator", "seed", "space.c.choice", "space.x.float", "space.z",
        ]  # fmt: skip
        assert "  space.x.float: was [-4.0, 4.0], is [-5.0, 4.0]" in differences
        assert "--fork NEW" in last
        assert contents(tmp_path / "run") == before

    def test_where_parameters_stand_in_another_order_as_genomes_do(self, tmp_path):
        search(tmp_path / "run")
        with pytest.raises(ValueError, match=r"space: was in the order x, y, c, is y, x, c"):
            search(tmp_path / "run", 50, pl.Space({name: SPACE[name] for name in ("y", "x", "c")}))

    def test_where_losses_are_of_another_metric(self, tmp_path):
        search(tmp_path / "run")
        with pytest.raises(ValueError, match=r"evaluation.metric: was left to its default, is accuracy"):
            search(tmp_path / "run", 50, evaluation={"metric": "accuracy"})

    def test_where_an_island_breeds_as_none_did_before(self, tmp_path):
        islands = {"count": 2, "propagators": [CHAIN, pl.UniformInitialization()]}
        search(tmp_path / "run", islands=islands)
        assert search(tmp_path / "run", 50).evaluations == 50
        with pytest.raises(ValueError, match="propagator: was"):
            search(tmp_path / "run", 60, islands=islands)


def test_what_only_extends_goes_on_and_one_line_says_so(tmp_path, capfd):
    search(tmp_path / "run", 20)
    capfd.readouterr()
    changed = {"evaluation": {"retries": 2}, "islands": 2, "pruner": "median", "progress": True}
    assert search(tmp_path / "run", 50, **changed).evaluations == 50
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("continuing")]
    assert len(said) == 1
    assert f"continuing {tmp_path}/run with budget.evaluations 20 -> 50" in said[0]
    assert "islands.count 1 -> 2" in said[0]
    assert "evaluation.retries left to its default -> 2" in said[0]
    search(tmp_path / "run", 50, **changed)
    assert "continuing" not in capfd.readouterr().err


@pytest.mark.parametrize("initial", [pl.UniformInitialization(), pl.SobolInitialization(64)])
@pytest.mark.parametrize(("before", "after"), [(4, 4), (4, 2), (4, 7), (3, 1)])
def test_no_rank_breeds_again_what_it_or_another_bred_before(initial, before, after):
    def bred(ranks, serial, done):
        genomes = []
        for rank in range(ranks):
            optimizer = pl.Optimizer(SPACE, propagator=initial, workers=ranks, rank=rank, seed=5)
            optimizer.begin(serial if rank < before else 0, done)
            genomes += [optimizer.ask().genome for _ in range(15)]
        return set(genomes)

    first, then = bred(before, 0, 0), bred(after, 15, 15 * before)
    assert len(first) == 15 * before
    assert len(then) == 15 * after
    assert not first & then


def archipelago(ranks, **parts):
    return Archipelago(SearchSpecification(objective=loss, space=SPACE, budget=Budget(100), **parts), ranks)


def begun(folder, archipelago):
    """Return the optimizers of all ranks, as they begin where the run in the folder stands."""
    snapshot = Run(folder).recover(archipelago.recovering())
    optimizers = [archipelago.optimizer(rank, 0) for rank in range(archipelago.ranks)]
    for optimizer in optimizers:
        archipelago.settle(optimizer, snapshot)
    return snapshot, optimizers


def write(folder, islands, events, rank=0):
    journal = Journal(journal_path(folder, rank))
    journal.write(Session(rank=rank, ranks=islands, began=1.0, islands=islands))
    for event in events:
        journal.write(event)
    journal.close()


def evaluated(island, rank, serial, traits=(0.25,)):
    genome = (0.1 + serial / 1000, rank / 10, 0.5)
    outcome = {"status": pl.Status.OK, "loss": float(serial), "seconds": 1.0, "ended": 2.0 + serial}
    return make_individual(pl.Id(island, rank, serial), genome, SPACE, traits=traits, **outcome)


def test_a_killed_run_goes_on_without_evaluating_a_point_of_a_finite_space_twice(script, tmp_path, python):
    path = script("""
        import os, signal, sys, time
        import propulate_like as pl
        left = int(sys.argv[1])
        def loss(a, b, c):
            global left
            left -= 1
            time.sleep(0.001)
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            if (a + b) % 3 == 0:
                raise ValueError(a)
            return a * b + (c == "x")
        space = {"a": pl.Int(1, 12), "b": pl.Ordinal(*range(10)), "c": pl.Choice(*"wxyz")}
        pl.minimize(loss, space, evaluations=480, seed=0, run="run")
    """)
    assert python(path, 300, check=False).returncode < 0
    assert 200 < len([*Run(tmp_path / "run").individuals()]) < 300
    python(path, 0)
    points = [tuple(one.params.items()) for one in Run(tmp_path / "run").individuals()]
    assert len(points) == len(set(points)) == 480


@pytest.mark.parametrize(("islands", "homes"), [(3, (0, 1, 2)), (2, (0, 1, 0)), (1, (0, 0, 0)), (4, (0, 1, 2))])
def test_everyone_lives_on_exactly_one_place_of_each_island_however_many_there_are(islands, homes, tmp_path):
    search(tmp_path / "run", 1)
    journal_path(tmp_path / "run", 0).unlink()
    born = [evaluated(island, island, serial) for island in range(3) for serial in range(10 * island, 10 * island + 10)]
    copied = Moved(pl.Id(2, 2, 20), 0, 0, copied=True)
    left = Moved(pl.Id(0, 0, 1), 1, 1)
    write(tmp_path / "run", 3, [*map(Evaluated, born), copied, left])
    again = [Moved(pl.Id(2, 2, 25), REPLACED, 0, replaced=True)]  # of two islands: number 0 was also number 2's
    write(tmp_path / "run", 2, again, rank=1)
    layout = pl.Islands(islands, migration_probability=0.1, replaced="select_worst")
    chain = pl.Chain(pl.SelectBest(64), pl.SelectRandom(2), pl.UniformCrossover(), pl.SelfAdaptiveMutation())
    _, optimizers = begun(tmp_path / "run", archipelago(2 * islands, islands=layout, propagator=chain))
    if islands == 1:
        lists = [optimizers[0].population]
        assert [*optimizers[0].population] == [*optimizers[1].population]
    else:
        lists = [optimizer.population.owned for optimizer in optimizers]
    owned = [(number * islands // len(lists), one) for number, each in enumerate(lists) for one in each]
    assert {one.traits for _, one in owned} == {(0.25,)}
    owned = [(island, one.id) for island, one in owned]
    assert len(owned) == len(set(owned))
    expected = {(homes[one.id.island], one.id) for one in born if one.id.serial not in {1, 25}}
    assert set(owned) == expected | {(homes[1], pl.Id(0, 0, 1)), (homes[0], pl.Id(2, 2, 20))}


def test_curves_of_the_newest_evaluations_come_back_whichever_rank_had_them(tmp_path):
    search(tmp_path / "run", 1, pruner="median")
    for rank in range(3):
        path = journal_path(tmp_path / "run", rank)
        journal = Journal(path)
        for serial in range(600):
            one = evaluated(0, rank, serial + 10)
            journal.note(Evaluated(one.with_outcome(ended=10.0 + serial, curve=((1, one.loss),))))
        journal.close()
    snapshot, _ = begun(tmp_path / "run", archipelago(1, propagator=CHAIN))
    assert len(snapshot.curves) == 1000
    assert {one.id.rank for one in snapshot.curves} == {0, 1, 2}
    assert all(one.ended <= other.ended for one, other in pairwise(snapshot.curves))
    assert min(one.ended for one in snapshot.curves) >= 10.0 + 265


class TestFork:
    def test_is_a_copy_that_goes_on_while_the_original_stays(self, tmp_path):
        search(tmp_path / "old", 40)
        before = contents(tmp_path / "old")
        result = search(tmp_path / "old", 60, fork=tmp_path / "new", seed=1, propagator="auto")
        assert contents(tmp_path / "old") == before
        old = {one.id: one for one in Run(tmp_path / "old").individuals()}
        new = {one.id: one for one in Run(tmp_path / "new").individuals()}
        assert len(new) == result.evaluations == 60
        assert all(repr(new[ident]) == repr(one) and new[ident].genome == one.genome for ident, one in old.items())
        assert search(tmp_path / "new", 70, seed=1, propagator="auto").evaluations == 70

    def test_takes_over_what_is_valid_in_another_space_and_says_how_many(self, tmp_path, capfd):
        search(tmp_path / "old", 60)
        space = pl.Space({"c": pl.Choice("b", "a"), "y": pl.Float(-4, 4), "x": pl.Float(0.5, 8, log=True)})
        search(tmp_path / "old", 1, space, fork=tmp_path / "new", progress=True)
        old = {one.id: one for one in Run(tmp_path / "old").individuals()}
        new = {one.id: one for one in Run(tmp_path / "new").individuals()}
        valid = {ident for ident, one in old.items() if one.params["x"] >= 0.5}
        assert 0 < len(valid) < 60
        assert new.keys() == valid
        assert all(new[ident].params == {**old[ident].params, "x": new[ident].params["x"]} for ident in valid)
        assert all(new[ident].params["x"] == pytest.approx(old[ident].params["x"]) for ident in valid)
        assert f"{len(valid)} evaluated individuals taken over, {60 - len(valid)} left out" in capfd.readouterr().err

    def test_of_the_other_direction_turns_losses_round(self, tmp_path):
        search(tmp_path / "old", 40)
        result = pl.maximize(loss, SPACE, evaluations=40, propagator=CHAIN, run=tmp_path / "old", fork=tmp_path / "new")
        assert result.value == max(one.loss for one in Run(tmp_path / "old").individuals())

    def test_keeps_rungs_that_are_as_thorough_as_before(self, tmp_path):
        def train(x, epochs):
            return x + 1 / epochs

        def run(evaluations, rungs, **settings):
            fidelity = {"name": "epochs", "rungs": rungs}
            return pl.minimize(train, {"x": (0.0, 1.0)}, evaluations=evaluations, fidelity=fidelity, seed=0, **settings)

        run(60, [1, 3, 9], run=tmp_path / "old")
        old = {one.id: one for one in Run(tmp_path / "old").individuals()}
        run(1, [3, 9, 27], run=tmp_path / "old", fork=tmp_path / "new")
        new = {one.id: one for one in Run(tmp_path / "new").individuals()}
        assert new.keys() == {one.id for one in old.values() if one.rung}
        assert all(one.rung == old[one.id].rung - 1 for one in new.values())
        assert all((one.continues is None) == (one.rung == 0) for one in new.values())
        assert {one.rung for one in run(120, [3, 9, 27], run=tmp_path / "new").individuals} == {0, 1, 2}

    def test_is_refused_where_there_is_something_already_or_nothing_to_copy(self, tmp_path):
        search(tmp_path / "old", 5)
        (tmp_path / "new").mkdir()
        with pytest.raises(ValueError, match="new exists already"):
            search(tmp_path / "old", 9, fork=tmp_path / "new")
        with pytest.raises(ValueError, match="none is no run's folder"):
            search(tmp_path / "none", 9, fork=tmp_path / "other")
        with pytest.raises(ValueError, match="needs run="):
            search(None, 9, fork=tmp_path / "other")
        assert not (tmp_path / "other").exists()

    @pytest.mark.parametrize("key", ["fidelity", "evaluation", "islands", "budget", "propagator", "pruner"])
    @pytest.mark.parametrize("value", ["5", "[1]", "{name: [], rungs: {}}", "text", "{1: 2}"])
    def test_of_a_folder_that_somebody_wrote_is_one_clear_error_at_most(self, key, value, tmp_path):
        search(tmp_path / "old", 5)
        path = tmp_path / "old/config.yaml"
        lines = [line for line in path.read_text().splitlines() if not line.startswith(f"{key}:")]
        path.write_text("\n".join([*lines, f"{key}: {value}"]) + "\n", encoding="utf-8")
        for settings in ({}, {"fork": tmp_path / "new"}):
            with suppress(ValueError):
                search(tmp_path / "old", 9, **settings)

    def test_that_fails_half_way_leaves_nothing_behind(self, tmp_path):
        search(tmp_path / "old", 5)
        (tmp_path / "old/trials/0-0-1").mkdir(parents=True)
        (tmp_path / "old/trials/0-0-1/weights").symlink_to("nowhere")
        (tmp_path / "old/trials/0-0-1/socket").mkdir()
        config = Run(tmp_path / "old").config
        with pytest.raises(ValueError, match="must be a mapping"):
            fork(tmp_path / "old", tmp_path / "new", {**config, "space": {"x": 5}})
        assert [path.name for path in tmp_path.iterdir()] == ["old"]
        fork(tmp_path / "old", tmp_path / "new", config)
        assert (tmp_path / "new/trials/0-0-1/weights").is_symlink()


def test_killed_in_mid_fork_there_is_no_new_run(script, tmp_path, python):
    """It is killed at its last step but one, when all is written."""
    search(tmp_path / "old", 30)
    path = script("""
        import os, signal
        from pathlib import Path
        from propulate_like.storage.fork import fork
        from propulate_like.storage.run import Run
        Path.rename = lambda self, target: os.kill(os.getpid(), signal.SIGKILL)
        fork(Path("old"), Path("new"), Run(Path("old")).config)
    """)
    assert python(path, check=False).returncode < 0
    assert not (tmp_path / "new").exists()
    assert search(tmp_path / "old", 40, fork=tmp_path / "new").evaluations == 40


@pytest.mark.mpi
def test_fork_on_several_ranks_names_the_command_that_continues_it(tmp_path, command):
    (tmp_path / "loss.py").write_text("def loss(x):\n    return x * x\n", encoding="utf-8")
    (tmp_path / "s.yaml").write_text(
        "objective: loss.py:loss\nspace: {x: {float: [-1, 1]}}\nbudget: {evaluations: 20}\nseed: 0\nrun: old\n",
        encoding="utf-8",
    )
    command("run", "s.yaml")
    more = ("--set", "budget.evaluations=50", "--set", "seed=1")
    refused = command("run", "s.yaml", "-n", "2", *more, check=False)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[1:-1] == ["  seed: was 0, is 1"]
    forked = command("run", "s.yaml", "-n", "2", "--fork", "new", *more)
    assert "new is a copy of old, all 20 evaluated individuals taken over" in forked.stderr
    assert "50 evaluations in" in forked.stdout
    assert json.loads(command("status", "old", "--json").stdout)["evaluations"] == 20
    assert "exists already" in command("run", "s.yaml", "--fork", "new", *more, check=False).stderr


@pytest.mark.parametrize("isolate", ["false", "true"])
def test_the_objective_has_the_same_name_however_it_is_evaluated_and_checked(isolate, command, tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "loss.py").write_text("def mixed(x):\n    return x * x\n", encoding="utf-8")
    (tmp_path / "search.yaml").write_text(
        "objective: code/loss.py:mixed\nspace: {x: {float: [-1, 1]}}\nbudget: {evaluations: 5}\nrun: run\n"
        f"evaluation: {{isolate: {isolate}}}\n",
        encoding="utf-8",
    )
    command("run", "search.yaml")
    assert Run(tmp_path / "run").config["objective"] == "loss.py:mixed"
    said = command("run", "search.yaml", "--check").stdout
    assert "is used up: 5 evaluations done of 5 evaluations, best " in said
    assert "objective" not in said
