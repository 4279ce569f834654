"""Names and nesting go all ways of a run: YAML, children, journals, status, exports, warm starts, forks, continuing."""

import csv
import json

import pytest

import propulate_like as pl
from propulate_like.problem.space import Space
from propulate_like.storage.run import Run

SPACE = """
x-rate: &rate {float: [1e-3, 1e0], log: true}
objective: train.py:train
space:
  model:
    lr: *rate
    kind: {choice: [a, b]}
    depth: {int: [1, 1e1], when: {model.kind: a}}
    inner: {"it's, \\"quoted\\"": {ordinal: [1, 1.0]}}
  batch: {<<: *rate, log: false}
  learning rate: *rate
  lambda: *rate
  a.b: {int: [1, 3]}
budget: {evaluations: 1e1, seconds: 1h30m}
evaluation: {isolate: true, timeout: 1m}
seed: 0
"""
TRAIN = """
def train(params):
    model = params["model"]
    assert params.keys() == {"model", "batch", "learning rate", "lambda", "a.b"}, params
    assert model.keys() - {"depth"} == {"lr", "kind", "inner"} and ("depth" in model) == (model["kind"] == "a"), params
    return model["lr"] + model.get("depth", 0) + params["a.b"] + params["lambda"]
"""
NAMES = ["model.lr", "model.kind", "model.depth", 'model.inner.it\'s, "quoted"', "batch", "learning rate", "lambda"]
NAMES += ["a.b"]


@pytest.fixture
def folder(tmp_path, command):
    (tmp_path / "train.py").write_text(TRAIN, encoding="utf-8")
    (tmp_path / "search.yaml").write_text(SPACE, encoding="utf-8")
    assert "is valid" in command("check", "search.yaml").stdout
    command("run", "search.yaml", "--run", "run")
    return tmp_path


