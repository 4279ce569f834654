"""What a warm start reads: runs, studies and tables, and what of them fits."""

import json
import math

import pytest
from conftest import make_individual
from grid import GRID, grid_loss

import propulate_like as pl
from propulate_like.cli import show
from propulate_like.population.individual import ELSEWHERE
from propulate_like.problem.space import NOTHING
from propulate_like.search.rows import row
from propulate_like.storage.run import Run
from propulate_like.storage.trial_table import value_of

SPACE = pl.Space(
    {
        "rate": pl.Float(1e-5, 1e-1, log=True),
        "share": pl.Float(0.0, 1.0, step=0.1),
        "layers": pl.Int(1, 8),
        "kind": pl.Choice("adam", "sgd", None),
        "momentum": pl.Float(0.0, 0.99, when={"kind": "sgd"}),
        "wide": pl.Choice(False, True),
        "width": pl.Ordinal(16, 32, 64),
    }
)


def loss(rate, share, layers, kind, wide, width, momentum=0.0):
    return abs(math.log10(rate) + 3) + share + abs(layers - 3) + (kind != "sgd") + (0.9 - momentum) + wide + width / 64


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return the folder of two runs, one of which was maximized."""
    folder = tmp_path_factory.mktemp("runs")
    pl.minimize(loss, SPACE, evaluations=40, seed=0, run=folder / "min")
    pl.maximize(lambda **params: -loss(**params), SPACE, evaluations=40, seed=0, run=folder / "max")
    return folder


def fill(study, individuals):
    """Let a study ask and be told what individuals came to."""
    for individual in individuals:
        study.enqueue_trial(individual.params)
        trial = study.ask({name: d for name, d in distributions().items() if name in individual.params})
        study.tell(trial, individual.loss)
    return study


def distributions():
    return {name: parameter.distribution() for name, parameter in SPACE.items()}


def best_rows(folder):
    """Return a run's best individuals as `results --format csv` writes them."""
    run = Run(folder)
    return show.rows_of(show.best(run, 40), run)


def shown(individuals):
    return [(individual.params, pytest.approx(individual.loss), individual.status) for individual in individuals]


