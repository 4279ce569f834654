"""What a run was exported to is what other tools read."""

import csv
import importlib
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

import propulate_like as pl
from propulate_like.cli.app import main

pytest.importorskip("optuna")
from exporting import STORAGES, export, search, study_of


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_tables_hold_every_individual(command):
    result = search("mixed")
    assert command("export", "mixed", "--to", "csv", "mixed.csv").stdout == "60 evaluations written to mixed.csv\n"
    with Path("mixed.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [str(individual.id) for individual in result.individuals]
    for row, individual in zip(rows, result.individuals, strict=True):
        assert row["value"] == (str(-individual.loss) if individual.has_loss else "")
        assert float(row["params.rate"]) == individual.params["rate"]
        assert row["params.momentum"] == str(individual.params.get("momentum", ""))
        assert row["cause"] == individual.cause


def test_a_parquet_file_holds_every_individual(command):
    parquet = pytest.importorskip("pyarrow.parquet")
    result = search("mixed")
    command("export", "mixed", "--to", "parquet", "mixed.parquet")
    rows = parquet.read_table("mixed.parquet").to_pylist()
    assert [row["id"] for row in rows] == [str(individual.id) for individual in result.individuals]
    assert [row["params.momentum"] for row in rows] == [one.params.get("momentum") for one in result.individuals]
    assert [row["value"] for row in rows] == [-one.loss if one.has_loss else None for one in result.individuals]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing", "--to", "optuna", "x.log"], "nothing is no run's folder: it does not exist"),
        (["run", "--to", "optuna", "x.db"], "x.db: cannot be exported to: a path is that of a journal file"),
        (["run", "--to", "optuna", "sqlite:////none/x.db"], "sqlite:////none/x.db: cannot be exported to: unable to"),
        (["run", "--to", "optuna", "nosuch://user:secret@host/x"], "nosuch://user:***@host/x: cannot be exported to: "),
        (
            ["run", "--to", "optuna", "mysql://user:secret@host:port/x"],
            "mysql://user:***@host:port/x: cannot be exported to: ",
        ),
        (
            ["run", "--to", "optuna", "sqlite://"],
            "sqlite://: cannot be exported to: that database is in memory, and gone",
        ),
        (["run", "--to", "optuna", "none/x.log"], "none/x.log: cannot be exported to: [Errno 2] No such file"),
        (["run", "--to", "optuna", "run/config.yaml"], "run/config.yaml: cannot be exported to: it is no journal file"),
        (["run", "--to", "csv", "none/x.csv"], "[Errno 2] No such file or directory: 'none/x.csv'"),
        (["run", "--to", "csv", "x.csv", "--live"], "--live is for --to optuna, not for --to csv"),
        (["run", "--to", "csv", "x.csv", "--study", "x"], "--study is for --to optuna, not for --to csv"),
    ],
)
def test_what_cannot_be_exported_is_one_line(arguments, said, monkeypatch, capsys):
    pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=3, run="run", progress=False)
    monkeypatch.setattr(sys, "argv", ["propulate-like", "export", *arguments])
    with pytest.raises(SystemExit, match="2"):
        main()
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert told.startswith(said)


@pytest.mark.parametrize(
    ("library", "form", "said"),
    [
        ("optuna", "optuna", "--to optuna needs Optuna: pip install optuna"),
        ("pyarrow", "parquet", "--to parquet needs pyarrow: pip install pyarrow"),
    ],
)
def test_a_missing_library_is_named(library, form, said, python):
    pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=3, run="run", progress=False)
    without = (
        f"import sys; sys.modules[{library!r}] = None; sys.argv = ['', 'export', 'run', '--to', {form!r}, 'x']; "
        "from propulate_like.cli.app import main; main()"
    )
    ended = python("-c", without, check=False)
    assert (ended.returncode, ended.stderr) == (2, said + "\n")


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_every_plot_of_optuna_shows_the_run():
    pytest.importorskip("plotly")
    from optuna.terminator import BestValueStagnationEvaluator

    visualization = importlib.import_module("optuna.visualization")  # an import by name is a lazy one
    search("mixed")
    export("mixed", STORAGES[0])
    study = study_of(STORAGES[0], "mixed")
    pages = {}
    for name in (name for name in dir(visualization) if name.startswith("plot_")):
        arguments = {}
        if name in {"plot_hypervolume_history", "plot_pareto_front"}:
            continue  # of several losses
        if name == "plot_terminator_improvement":
            arguments = {"improvement_evaluator": BestValueStagnationEvaluator()}  # the default one needs PyTorch
        pages[name] = getattr(visualization, name)(study, **arguments).to_html(include_plotlyjs=False)
    assert len(pages) >= 10
    assert all("momentum" in pages[f"plot_{name}"] for name in ("slice", "contour", "param_importances"))
    assert all(state in pages["plot_timeline"] for state in ("COMPLETE", "PRUNED", "FAIL"))


@pytest.mark.parametrize("target", STORAGES)
def test_the_dashboard_serves_the_study(target):
    pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
    result = search("mixed")
    export("mixed", target)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = "import sys; from optuna_dashboard._cli import main; sys.argv[0] = 'optuna-dashboard'; main()"
    server = subprocess.Popen([sys.executable, "-c", serve, target, "--port", str(port)], stderr=subprocess.DEVNULL)

    def ask(path):
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
            return json.load(answer)

    try:
        end = time.monotonic() + 60
        while not (answer := ask("api/studies")):
            assert time.monotonic() < end
            time.sleep(0.05)
        (summary,) = answer["study_summaries"]
        assert (summary["study_name"], summary["directions"]) == ("mixed", ["maximize"])
        study = ask(f"api/studies/{summary['study_id']}?after=0")
        importances = ask(f"api/studies/{summary['study_id']}/param_importances")
    finally:
        server.kill()
        server.wait()
    assert Counter(trial["state"] for trial in study["trials"]) == {
        "Complete": result.statuses["ok"],
        "Pruned": result.statuses["stopped"],
        "Fail": 60 - result.statuses["ok"] - result.statuses["stopped"],
    }
    (best,) = study["best_trials"]
    assert best["values"] == [result.value]
    assert {each["name"]: each["param_external_value"] for each in best["params"]} == {
        name: str(value) for name, value in result.best.params.items()
    }
    assert len(importances["param_importances"][0]) >= 7
