"""What status, results and a dry run say of runs that ended in different ways."""

import json
import signal
import subprocess
import sys
import time

import pytest
from conftest import make_individual

from propulate_like import Float, Id, Space, Status
from propulate_like.cli import show
from propulate_like.storage.events import Session
from propulate_like.storage.journal import Journal, journal_path
from propulate_like.storage.run import Run

CONFIG = """\
objective: loss.py:loss
space: {x: {float: [0, 1]}}
budget: {BUDGET}
propagator: uniform_initialization
run: run
"""


@pytest.fixture
def project(tmp_path):
    def write(budget, loss="def loss(x):\n    return x\n", more=""):
        (tmp_path / "c.yaml").write_text(CONFIG.replace("BUDGET", budget) + more, encoding="utf-8")
        (tmp_path / "loss.py").write_text(loss, encoding="utf-8")
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("budget", "loss", "reason", "state"),
    [
        ("evaluations: 3, seconds: 60", "0.5", "evaluations", "complete"),
        ("evaluations: 1000000, target: 0.9", "x", "target", "complete: the target was reached"),
        ("evaluations: 1000000, seconds: 0.2", "x", "seconds", "ended by seconds: --set budget.seconds=MORE goes on"),
        ("seconds: 0.2", "x", "seconds", "ended by seconds: --set budget.seconds=MORE goes on"),
        ("evaluations: 1000", "'no number'", "failing", "ended, as every evaluation failed"),
    ],
)
def test_status_says_what_ended_a_run(budget, loss, reason, state, project, command):
    project(budget, f"def loss(x):\n    return {loss}\n")
    command("run", "c.yaml", check=False)
    known = json.loads(command("status", "run", "--json").stdout)
    assert (known["state"], known["ended_by"]) == (state, reason)
    assert f"run, {state}\n" in command("status", "run").stdout
    if reason != "failing":
        assert "would evaluate nothing more: the budget of the run" in command("run", "c.yaml", "--check").stdout


def test_status_says_that_a_run_was_interrupted_or_killed(project, command):
    folder = project("evaluations: 1000", "import time\ndef loss(x):\n    time.sleep(0.2)\n    return x\n")
    for how, reason in ((signal.SIGINT, "interrupted"), (signal.SIGKILL, None)):
        before = sum(file.read_text().count("evaluated") for file in folder.glob("run/journal/*"))
        process = subprocess.Popen([sys.executable, "-m", "propulate_like", "run", "c.yaml"], cwd=folder)
        deadline = time.monotonic() + 60
        while sum(file.read_text().count("evaluated") for file in folder.glob("run/journal/*")) == before:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(how)
        process.wait(60)
        known = json.loads(command("status", "run", "--json").stdout)
        assert known["ended_by"] == reason
        assert known["state"].startswith("interrupted" if reason else "running, or cut off")
    assert ", in the last of 2 sessions\n" in command("status", "run").stdout


def test_figures_of_the_last_session_are_said_to_be(project, command):
    project("evaluations: 3")
    command("run", "c.yaml")
    assert "session" not in command("status", "run").stdout
    command("run", "c.yaml", "--set", "budget.evaluations=5")
    lines = command("status", "run").stdout.splitlines()
    assert sum("evaluations/s" in line and line.endswith(", in the last of 2 sessions") for line in lines) == 1
    assert any(line.startswith("idle") and line.endswith(" %, in the last of 2 sessions") for line in lines)
    assert "5 of 5" in lines[1]


def test_figures_of_the_first_of_several_losses_are_said_to_be(project, command):
    project("evaluations: 5", "def loss(x):\n    return x, 1 - x\n", "directions: [maximize, minimize]\n")
    command("run", "c.yaml")
    known = json.loads(command("status", "run", "--json").stdout)
    assert 0 < known["bred_by"]["uniform_initialization"]["best"] == known["islands"]["0"]["best"]
    assert "5 evaluations, first loss best so far" in command("status", "run").stdout


def test_of_equal_losses_the_earliest_is_the_best_everywhere(project, command):
    """Rank 1 was the first, and its individual has the higher id."""
    folder = project("evaluations: 3", "def loss(x):\n    return 1.0\n")
    command("run", "c.yaml", "--set", "budget.evaluations=1", "--set", "run=run")
    (first,) = Run(folder / "run").individuals()
    run = Run(folder / "run")
    journal = Journal(journal_path(folder / "run", 1), lambda: True, run.shape)
    journal.write(Session(rank=1, ranks=2, began=first.ended - 60, run=run.ident))
    earlier = make_individual(
        Id(0, 1, 0), (0.25,), run.space, loss=1.0, status=Status.OK, ended=first.ended - 30, seconds=1.0
    )
    journal.end(earlier)
    journal.flush()
    ended = command("run", "c.yaml", "--set", "budget.evaluations=2")
    assert "  x  0.25\n" in ended.stdout
    assert show.status(Run(folder / "run"))["best_params"] == {"x": 0.25}
    rows = json.loads(command("results", "run", "--format", "json").stdout)
    assert rows[0]["id"] == "0-1-0"


def test_precedence_is_by_loss_then_by_end_then_by_id():
    space = Space({"x": Float(0, 1)})

    def one(rank, ended, loss=1.0):
        return make_individual(Id(0, rank, 0), (0.5,), space, loss=loss, status=Status.OK, ended=ended)

    ordered = [one(3, 9.0, 0.5), one(2, 1.0), one(0, 2.0), one(1, 2.0)]
    assert sorted([ordered[place] for place in (2, 0, 3, 1)], key=lambda each: each.precedence) == ordered


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "loss.py"), "loss.py is Python: name its function, such as loss.py:loss\n"),
        (("status", "c.yaml"), "c.yaml is a configuration, not a run's folder: by default its run is in run\n"),
        (("results", "c.yaml"), "c.yaml is a configuration, not a run's folder: by default its run is in run\n"),
        (
            ("status", "loss.py:loss"),
            "loss.py:loss is an objective, not a run's folder: by default its run is in runs/loss\n",
        ),
        (("status", "loss.py"), "loss.py is no run's folder: it is a file\n"),
        (("status", "nowhere"), "nowhere is no run's folder: it does not exist\n"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else "",
)
def test_file_in_place_of_another_thing_is_answered_by_what_to_write(words, message, project, command):
    project("evaluations: 3")
    ended = command(*words, check=False)
    assert (ended.returncode, ended.stderr) == (2, message)


def test_interrupt_before_the_first_evaluation_names_no_results(project):
    folder = project("evaluations: 9", "import time\ndef loss(x):\n    open('begun', 'w')\n    time.sleep(60)\n")
    arguments = [sys.executable, "-m", "propulate_like", "run", "c.yaml", "--set", "evaluation.grace=0"]
    process = subprocess.Popen(arguments, cwd=folder, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (folder / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert "0 evaluations in" in said
    assert "continue:" in said
    assert "see more" not in said
