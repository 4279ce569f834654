"""Warm starts: what others evaluated is known from the beginning, and counts nowhere."""

import math
import statistics

import jsonschema
import pytest
from grid import GRID, grid_loss

import propulate_like as pl
from propulate_like.foundation import strict_yaml
from propulate_like.population.individual import ELSEWHERE
from propulate_like.search.config import Config, ConfigError
from propulate_like.search.schema import schema
from propulate_like.storage.events import Evaluated, Moved
from propulate_like.storage.journal import read
from propulate_like.storage.run import Run


def sphere(x0, x1, x2, x3, x4):
    return sum((x - 3.0) ** 2 for x in (x0, x1, x2, x3, x4))


NEAR = [{f"x{i}": 3.0 + 0.02 * math.sin(7 * number + i) for i in range(5)} for number in range(40)]
KNOWN = [row | {"loss": sphere(**row)} for row in NEAR]
"""Points around the optimum."""
BOX = pl.Space({f"x{i}": pl.Float(-5.0, 5.0) for i in range(5)})


class TestSearch:
    @pytest.mark.parametrize("workers", [1, 64])
    @pytest.mark.parametrize("seconds", [1e-6, 60.0])
    def test_first_asks_of_auto_use_what_is_known(self, seconds, workers):
        def typical(seed, known):
            optimizer = pl.Optimizer(BOX, seed=seed, evaluations=100_000, workers=workers)
            for individual in known:
                optimizer.warm_start(individual)
            assert optimizer.best is None
            losses = []
            for _ in range(30):
                individual = optimizer.ask()
                losses.append(optimizer.tell(individual, sphere(**individual.params), seconds).loss)
            assert optimizer.best.loss == min(losses)
            return statistics.median(losses)

        known = pl.WarmStart(KNOWN).read(BOX)
        cold, warm = (statistics.median(typical(seed, knows) for seed in range(5)) for knows in ([], known))
        assert warm < cold / 20

    def test_no_known_point_is_bred_again_where_points_are_continuous_either(self):
        class _Corner(pl.Propagator):
            takes = (0, None)

            def __call__(self, _individuals, breeding):
                gene = 1.0 if breeding.generator.random() < 0.2 else breeding.generator.random()
                return [breeding.child((gene,))]

        space = pl.Space({"x": pl.Float(0, 1)})

        def corners(known):
            optimizer = pl.Optimizer(space, propagator=_Corner(), seed=0)
            for individual in known:
                optimizer.warm_start(individual)
            return sum(optimizer.ask().params["x"] == 1.0 for _ in range(50))

        assert corners([]) > 5
        assert corners(pl.WarmStart([{"x": 1.0, "loss": 1.0}]).read(space)) == 0

    def test_first_evaluations_use_what_is_known(self):
        chain = pl.Chain(pl.SelectBest(16), pl.SelectRandom(2), pl.UniformCrossover(), pl.GaussianMutation(0.01))
        cold, warm = (
            pl.minimize(sphere, BOX, evaluations=30, seed=0, propagator=chain, warm_start=source)
            for source in (None, KNOWN)
        )
        assert min(one.loss for one in cold.individuals) > 1.0
        assert max(one.loss for one in warm.individuals) < 1.0

    def test_counts_and_best_are_its_own(self, tmp_path):
        table = [{"a": 1, "b": "p", "loss": -100.0}]
        result = pl.minimize(
            grid_loss, GRID, evaluations=20, target=-1.0, seed=0, run=tmp_path / "run", warm_start=table
        )
        assert (result.evaluations, len(result.individuals), result.statuses) == (20, 20, {"ok": 20})
        assert result.reason == "evaluations"
        assert result.best.loss == min(one.loss for one in result.individuals) > 1.0
        evaluated = [event for _, event in read(tmp_path / "run") if isinstance(event, Evaluated)]
        assert len(evaluated) == 20
        assert all(event.id.rank == 0 for event in evaluated)

    def test_in_which_everything_fails_ends_though_successes_are_known(self):
        def fail(**params):
            raise RuntimeError(params)

        with pytest.raises(pl.SearchFailed) as caught:
            pl.minimize(fail, BOX, evaluations=1000, warm_start=KNOWN)
        assert caught.value.result.reason == "failing"

    def test_continues_with_the_same_knowledge_or_another(self, tmp_path):
        first = [{"a": 1, "b": b, "loss": 1.0} for b in "pqrstu"]
        then = [{"a": 2, "b": b, "loss": 1.0} for b in "pqrstu"]
        folder = tmp_path / "run"
        pl.minimize(grid_loss, GRID, evaluations=5, seed=0, run=folder, warm_start=first)
        pl.minimize(grid_loss, GRID, evaluations=10, run=folder, warm_start=first)
        result = pl.minimize(grid_loss, GRID, evaluations=15, run=folder, warm_start=[first, then])
        assert result.evaluations == 15
        assert len({tuple(one.params.values()) for one in result.individuals}) == 15
        assert {one.params["a"] for one in result.individuals}.isdisjoint({1})
        assert {one.params["a"] for one in result.individuals[10:]}.isdisjoint({2})
        assert Run(folder).config["warm_start"] == ["a table of 6 rows", "a table of 6 rows"]
        assert pl.minimize(grid_loss, GRID, evaluations=20, run=folder).evaluations == 20
        assert "warm_start" not in Run(folder).config

    def test_parents_that_are_only_known_left_no_files(self):
        chain = pl.Chain(pl.SelectBest(8), pl.SelectRandom(2), pl.UniformCrossover(), pl.GaussianMutation(0.1))
        seen = []

        def loss(x, evaluation):
            seen.extend(parent.id.rank for parent in evaluation.parents)
            return x

        table = [{"x": number / 10, "loss": -1.0} for number in range(10)]
        space = {"x": (0.0, 1.0)}
        result = pl.minimize(loss, space, evaluations=20, propagator=chain, warm_start=table)
        assert {parent.rank for one in result.individuals for parent in one.parents} == {ELSEWHERE}
        assert seen == []

    def test_ids_of_another_run_are_no_parents(self, tmp_path):
        chain = pl.Chain(pl.SelectBest(4), pl.SelectRandom(2), pl.UniformCrossover(), pl.GaussianMutation(0.1))
        old = pl.minimize(sphere, BOX, evaluations=20, seed=0, propagator=chain, run=tmp_path / "old")
        assert any(one.parents for one in old.individuals)
        assert not any(one.parents for one in pl.WarmStart(tmp_path / "old").read(BOX))

    def test_losses_of_another_metric_are_refused(self, tmp_path):
        def loss(x):
            return {"loss": x, "weight": 1 - x}

        settings = {"evaluations": 5, "evaluation": {"metric": "weight"}}
        pl.minimize(loss, {"x": (0.0, 1.0)}, run=tmp_path / "old", **settings)
        again = pl.minimize(loss, {"x": (0.0, 1.0)}, warm_start=tmp_path / "old", **settings)
        assert again.evaluations == 5
        with pytest.raises(ValueError, match="its losses are weight, not what the loss returned"):
            pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=5, warm_start=tmp_path / "old")

    @pytest.mark.parametrize("kind", ["study", "run"])
    def test_of_a_loss_that_asks_for_its_parameters(self, kind, request, tmp_path):
        def loss(trial):
            a = trial.suggest_int("a", 1, 6)
            b = trial.suggest_categorical("b", ["p", "q", "r"])
            return a + (trial.suggest_int("c", 1, 3) if b == "p" else 4)

        source = tmp_path / "old"
        if kind == "study":
            optuna = request.getfixturevalue("optuna")
            source = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
            source.optimize(loss, n_trials=15)
            known = [trial.params for trial in source.trials]
        else:
            known = [one.params for one in pl.minimize(loss, evaluations=15, seed=0, run=source).individuals]
        new = [one.params for one in pl.minimize(loss, evaluations=15, seed=1, warm_start=source).individuals]
        assert len({tuple(params.values()) for params in new}) == 15
        assert not [params for params in new if params in known]

    def test_rungs_are_those_of_a_run_with_the_same_fidelity(self, tmp_path):
        def loss(x, epochs):
            return x + 1 / epochs

        def search(**settings):
            return pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=30, seed=1, **settings)

        search(fidelity={"name": "epochs", "rungs": [1, 3, 9]}, run=tmp_path / "old")
        known = pl.WarmStart(tmp_path / "old").read(
            pl.Space({"x": pl.Float(0, 1)}), fidelity=pl.Fidelity("epochs", [3, 9, 27])
        )
        assert {one.rung for one in known} == {0, 1}
        assert all(one.continues.rank == ELSEWHERE for one in known if one.rung)
        result = search(fidelity={"name": "epochs", "rungs": [3, 9, 27]}, warm_start=tmp_path / "old")
        own = {one.id for one in result.individuals}
        assert all(one.continues in own for one in result.individuals if one.rung)
        with pytest.raises(ValueError, match="it has a fidelity, this search none"):
            pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=3, warm_start=tmp_path / "old")
        with pytest.raises(ValueError, match="with a fidelity, only the folder of a run does"):
            search(fidelity={"name": "epochs", "rungs": [1, 3]}, warm_start=[{"x": 0.5, "loss": 1}])


