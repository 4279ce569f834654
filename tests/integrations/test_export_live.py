"""A study follows a search that runs."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from propulate_like.parallel.launching.mpiexec import Mpiexec, rank_environment
from propulate_like.storage.lease import refusal
from propulate_like.storage.run import Run

pytest.importorskip("optuna")
from exporting import STORAGES, study_of

pytestmark = pytest.mark.mpi

SLOW = """
import time
from pathlib import Path
import propulate_like as pl

def loss(x):
    time.sleep(0.05)
    return -1.0 if Path("enough").exists() else x

if __name__ == "__main__":
    pl.minimize(loss, {"x": (0.0, 1.0)}, target=-1.0, seconds=100, run="slow", islands=2, progress=False)
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


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
    """Start a search on two ranks and islands, which ends once there is a file `enough`, and give its process."""
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


def test_live_follows_a_search_until_it_ends(searching, following):
    grown = waited_for(lambda: exported("slow"))
    waited_for(lambda: len(exported("slow")) > len(grown) + 10)
    assert searching.poll() is None
    Path("enough").touch()
    assert searching.wait(60) == 0
    output, told = following.communicate(timeout=60)
    assert following.returncode == 0
    individuals = list(Run("slow").individuals())
    assert output.startswith(f"{len(individuals)} evaluations added to the study slow in sqlite:///study.db")
    assert len(told.splitlines()) == 1
    trials = exported("slow")
    assert Counter(trial.user_attrs["propulate_like:id"] for trial in trials) == Counter(
        str(individual.id) for individual in individuals
    )
    assert {trial.user_attrs["propulate_like:island"] for trial in trials} == {0, 1}
    assert {trial.user_attrs["propulate_like:rank"] for trial in trials} == {0, 1}
    assert study_of(STORAGES[0], "slow").best_value == min(individual.loss for individual in individuals)


def test_an_interrupted_export_and_a_killed_search_lose_nothing(searching, following, command):
    waited_for(lambda: exported("slow"))
    following.send_signal(signal.SIGINT)
    output, _ = following.communicate(timeout=60)
    assert following.returncode == 0
    assert int(output.split()[0]) == len(exported("slow"))
    os.killpg(searching.pid, signal.SIGKILL)
    searching.wait()
    waited_for(lambda: not refusal(Path("slow")))
    command("export", "slow", "--to", "optuna", STORAGES[0], "--live")
    individuals = list(Run("slow").individuals())
    assert len(exported("slow")) == len(individuals) > int(output.split()[0])
