"""The commands, as a person types them."""

import csv
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import psutil
import pytest

CONFIG = """\
objective: train.py:train
space: {x: {float: [-1, 1]}, c: {choice: [a, b]}}
budget: {evaluations: 40}
seed: 0
run: runs/it
"""
LOSS = """\
import time
def train(x, c):
    time.sleep(SECONDS)
    return {"loss": x * x + (c == "b"), "distance": abs(x)}
"""


@pytest.fixture
def project(tmp_path):
    def write(seconds=0.0, loss=LOSS):
        (tmp_path / "search.yaml").write_text(CONFIG, encoding="utf-8")
        (tmp_path / "train.py").write_text(loss.replace("SECONDS", str(seconds)), encoding="utf-8")
        return tmp_path

    return write


def test_check_says_whose_space_is_searched(command, tmp_path):
    (tmp_path / "asks.py").write_text("def loss(trial):\n    return trial.suggest_float('x', 0, 1)\n", encoding="utf-8")
    (tmp_path / "asks.yaml").write_text("objective: asks.py:loss\nbudget: {evaluations: 3}\n", encoding="utf-8")
    assert "a space that the function itself tells" in command("check", "asks.yaml").stdout


def test_starter_is_valid_and_runs(command, tmp_path):
    said = command("init", "new").stdout
    assert "propulate-like run new/search.yaml -n 2" in said
    assert "is valid" in command("check", "new/search.yaml").stdout
    ended = command("run", "new/search.yaml", "--run", "run", "--set", "budget.evaluations=50")
    assert "50 evaluations in" in ended.stdout
    assert "learning_rate" in ended.stdout
    assert "exists already" in command("init", "new", check=False).stderr
    assert (tmp_path / "run/config.yaml").exists()


@pytest.mark.mpi
def test_run_on_several_ranks_says_what_it_found_and_where_it_is(project, command):
    project()
    ended = command("run", "search.yaml", "-n", "3")
    assert "40 evaluations in" in ended.stdout
    assert "[distance]" in ended.stdout
    assert "run folder: runs/it" in ended.stdout
    assert "40 of 40 evaluations, best" in ended.stderr
    known = json.loads(command("status", "runs/it", "--json").stdout)
    assert (known["state"], known["evaluations"], known["statuses"], known["ranks"]) == ("complete", 40, {"ok": 40}, 3)


def test_results_come_best_first_in_every_format(project, command):
    project()
    command("run", "search.yaml")
    rows = json.loads(command("results", "runs/it", "--top", "7", "--format", "json").stdout)
    assert [row["loss"] for row in rows] == sorted(row["loss"] for row in rows)
    assert len(rows) == 7
    assert rows[0]["metrics"] == {"distance": abs(rows[0]["params"]["x"])}
    table = list(csv.DictReader(io.StringIO(command("results", "runs/it", "--top", "7", "--format", "csv").stdout)))
    assert [float(row["loss"]) for row in table] == [row["loss"] for row in rows]
    lines = command("results", "runs/it").stdout.splitlines()
    assert len(lines) == 6
    assert "x" in lines[0].split()


def test_finished_run_evaluates_nothing_more_until_its_budget_grows(project, command):
    project()
    command("run", "search.yaml")
    assert "40 evaluations in" in command("run", "search.yaml").stdout
    assert "60 evaluations in" in command("run", "search.yaml", "--set", "budget.evaluations=60").stdout


def test_function_serves_in_place_of_a_config(tmp_path, command):
    (tmp_path / "train.py").write_text(
        "import propulate_like as pl\n@pl.objective(x=pl.Float(0, 1))\ndef train(x):\n    return x\n", encoding="utf-8"
    )
    ended = command("run", "train.py:train", "--set", "budget.evaluations=20")
    assert "run folder: runs/train" in ended.stdout
    refused = command("run", "train.py:train", check=False)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_search_in_which_everything_fails_exits_with_1_and_the_first_traceback(ranks, project, command):
    project(loss="def train(x, c):\n    return {}['missing']\n")
    ended = command("run", "search.yaml", "-n", ranks, "--set", "budget.evaluations=100000", check=False)
    assert ended.returncode == 1
    assert "KeyError: 'missing'" in ended.stderr
    assert ended.stderr.count("Traceback") == 1
    assert 'train.py", line 2' in ended.stderr