class TestCommands:
    OBJECTIVE = 'def grid_loss(a, b):\n    return a + "pqrstu".index(b) / 10\n'
    CONFIG = """
        objective: objective.py:grid_loss
        space: {{a: {{int: [1, 6]}}, b: {{choice: [p, q, r, s, t, u]}}}}
        budget: {{evaluations: 18}}
        run: {run}
        warm_start: {warm_start}
    """

    def test_yaml_and_set_name_sources(self, command, tmp_path):
        (tmp_path / "objective.py").write_text(self.OBJECTIVE)
        old = pl.minimize(grid_loss, GRID, evaluations=18, seed=0, run=tmp_path / "old")
        (tmp_path / "search.yaml").write_text(self.CONFIG.format(run="runs/new", warm_start="old"))
        ended = command("run", "search.yaml")
        assert "18 individuals known from old" in ended.stderr
        new = list(Run(tmp_path / "runs/new").individuals())
        points = {tuple(one.params.values()) for one in [*new, *old.individuals]}
        assert (len(new), len(points)) == (18, 36)
        bad = command("run", "search.yaml", "--run", "other", "--set", "warm_start=[old, nowhere]", check=False)
        assert bad.returncode == 2
        assert bad.stderr.splitlines()[-1].startswith("search.yaml: warm_start: nowhere: there is no such")

    @pytest.mark.parametrize(
        ("form", "valid"),
        [
            ("runs/old", True),
            ("{storage: 'sqlite:///x.db', study: s}", True),
            ("[runs/old, {storage: x.log}]", True),
            ("5", False),
            ("{storge: x}", False),
            ("{storage: 5}", False),
        ],
    )
    def test_schema_and_check_agree(self, form, valid, tmp_path):
        text = "\n".join(line.strip() for line in self.CONFIG.format(run="r", warm_start=form).splitlines()).encode()
        assert jsonschema.Draft202012Validator(schema()).is_valid(strict_yaml.load(text)) is valid
        (tmp_path / "search.yaml").write_bytes(text)
        if valid:
            Config.read(str(tmp_path / "search.yaml"))
        else:
            with pytest.raises(ConfigError, match=r"search.yaml: warm_start: "):
                Config.read(str(tmp_path / "search.yaml"))


