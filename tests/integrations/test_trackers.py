"""Trackers: what MLflow's server, TensorBoard's reader and W&B's offline files hold of a search."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import psutil
import pytest
from tracked import MLflowServer, best_of, in_tensorboard, in_wandb

import propulate_like as pl
from propulate_like.integrations.tracking import require
from propulate_like.parallel.launching.mpiexec import Mpiexec, rank_environment

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("trackers")]
SECONDS = 600  # a server and its client take long to load on a machine that is busy
TRACKERS = ["mlflow", "tensorboard", "wandb"]
LOSS = """
    import sys, time
    import propulate_like as pl

    def loss(x, kind):
        time.sleep({seconds})
        if kind == "bad":
            raise RuntimeError("it is bad")
        for epoch in range(3):
            yield x * x + 3 - epoch
        yield {{"loss": x * x, "size": 3, "note": "small"}}

    SPACE = {{"x": pl.Float(-5, 5), "kind": pl.Choice("good", "fine", "bad", None)}}
    if __name__ == "__main__":
        callbacks = {callbacks}
        pl.{search}(loss, SPACE, evaluations=int(sys.argv[1]), run="run", seed=0, callbacks=callbacks, progress=False)
"""


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """Return a server of MLflow's own on a free port, with SQLite behind it."""
    _needed("mlflow")
    place = tmp_path_factory.mktemp("mlflow")
    uri = f"http://127.0.0.1:{_free_port()}"
    process = _serve(uri, place)
    yield MLflowServer(uri)
    _kill(process)


def _serve(uri, place):
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", uri.rpartition(":")[2]]
    command += ["--backend-store-uri", f"sqlite:///{place}/mlflow.db", "--workers", "1"]
    command += ["--default-artifact-root", str(place / "artifacts")]
    with (place / "server.log").open("a") as log:
        process = subprocess.Popen(command, cwd=place, stdout=log, stderr=log, start_new_session=True)
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            urllib.request.urlopen(f"{uri}/health", timeout=5)
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, (place / "server.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        else:
            return process


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _kill(process):
    """Kill a process and all that it has started, without warning."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for each in family:
        each.send_signal(signal.SIGKILL)
    process.wait()


def _needed(library):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")


@pytest.fixture
def tracker(request, tmp_path, script):
    """Return a tracker's form in YAML, and what reads back what it holds."""
    _needed(request.param)
    if request.param == "mlflow":
        server, experiment = request.getfixturevalue("server"), f"of-{tmp_path.name}"
        return {"mlflow": {"uri": server.uri, "experiment": experiment}}, lambda: server.evaluations(experiment)
    if request.param == "tensorboard":
        return {"tensorboard": {"folder": str(tmp_path / "tb")}}, lambda: in_tensorboard(tmp_path / "tb", script)
    return {"wandb": {"mode": "offline"}}, lambda: in_wandb(tmp_path / "run", script)


@pytest.fixture
def searching(tmp_path):
    """Start a search of so many evaluations; give its process, and what returns all that it says, once it has ended."""
    started = []

    def start(path, evaluations, ranks=1):
        command = [*(Mpiexec().command(ranks) if ranks > 1 else ()), sys.executable, str(path), str(evaluations)]
        environment = rank_environment(ranks) if ranks > 1 else dict(os.environ)
        errors = tmp_path / f"errors-{len(started)}"
        with errors.open("w", encoding="utf-8") as file:
            process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=file, start_new_session=True)
        started.append(process)

        def said():
            status = process.wait(timeout=SECONDS)
            assert status == 0, errors.read_text(encoding="utf-8")
            return errors.read_text(encoding="utf-8")

        return process, said

    yield start
    for process in started:
        if process.poll() is None:
            _kill(process)


@pytest.mark.mpi
@pytest.mark.parametrize("tracker", TRACKERS, indirect=True)
def test_a_search_on_four_ranks_that_is_killed_and_continued_is_tracked_once(tracker, searching, script, tmp_path):
    callback, held = tracker
    path = script(LOSS.format(seconds=0.1, callbacks=[callback], search="minimize"))
    first, said = searching(path, 200, ranks=4)
    deadline = time.monotonic() + SECONDS
    while not (_at_least(held, 10) or len(in_journals(tmp_path)) > 150):
        assert first.poll() is None, said()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    _kill(first)
    assert len(in_journals(tmp_path)) < 200
    assert "not called any more" not in searching(path, 200, ranks=4)[1]()
    individuals = {str(one.id): one for one in in_journals(tmp_path)}
    found = held()
    assert len(individuals) == len(found) == 200
    assert {one["id"] for one in found} == set(individuals)
    best = min(one.loss for one in individuals.values() if one.has_loss)
    assert best_of(found) == pytest.approx(best, rel=1e-6)
    for one in found:
        individual = individuals[one["id"]]
        assert one["succeeded"] is individual.has_loss
        assert float(one["params"]["x"]) == individual.params["x"]
        assert str(one["params"]["kind"]) == str(individual.params["kind"])
        if individual.has_loss:
            assert one["numbers"]["value"] == pytest.approx(individual.loss, rel=1e-6)
            assert [step for step, _ in one["curve"]] == [step for step, _ in individual.curve]


