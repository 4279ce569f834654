"""Ending in time: signals at any moment, the time given, and what is left for when the run continues."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from propulate_like.parallel.launching.mpiexec import Mpiexec, rank_environment
from propulate_like.search.signals import grace_after
from propulate_like.storage.events import Evaluated, Session, Started
from propulate_like.storage.journal import read

CONFIG = """\
objective: loss.py:loss
space: {x: {float: [0, 1]}}
budget: {evaluations: 6}
evaluation: {grace: 0.5}
seed: 0
run: run
"""
LOSS = """\
import os, time
def loss(x):
    for _ in range(3000):
        if os.path.exists("go"):
            break
        time.sleep(0.01)
    return x
"""
RUN = [sys.executable, "-m", "propulate_like", "run", "search.yaml"]


@pytest.fixture
def folder(tmp_path):
    """A search whose evaluations take 30 s each, or no time at all once there is a file named go."""
    (tmp_path / "search.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "loss.py").write_text(LOSS, encoding="utf-8")
    return tmp_path


class Job:
    """A command under way, with what it says in a file."""

    def __init__(self, folder, command, environment=None):
        self.said = folder / "said"
        with self.said.open("w", encoding="utf-8") as said:
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
            )

    def wait_until(self, condition):
        deadline = time.monotonic() + 60
        while not condition():
            assert self.process.poll() is None, self.said.read_text(encoding="utf-8")
            assert time.monotonic() < deadline
            time.sleep(0.02)

    @property
    def heeds_signals(self):
        """Whether Python has started, and the command come so far that a signal does not simply kill it."""
        caught = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8"))
        return bool(int(caught[1], 16) & 1 << signal.SIGUSR1 - 1)

    def family(self):
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def start(folder):
    """Start a command, and kill what is left of it when the test has ended."""
    jobs = []

    def begin(command, environment=None):
        jobs.append(Job(folder, command, environment))
        return jobs[-1]

    yield begin
    for job in jobs:
        if job.process.poll() is None:
            for process in job.family():
                process.kill()
            job.process.kill()
        job.process.wait()


def events(folder, kind):
    return [event for _, event in read(folder / "run") if isinstance(event, kind)]


def begun(folder):
    return {event.id for event in events(folder, Started)} - {event.id for event in events(folder, Evaluated)}


def continues_with_what_was_begun(folder, start, command, environment=None):
    unfinished = begun(folder)
    (folder / "go").touch()
    job = start(command, environment)
    assert job.process.wait(60) == 0, job.said.read_text(encoding="utf-8")
    ended = [event.id for event in events(folder, Evaluated)]
    assert len(ended) == len(set(ended)) == 6
    first = {}
    for rank, event in read(folder / "run"):
        if isinstance(event, Session):
            first.pop(rank, None)
        elif isinstance(event, Evaluated):
            first.setdefault(rank, event.id)
    assert set(first.values()) == unfinished, "every rank began with one of them"


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("number", "ranks", "isolate"),
    [
        (signal.SIGTERM, 1, True),
        (signal.SIGTERM, 3, False),
        (signal.SIGINT, 1, False),
        (signal.SIGINT, 3, True),
        (signal.SIGUSR1, 1, False),
        (signal.SIGUSR1, 3, True),
    ],
)
def test_command_told_to_end_breaks_off_what_does_not_fit_in_the_grace(number, ranks, isolate, folder, start):
    command = [*RUN, "-n", str(ranks), "--set", f"evaluation.isolate={str(isolate).lower()}"]
    job = start(command)
    job.wait_until(lambda: (folder / "run").exists() and len(begun(folder)) == ranks)
    family = job.family()
    job.process.send_signal(number)
    assert job.process.wait(60) == 130
    assert not psutil.wait_procs(family, timeout=60)[1]
    said = job.said.read_text(encoding="utf-8").splitlines()
    words = [word for word in command[3:] if word]
    assert any(line == f"continue:   propulate-like {' '.join(words)}" for line in said), said
    assert "Traceback" not in "".join(said)
    assert len(begun(folder)) == ranks
    continues_with_what_was_begun(folder, start, command)


@pytest.mark.mpi
@pytest.mark.every_mpi
@pytest.mark.parametrize("isolate", [False, True])
def test_sigterm_to_mpiexec_itself_leaves_nothing_behind_and_loses_nothing(isolate, folder, start):
    """Open MPI kills the ranks 0.5 s after it; MPICH lets them end."""
    command = [*Mpiexec().command(3), *RUN, "--set", f"evaluation.isolate={str(isolate).lower()}"]
    job = start(command, rank_environment(3))
    job.wait_until(lambda: (folder / "run").exists() and len(begun(folder)) == 3)
    family = job.family()
    assert len(family) >= 3
    job.process.send_signal(signal.SIGTERM)
    job.process.wait(60)
    assert not psutil.wait_procs(family, timeout=60)[1]
    assert len(begun(folder)) == 3
    continues_with_what_was_begun(folder, start, command, rank_environment(3))


@pytest.mark.mpi
def test_evaluation_that_fits_in_the_grace_is_awaited(folder, start):
    job = start([*RUN, "-n", "2", "--set", "evaluation.grace=1000"])
    job.wait_until(lambda: (folder / "run").exists() and len(begun(folder)) == 2)
    job.process.send_signal(signal.SIGINT)
    job.wait_until(lambda: "have 1000 s to finish" in job.said.read_text(encoding="utf-8"))
    (folder / "go").touch()
    assert job.process.wait(60) == 130
    assert len(events(folder, Evaluated)) == 2
    assert not begun(folder)


@pytest.mark.mpi
@pytest.mark.parametrize(("ranks", "isolate"), [(1, False), (3, True)])
def test_end_of_the_time_given_breaks_off_too_and_is_no_interruption(ranks, isolate, folder, start):
    command = [*RUN, "-n", str(ranks), "--set", f"evaluation.isolate={str(isolate).lower()}"]
    job = start([*command, "--set", "budget.seconds=1"])
    assert job.process.wait(60) == 0
    assert "0 evaluations in" in job.said.read_text(encoding="utf-8")
    assert "ended by seconds" in job.said.read_text(encoding="utf-8")
    assert len(begun(folder)) == ranks
    continues_with_what_was_begun(folder, start, [*command, "--set", "budget.seconds=60"])


@pytest.mark.mpi
def test_team_is_broken_off_at_the_end_of_the_time_given(folder, start):
    changes = ["budget.seconds=1", "evaluation.ranks_per_worker=2", "evaluation.isolate=false"]
    job = start([*RUN, "-n", "4", *[word for change in changes for word in ("--set", change)]])
    assert job.process.wait(60) == 0
    assert "ended by seconds" in job.said.read_text(encoding="utf-8")
    assert len(begun(folder)) == 2


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR1, signal.SIGTERM])
def test_signal_at_any_moment_of_the_start_ends_it_in_good_order(number, ranks, folder, start):
    (folder / "go").touch()
    for tenths in (0, 1, 3, 6):
        job = start([*RUN, "-n", str(ranks), "--set", "budget.evaluations=100000000", "--run", f"run-{tenths}"])
        job.wait_until(lambda job=job: job.heeds_signals)
        time.sleep(tenths / 10)
        family = job.family()
        job.process.send_signal(number)
        assert job.process.wait(60) == 130, (tenths, job.said.read_text(encoding="utf-8"))
        assert not psutil.wait_procs(family, timeout=60)[1]
        said = job.said.read_text(encoding="utf-8")
        assert "interrupt" in said
        assert "Traceback" not in said


@pytest.mark.parametrize("grace", [-1, "long", ".inf", ".nan"])
@pytest.mark.usefixtures("folder")
def test_grace_that_cannot_be_is_refused(grace, command):
    refused = command("check", "search.yaml", "--set", f"evaluation.grace={grace}", check=False)
    assert refused.returncode == 2
    assert "search.yaml: evaluation" in refused.stderr
    assert "grace" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_only_open_mpis_mpiexec_leaves_less_time_than_the_grace():
    under_open_mpi = {"OMPI_COMM_WORLD_RANK": "0"}
    assert grace_after(signal.SIGTERM, 60, under_open_mpi) == 0.2
    assert grace_after(signal.SIGUSR1, 60, under_open_mpi) == 60
    assert grace_after(signal.SIGTERM, 60, {"PMI_RANK": "0"}) == grace_after(signal.SIGTERM, 60, {}) == 60
    assert grace_after(signal.SIGTERM, 0, under_open_mpi) == 0