def test_error_inside_the_objectives_file_shows_where(project, command):
    project(loss="import no_such_package\ndef train(x, c):\n    return x\n")
    ended = command("run", "search.yaml", check=False)
    assert ended.returncode != 0
    assert "No module named 'no_such_package'" in ended.stderr


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_interrupted_run_says_how_to_continue_and_does(ranks, project, command):
    folder = project(seconds=0.2)
    arguments = [sys.executable, "-m", "propulate_like", "run", "search.yaml", "-n", str(ranks)]
    with (folder / "said").open("w", encoding="utf-8") as said:
        process = subprocess.Popen(arguments, cwd=folder, stdout=said, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 60
        while not any("evaluated" in file.read_text() for file in folder.glob("runs/it/journal/*")):
            assert process.poll() is None and time.monotonic() < deadline, (folder / "said").read_text(encoding="utf-8")  # noqa: PT018
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    text = (folder / "said").read_text(encoding="utf-8")
    assert f"continue:   propulate-like run search.yaml -n {ranks}" in text
    assert "ended by interruption" in text
    assert "40 evaluations in" in command("run", "search.yaml", "-n", ranks).stdout


@pytest.mark.mpi
def test_second_interruption_while_the_search_ends_kills_nobody(project):
    folder = project(seconds=0.02)
    command = [sys.executable, "-m", "propulate_like", "run", "search.yaml", "-n", "3"]
    changes = ["--set", "budget.evaluations=100000"]
    process = subprocess.Popen(
        [*command, *changes], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    deadline = time.monotonic() + 60
    while len(list((folder / "runs").rglob("rank-*.jsonl"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert "ended by interruption" in said, said


def test_a_metric_without_words_is_shown(project, command):
    project(loss="def train(x, c):\n    return {'loss': x, 'note': ' \\n'}\n")
    assert "[note]" in command("run", "search.yaml").stdout
    assert "note" in command("results", "runs/it").stdout


@pytest.mark.mpi
def test_killed_launcher_leaves_no_ranks_behind(project):
    folder = project(seconds=0.2)
    launcher = subprocess.Popen([sys.executable, "-m", "propulate_like", "run", "search.yaml", "-n", "2"], cwd=folder)
    deadline = time.monotonic() + 60
    while not any("evaluated" in file.read_text() for file in folder.glob("runs/it/journal/*")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    ranks = [process for process in psutil.Process(launcher.pid).children(recursive=True) if process.is_running()]
    assert len(ranks) >= 3
    launcher.kill()
    launcher.wait()
    _, left = psutil.wait_procs(ranks, timeout=60)
    assert not left


def test_failures_can_be_looked_up(project, command):
    project(loss="def train(x, c):\n    if c == 'a':\n        raise ValueError('no a')\n    return x\n")
    command("run", "search.yaml")
    rows = json.loads(command("results", "runs/it", "--failed", "--top", "3", "--format", "json").stdout)
    assert len(rows) == 3
    assert all(row["status"] == "error" and "ValueError: no a" in row["cause"] for row in rows)
    assert "ValueError: no a" in command("results", "runs/it", "--failed").stdout
    assert "a failure" in command("status", "runs/it").stdout


def test_schema_is_json(command):
    assert json.loads(command("schema").stdout)["title"] == "propulate-like configuration"


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_bar_is_drawn_while_a_search_runs_where_there_is_a_terminal(ranks, project):
    folder = project(seconds=0.05)
    terminal, inside = pty.openpty()
    command = [sys.executable, "-m", "propulate_like", "run", "search.yaml", "-n", str(ranks)]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=inside)
    drawn = b""
    while process.poll() is None or select.select([terminal], [], [], 0.1)[0]:
        if select.select([terminal], [], [], 0.1)[0]:
            drawn += os.read(terminal, 4096)
    os.close(terminal)
    os.close(inside)
    done = {int(number) for number in re.findall(rb"(\d+)/40", drawn)}
    assert 40 in done
    assert len(done) > 3, "the bar moved"


@pytest.mark.mpi
def test_rank_that_cannot_write_its_journal_ends_the_search_instead_of_hanging_it(script, python, tmp_path):
    (tmp_path / "run/journal/rank-00001.jsonl").mkdir(parents=True)
    path = script("""
        import propulate_like as pl
        pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=1000, run="run")
    """)
    ended = python(path, ranks=3, check=False)
    assert ended.returncode != 0
    assert "rank-00001.jsonl" in ended.stderr


def test_simulation_says_what_a_run_would_cost_for_several_numbers_of_ranks(project, command):
    project()
    common = ("simulate", "search.yaml", "--ranks", "2,16", "--seconds-per-evaluation", "lognormal:10,0.5")
    ended = command(*common, "--set", "budget.evaluations=200", "--set", "islands.count=2", "--format", "json")
    few, many = json.loads(ended.stdout)
    assert (few["ranks"], many["ranks"]) == (2, 16)
    assert few["evaluations"] == many["evaluations"] == 200
    assert 7 < few["seconds"] / many["seconds"] < 8.5
    assert few["islands"] == 2
    assert ended.stdout == command(*common, "--set", "budget.evaluations=200", "--set", "islands.count=2",
                                   "--format", "json").stdout  # fmt: skip


def test_simulation_takes_times_and_losses_of_an_ended_run_and_lets_some_fail(project, command):
    project()
    command("run", "search.yaml", "--run", "before")
    known = {row["loss"] for row in json.loads(command("results", "before", "--top", "999", "--format", "json").stdout)}
    arguments = ("--seconds-per-evaluation", "before", "--losses", "before", "--failures", "0.2")
    ended = command("simulate", "search.yaml", "-n", "4", *arguments, "--format", "json")
    (row,) = json.loads(ended.stdout)
    assert row["best"] in known
    assert row["seconds"] < 10


def test_simulation_draws_its_forecast(project, command, tmp_path):
    project()
    command("simulate", "search.yaml", "-n", "2,4", "--plot", "forecast.html")
    page = (tmp_path / "forecast.html").read_text(encoding="utf-8")
    assert "best value" in page
    assert "2 ranks" in page
    assert "4 ranks" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--ranks", "many"), "--ranks many: must be numbers of ranks such as 64"),
        (("--ranks", "0"), "--ranks 0: must be numbers of ranks"),
        (("--seconds-per-evaluation", "normal:3"), "'normal:3' must be a number of seconds such as 60"),
        (("--seconds-per-evaluation", "-1"), "'-1' must be a number of seconds"),
        (("--seconds-per-evaluation", "nan"), "'nan' must be a number of seconds"),
        (("--losses", "runs/none"), "runs/none is no run's folder: it does not exist"),
        (("--failures", "1.5"), "failures=1.5 must be a number of at least 0 and at most 1"),
        (("--latency", "-1"), "latency=-1.0 must be a number of at least 0"),
        (("--latency", "inf"), "latency=inf must be finite"),
        (("--seconds-per-evaluation", "1e400"), "'1e400' must be a number of seconds"),
        (("--plot", "nowhere/plot.html"), "nowhere/plot.html"),
        (("--bandwidth", "0"), "bandwidth=0.0 must be a number above 0"),
    ],
)
def test_assumption_that_cannot_be_is_one_line(arguments, message, project, command):
    project()
    ended = command("simulate", "search.yaml", *arguments, check=False)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1
