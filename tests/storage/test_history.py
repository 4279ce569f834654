"""The history of a run: every individual once, in the order of time, in little memory."""

import csv
import io
import json
import resource
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from conftest import SECONDS, make_individual

import propulate_like as pl
from propulate_like.cli import show
from propulate_like.cli.tables import ExportTable
from propulate_like.foundation.files import lines, lines_until
from propulate_like.integrations.optuna.export import Export
from propulate_like.population.pareto import dominates, front
from propulate_like.storage.events import Evaluated
from propulate_like.storage.history import History
from propulate_like.storage.journal import journal_path
from propulate_like.storage.journal_lines import Shape, encode
from propulate_like.storage.run import Run

SPACE = pl.Space.of({"x": (0.0, 1.0)})
EXPORTS = ["csv x", "parquet x", "optuna x", "optuna sqlite:///x"]


def write(folder, rank, individuals, mode="ab"):
    path = journal_path(folder, rank)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open(mode) as file:
        file.write(encode(map(Evaluated, individuals)))


def one(rank, serial, ended, **fields):
    return make_individual(pl.Id(0, rank, serial), [0.5], SPACE, loss=1.0, status=pl.Status.OK, ended=ended, **fields)


def ids(history):
    for _ in history.events():
        pass
    return [(each.id.rank, each.id.serial) for each in history.in_order()]


@pytest.mark.parametrize("backwards", [False, True], ids=["clocks go on", "clocks are set back"])
def test_individuals_of_all_ranks_are_in_the_order_of_time(backwards, tmp_path):
    generator = Random(1)
    expected = []
    for rank in range(20):
        times = [generator.uniform(1e9, 2e9) for _ in range(200)]
        individuals = [one(rank, serial, ended) for serial, ended in enumerate(times if backwards else sorted(times))]
        write(tmp_path, rank, individuals)
        expected += individuals
    expected.sort(key=lambda each: (each.ended, each.id))
    history = History(tmp_path, Shape(SPACE))
    assert ids(history) == ids(history) == [(each.id.rank, each.id.serial) for each in expected]


@pytest.mark.parametrize("backwards", [False, True], ids=["in order", "out of order"])
def test_an_individual_in_two_journals_is_the_same_for_every_reader(backwards, tmp_path, monkeypatch, optuna):  # noqa: ARG001
    """The line that is read first counts, whichever ended first."""
    monkeypatch.chdir(tmp_path)
    pl.minimize(lambda x: x, SPACE, evaluations=4, seed=0, run="run")
    run = Run("run")
    first, *others = list(run.individuals())
    changed = [first.with_outcome(ended=first.ended + shift, loss=7.0) for shift in (-5.0, 5.0)]
    write(run.folder, 0, [changed[0]] * backwards)
    write(run.folder, 1, changed)
    assert sorted(run.individuals(), key=lambda one: one.id) == [first, *others]
    rows = list(ExportTable(run).rows())
    assert [(row["id"], row["loss"]) for row in rows] == [(str(one.id), one.loss) for one in [first, *others]]
    for target in ("x", "sqlite:///x.db"):
        for added in (4, 0):
            export = Export(run, target)
            export.look()
            assert export.added == added


def test_what_is_written_meanwhile_is_left_for_the_next_time(tmp_path):
    write(tmp_path, 0, [one(0, serial, 1.0 + serial) for serial in range(5)])
    history = History(tmp_path, Shape(SPACE))
    write(tmp_path, 0, [one(0, 5, 6.0)])
    write(tmp_path, 1, [one(1, 0, 0.5)])
    assert ids(history) == [(0, serial) for serial in range(5)]
    assert ids(History(tmp_path, Shape(SPACE))) == [(1, 0), *((0, serial) for serial in range(6))]


def test_very_many_journals_are_read_side_by_side(tmp_path):
    few, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for rank in range(300):
        write(tmp_path, rank, [one(rank, serial, serial * 300.0 + rank) for serial in range(3)])
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, most))
    try:
        assert ids(History(tmp_path, Shape(SPACE))) == [(rank, serial) for serial in range(3) for rank in range(300)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, most))


@pytest.mark.parametrize("block", [1, 10, 1000])
def test_blocks_hold_the_lines_of_the_whole_file(block, tmp_path, monkeypatch):
    monkeypatch.setattr("propulate_like.foundation.files.LARGEST_LINE", 64)
    path = tmp_path / "file"
    content = b"short\n" + b"x" * 63 + b"\n" + b"y" * 64 + b"\n" + b"z" * 500 + b"\nlast\n\ntorn"
    path.write_bytes(content)
    assert list(lines_until(path, len(content), block)) == list(lines(path))
    assert list(lines_until(path, 9, block)) == [b"short\n", b"xxx"]
    assert list(lines_until(path, 0, block)) == []