@pytest.mark.mpi
@pytest.mark.parametrize("islands", ["None", "{'count': 2, 'migration_probability': 0.5, 'pollination': False}"])
def test_every_rank_of_every_island_knows_what_rank_0_alone_can_read(islands, script, pooled, reports, tmp_path):
    """Half of 144 points are known: the ranks evaluate others, each of them once."""
    pl.minimize(
        lambda a, b: a + b, {"a": pl.Int(1, 12), "b": pl.Int(1, 12)}, evaluations=72, seed=3, run=tmp_path / "old"
    )
    path = script(f"""
        import time, propulate_like as pl
        from propulate_like.parallel.transport import launched
        rank = launched()[0]
        def search(source, run=None):
            space = {{"a": pl.Int(1, 12), "b": pl.Int(1, 12)}}
            return pl.minimize(
                lambda a, b: time.sleep(0.01) or a + b,
                space, evaluations=40, seed=0, run=run, warm_start=source, islands={islands},
            )
        result = search("old" if rank == 0 else "not-there", "new")
        report(rank, result.evaluations, len(result.individuals))
        try:
            search("nowhere")
        except ValueError as error:
            report("error", error)
    """)
    pooled(path, ranks=4)
    lines = reports()
    assert sorted(line[0] for line in lines) == ["0", "1", "2", "3", *["error"] * 4]
    assert all(line[1:] == ["40", "40"] for line in lines if line[0] != "error")
    old, new = ({tuple(one.params.values()) for one in Run(tmp_path / name).individuals()} for name in ("old", "new"))
    assert len(new) == 40
    assert not old & new
    events = [event for _, event in read(tmp_path / "new") if isinstance(event, Evaluated | Moved)]
    assert all(event.id.rank < 4 for event in events)
    if islands != "None":
        assert any(isinstance(event, Moved) for event in events)
