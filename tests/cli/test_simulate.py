"""The command `simulate`: rows as they come, what an interrupt leaves, and the table in the documents."""

import json
import re
import signal
import subprocess
import sys

import pytest
from conftest import ROOT

CONFIG = """\
objective: loss.py:loss
space: {x: {float: [0, 1]}}
budget: {evaluations: 10}
propagator: uniform_initialization
"""
LOSS = """\
import time
calls = iter(range(100))
def loss(x):
    if next(calls) == 10:  # the second simulation begins
        print("waiting", flush=True)
        time.sleep(100)
    return x
"""


@pytest.fixture
def interrupted(tmp_path):
    """Simulate on 2 ranks, and on 4 until an interrupt; give what was printed before it, all of it, and the status."""

    def run(*arguments):
        (tmp_path / "c.yaml").write_text(CONFIG, encoding="utf-8")
        (tmp_path / "loss.py").write_text(LOSS, encoding="utf-8")
        words = [sys.executable, "-m", "propulate_like", "simulate", "c.yaml", "--ranks", "2,4", *arguments]
        process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        before = []
        while (line := process.stdout.readline()) != "waiting\n":
            assert line
            before.append(line)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
        return before, output, errors, process.returncode

    return run


def test_each_row_of_the_table_is_printed_as_it_is_known(interrupted):
    before, output, errors, status = interrupted()
    assert [line.split()[0] for line in before] == ["ranks", "2"]
    assert (output, status) == ("", 130)
    assert errors.endswith("interrupted: nothing is known of 4 ranks\n")


def test_rows_that_are_known_before_an_interrupt_are_in_the_json_and_the_plot(interrupted, tmp_path):
    before, output, errors, status = interrupted("--format", "json", "--plot", "plot.html")
    assert (before, status) == ([], 130)
    assert "simulated 2 ranks" in errors
    assert [row["ranks"] for row in json.loads(output.partition("plot: ")[0])] == [2]
    assert "2 ranks" in (tmp_path / "plot.html").read_text(encoding="utf-8")


def test_objective_is_called_and_that_is_said_unless_losses_come_from_elsewhere(command, tmp_path):
    (tmp_path / "c.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "loss.py").write_text(
        "def loss(x):\n    open('calls', 'a').write('.')\n    return x\n", encoding="utf-8"
    )
    ended = command("simulate", "c.yaml", "--ranks", "2,4")
    assert ended.stderr == (
        "loss.py:loss is called up to 10 times for each number of ranks; with --losses random, nothing is called\n"
    )
    assert len((tmp_path / "calls").read_text()) == 20
    assert command("simulate", "c.yaml", "--ranks", "2", "--losses", "random").stderr == ""
    assert len((tmp_path / "calls").read_text()) == 20


@pytest.mark.parametrize("ranks", ["1", "3"])
def test_objective_that_asks_a_trial_is_simulated(ranks, command, tmp_path):
    (tmp_path / "asks.py").write_text("def loss(trial):\n    return trial.suggest_float('x', 0, 1)\n", encoding="utf-8")
    arguments = ("simulate", "asks.py:loss", "--ranks", ranks, "--set", "budget.evaluations=20", "--format", "json")
    (row,) = json.loads(command(*arguments).stdout)
    assert row["evaluations"] == 20
    assert 0 <= row["best"] < 0.5
    command("run", "asks.py:loss", "--set", "budget.evaluations=3")
    refused = command(*arguments, "--losses", "runs/loss", check=False)
    assert refused.returncode == 2
    assert "runs/loss has individuals of different parameters" in refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize("document", ["README.md", "docs/scaling.md"])
def test_first_row_of_the_documented_table_is_what_the_command_prints(document, command):
    """The others take minutes."""
    text = (ROOT / document).read_text(encoding="utf-8")
    (call, ranks, options, header, row) = re.search(
        r"^\$ propulate-like (simulate configs/\S+) --ranks (\d+),\S+ (--sec\S+ \S+).*\n(.*)\n(.*)\n",
        text,
        re.MULTILINE,
    ).groups()
    name, config = call.split()
    ended = command(name, ROOT / config, "--ranks", ranks, *options.split())
    assert ended.stdout == f"{header}\n{row}\n"
