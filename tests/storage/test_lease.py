"""One run at a time writes to a folder; a dead one holds nobody up."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from conftest import SECONDS

import propulate_like as pl
from propulate_like.parallel.rank_status import TOKEN
from propulate_like.storage import lease
from propulate_like.storage.lease import Lease, owns

SLOW = """\
import os, sys, time
import propulate_like as pl
def loss(x):
    time.sleep(float(os.environ.get("PAUSE", "0.02")))
    return x * x
if __name__ == "__main__":
    pl.minimize(loss, {"x": (-1.0, 1.0)}, evaluations=int(sys.argv[1]), seed=0, run="run", progress=False)
"""
HOLD = """\
import sys, time
from pathlib import Path
from propulate_like.storage.lease import Lease
held = Lease.acquire(Path("run"))
print(held.token, flush=True)
time.sleep(float(sys.argv[1]))
"""


@pytest.fixture
def begun(tmp_path, script):
    """Start a long search in the test's folder; give its process once it evaluates."""
    script(SLOW, "search.py")
    processes = []

    def start(*words, evaluations=100_000, **environment):
        command = [*words, sys.executable, "search.py", str(evaluations)]
        process = subprocess.Popen(command, cwd=tmp_path, env=os.environ | environment, start_new_session=True)
        processes.append(process)
        journal = tmp_path / "run/journal/rank-00000.jsonl"
        before = journal.stat().st_size if journal.exists() else 0
        until = time.monotonic() + SECONDS
        while not (journal.exists() and journal.stat().st_size > before + 500):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def evaluated(tmp_path):
    return (tmp_path / "run/journal/rank-00000.jsonl").read_bytes().count(b'"evaluated"')


def owner(tmp_path):
    return json.loads((tmp_path / "run/owner.json").read_text())


def test_second_run_on_a_folder_is_refused_with_one_line_that_says_who_holds_it(begun, python, tmp_path):
    first = begun()
    config = (tmp_path / "run/config.yaml").stat()
    second = python("search.py", 5, check=False)
    line = second.stderr.splitlines()[-1]
    host = re.escape(os.uname().nodename)
    assert re.search(
        rf"run is in use by another run: host {host}, pid {first.pid}, since .*, last sign of life \d+ s ago", line
    )
    assert second.returncode == 1  # of a script; the command below says it in one line
    assert (tmp_path / "run/config.yaml").stat().st_mtime_ns == config.st_mtime_ns
    (tmp_path / "search.yaml").write_text(
        "objective: search.py:loss\nspace: {x: {float: [-1, 1]}}\nbudget: {evaluations: 5}\nrun: run\n"
    )
    refused = python("-m", "propulate_like", "run", "search.yaml", check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert re.fullmatch(r"search.yaml: run is in use by another run: .*\n", refused.stderr)
    checked = python("-m", "propulate_like", "run", "search.yaml", "--check", check=False).stderr
    assert re.sub(r"\d+ s ago", "", checked) == re.sub(r"\d+ s ago", "", refused.stderr)
    assert first.poll() is None


def test_live_run_is_shown_by_status_and_results(begun, command):
    begun()
    assert "running" in command("status", "run").stdout
    assert "x" in command("results", "run").stdout


def test_folder_is_free_after_the_end_and_after_a_failure(tmp_path):
    pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=5, run=tmp_path / "run")
    with pytest.raises(ValueError, match="is of another search"):
        pl.minimize(lambda x: x, {"x": (0.0, 2.0)}, evaluations=9, run=tmp_path / "run")
    with pytest.raises(pl.SearchFailed):
        pl.minimize(lambda x: 1 / 0, {"x": (0.0, 1.0)}, evaluations=30, run=tmp_path / "failed")
    assert not list(tmp_path.glob("*/owner*"))


def test_killed_run_is_continued_at_once_on_the_same_host(begun, python, tmp_path):
    for _ in range(2):
        process = begun()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert owner(tmp_path)["pid"] == process.pid
    ended = python("search.py", evaluated(tmp_path) + 10)
    assert "waiting" not in ended.stderr
    assert not (tmp_path / "run/owner.json").exists()


def test_process_that_got_the_number_of_a_dead_owner_holds_nothing(tmp_path):
    held = Lease.acquire(tmp_path / "run")
    held._ended.set()  # it dies without a word; this process now stands for a later one with the same pid
    facts = owner(tmp_path)
    (tmp_path / "run/owner.json").write_text(json.dumps(facts | {"process": facts["process"] - 1}))
    taken = Lease.acquire(tmp_path / "run")
    assert owner(tmp_path)["token"] == taken.token != held.token
    taken.release()


