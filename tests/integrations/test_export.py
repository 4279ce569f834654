"""A run handed to other tools says there what it says here."""

import csv
import importlib
import json
import math
import os
import signal
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
from propulate_like.cli.mpiexec import Mpiexec, rank_environment
from propulate_like.cli.show import all_rows
from propulate_like.ownership import refusal
from propulate_like.run import Run

optuna = pytest.importorskip("optuna")
from optuna.storages import JournalStorage  # noqa: E402
from optuna.storages.journal import JournalFileBackend  # noqa: E402
from optuna.trial import TrialState  # noqa: E402

from propulate_like.integrations.optuna.export import Export  # noqa: E402
from propulate_like.integrations.optuna.trials import Trials  # noqa: E402

STORAGES = ["sqlite:///study.db", "study.log"]
SPACE = {
    "rate": pl.Float(1e-5, 1e-1, log=True),
    "layers": pl.Int(1, 8),
    "units": pl.Int(16, 512, log=True, step=16),
    "optimizer": pl.Choice("adam", "sgd"),
    "momentum": pl.Float(0.0, 0.99, when={"optimizer": "sgd"}),
    "width": pl.Ordinal(16, 32, 64, 128),
    "dropout": pl.Float(0.0, 0.5, step=0.1),
    "warm": pl.Choice(True, False, None),
}


def score(rate, layers, width, dropout, evaluation, momentum=0.5, **_others):
    final = (math.log10(rate) + 3) ** 2 + abs(layers - 3) + (momentum - 0.9) ** 2 + dropout + width / 128
    if layers == 8:
        raise ArithmeticError("diverged\nwith many layers")
    for epoch in (1, 3, 9):
        if evaluation.report(-(final + 5 / epoch), epoch):
            return None
    return math.nan if layers == 7 else {"loss": -final, "accuracy": 1 / (1 + final), "note": "ü", "good": final < 2}


def search(folder, evaluations=60, **settings):
    return pl.maximize(
        score,
        SPACE,
        evaluations=evaluations,
        seed=1,
        run=folder,
        pruner=pl.MedianPruner(),
        progress=False,
        **settings,
    )


def written(trial):
    """Tell values that are equal, but of different types, from each other."""
    return {
        name: repr(sorted(field.items()) if isinstance(field, dict) else field) for name, field in vars(trial).items()
    }


def storage(target):
    return target if "://" in target else JournalStorage(JournalFileBackend(target))


def study_of(target, name):
    return optuna.load_study(study_name=name, storage=storage(target))


def export(folder, target, name=None):
    exported = Export(Run(folder), target, name)
    exported.look()
    return exported.added


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("target", STORAGES)
def test_trials_are_those_that_optuna_would_have_stored(target):
    result = search("mixed")
    assert export("mixed", target) == 60
    trials = Trials(Run("mixed"))
    reference = optuna.create_study(direction="maximize", storage=storage(target.replace("study", "reference")))
    for individual in result.individuals:
        told = trials.trial(individual)
        given = {
            name: getattr(told, name)
            for name in ("state", "values", "params", "distributions", "user_attrs", "intermediate_values")
        }
        made = optuna.trial.create_trial(**given)
        made.datetime_start, made.datetime_complete = told.datetime_start, told.datetime_complete
        reference.add_trial(made)
    stored = study_of(target, "mixed").trials
    assert stored == reference.trials
    assert list(map(written, stored)) == list(map(written, reference.trials))
    assert {trial.state for trial in stored} == {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}