def in_journals(folder):
    return list(pl.Run(folder / "run").individuals()) if (folder / "run/config.yaml").exists() else []


def _at_least(held, count):
    try:
        return len(held()) >= count
    except (subprocess.CalledProcessError, urllib.error.HTTPError, KeyError):  # nothing is there yet, or half of it
        return False


@pytest.mark.parametrize("tracker", TRACKERS, indirect=True)
def test_what_is_maximized_is_tracked_as_the_loss_returns_it(tracker, searching, script):
    callback, held = tracker
    path = script(LOSS.format(seconds=0, callbacks=[callback], search="maximize"))
    assert "called any more" not in searching(path, 12)[1]()
    found = held()
    assert len(found) == 12
    for one in found:
        if one["succeeded"]:
            x = float(one["params"]["x"])
            assert one["numbers"]["value"] == pytest.approx(x * x, rel=1e-6)
            assert [value for _, value in one["curve"]][:3] == pytest.approx([x * x + 3 - epoch for epoch in range(3)])
            assert one["numbers"]["size"] == 3
        texts = one.get("texts") or one["numbers"]
        assert texts["status"] == ("ok" if one["succeeded"] else "error")
        assert texts.get("note") == ("small" if one["succeeded"] else None)
        assert ("it is bad" in texts.get("cause", "")) is (one["params"]["kind"] == "bad")


@pytest.mark.parametrize("tracker", TRACKERS, indirect=True)
def test_ranks_that_a_program_starts_are_tracked_once_where_it_continues(tracker, searching, script):
    callback, held = tracker
    path = script(
        LOSS.format(seconds=0, callbacks=[callback], search="minimize").replace("progress=", "ranks=2, progress=")
    )
    for evaluations in (8, 14):
        searching(path, evaluations)[1]()
        assert len({one["id"] for one in held()}) == len(held()) == evaluations


def test_mlflow_has_one_parent_run_with_the_best_value(server, searching, script, tmp_path):
    callback = {"mlflow": {"uri": server.uri, "experiment": "parents", "run_name": "mine"}}
    path = script(LOSS.format(seconds=0, callbacks=[callback], search="minimize"))
    for evaluations in (6, 9):
        searching(path, evaluations)[1]()
        (parent,), nested = server.runs("parents")
        assert len(nested) == evaluations
        assert parent["info"]["run_name"] == "mine"
        assert parent["info"]["status"] == "FINISHED"
        best = min(one.loss for one in pl.Run(tmp_path / "run").individuals() if one.has_loss)
        assert {one["key"]: one["value"] for one in parent["data"]["metrics"]} == {"best": best}


def test_a_server_that_does_not_answer_is_said_once_and_the_search_goes_on(searching, script, tmp_path):
    _needed("mlflow")
    uri = f"http://127.0.0.1:{_free_port()}"
    callback = {"mlflow": {"uri": uri, "experiment": "later"}}
    path = script(LOSS.format(seconds=0, callbacks=[callback], search="minimize"))
    lines = searching(path, 10)[1]().splitlines()
    assert lines == [
        f"MLflow at {uri} does not answer; the search goes on, and logs once it does",
        f"MLflow at {uri} has not answered: 10 evaluations are not logged; they are once the run continues",
    ]
    process = _serve(uri, tmp_path)
    try:
        searching(path, 12)[1]()
        assert len(MLflowServer(uri).evaluations("later")) == 12
    finally:
        _kill(process)


@pytest.mark.parametrize(
    ("name", "label"), [("mlflow", "MLflow"), ("tensorboard", "TensorBoard"), ("wandb", "Weights & Biases")]
)
def test_a_tracker_that_is_not_installed_is_said_before_anything_runs(name, label, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, name, None)  # as if it were not
    called = []
    with pytest.raises(ValueError, match=rf"{label} is not installed: pip install 'propulate-like\[{name}\]'"):
        pl.minimize(called.append, {"x": (0.0, 1.0)}, evaluations=3, run=tmp_path / "run", callbacks=[name])
    assert not called
    assert not (tmp_path / "run").exists()


def test_a_folder_of_a_tracker_s_name_is_not_its_library(monkeypatch, tmp_path):
    (tmp_path / "nowhere_installed").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="Nowhere is not installed"):
        require("nowhere_installed", "Nowhere")


def test_trackers_go_by_their_names_in_yaml(tmp_path, command):
    (tmp_path / "s.yaml").write_text(
        "objective: loss.py:loss\nspace: {x: {float: [0, 1]}}\nbudget: {evaluations: 3}\n"
        "callbacks: [{wandb: {mode: never}}, {mlflow: {experimant: digits}}]\n",
        encoding="utf-8",
    )
    (tmp_path / "loss.py").write_text("def loss(x):\n    return x\n", encoding="utf-8")
    refused = command("check", "s.yaml", check=False)
    assert refused.returncode != 0
    assert "callbacks: " in refused.stderr
    changed = command("check", "s.yaml", "--set", "callbacks=[{mlflow: {experimant: digits}}]", check=False)
    assert "unknown key 'experimant'; did you mean 'experiment'?" in changed.stderr
