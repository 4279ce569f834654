"""The command of the quality benchmark, from a search to its table; what was measured once is not measured again."""

import json
import os
import signal
import subprocess
import sys

import msgspec
import pytest
from propulate_like_bench.quality import cells
from propulate_like_bench.quality.cells import Cache, Cell, Kept
from propulate_like_bench.quality.workers import Course

pytest.importorskip("ioh", reason="needs ioh: pip install ioh")
COMMAND = [sys.executable, "-m", "propulate_like_bench.quality"]
SMALL = ["bbob", "--dimension", "2", "--problems", "f1", "f8", "--workers", "4"]
CONTRARY = """
import propulate_like as pl

def make(setting):
    if setting.seed % 2 == {odd}:
        raise ValueError("not this seed")
    return pl.SobolInitialization()
"""


def command(folder, *arguments, **environment):
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**{k: v for k, v in os.environ.items() if k != "PROPULATE_PYTHON"}, **environment},
    )


def test_a_table_and_its_data_and_nothing_is_measured_twice(tmp_path):
    chosen = [*SMALL, "--evaluations", "5d", "10d", "--contestants", "auto", "random", "--json", "rows.json"]
    ended = command(tmp_path, *chosen, "--plot", "curves.html")
    assert ended.returncode == 0, ended.stderr
    assert "bbob, 2-d, 20 evaluations, 4 workers, instances 1, seeds 0" in ended.stdout
    assert ended.stdout.count("| auto |") == ended.stdout.count("| random |") == 2
    assert len(ended.stderr.splitlines()) == 6  # random search at 10 evaluations is what it does first of 20
    small, large = json.loads((tmp_path / "rows.json").read_text())
    assert large["moments"][-1] == 20
    assert {row["contestant"] for row in large["rows"]} == {"auto", "random"} == large["curves"].keys()
    assert large["curves"]["random"] == sorted(large["curves"]["random"])
    assert all(0.0 <= row["score"] <= 1.0 for row in small["rows"] + large["rows"])
    assert {page.name for page in tmp_path.glob("*.html")} == {"curves-10.html", "curves-20.html"}

    again = command(tmp_path, *chosen)
    assert (again.returncode, again.stderr, again.stdout) == (0, "", ended.stdout)


def test_an_interrupted_measurement_goes_on_where_it_was(tmp_path):
    quick = "{coordinate_search: {}}"
    chosen = [*SMALL, "--evaluations", "400", "--contestants", "random", quick, "--seeds", *map(str, range(200))]
    begun = subprocess.Popen(
        [*COMMAND, *chosen], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    line = begun.stderr.readline()
    assert line.startswith("1 of 800 after")
    begun.send_signal(signal.SIGINT)
    try:
        _, errors = begun.communicate(timeout=60)
    finally:
        begun.kill()
    assert errors.splitlines()[-1] == "interrupted: the same command goes on from here"
    kept = len(list(tmp_path.rglob("*.json")))
    assert 1 <= kept < 800
    fewer = [*SMALL, "--evaluations", "400", "--contestants", "random", "--seeds", "0"]
    assert "| random |" in command(tmp_path, *fewer).stdout
    shown = command(tmp_path, *chosen, "--cached")
    assert f"{quick} is left out" in shown.stderr


def test_a_contestant_that_fails_is_told_of_and_the_others_are_measured(tmp_path):
    chosen = [*SMALL, "--evaluations", "8", "--seeds", "0", "1", "2", "3", "--contestants", "random", "own.py:make"]
    (tmp_path / "own.py").write_text(CONTRARY.format(odd=1))
    ended = command(tmp_path, *chosen)
    assert "failed: own.py:make on bbob f" in ended.stderr
    assert "ValueError: not this seed" in ended.stderr
    assert "own.py:make is left out" in ended.stderr
    assert "| random |" in ended.stdout
    (tmp_path / "own.py").write_text(CONTRARY.format(odd=2))
    changed = command(tmp_path, *chosen)
    assert "8 of 8 after" in changed.stderr
    assert "| own.py:make |" in changed.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--contestants", "tpee"], "error: unknown contestant 'tpee'; did you mean 'tpe'?"),
        (["--contestants", "{select_best: 4"], "error: '{select_best: 4' is no propagator: it is not valid YAML"),
        (["--contestants", "{sobol: 4}"], "error: unknown step 'sobol'"),
        (["--contestants", "own.py:make"], "error: 'own.py:make': there is no file"),
        (["--contestants", "random", "--evaluations", "4e3"], "error: --evaluations 4e3: give a number such as 500"),
        (["--contestants", "random", "--dimension", "4"], "error: --dimension 4: suite bbob has 2, 3, 5, 10, 20, 40"),
        (["--contestants", "random", "--problems", "f25"], "error: unknown problem 'f25'; did you mean"),
        (["--contestants", "propulate"], "propulate is left out: give --propulate a Python that has it"),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_line(tmp_path, arguments, message):
    ended = command(tmp_path, *SMALL, *arguments)
    assert ended.stderr.startswith(message)
    assert len(ended.stderr.splitlines()) == 1
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--jobs", "0"], "argument --jobs: '0' must be a whole number of at least 1"),
        (["--workers", "many"], "argument --workers: 'many' must be a whole number of at least 1"),
        (["--seconds", "-1"], "argument --seconds: '-1' must be a number of at least 0"),
        (["--reference", "nobody"], "--reference nobody: no contestant"),
    ],
)
def test_impossible_numbers_are_refused_with_what_would_be_valid(tmp_path, arguments, message):
    assert message in command(tmp_path, *SMALL, *arguments).stderr.splitlines()[-1]


def test_a_longer_search_serves_only_where_the_budget_is_not_told(tmp_path):
    cache = Cache(tmp_path)
    for contestant in ("random", "auto"):
        cell = Cell("bbob", "f1", 5, 1, 0, 4, 200, contestant)
        named = cells.versions(cell)
        cache.keep(Kept(cell, named, Course([(1, 2.0)], [(200, 0.1)]), 0.1))
        sizes = [size for size in (100, 200, 300) if cache.find(msgspec.structs.replace(cell, evaluations=size), named)]
        assert sizes == ([100, 200] if contestant == "random" else [200])
        assert cache.find(cell, [*named[:-1], "loop 0"]) is None
        assert cache.find(Cell("bbob", "f1", 5, 1, 1, 4, 200, contestant), named) is None