def test_what_a_study_tells_is_what_the_run_does(command):
    result = search("mixed")
    command("export", "mixed", "--to", "optuna", STORAGES[0])
    study = study_of(STORAGES[0], "mixed")
    assert study.direction.name == "MAXIMIZE"
    assert (study.best_value, study.best_params) == (result.value, result.best.params)
    assert study.user_attrs["propulate_like:seed"] == 1
    assert study.user_attrs["propulate_like:objective"].endswith("score")
    assert study.user_attrs["propulate_like:ranks"] == 1
    for number, (trial, individual) in enumerate(zip(study.trials, result.individuals, strict=True)):
        told = trial.user_attrs
        assert (trial.number, trial.params) == (number, individual.params)
        assert trial.intermediate_values == {step: -loss for step, loss in individual.curve}
        assert trial.datetime_complete.timestamp() == pytest.approx(individual.ended, abs=1e-5)
        assert trial.duration.total_seconds() == pytest.approx(individual.seconds, abs=1e-5)
        assert told["propulate_like:id"] == str(individual.id)
        assert told.get("propulate_like:parents", "") == " ".join(map(str, individual.parents))
        assert individual.metrics.items() <= told.items()
        if individual.failed:
            assert (trial.state, trial.values) == (TrialState.FAIL, None)
            assert told["propulate_like:cause"] == individual.cause
        else:
            assert trial.state is (TrialState.COMPLETE if individual.status == "ok" else TrialState.PRUNED)
            assert trial.value == -individual.loss
            assert trial.state is TrialState.COMPLETE or trial.value == list(trial.intermediate_values.values())[-1]
    assert "momentum" not in next(trial for trial in study.trials if trial.params["optimizer"] == "adam").params


@pytest.mark.parametrize("target", STORAGES)
def test_exporting_again_adds_only_what_is_new(target):
    search("mixed", 20)
    assert export("mixed", target) == 20
    assert export("mixed", target) == 0
    result = search("mixed", 50)
    assert export("mixed", target) == 30
    trials = study_of(target, "mixed").trials
    assert [trial.user_attrs["propulate_like:id"] for trial in trials] == [str(one.id) for one in result.individuals]
    assert [trial.number for trial in trials] == list(range(50))


@pytest.mark.parametrize("target", STORAGES)
def test_many_are_added_in_the_order_in_which_they_ended(target):
    result = pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=4500, seed=1, run="many", progress=False)
    assert export("many", target, "others") == 4500
    trials = study_of(target, "others").trials
    assert [trial.number for trial in trials] == list(range(4500))
    assert [trial.params for trial in trials] == [individual.params for individual in result.individuals]


def test_one_storage_holds_several_studies_and_optuna_goes_on_with_them():
    for folder in ("first", "second"):
        search(folder, 30)
        export(folder, STORAGES[0])
    study = study_of(STORAGES[0], "first")
    study.optimize(lambda trial: trial.suggest_float("rate", 1e-5, 1e-1, log=True), n_trials=3)
    assert [trial.number for trial in study.trials] == list(range(33))
    assert len(study_of(STORAGES[0], "second").trials) == 30
    search("first", 40)
    assert export("first", STORAGES[0]) == 10
    assert [trial.number for trial in study.trials] == list(range(43))


@pytest.mark.parametrize("target", STORAGES)
@pytest.mark.parametrize("kind", ["of Optuna's own", "of another run", "with another direction"])
def test_a_foreign_study_is_refused_and_left_as_it_is(target, kind):
    search("mixed", 10)
    if kind == "of another run":
        search("another", 10)
        export("another", target, "mixed")
    else:
        direction = "minimize" if kind == "with another direction" else "maximize"
        study = optuna.create_study(direction=direction, study_name="mixed", storage=storage(target))
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    before = study_of(target, "mixed")
    trials, attributes = before.trials, before.user_attrs
    with pytest.raises(ValueError, match=rf"^{target}.* study 'mixed' .* not of this run"):
        export("mixed", target)
    after = study_of(target, "mixed")
    assert (after.trials, after.user_attrs) == (trials, attributes)


def test_only_the_highest_rung_is_complete():
    fidelity = pl.Fidelity("epochs", [1, 3, 9])
    result = pl.minimize(
        lambda x, epochs: (x - 0.3) ** 2 - 1 / epochs,  # cheap evaluations promise too much
        {"x": (0.0, 1.0)},
        evaluations=60,
        fidelity=fidelity,
        seed=1,
        run="rungs",
        progress=False,
    )
    export("rungs", STORAGES[0])
    study = study_of(STORAGES[0], "rungs")
    assert (study.best_value, study.best_params) == (result.value, result.best.params)
    rungs = Counter((trial.state.name, trial.user_attrs["propulate_like:rung"]) for trial in study.trials)
    assert rungs.keys() == {("PRUNED", 0), ("PRUNED", 1), ("COMPLETE", 2)}


