"""The batch script: really run, with a program that stands in for Slurm's scontrol and notes what it is told."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest
from conftest import ROOT

CONFIG = """\
objective: loss.py:loss
space: {x: {float: [0, 1]}}
budget: {evaluations: 40}
evaluation: {grace: 1}
seed: 0
run: SLOW
"""
LOSS = "import time\ndef loss(x):\n    time.sleep(SECONDS)\n    return x\n"
WRITE = ("slurm", "s.yaml", "--nodes", "1", "--ranks-per-node", "2", "--time", "10m")


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Write a script in a folder with a terrible name, and give what starts it as a batch job."""
    folder = tmp_path / """it's "$HOME" `x` \\ &"""
    folder.mkdir()
    (tmp_path / "bin").mkdir()
    scontrol = tmp_path / "bin/scontrol"
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\n', encoding="utf-8")
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=os.pathsep)
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("SLURM_PROCID", "0")  # as in every batch script, though no launcher started it
    jobs = []

    def write(*more, seconds=0.1, run="runs/a b's"):
        (folder / "s.yaml").write_text(CONFIG.replace("SLOW", json.dumps(run)), encoding="utf-8")
        (folder / "loss.py").write_text(LOSS.replace("SECONDS", str(seconds)), encoding="utf-8")
        command = [sys.executable, "-m", "propulate_like", *WRITE, *more]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
        return Job(folder, run, tmp_path, jobs)

    yield write
    for each in jobs:
        for process in psutil.Process(each.pid).children(recursive=True) if each.poll() is None else []:
            process.kill()
        each.kill()
        each.wait()


class Job:
    def __init__(self, folder, run, elsewhere, jobs):
        self.folder, self.run, self.elsewhere, self.jobs = folder, folder / run, elsewhere, jobs
        self.said = elsewhere / "said"

    def start(self):
        with self.said.open("a", encoding="utf-8") as said:
            command = ["bash", self.folder / "job.sbatch"]
            process = subprocess.Popen(command, cwd=self.elsewhere, stdout=said, stderr=said)
        self.jobs.append(process)
        return process

    def evaluations(self):
        return sum(file.read_text().count('"evaluated"') for file in self.run.glob("journal/*"))

    def wait_for(self, evaluations):
        deadline = time.monotonic() + 60
        while self.evaluations() < evaluations:
            assert time.monotonic() < deadline, self.said.read_text(encoding="utf-8")
            time.sleep(0.02)

    @property
    def told(self):
        file = self.elsewhere / "told"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


@pytest.mark.mpi
def test_job_is_queued_again_when_its_time_is_up_until_the_budget_is_met(job):
    batch = job("--set", "seed=1")
    first = batch.start()
    batch.wait_for(4)
    first.send_signal(signal.SIGUSR1)
    assert first.wait(60) == 0
    assert batch.told == ["requeue 4711"]
    done = batch.evaluations()
    assert 4 <= done < 40
    assert f"queued again with {done} evaluations, of which {done}" in batch.said.read_text(encoding="utf-8")
    assert batch.start().wait(60) == 0
    assert batch.told == ["requeue 4711"]
    assert batch.evaluations() == 40
    assert "seed: 1" in (batch.run / "config.yaml").read_text(encoding="utf-8")


@pytest.mark.mpi
def test_job_in_which_no_evaluation_ends_is_not_queued_for_ever(job):
    batch = job(seconds=100)
    running = batch.start()
    deadline = time.monotonic() + 60
    while not any("started" in file.read_text() for file in batch.run.glob("journal/*")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.send_signal(signal.SIGUSR1)
    assert running.wait(60) == 1
    assert batch.told == []
    assert "not queued again: no evaluation ended within this job" in batch.said.read_text(encoding="utf-8")


@pytest.mark.mpi
def test_job_that_somebody_ends_is_not_queued_again_and_loses_nothing(job):
    batch = job()
    running = batch.start()
    batch.wait_for(4)
    running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 130
    assert batch.told == []
    assert "ended by interruption" in batch.said.read_text(encoding="utf-8")


def test_job_whose_config_is_wrong_ends_with_its_status(job):
    batch = job()
    (batch.folder / "s.yaml").write_text("objective: loss.py:loss\n", encoding="utf-8")
    assert batch.start().wait(60) == 2
    assert batch.told == []


@pytest.mark.parametrize("time", ["2h", "1d12h", "120m", "1-12:00:00", "36:00:00"])
def test_script_is_good_shell_and_asks_for_a_rank_a_gpu_and_an_early_signal(time, job, command):
    batch = job()
    config = batch.folder / "s.yaml"
    written = command("slurm", config, "--nodes", "4", "--gpus-per-node", "4", "--time", time, "--output", "-",
                      "--partition", "gpu", "--account", "me", "--set", "evaluation.grace=30").stdout  # fmt: skip
    subprocess.run(["bash", "-n"], input=written, text=True, check=True)
    options = [line.removeprefix("#SBATCH ") for line in written.splitlines() if line.startswith("#SBATCH")]
    minutes = "2:00:00" if time in {"2h", "120m"} else "36:00:00"
    expected = {"--nodes=4", "--ntasks-per-node=4", "--gpus-per-node=4", f"--time={minutes}", "--signal=B:USR1@90",
                "--requeue", "--open-mode=append", "--partition=gpu", "--account=me"}  # fmt: skip
    assert expected <= set(options)
    assert "-n 16" in written
    assert "evaluation.gpus=auto" in written


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--time", "soon"), "--time 'soon' must be such as 2h"),
        (("--time", ""), "--time '' must be such as 2h"),
        (("--time", "1m"), "--time 1m: the ending alone takes up to 61 s"),
        (("--time", "1h", "--set", "evaluation.grace=3600"), "takes up to 3660 s of it"),
        (("--time", "1h", "--partition", "a\n#SBATCH --uid=0"), "must be a name as sinfo"),
        (("--time", "1h", "--set", "evaluation.ranks_per_worker=3"), "must divide the number of ranks"),
        (("--time", "1h", "--set", "budget.evaluation=3"), "s.yaml: budget: unknown key 'evaluation'"),
        (("--time", "1h"), "job.sbatch exists already"),
    ],
)
def test_what_cannot_work_is_one_line(arguments, message, job):
    batch = job()
    command = [sys.executable, "-m", "propulate_like", "slurm", "s.yaml", "--nodes", "1", "--ranks-per-node", "2"]
    ended = subprocess.run([*command, *arguments], cwd=batch.folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_number_of_ranks_must_be_said(job):
    batch = job()
    command = [sys.executable, "-m", "propulate_like", "slurm", "s.yaml", "--nodes", "1", "--time", "1h"]
    ended = subprocess.run(command, cwd=batch.folder, capture_output=True, text=True, check=False)
    assert "--ranks-per-node or --gpus-per-node is missing" in ended.stderr


def test_script_in_the_documentation_is_what_is_written(tmp_path, command):
    for name in ("digits.yaml", "digits.py"):
        shutil.copy(ROOT / "configs" / name, tmp_path)
    command("slurm", "digits.yaml", "--nodes", "4", "--gpus-per-node", "4", "--time", "2h")
    places = ("cd ", "python=")  # of the machine
    lines = [line for line in (tmp_path / "job.sbatch").read_text().splitlines() if not line.startswith(places)]
    page = [line for line in (ROOT / "docs/clusters.md").read_text().splitlines() if not line.startswith(places)]
    assert "\n".join(lines) in "\n".join(page)