class TestSources:
    """The same individuals are known, whatever tells of them."""

    def check(self, source, runs, space=SPACE):
        known = pl.WarmStart(source).read(space)
        original = sorted(Run(runs / "min").individuals(), key=lambda one: (one.ended, one.id))
        assert [(one.params, one.loss, one.status) for one in known] == shown(original)
        assert [one.id for one in known] == [pl.Id(0, ELSEWHERE, place) for place in range(40)]

    def test_run(self, runs):
        self.check(runs / "min", runs)
        self.check(str(runs / "min"), runs, pl.Space(dict(reversed([*SPACE.items()]))))

    def test_csv_as_results_writes_it(self, runs, tmp_path):
        rows = best_rows(runs / "min")
        rows.sort(key=lambda row: (row["ended"], row["id"]))
        (tmp_path / "results.csv").write_text(show.as_csv(rows))
        self.check(tmp_path / "results.csv", runs)

    def test_rows_as_results_writes_json(self, runs):
        run = Run(runs / "min")
        found = sorted(show.best(run, 40), key=lambda one: (one.ended, one.id))
        self.check(json.loads(show.as_json(show.nested_rows(found, run))), runs)

    def test_our_dataframe_and_a_csv_of_it(self, runs, tmp_path):
        pytest.importorskip("pandas")
        frame = pl.minimize(loss, SPACE, evaluations=40, run=runs / "min").to_dataframe()
        self.check(frame, runs)
        frame.to_csv(tmp_path / "frame.csv")
        self.check(tmp_path / "frame.csv", runs)

    def test_bare_names(self, runs):
        self.check([{**one.params, "loss": one.loss} for one in Run(runs / "min").individuals()], runs)
        self.check([{**one.params, "value": one.loss} for one in Run(runs / "min").individuals()], runs)

    def test_study_in_memory_its_trials_and_dataframe(self, optuna, runs, tmp_path):
        study = fill(optuna.create_study(), Run(runs / "min").individuals())
        self.check(study, runs)
        self.check(study.trials, runs)
        pytest.importorskip("pandas")
        self.check(study.trials_dataframe(), runs)
        study.trials_dataframe().to_csv(tmp_path / "trials.csv")
        self.check(tmp_path / "trials.csv", runs)

    def test_study_in_a_storage(self, optuna, runs, tmp_path):
        url = f"sqlite:///{tmp_path}/studies.db"
        fill(optuna.create_study(storage=url, study_name="one"), Run(runs / "min").individuals())
        self.check({"storage": url}, runs)
        optuna.create_study(storage=url, study_name="another")
        self.check({"storage": url, "study": "one"}, runs)
        backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "journal.log"))
        storage = optuna.storages.JournalStorage(backend)
        fill(optuna.create_study(storage=storage, study_name="one"), Run(runs / "min").individuals())
        self.check({"storage": str(tmp_path / "journal.log"), "study": "one"}, runs)

    def test_times_and_parameters_with_the_names_of_other_columns(self):
        space = pl.Space({"seconds": pl.Float(0, 9), "status": pl.Choice("fail", "ok")})
        (known,) = pl.WarmStart([{"seconds": 5.0, "status": "fail", "loss": 1.0, "ended": 7}]).read(space)
        assert (known.params, known.status, known.seconds, known.ended) == (
            {"seconds": 5.0, "status": "fail"}, "ok", 0.0, 7.0,
        )  # fmt: skip
        table = [{"a": 1, "b": "p", "loss": 1, "seconds": seconds} for seconds in ("1.5", "inf", -1, None, math.nan)]
        assert [one.seconds for one in pl.WarmStart(table).read(GRID)] == [1.5, 0.0, 0.0, 0.0, 0.0]
        assert pl.minimize(grid_loss, GRID, evaluations=3, warm_start=pl.WarmStart(table)).evaluations == 3

    def test_several(self):
        table = [{"params.a": 1, "params.b": "p", "loss": 3}]
        known = pl.WarmStart([table, [{"a": 2, "b": "q", "loss": 4}]]).read(GRID)
        assert [(one.params, one.loss, one.id.serial) for one in known] == [
            ({"a": 1, "b": "p"}, 3, 0),
            ({"a": 2, "b": "q"}, 4, 1),
        ]


class TestMaximizing:
    def test_signs_are_right_whatever_tells_of_them(self, optuna, runs, tmp_path):
        def check(source, directions=("maximize",)):
            losses = [one.loss for one in pl.WarmStart(source).read(SPACE, directions)]
            assert losses == pytest.approx([one.loss for one in Run(runs / "max").individuals()])

        maximized = list(Run(runs / "max").individuals())
        study = optuna.create_study(direction="maximize")
        fill(study, [make_individual(one.id, one.genome, one.space, loss=-one.loss) for one in maximized])
        check(runs / "max")
        check(study)
        check([{**one.params, "value": -one.loss} for one in maximized])
        rows = sorted(best_rows(runs / "max"), key=lambda row: row["ended"])
        (tmp_path / "results.csv").write_text(show.as_csv(rows))
        check(tmp_path / "results.csv")
        assert pl.maximize(lambda **params: -loss(**params), SPACE, evaluations=5, warm_start=study).evaluations == 5

    def test_another_direction_is_refused(self, optuna, runs, tmp_path):
        rows = best_rows(runs / "max")
        (tmp_path / "results.csv").write_text(show.as_csv(rows))
        run = Run(runs / "max")
        written = json.loads(show.as_json(show.nested_rows(show.best(run, 40), run)))
        for source in (runs / "max", optuna.create_study(direction="maximize"), tmp_path / "results.csv", written):
            with pytest.raises(ValueError, match="maximized, and this search's loss is minimized"):
                pl.minimize(loss, SPACE, evaluations=5, warm_start=source)
        with pytest.raises(ValueError, match="is minimized, and this search's loss is maximized"):
            pl.maximize(loss, SPACE, evaluations=5, warm_start=runs / "min")