def test_front_of_very_many_is_that_of_all_at_once(monkeypatch):
    generator = Random(2)
    some = [one(0, serial, float(serial)).with_genome((serial / 500,)) for serial in range(500)]
    some = [each.with_outcome(losses=(generator.randrange(30), generator.randrange(30))) for each in some]
    expected = [each.id for each in some if not any(dominates(other.losses, each.losses) for other in some)]
    for at_once in (1, 7, 4096):
        monkeypatch.setattr("propulate_like.population.pareto._SOME", at_once)
        assert sorted(each.id for each in front(some)) == sorted(expected)


def test_columns_have_types_and_texts_where_types_are_mixed(tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.chdir(tmp_path)
    results = iter([1, 2.5, True, "a", None, [1, 2], {"b": 1}, 2**62])

    def loss(x, n, **_others):
        return {"loss": x, "any": next(results), "number": 1 if n % 2 else 0.5, "nothing": None}

    space = {"x": (0.0, 1.0), "n": (1, 9), "mixed": pl.Choice(1, "1", None), "flag": pl.Choice(True, False)}
    result = pl.minimize(loss, space, evaluations=8, run="run", seed=0, progress=False)
    subprocess.run(
        [sys.executable, "-m", "propulate_like", "export", "run", "--to", "parquet", "x"], check=True, timeout=SECONDS
    )
    table = parquet.read_table("x")
    types = {field.name: str(field.type) for field in table.schema}
    assert types | {
        "params.x": "double", "params.n": "int64", "params.mixed": "string", "params.flag": "bool", "loss": "double",
        "metrics.any": "string", "metrics.number": "double", "metrics.nothing": "string", "id": "string",
        "ended": "double",
    } == types  # fmt: skip
    rows = table.to_pylist()
    assert [row["metrics.any"] for row in rows] == ["1", "2.5", "True", "a", None, "[1, 2]", '{"b": 1}', str(2**62)]
    assert [row["params.n"] for row in rows] == [each.params["n"] for each in result.individuals]
    assert next(ExportTable(Run("run")).rows())["metrics.any"] == 1


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize("words", ["status run", "results run", *(f"export run --to {each}" for each in EXPORTS)])
def test_memory_does_not_grow_with_the_run(words, tmp_path, monkeypatch):
    """Ten times as many evaluations cost 10 MiB more at most."""
    monkeypatch.chdir(tmp_path)
    for form, module in (("parquet", "pyarrow"), ("optuna", "optuna")):
        if form in words:
            pytest.importorskip(module)
    measure = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    peaks = []
    for evaluations in (12_000, 120_000):
        pl.minimize(lambda x: x, SPACE, evaluations=12, run="run", seed=0, progress=False)
        individuals = (one(0, serial, 1e9 + serial, metrics={"a": 1.0, "b": "text"}) for serial in range(evaluations))
        write(Path("run"), 0, individuals, "wb")
        command = [sys.executable, "-c", measure, sys.executable, "-m", "propulate_like", *words.split()]
        peaks.append(int(subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout))
        Path("x").unlink(missing_ok=True)
    assert peaks[1] - peaks[0] < 10 << 10, peaks  # KiB


def test_csv_has_a_column_for_each_thing_that_is_known(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pl.maximize(lambda x: {"loss": x, "m": 1}, SPACE, evaluations=20, run="run", seed=0, progress=False)
    subprocess.run(
        [sys.executable, "-m", "propulate_like", "export", "run", "--to", "csv", "x"], check=True, timeout=SECONDS
    )
    rows = list(csv.DictReader(io.StringIO(Path("x").read_text())))
    assert list(rows[0]) == [
        "id", "value", "status", "loss", "params.x", "metrics.m", "seconds", "ended", "origin", "parents", "cause",
    ]  # fmt: skip
    assert [json.loads(row["loss"]) for row in rows] == [each.loss for each in Run("run").individuals()]


@pytest.mark.parametrize("ended", [-9.9e10, -5e8, -1.0, -0.4, 0.0, 4e10, 9.9e10])
@pytest.mark.parametrize("target", ["x.log", "sqlite:///x.db"])
def test_evaluation_at_any_time_is_read_and_exported(ended, target, tmp_path, monkeypatch, optuna):
    monkeypatch.chdir(tmp_path)
    pl.minimize(lambda x: x, SPACE, evaluations=2, run="run", seed=0, progress=False)
    path = journal_path(Path("run"), 0)
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for event in events:
        for name in {"began", "ended"} & event.keys():
            event[name] = ended
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    assert [each.ended for each in Run("run").individuals()] == [ended, ended]
    known = show.status(Run("run"))
    assert (known["evaluations"], known["session_seconds"]) == (2, 0.0)
    assert show.status_text(known)
    assert len(show.best(Run("run"), 5)) == 2
    for evaluations in (2, 4):
        pl.minimize(lambda x: x, SPACE, evaluations=evaluations, run="run", seed=0, progress=False)
        exported = Export(Run("run"), target)
        exported.look()
        assert exported.added == 2
    study = optuna.load_study(study_name="run", storage=exported._study._storage)
    assert len(study.trials) == 4
    assert all(trial.datetime_start <= trial.datetime_complete for trial in study.trials)