@pytest.mark.process
class TestRun:
    def test_is_shown_exported_taken_over_and_continued_under_flat_names(self, folder, command):
        run = Run(folder / "run")
        found = list(run.individuals())
        assert list(run.space) == NAMES
        assert {str(each.status) for each in found} == {"ok"}
        assert len(found) == 10
        known = json.loads(command("status", "run", "--json").stdout)
        best = min(found, key=lambda each: each.loss)
        assert known["best_params"] == best.params
        assert f"model.lr = {best.params['model.lr']}" in command("status", "run").stdout
        head = command("results", "run").stdout.splitlines()[0]
        assert all(name in head for name in NAMES if name in best.params)
        self._continue(folder, command)
        command("run", "search.yaml", "--run", "run", "--fork", "fork", "--set", "space.a.b.int=[1, 5]")
        assert len(list(Run(folder / "fork").individuals())) == 12
        swapped = "space={b: {int: [1, 2]}, a: {float: [0, 1]}}"
        ended = command("run", "search.yaml", "--run", "run", "--set", swapped, check=False)
        assert ended.returncode == 2
        assert "space" in ended.stderr

    @staticmethod
    def _continue(folder, command):
        command("run", "search.yaml", "--run", "run", "--set", "budget.evaluations=1.2e1")
        assert len(list(Run(folder / "run").individuals())) == 12
        nested = (folder / "search.yaml").read_text().replace("  a.b: {", "  a: {b: {").replace("[1, 3]}", "[1, 3]}}")
        (folder / "nested.yaml").write_text(nested)
        ended = command("run", "nested.yaml", "--run", "run", check=False)
        assert (ended.returncode, "space.a.b" in ended.stderr) == (2, True)
        command("run", "search.yaml", "--run", "run", "--set", "budget.evaluations=10")

    def test_is_read_back_from_tables_and_studies(self, folder, command):
        space = Run(folder / "run").space
        command("export", "run", "--to", "csv", "run.csv")
        command("export", "run", "--to", "optuna", "run.log")
        with (folder / "run.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [name.removeprefix("params.") for name in rows[0] if name.startswith("params.")] == NAMES
        params = [each.params for each in Run(folder / "run").individuals()]
        nested = [{**space.nested(each), "loss": 1.0} for each in params]
        table = [{"params": each, "loss": 1.0} for each in params]
        study = {"storage": str(folder / "run.log"), "study": "run"}
        sources = {
            "folder": folder / "run",
            "csv": folder / "run.csv",
            "study": study,
            "nested": nested,
            "table": table,
        }
        for name, source in sources.items():
            said = pl.minimize(
                lambda params: params["model"]["lr"],
                space,
                evaluations=1,
                seed=0,
                warm_start=source,
                progress=False,
            )
            assert said.evaluations == 1, name

    def test_is_exported_to_parquet(self, folder, command):
        parquet = pytest.importorskip("pyarrow.parquet")
        command("export", "run", "--to", "parquet", "run.parquet")
        table = parquet.read_table(folder / "run.parquet")
        assert [name for name in table.column_names if name.startswith("params.")] == [
            f"params.{each}" for each in NAMES
        ]
        assert table.column("params.model.lr").to_pylist() == [
            each.params["model.lr"] for each in sorted(Run(folder / "run").individuals(), key=lambda each: each.ended)
        ]


def test_another_order_of_nested_parameters_is_another_search(tmp_path):
    one = {"model": {"a": pl.Float(0, 1), "b": pl.Float(0, 1)}}
    other = {"model": {"b": pl.Float(0, 1), "a": pl.Float(0, 1)}}
    pl.minimize(lambda model: model["a"], one, evaluations=3, run=tmp_path / "run", progress=False)
    with pytest.raises(ValueError, match=r"space: was in the order model.a, model.b, is model.b, model.a"):
        pl.minimize(lambda model: model["a"], other, evaluations=3, run=tmp_path / "run", progress=False)
    assert Space(one) != Space(other)


@pytest.mark.parametrize(("given", "seconds"), [("90s", 90.0), ("10m", 600.0), ("1.5h", 5400.0), (2, 2.0)])
def test_seconds_and_whole_numbers_in_python_are_as_people_write_them(given, seconds, tmp_path):
    pl.minimize(
        abs,
        {"x": pl.Float(0, 1e0)},
        evaluations=5e0,
        seconds=given,
        seed=1e1,
        evaluation={"grace": given, "retries": 2.0},
        run=tmp_path / "run",
        progress=False,
    )
    run = Run(tmp_path / "run")
    assert run.budget == {"evaluations": 5, "seconds": seconds}
    assert (run.config["evaluation"]["grace"], run.config["evaluation"]["retries"]) == (seconds, 2)
    assert run.config["seed"] == 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"evaluations": 1.5}, "evaluations=1.5 must be a whole number"),
        ({"evaluations": float("inf")}, "evaluations=inf must be a whole number"),
        ({"evaluations": "5"}, "evaluations='5' must be a whole number"),
        ({"seconds": "soon"}, "seconds='soon' must be a number above 0, or such as 90s, 10m, 2h or 1d12h"),
        ({"seconds": "0s"}, "seconds=0.0 must be a number above 0, or such as"),
        ({"evaluations": 5, "evaluation": {"grace": "x"}}, "evaluation.grace: 'x' is not valid: expected a number of"),
        ({"evaluations": 5, "evaluation": {"retries": 1.5}}, "evaluation.retries: 1.5 is not valid"),
    ],
)
def test_other_numbers_are_refused(options, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        pl.minimize(abs, {"x": (0.0, 1.0)}, **options)
    assert str(caught.value).startswith(message)


def test_bounds_of_whole_numbers_may_be_floats():
    assert pl.Int(1e0, 1e3, step=3.0) == pl.Int(1, 1000, step=3)
    assert type(pl.Int(1.0, 8.0).low) is int
    with pytest.raises(ValueError, match=r"high=1.5 must be a whole number"):
        pl.Int(1, 1.5)
    assert pl.Space.from_limits({"x": (1, 1e3)}) == Space({"x": pl.Float(1, 1000)})