class TestWhatFits:
    def test_how_many_is_said_with_the_first_reason(self, capfd):
        table = [{"a": a, "b": b, "loss": 1.0} for a, b in [(1, "p"), (7, "p"), (2, "x"), (None, "p"), (3, "q")]]
        result = pl.minimize(grid_loss, GRID, evaluations=34, progress=True, warm_start=table)
        assert {(1, "p"), (3, "q")}.isdisjoint(tuple(one.params.values()) for one in result.individuals)
        said = [line for line in capfd.readouterr().err.splitlines() if "known" in line]
        first = "a: 7 is not a value of Int(1, 6)"
        assert said == [f"2 individuals known from a table of 5 rows, 3 left out; the first: {first}"]

    @pytest.mark.parametrize(
        ("row", "words"),
        [
            ({"params.a": 7, "params.b": "p"}, r"a: 7 is not a value of Int\(1, 6\)"),
            ({"params.a": 1.5, "params.b": "p"}, r"a: 1.5 is not a value"),
            ({"params.a": True, "params.b": "p"}, r"a: True is not a value"),
            ({"params.a": 1}, r"missing \['b'\]"),
            ({"params.a": 1, "params.b": "p", "params.c": 0}, "'c' is no parameter of this space"),
        ],
    )
    def test_nothing_is_an_error_that_says_why_for_the_first(self, row, words):
        with pytest.raises(
            ValueError, match=f"^warm_start: a table of 1 rows: no individual fits; the first: .*{words}"
        ):
            pl.minimize(grid_loss, GRID, evaluations=5, warm_start=[row | {"loss": 1.0}])

    def test_conditions_hold(self):
        space = pl.Space({"kind": pl.Choice("adam", "sgd"), "momentum": pl.Float(0, 1, when={"kind": "sgd"})})
        rows = [("adam", ""), ("sgd", "0.5"), ("adam", "0.5"), ("sgd", "")]
        table = [{"kind": kind, "momentum": momentum, "loss": "1"} for kind, momentum in rows]
        known = pl.WarmStart(table).read(space)
        assert [one.params for one in known] == [{"kind": "adam"}, {"kind": "sgd", "momentum": 0.5}]

    @pytest.mark.parametrize(
        ("parameter", "given", "meant"),
        [
            (pl.Int(1, 8), "3", 3),
            (pl.Int(1, 8), 3.0, 3),
            (pl.Int(10, 100, step=10), 30.0, 30),
            (pl.Float(0, 1), "0.25", 0.25),
            (pl.Float(0, 1), 1, 1),
            (pl.Float(0, 1, step=0.1), 0.1 * 3, 0.3),
            (pl.Choice(16, 32), 16.0, 16),
            (pl.Choice(16, 32), "32", 32),
            (pl.Choice(0.001, 0.1), "1e-3", 0.001),
            (pl.Choice(False, True), "true", True),
            (pl.Choice("1", 2), 2, 2),
            (pl.Choice("1", 2), "1", "1"),
            (pl.Ordinal("None", 1), "None", "None"),
        ],
    )
    def test_values_are_taken_as_they_are_meant(self, parameter, given, meant):
        value = value_of("x", parameter, given)
        assert value == meant
        assert parameter.contains(value)

    @pytest.mark.parametrize(
        ("parameter", "given"),
        [
            (pl.Int(1, 8), "3.5"),
            (pl.Int(1, 8), "nan"),
            (pl.Int(1, 8), math.inf),
            (pl.Float(0, 1), "abc"),
            (pl.Float(0, 1), True),
            (pl.Float(0, 1, step=0.1), 0.31),
            (pl.Float(0, 1, step=0.1), -0.1),
            (pl.Choice(1, 2), True),
            (pl.Choice(False, True), 1),
            (pl.Choice("a", "b"), "A"),
        ],
    )
    def test_other_values_are_none(self, parameter, given):
        with pytest.raises(ValueError, match=r"x: .* is not a value of"):
            value_of("x", parameter, given)

    def test_every_individual_of_a_study_has_its_own_space_where_the_loss_asks_for_its_parameters(self, optuna):
        study = optuna.create_study()
        for kind in ("adam", "sgd"):
            trial = study.ask(
                {"kind": optuna.distributions.CategoricalDistribution(["adam", "sgd"])},
            )
            if trial.params["kind"] == kind:
                trial.suggest_float("momentum", 0, 1)
            study.tell(trial, 1.0)
        known = pl.WarmStart(study).read(NOTHING)
        assert [one.params for one in known] == [trial.params for trial in study.trials]
        assert all(one.space.asked_for and list(one.space) == list(one.params) for one in known)
        with pytest.raises(ValueError, match="the search needs a space"):
            pl.WarmStart([{"x": 1, "loss": 1}]).read(NOTHING)

    def test_so_has_every_individual_of_a_run(self, runs):
        known = pl.WarmStart(runs / "min").read(NOTHING)
        original = sorted(Run(runs / "min").individuals(), key=lambda one: (one.ended, one.id))
        assert [one.params for one in known] == [one.params for one in original]
        assert all(one.space.asked_for and list(one.space) == list(one.params) for one in known)
        assert not any(parameter.when for one in known for parameter in one.space.values())