def test_several_losses_have_their_signs_and_directions():
    def losses(x, y):
        return x**2 + y, -((x - 2) ** 2)

    result = pl.minimize(
        losses,
        {"x": (0.0, 3.0), "y": (0.0, 1.0)},
        directions=["minimize", "maximize"],
        evaluations=60,
        seed=1,
        run="several",
        progress=False,
    )
    export("several", STORAGES[0])
    study = study_of(STORAGES[0], "several")
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MAXIMIZE"]
    assert [tuple(trial.values) for trial in study.trials] == [losses(**each.params) for each in result.individuals]
    front = {str(individual.id) for individual in result.front}
    assert {trial.user_attrs["propulate_like:id"] for trial in study.best_trials} == front
    rows = all_rows(Run("several"))
    assert [(row["value.0"], row["value.1"]) for row in rows] == [tuple(trial.values) for trial in study.trials]


def test_each_trial_has_the_parameters_that_its_evaluation_asked_for():
    def asking(trial):
        kind = trial.suggest_categorical("model/kind", ["linear", "tree"])
        if kind == "tree":
            return trial.suggest_int("tree depth", 1, 9) / 10
        return trial.suggest_float("linear/l2", 1e-4, 1.0, log=True)

    result = pl.minimize(asking, evaluations=40, seed=1, run="asking", progress=False)
    export("asking", STORAGES[0])
    study = study_of(STORAGES[0], "asking")
    assert [trial.params for trial in study.trials] == [individual.params for individual in result.individuals]
    assert {frozenset(trial.params) for trial in study.trials} == {
        frozenset({"model/kind", "tree depth"}),
        frozenset({"model/kind", "linear/l2"}),
    }
    assert study.best_params == result.best.params


SLOW = """
import time
import propulate_like as pl

def loss(x):
    time.sleep(0.05)
    return x

if __name__ == "__main__":
    pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=120, run="slow", islands=2, progress=False)
"""


def waited_for(what, seconds=60):
    """Wait until it is true, and give what it is."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def exported(study):
    try:
        return study_of(STORAGES[0], study).trials
    except KeyError:
        return []


@pytest.fixture
def searching(script):
    """Start a search of some seconds on two ranks and islands, and give its process."""
    path = script(SLOW)
    process = subprocess.Popen(
        [*Mpiexec().command(2), sys.executable, str(path)], env=rank_environment(2), start_new_session=True
    )
    try:
        waited_for(lambda: Run.exists(Path("slow")) and any(Run("slow").individuals()))
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def following(searching):  # noqa: ARG001 (what it follows)
    """Start an export that follows that search, and give its process."""
    words = [sys.executable, "-m", "propulate_like", "export", "slow", "--to", "optuna", STORAGES[0], "--live"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.mpi
def test_live_follows_a_search_until_it_ends(searching, following):
    grown = waited_for(lambda: exported("slow"))
    assert searching.poll() is None
    waited_for(lambda: len(exported("slow")) > len(grown) + 10)
    assert searching.poll() is None
    assert searching.wait(60) == 0
    output, told = following.communicate(timeout=60)
    assert following.returncode == 0
    assert output.startswith("120 evaluations added to the study slow in sqlite:///study.db")
    assert len(told.splitlines()) == 1
    individuals = list(Run("slow").individuals())
    trials = exported("slow")
    assert Counter(trial.user_attrs["propulate_like:id"] for trial in trials) == Counter(
        str(individual.id) for individual in individuals
    )
    assert {trial.user_attrs["propulate_like:island"] for trial in trials} == {0, 1}
    assert {trial.user_attrs["propulate_like:rank"] for trial in trials} == {0, 1}
    assert study_of(STORAGES[0], "slow").best_value == min(individual.loss for individual in individuals)


@pytest.mark.mpi
def test_an_interrupted_export_and_a_killed_search_lose_nothing(searching, following, command):
    waited_for(lambda: exported("slow"))
    following.send_signal(signal.SIGINT)
    output, _ = following.communicate(timeout=30)
    assert following.returncode == 0
    assert int(output.split()[0]) == len(exported("slow"))
    os.killpg(searching.pid, signal.SIGKILL)
    searching.wait()
    waited_for(lambda: not refusal(Path("slow")))
    command("export", "slow", "--to", "optuna", STORAGES[0], "--live")
    individuals = list(Run("slow").individuals())
    assert len(exported("slow")) == len(individuals) > int(output.split()[0])


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
        (summary,) = waited_for(lambda: ask("api/studies"))["study_summaries"]
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
