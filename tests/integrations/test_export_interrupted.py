"""Exports that were ended at any moment: the next one neither waits nor finds half of anything."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import SECONDS

import propulate_like as pl

pytest.importorskip("optuna")
from exporting import export, study_of

pytestmark = pytest.mark.process
SOME = 30_000


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def search(evaluations=20):
    return pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=evaluations, run="run", progress=False, seed=0)


def begun(*words):
    """Start an export, and return its process."""
    command = [sys.executable, "-m", "propulate_like", "export", "run", "--to", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def waited(found, process):
    end = time.monotonic() + SECONDS
    while not found():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.002)


def beside(name):
    return [path.name for path in Path().iterdir() if name in path.name and path.name != name]


def left(code):
    """Run code in a process that is killed at its end."""
    ended = subprocess.run(
        [sys.executable, "-c", f"{code}; import os, signal; os.kill(os.getpid(), signal.SIGKILL)"],
        check=False,
        timeout=SECONDS,
    )
    assert ended.returncode == -signal.SIGKILL


LOCK = "from propulate_like.integrations.optuna.journal_lock import JournalLock; JournalLock('x.log').acquire()"


def test_lock_of_a_dead_process_is_not_waited_for(command):
    search()
    Path("x.log").touch()
    left(LOCK)
    assert Path("x.log.lock").is_symlink()
    ended = command("export", "run", "--to", "optuna", "x.log")
    assert "taking longer" not in ended.stderr
    assert "Forcibly" not in ended.stderr
    assert len(study_of("x.log", "run").trials) == 20
    assert beside("x.log") == []


def test_lock_that_another_process_took_since_is_waited_for():
    search()
    Path("x.log").touch()
    left(LOCK)
    Path("x.log.lock").unlink()
    Path("x.log.lock").symlink_to("x.log")  # as Optuna does
    process = begun("optuna", "x.log")
    waited(lambda: [name for name in beside("x.log") if str(process.pid) in name], process)
    assert Path("x.log.lock").readlink() == Path("x.log")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=SECONDS)[1] == "interrupted\n"
    assert beside("x.log") == ["x.log.lock"]


def test_line_that_a_dead_process_began_is_cut_off():
    search()
    export("run", "x.log")
    whole = Path("x.log").read_bytes()
    Path("x.log").write_bytes(whole[:-200])
    search(25)
    export("run", "x.log")
    trials = study_of("x.log", "run").trials
    assert sorted(trial.user_attrs["propulate_like:id"] for trial in trials) == sorted(f"0-0-{n}" for n in range(25))
    assert all(json.loads(line) for line in Path("x.log").read_text().splitlines())


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_half_a_table_is_never_there(form, command):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    search()
    Path("table").write_text("former")
    left(
        "from propulate_like.foundation.files import replacing; from pathlib import Path; "
        "opened = replacing(Path('table')); file = opened.__enter__(); file.write(b'half'); file.flush()"
    )
    assert Path("table").read_text() == "former"
    assert len(beside("table")) == 1
    command("export", "run", "--to", form, "table")
    assert beside("table") == []
    assert Path("table").stat().st_size > 100


def test_file_of_a_process_that_was_killed_before_it_wrote_its_name_is_removed(command):
    search()
    gone = subprocess.Popen(["true"])
    gone.wait()
    Path(f"x.log.{os.uname().nodename}-{gone.pid}.holder").touch()
    command("export", "run", "--to", "optuna", "x.log")
    assert beside("x.log") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("target", ["x.csv", "x.log"])
def test_interrupted_export_is_done_by_the_next_one(target, number, command):
    search(SOME)
    form = "csv" if target == "x.csv" else "optuna"
    process = begun(form, target)
    waited(lambda: beside(target), process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=SECONDS)
    if number != signal.SIGKILL:
        assert (process.returncode, errors) == (130, "interrupted\n")
        assert beside(target) == []
    assert form != "csv" or not Path(target).exists()
    told = command("export", "run", "--to", form, target)
    assert "taking longer" not in told.stderr
    assert beside(target) == []
    if form == "csv":
        assert len(Path(target).read_text().splitlines()) == SOME + 1
    else:
        assert len(study_of(target, "run").trials) == SOME


def test_table_goes_to_standard_output(command):
    search()
    told = command("export", "run", "--to", "csv", "/dev/stdout").stdout.splitlines()
    assert len(told) == 22
    assert told[-1] == "20 evaluations written to /dev/stdout"
