"""The programs of timed searches, started as the measures start them, and the table that comes of them."""

import json
import re
import subprocess
import sys

import pytest
from propulate_like_bench.timed.order import Order
from propulate_like_bench.timed.searches import search

pytestmark = pytest.mark.process


@pytest.mark.mpi
@pytest.mark.parametrize("program", ["ours", "bare"])
@pytest.mark.parametrize("ranks", [1, 2])
def test_search_tells_what_it_came_to(program, ranks, tmp_path):
    found = search(program, Order(evaluations=600, folder=str(tmp_path), journal=True), ranks)
    assert found.evaluations == 600
    assert found.seconds > 0
    assert found.memory > 10
    assert 0 <= found.best < 1
    assert (found.batches > 0) == (ranks > 1)
    assert (tmp_path / "run/journal").exists() == (program == "ours")


@pytest.mark.mpi
def test_each_rank_notes_when_its_evaluations_ended(tmp_path):
    search("ours", Order(evaluations=60, by="auto", parameters=3, folder=str(tmp_path), marks=[5]), 2)
    notes = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert sum(len(note["ended"]) for note in notes) == 60
    assert all(note["ended"] == sorted(note["ended"]) for note in notes)
    assert all([count for count, _ in note["memory"]] == [5, len(note["ended"])] for note in notes)
    assert not (tmp_path / "run").exists()


def test_sleeping_search_tells_what_waiting_cost():
    found = search("ours", Order(evaluations=10, by="auto", sleep=(0.002, 1.0)))
    assert found.searched <= found.seconds
    assert 0.0 <= found.idle_share < 1.0
    assert 0.0 <= found.tail_share < 1.0


def test_search_of_optuna_is_told_by_the_same_order():
    pytest.importorskip("optuna")
    found = search("optuna", Order(evaluations=12, by="TPESampler"))
    assert (found.evaluations, found.batches) == (12, None)
    assert found.best >= 0.0


def test_search_that_fails_ends_the_measure_with_what_it_said():
    with pytest.raises(SystemExit, match="a space needs at least one parameter"):
        search("ours", Order(evaluations=1, by="auto", parameters=0))


@pytest.mark.mpi
def test_throughput_is_a_table_of_rates_and_ratios():
    command = [sys.executable, "-m", "propulate_like_bench.throughput", "--ranks", "2", "--repeats", "1"]
    ended = subprocess.run(
        [*command, "--evaluations", "400", "800"], capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.returncode == 0, ended.stderr
    for name in ("propulate_like", "auto", "bare loop"):
        assert len(re.findall(rf"^{name} +2 +[48]00 +[\d,]+ +[\d,]+ to [\d,]+ +\d+ ", ended.stdout, re.MULTILINE)) == 2
    assert re.search(r"^propulate_like / bare loop at 800: \d\.\d\d$", ended.stdout, re.MULTILINE)