class TestOutcomes:
    def test_failures_and_pruned_ones_of_a_study(self, optuna):
        study = optuna.create_study()
        for number, state in enumerate(("COMPLETE", "PRUNED", "PRUNED", "FAIL", "RUNNING", "COMPLETE")):
            study.enqueue_trial({"x": number / 10})
            trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
            if number == 1:
                trial.report(7.0, 3)
                trial.report(5.0, 10)
            if state != "RUNNING":
                complete = state == "COMPLETE"
                value = (math.inf if number == 5 else 2.0) if complete else None
                study.tell(trial, value, state=None if complete else optuna.trial.TrialState[state])
        known = pl.WarmStart(study).read(pl.Space({"x": pl.Float(0, 1)}))
        assert [(one.params["x"], one.status) for one in known] == [
            (0.0, "ok"), (0.1, "stopped"), (0.2, "invalid"), (0.3, "error"), (0.5, "infinite"),
        ]  # fmt: skip
        assert [one.loss for one in known if one.has_loss] == [2.0, 5.0]

    def test_constraints_are_known_too(self, optuna):
        study = optuna.create_study()
        trials = [study.ask({"x": optuna.distributions.FloatDistribution(0, 1)}) for _ in range(2)]
        if not hasattr(trials[0], "set_constraint"):
            pytest.skip("Optuna 5 brought set_constraint")
        for trial, violation in zip(trials, (0.0, 0.5), strict=True):
            trial.set_constraint("weight", violation)
            study.tell(trial, 1.0)
        known = pl.WarmStart(study).read(pl.Space({"x": pl.Float(0, 1)}))
        assert [(str(one.status), one.constraints) for one in known] == [("ok", (0.0,)), ("infeasible", (0.5,))]
        assert [one.loss for one in known] == [1.0, 1.0]

    def test_statuses_in_a_table(self):
        table = [
            {"x": 0.1, "status": "ok", "loss": 1.0},
            {"x": 0.2, "status": "stopped", "loss": 2.0},
            {"x": 0.3, "status": "timeout", "loss": None},
            {"x": 0.4, "status": "running", "loss": None},
            {"x": 0.5, "status": "fine", "loss": 3.0},
            {"x": 0.6, "loss": math.nan},
        ]
        known = pl.WarmStart(table).read(pl.Space({"x": pl.Float(0, 1)}))
        assert [str(one.status) for one in known] == ["ok", "stopped", "timeout", "ok", "nan"]

    def test_failures_are_learnt_and_not_evaluated_again(self):
        table = [{"a": a, "b": b, "status": "crashed", "loss": ""} for a in range(1, 6) for b in "pqrstu"]
        result = pl.minimize(grid_loss, GRID, evaluations=6, warm_start=table)
        assert sorted(one.params["b"] for one in result.individuals) == list("pqrstu")
        assert {one.params["a"] for one in result.individuals} == {6}
        assert result.statuses == {"ok": 6}
        optimizer = pl.Optimizer(pl.Space({"x": pl.Float(0, 1)}), propagator=pl.MixedGaussianProcess())
        for one in pl.WarmStart([{"x": 0.5, "loss": math.nan}]).read(optimizer.space):
            optimizer.warm_start(one)
        assert len(optimizer.population.training_data) == 1


