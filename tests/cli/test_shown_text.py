"""What commands show: no control characters, bounded lines, and lines that can be pasted."""

import contextlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SECONDS

import propulate_like as pl
from propulate_like.cli import show
from propulate_like.cli.app import main
from propulate_like.foundation.console import pasteable
from propulate_like.storage.journal import journal_path
from propulate_like.storage.run import Run

ESCAPES = "\x1b]0;x\x07\x1b[31m\r\u009b2J\u202ered"
NAMES = [
    "a b", "it's", 'say "x"', "é", "no\u00a0break", "line\nfeed", "esc\x1b[31m", "-dash", "--help", "$(touch stolen)",
    "`x`", "back\\slash", "!x", "\u2028", "x\u200dy", "*", "a;b", "tab\t", "é\n'\\",
]  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x.py").write_text("def f(x):\n    return x\n")


@pytest.fixture
def said(monkeypatch, capfd):
    """Run a command in this process, and return all that it printed."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["propulate-like", *map(str, words)])
        with contextlib.suppress(SystemExit):
            main()
        captured = capfd.readouterr()
        return captured.out + captured.err

    return run


def described(name="x.yaml", **keys):
    known = {"objective": "x.py:f", "space": {"x": {"float": [0, 1]}}, "budget": {"evaluations": 3}, "seed": 0} | keys
    Path(name).write_text(json.dumps(known))
    return name


def add(event, run="run"):
    base = {
        "type": "evaluated",
        "loss": 1.0,
        "genome": [0.5],
        "parents": [],
        "origin": "",
        "seconds": 1.0,
        "ended": 2e9,
    }
    with journal_path(Path(run), 0).open("ab") as file:
        file.write(json.dumps({**base, **event}).encode() + b"\n")


@pytest.mark.parametrize(
    "keys",
    [
        {"run": ESCAPES},
        {"objective": {"command": ["sh", "-c", "echo 1", ESCAPES]}},
        {"space": {ESCAPES: {"float": [0, 1]}}},
        {"space": {"x": {ESCAPES: [0, 1]}}},
        {"objective": f"{ESCAPES}.py:f"},
        {"warm_start": ESCAPES},
        {ESCAPES: 1},
        {"propagator": [{ESCAPES: 1}]},
        {"pruner": ESCAPES},
    ],
)
def test_no_command_shows_what_could_control_a_terminal(keys, said):
    name = described(**keys)
    folder = keys.get("run", "runs/x")
    for words in (
        ("check", name),
        ("run", name, "--check"),
        ("run", name),
        ("status", folder),
        ("results", folder),
        ("export", folder, "--to", "csv", ESCAPES),
        ("run", name, "--set", f"{ESCAPES}=1"),
        ("check", ESCAPES),
        ("slurm", name, "--nodes", "1", "--ranks-per-node", "1", "--time", "2h", "--output", ESCAPES),
        ("init", ESCAPES),
    ):
        told = said(*words)
        assert all(character.isprintable() or character in "\n\t" for character in told), (words, ascii(told))
        assert told


def test_failure_that_ends_a_search_is_shown_without_control_characters(said):
    Path("x.py").write_text(f"def f(x):\n    raise ValueError({ESCAPES!r})\n")
    told = said("run", described())
    assert "all 3 evaluations failed" in told
    assert all(character.isprintable() or character in "\n\t" for character in told), ascii(told)


@pytest.mark.parametrize("form", ["status", "table"])
def test_what_others_wrote_at_length_is_shown_in_short(form, said):
    long = "x" * 1_000_000
    pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=3, run="run", progress=False)
    for serial in range(60):
        add({"id": [serial, 0, 100 + serial], "origin": f"{serial}{long}" if serial % 20 == 0 else f"{serial}"})
    failure = {"loss": None, "status": "error", "cause": long, "metrics": {long: long}}
    add({"id": [0, 0, 99], **failure})
    add({"id": [0, 0, 98], "loss": -1.0, "metrics": {f"{long}{number}": long for number in range(3)}})
    add({"type": "died", "rank": 0, "noted": 1e9, "host": long, "pid": 7})
    add({"type": "session", "rank": 0, "ranks": 1, "began": 3e9, "host": long, "pid": 7, "devices": [long] * 9})
    if form == "status":
        text = said("status", "run")
        assert re.search(r"bred by +\S+x{100,}\.\.\. ", text)
        assert re.search(r"and \d+ origins more", text)
        assert len(text) < 100_000
    else:
        text = said("results", "run") + said("results", "run", "--failed")
        assert len(text) < 1_000_000
    assert max(map(len, text.splitlines())) < 2_000


def test_status_as_json_has_everything():
    pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=3, run="run", progress=False)
    add({"id": [0, 0, 99], "origin": "y" * 1000})
    assert "y" * 1000 in show.status(Run("run"))["bred_by"]


@pytest.mark.process
@pytest.mark.parametrize("name", NAMES)
def test_line_to_paste_shows_the_run(name):
    described(run=name)
    path = Path(name) if not name.startswith("-") else Path(f"./{name}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["propulate-like", "run", "x.yaml"])
        output = subprocess.run(
            [sys.executable, "-m", "propulate_like", "run", "x.yaml"],
            capture_output=True, text=True, check=True, timeout=SECONDS,
        ).stdout  # fmt: skip
    (line,) = [line.partition(":")[2].strip() for line in output.splitlines() if line.startswith("see more:")]
    assert line.isprintable()
    pasted = line.replace("propulate-like", f"{sys.executable} -m propulate_like", 1)
    ended = subprocess.run(["bash", "-c", pasted], capture_output=True, text=True, check=False, timeout=SECONDS)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("\n") == 4
    assert path.is_dir()
    assert not Path("stolen").exists()


@pytest.mark.process
@pytest.mark.parametrize("shell", ["bash"])
def test_words_are_pasted_as_they_are(shell):
    words = [*NAMES, "", "x\udcff", ESCAPES, "a@b:c", "\x01" + "1"]
    line = pasteable(["printf", "%s\\0", *words])
    assert line.isprintable()
    output = subprocess.run([shell, "-c", line], capture_output=True, check=True, timeout=SECONDS).stdout
    assert output.split(b"\0")[:-1] == [word.encode("utf-8", "surrogateescape") for word in words]


@pytest.mark.process
def test_line_that_continues_an_interrupted_run_can_be_pasted():
    described("x y.yaml", budget={"evaluations": 3, "seconds": 60}, run="a\nb")
    Path("x.py").write_text("import os, signal\ndef f(x):\n    os.kill(os.getpid(), signal.SIGINT)\n    return x\n")
    words = [sys.executable, "-m", "propulate_like", "run", "x y.yaml", "--set", "seed=1"]
    output = subprocess.run(words, capture_output=True, text=True, check=False, timeout=SECONDS).stdout
    (line,) = [line.partition(":")[2].strip() for line in output.splitlines() if line.startswith("continue:")]
    Path("x.py").write_text("def f(x):\n    return x\n")
    pasted = line.replace("propulate-like", f"{sys.executable} -m propulate_like", 1)
    ended = subprocess.run(["bash", "-c", pasted], capture_output=True, text=True, check=False, timeout=SECONDS)
    assert (ended.returncode, "3 evaluations" in ended.stdout) == (0, True), ended