def test_same_token_of_a_launcher_takes_over_at_once_and_the_former_owner_knows(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.05)
    first = Lease.acquire(tmp_path, "launch")
    with pytest.raises(ValueError, match="in use by another run"):
        Lease.acquire(tmp_path, "another")
    second = Lease.acquire(tmp_path, "launch")
    assert not owns(tmp_path, first.token)
    assert owns(tmp_path, second.token)
    assert first._ended.wait(SECONDS)
    assert (first.lost, second.lost) == (True, False)
    first.release()
    assert owns(tmp_path, second.token)
    assert (tmp_path / "owner.json").exists()
    second.release()
    assert not (tmp_path / "owner.json").exists()


def test_search_takes_the_token_from_the_environment(begun, python, monkeypatch):
    begun(**{TOKEN: "launch"})
    monkeypatch.setenv(TOKEN, "launch")
    python("search.py", 5)


def test_another_rank_of_the_run_goes_on_beating(tmp_path):
    script = tmp_path / "hold.py"
    script.write_text(HOLD)
    process = subprocess.Popen([sys.executable, script, "600"], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    token = process.stdout.readline().strip()
    process.kill()
    process.communicate()
    assignee = Lease.inherit(tmp_path / "run", token)
    with pytest.raises(ValueError, match=f"pid {os.getpid()}"):
        Lease.acquire(tmp_path / "run")
    assignee.release()
    stranger = Lease.acquire(tmp_path / "run")
    with pytest.raises(ValueError, match="in use by another run"):
        Lease.inherit(tmp_path / "run", token)
    stranger.release()
    assert [path.name for path in (tmp_path / "run").iterdir()] == []


def test_removed_folder_is_noticed_and_not_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.05)
    held = Lease.acquire(tmp_path / "run")
    shutil.rmtree(tmp_path / "run")
    until = time.monotonic() + SECONDS
    while not held.gone:
        assert time.monotonic() < until
        time.sleep(0.01)
    held.release()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\x00", b'{"token": 5}', b"[" * 60_000, b"x" * 100_000])
def test_owner_that_cannot_be_read_holds_the_folder_until_it_is_silent(content, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(lease, "SILENT_SECONDS", 0.3)
    (tmp_path / "owner.json").write_bytes(content)
    Lease.acquire(tmp_path).release()
    assert "was in use on host unknown a moment ago: waiting 0.3 s" in capfd.readouterr().err


def test_fifo_or_folder_in_the_owners_place_is_an_error_and_no_hang(tmp_path):
    os.mkfifo(tmp_path / "owner.json")
    with pytest.raises(ValueError, match="no regular file"):
        Lease.acquire(tmp_path)
    (tmp_path / "owner.json").unlink()
    (tmp_path / "owner.json").mkdir()
    with pytest.raises(ValueError, match="no regular file"):
        Lease.acquire(tmp_path)


@pytest.mark.parametrize("rounds", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_of_many_that_find_a_dead_owner_one_alone_takes_over(rounds, tmp_path):
    script = tmp_path / "hold.py"
    script.write_text(HOLD)
    for _ in range(rounds):
        first = subprocess.Popen([sys.executable, script, "600"], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        assert first.stdout.readline()
        first.kill()
        first.communicate()
        rivals = [
            subprocess.Popen(
                [sys.executable, script, "2"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for _ in range(8)
        ]
        said = [rival.communicate(timeout=SECONDS) for rival in rivals]
        assert sum(rival.returncode == 0 for rival in rivals) == 1, said
        assert all("in use by another run" in err for _, err in said if err)


class TestAnotherHost:
    """A process table of its own stands for another host: the other's processes cannot be seen."""

    @pytest.fixture
    def elsewhere(self):
        words = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
        if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
            pytest.skip("no process table of its own: unshare --pid is not permitted")
        return words

    def test_live_owner_is_recognised_by_its_beat(self, begun, elsewhere, python, tmp_path):
        begun(*elsewhere)
        assert owner(tmp_path)["place"] != lease.place()
        refused = python("search.py", 5, check=False)
        assert "waiting 16 s for a sign of life" in refused.stderr
        assert "is in use by another run" in refused.stderr.splitlines()[-1]

    def test_dead_owner_is_succeeded_once_it_has_been_silent(self, begun, elsewhere, python, tmp_path):
        process = begun(*elsewhere)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        ended = python("search.py", evaluated(tmp_path) + 10)
        assert "waiting 16 s for a sign of life" in ended.stderr