class TestSeveralLosses:
    DIRECTIONS = ("minimize", "maximize")

    def values(self, a, b):
        return a, "pqrstu".index(b) - a

    def search(self, **settings):
        return pl.minimize(self.values, GRID, directions=self.DIRECTIONS, evaluations=18, seed=0, **settings)

    def test_the_same_individuals_are_known_whatever_tells_of_them(self, optuna, tmp_path):
        result = self.search(run=tmp_path / "old")
        (tmp_path / "old.csv").write_text(show.as_csv([row(one) for one in result.individuals]))
        study = optuna.create_study(directions=self.DIRECTIONS)
        for one in result.individuals:
            study.enqueue_trial(one.params)
            trial = study.ask({"a": optuna.distributions.IntDistribution(1, 6)})
            trial.suggest_categorical("b", list("pqrstu"))
            study.tell(trial, one.values)
        sources = [tmp_path / "old", tmp_path / "old.csv", study, study.trials]
        table = [{**one.params, "values_0": values[0], "values_1": values[1]} for one in result.individuals
                 for values in [one.values]]  # fmt: skip
        run = Run(tmp_path / "old")
        written = json.loads(show.as_json(show.nested_rows(result.individuals, run)))
        values_alone = [{**one.params, **{f"value.{n}": value for n, value in enumerate(one.values)}}
                        for one in result.individuals]  # fmt: skip
        for source in [*sources, table, written, values_alone]:
            known = pl.WarmStart(source).read(GRID, self.DIRECTIONS)
            assert [(one.params, one.loss, one.losses) for one in known] == [
                (one.params, one.loss, one.losses) for one in result.individuals
            ]
            new = self.search(warm_start=source)
            points = [tuple(one.params.values()) for one in [*new.individuals, *result.individuals]]
            assert len(set(points)) == 36
            assert {one.id for one in new.front} <= {one.id for one in new.individuals}

    def test_others_are_refused(self, optuna, tmp_path):
        self.search(run=tmp_path / "old")
        two = r"\['minimize', 'minimize'\]"
        for source in (tmp_path / "old", optuna.create_study(directions=self.DIRECTIONS)):
            with pytest.raises(ValueError, match=rf"\['minimize', 'maximize'\], and this search of {two}"):
                pl.WarmStart(source).read(GRID, ["minimize", "minimize"])
            with pytest.raises(ValueError, match=r"\['minimize', 'maximize'\], and this search of \['minimize'\]"):
                pl.WarmStart(source).read(GRID)
        with pytest.raises(ValueError, match=r"more losses than this search, which has 1: there is loss\.0"):
            pl.WarmStart([{"a": 1, "b": "p", "loss": 1, "loss.0": 1, "loss.1": 2}]).read(GRID)
        with pytest.raises(
            ValueError, match=r"no column 'loss.0' or 'values_0' and the following; there are a, b, loss"
        ):
            pl.WarmStart([{"a": 1, "b": "p", "loss": 1}]).read(GRID, self.DIRECTIONS)


