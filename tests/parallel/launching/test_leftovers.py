"""What a killed launcher leaves is removed by the next one, and nothing else is."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from propulate_like.parallel.launching import leftovers

CONFIG = """\
objective: loss.py:loss
space: {x: {float: [0, 1]}}
budget: {evaluations: 2}
"""
LOSS = """\
import os, time
def loss(x):
    while os.environ.get("WAIT"):
        time.sleep(0.01)
    return x
"""


@pytest.fixture
def start(tmp_path):
    """Start `run -n 2` with a folder of its own for temporary files."""
    (tmp_path / "search.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "loss.py").write_text(LOSS, encoding="utf-8")
    (tmp_path / "tmp").mkdir()
    started = []

    def begin(run, **variables):
        command = [sys.executable, "-m", "propulate_like", "run", "search.yaml", "-n", "2", "--run", run]
        environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), **variables}
        started.append(subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True))
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


def noted(folder):
    return [json.loads(path.read_text()) for path in folder.glob(f"{leftovers.PREFIX}*/{leftovers._RECORD}")]


@pytest.mark.mpi
@pytest.mark.every_mpi
def test_next_launcher_removes_what_a_killed_one_left_and_nothing_else(start, tmp_path):
    temporary = tmp_path / "tmp"
    killed = start("killed", WAIT="1")
    deadline = time.monotonic() + 60
    while not (shared := {name for record in noted(temporary) for name in record["shared"]}):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    family = psutil.Process(killed.pid).children(recursive=True)
    killed.kill()
    killed.wait()
    for process in family:  # as some MPIs do when mpiexec ends
        if process.is_running():
            process.kill()
    psutil.wait_procs(family, timeout=60)
    left = next(temporary.glob(f"{leftovers.PREFIX}*"))
    lives, anothers = temporary / f"{leftovers.PREFIX}lives", temporary / f"{leftovers.PREFIX}anothers"
    for folder in (lives, anothers):
        folder.mkdir()
    leftovers.note(lives)  # of this process
    assert any(Path(name).exists() for name in shared)

    assert start("next").wait(60) == 0
    assert not left.exists()
    assert not any(Path(name).exists() for name in shared)
    assert lives.exists()
    assert anothers.exists()


def record_of_a_dead_launcher(folder, **changes):
    leftovers.note(folder)
    path = folder / leftovers._RECORD
    path.write_text(json.dumps({**json.loads(path.read_text()), "begun": 1, **changes}), encoding="utf-8")


def test_only_files_of_shared_memory_that_have_not_been_replaced_are_removed(tmp_path):
    mine, other = tmp_path / "mine", Path(f"/dev/shm/mpich_test_{os.getpid()}")
    mine.touch()
    other.touch()
    try:
        folder = tmp_path / f"{leftovers.PREFIX}dead"
        folder.mkdir()
        shared = {
            str(mine): mine.stat().st_ino,
            f"/dev/shm/mpich_/../../{mine}": mine.stat().st_ino,
            str(other): other.stat().st_ino + 1,
        }
        record_of_a_dead_launcher(folder, shared=shared)
        leftovers.clear(tmp_path)
        assert not folder.exists()
        assert mine.exists()
        assert other.exists()
    finally:
        other.unlink()


@pytest.mark.parametrize("change", [{"place": "another machine"}, {"place": ""}, {"pid": "no number"}])
def test_folder_of_another_machine_or_without_a_record_stays(change, tmp_path):
    folder = tmp_path / f"{leftovers.PREFIX}other"
    folder.mkdir()
    record_of_a_dead_launcher(folder, **change)
    leftovers.clear(tmp_path)
    assert folder.exists()


def test_link_to_a_folder_of_a_dead_launcher_is_not_followed(tmp_path):
    real = tmp_path / "real"
    real.mkdir()
    record_of_a_dead_launcher(real)
    (tmp_path / f"{leftovers.PREFIX}link").symlink_to(real)
    leftovers.clear(tmp_path)
    assert list(real.iterdir())