class TestErrors:
    @pytest.mark.parametrize(
        ("form", "words"),
        [
            (5, r"warm_start=5 must be a run's folder"),
            ([1, 2], r"warm_start=1 must be"),
            ("missing", r"warm_start: missing: there is no such folder or file"),
            ("sqlite:///x.db", r"as \{storage: sqlite:///x.db, study: NAME\}"),
            ({"storge": "x"}, "unknown key 'storge'; did you mean 'storage'"),
            ({"storage": 5}, "storage=5 must be a text"),
            ([{"a": 1, "b": "p"}], "it has no column 'loss' or 'value'; there are a, b"),
            ([{"loss": 1, "z": 5}], "no column names a parameter, as params.a, params_a or a would; there are loss, z"),
            ([{"a": 1, "b": "p", "loss": "0,5"}], "row 1: loss='0,5' is no number"),
            ([{"a": 1, "b": "p", "loss": 10**400}], "row 1: loss=1000"),
            ([{"a": 10**400, "b": "p", "loss": 1}], "no individual fits; the first: a: 1000"),
            ([{"a": 1, "b": 10**400, "loss": 1}], "no individual fits; the first: b: 1000"),
        ],
    )
    def test_bad_input_is_one_line(self, form, words, tmp_path):
        with pytest.raises(ValueError, match=words) as caught:
            pl.minimize(grid_loss, GRID, evaluations=5, run=tmp_path / "run", warm_start=form)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "run").exists()

    def test_folders_and_files_that_are_something_else(self, tmp_path):
        (tmp_path / "binary").write_bytes(b"SQLite format 3\0\xff\xfe")
        (tmp_path / "zero").write_bytes(b"a,b,loss\n1,p\0,2\n")
        (tmp_path / "empty.csv").write_text("a,b,loss\n")
        for name, words in [
            ("", "has no config.yaml"),
            ("binary", "no CSV"),
            ("zero", "no CSV"),
            ("empty.csv", "rows"),
        ]:
            with pytest.raises(ValueError, match=f"^warm_start: {tmp_path / name}.*{words}"):
                pl.WarmStart(tmp_path / name).read(GRID)

    def test_storages_that_hold_no_such_study_stay_as_they_are(self, optuna, tmp_path):
        missing = f"sqlite:///{tmp_path}/missing.db"
        for storage in (missing, str(tmp_path / "missing.log")):
            with pytest.raises(ValueError, match=f"there is no file {tmp_path}/missing"):
                pl.WarmStart({"storage": storage, "study": "x"}).read(GRID)
        assert not list(tmp_path.iterdir())
        url = f"sqlite:///{tmp_path}/studies.db"
        for name in ("one", "two"):
            optuna.create_study(storage=url, study_name=name)
        for study, words in [("three", "no study 'three': there are one, two"), (None, "must name one study")]:
            with pytest.raises(ValueError, match=words):
                pl.WarmStart({"storage": url, "study": study}).read(GRID)
        with pytest.raises(ValueError, match=r"the study 'one' in .*: it is empty"):
            pl.WarmStart({"storage": url, "study": "one"}).read(GRID)
        (tmp_path / "text.db").write_text("no database")
        with pytest.raises(ValueError, match="the storage cannot be read") as caught:
            pl.WarmStart({"storage": f"sqlite:///{tmp_path}/text.db", "study": "x"}).read(GRID)
        assert "\n" not in str(caught.value)

    @pytest.mark.usefixtures("optuna")
    @pytest.mark.parametrize("scheme", ["postgresql", "nonsense", "not a URL"])
    def test_passwords_are_not_written_down(self, scheme):
        form = pl.WarmStart({"storage": f"{scheme}://me:secret@nohost.invalid/db", "study": "x"})
        assert form.declaration() == {"storage": f"{scheme}://me:***@nohost.invalid/db", "study": "x"}
        with pytest.raises(ValueError, match=r"^warm_start: .*the storage cannot be read") as caught:
            form.read(GRID)
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)
