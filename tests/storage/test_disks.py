"""Disks that fill up, folders that vanish: the search goes on, and nothing that was evaluated is lost."""

import contextlib
import errno
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import SECONDS, make_individual

import propulate_like as pl
from propulate_like.foundation import append_log
from propulate_like.storage.events import Evaluated, Session
from propulate_like.storage.journal import Journal, journal_path, read
from propulate_like.storage.journal_lines import Shape
from propulate_like.storage.recovery import Recovery
from propulate_like.storage.run import Run

SEARCH = """\
import os, shutil, sys, time
from pathlib import Path
import propulate_like as pl

RUN = Path(sys.argv[1])
WHAT = sys.argv[2]
calls = 0

def rank():
    return int(os.environ.get("OMPI_COMM_WORLD_RANK", os.environ.get("PMI_RANK", "0")))

def once(name, do):
    try:
        os.close(os.open(name, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    do()

def loss(x):
    global calls
    calls += 1
    time.sleep(0.001)
    if WHAT == "removed" and calls == 100:
        once("done-removed", lambda: shutil.rmtree(RUN, ignore_errors=True))
    if WHAT == "room" and calls == int(sys.argv[3]) // 4:
        once("done-room", lambda: (RUN.parent / "ballast").unlink())
    return x * x

if __name__ == "__main__":
    import propulate_like.parallel.transport as transport
    ranks = transport.launched() or (0, 1)
    result = pl.minimize(loss, {"x": (-1.0, 1.0)}, evaluations=int(sys.argv[3]), seed=0, run=RUN, progress=False)
    ids = {individual.id for individual in result.individuals}
    report(ranks[0], result.evaluations, len(result.individuals), len(ids), result.unsaved, result.best.loss ==
        min(individual.loss for individual in result.individuals))
"""


@pytest.fixture
def small_disk(tmp_path):
    """Return a real file system of 1 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", place], check=False).returncode:
        pytest.skip("no file system of its own: mount is not permitted")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(path, leave):
    """Leave so many bytes of a disk."""
    with path.open("wb", buffering=0) as file:
        for size in (4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
        file.truncate(max(file.seek(0, os.SEEK_END) - leave, 0))


def evaluated(run):
    return [event for _, event in read(run) if isinstance(event, Evaluated)]


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 3])
class TestSearch:
    def test_disk_that_fills_in_mid_run_costs_no_evaluation(self, ranks, script, python, reports, small_disk):
        fill(small_disk / "ballast", 200_000)
        ended = python(script(SEARCH), small_disk / "run", "full", 3000, ranks=ranks)
        assert len(reports()) == ranks
        for _, count, individuals, ids, unsaved, best in reports():
            assert count == individuals == ids == "3000"
            assert int(unsaved) > 1000
            assert best == "True"
        on_disk = evaluated(small_disk / "run")
        assert len({event.id for event in on_disk}) == len(on_disk)
        assert 3000 - int(reports()[0][4]) <= len(on_disk) < 2000  # a rank that ends later may find a little room
        full = re.findall(
            r"(rank-0000\d).jsonl: cannot be written: No space left on device; the search goes", ended.stderr
        )
        lost = re.findall(r"(rank-0000\d).jsonl: \d+ events never got to disk: No space left", ended.stderr)
        assert 0 < len(full) <= ranks  # one that hardly evaluated while others were busy may have had room
        assert sorted(full) == sorted(lost) == sorted(set(full))
        assert "Traceback" not in ended.stderr

    def test_all_gets_to_disk_once_there_is_room(self, ranks, script, python, reports, small_disk):
        fill(small_disk / "ballast", 50_000)
        ended = python(script(SEARCH), small_disk / "run", "room", 3000, ranks=ranks)
        assert [words[1:5] for words in reports()] == [["3000", "3000", "3000", "0"]] * ranks
        assert len({event.id for event in evaluated(small_disk / "run")}) == len(evaluated(small_disk / "run")) == 3000
        assert "No space left on device; the search goes on in memory" in ended.stderr
        assert "it can be written again, and nothing is missing" in ended.stderr
        assert "never got to disk" not in ended.stderr

    def test_folder_that_is_removed_in_mid_run_costs_no_evaluation(self, ranks, script, python, reports, tmp_path):
        python(script(SEARCH), tmp_path / "run", "none", 60)
        before = evaluated(tmp_path / "run")
        ended = python(script(SEARCH), tmp_path / "run", "removed", 3000, ranks=ranks)
        words = [each for each in reports() if each[1] == "3000"]
        assert [each[1:5] for each in words] == [["3000"] * 4] * ranks
        assert len(before) == 60
        assert len(re.findall("cannot be written: it was removed; the search goes on in memory", ended.stderr)) == ranks
        assert len(re.findall("events never got to disk: it was removed", ended.stderr)) == ranks
        assert "Traceback" not in ended.stderr
        assert not (tmp_path / "run").exists()


def test_command_says_what_is_not_saved_and_exits_with_1(small_disk, command, tmp_path):
    (tmp_path / "search.yaml").write_text(
        "objective: train.py:train\nspace: {x: {float: [0, 1]}}\nbudget: {evaluations: 3000}\nseed: 0\nrun: disk/run\n"
    )
    (tmp_path / "train.py").write_text("def train(x):\n    return x\n")
    fill(small_disk / "ballast", 100_000)
    ended = command("run", "search.yaml", check=False)
    assert ended.returncode == 1
    assert re.search(r"3000 evaluations in", ended.stdout)
    missing = int(re.search(r"not saved:  (\d+) evaluations, which the disk did not take", ended.stdout)[1])
    assert len(evaluated(small_disk / "run")) == 3000 - missing
    assert f"evaluations  {3000 - missing} of 3000" in command("status", "disk/run").stdout
    (small_disk / "ballast").unlink()
    again = command("run", "search.yaml")
    assert "3000 evaluations in" in again.stdout
    assert len(evaluated(small_disk / "run")) == 3000


class TestStart:
    CONFIG = "objective: train.py:train\nspace: {x: {float: [0, 1]}}\nbudget: {evaluations: 5}\nrun: disk/run\n"

    @pytest.fixture
    def refused(self, command, tmp_path):
        """Return the one line that a run is refused with, the same whether it is only checked or not."""
        (tmp_path / "search.yaml").write_text(self.CONFIG)
        (tmp_path / "train.py").write_text("def train(x):\n    return x\n")

        def line(*arguments):
            ended = command("run", "search.yaml", *arguments, check=False)
            assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1), ended.stderr
            return ended.stderr

        return line

    def test_no_space_is_one_line(self, small_disk, refused):
        fill(small_disk / "ballast", 0)
        assert re.search("folder disk/run cannot be used: .*No space left on device", refused())

    def test_read_only_folder_is_one_line(self, small_disk, refused):
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
        assert re.search("folder disk/run cannot be used: .*Read-only file system", refused())
        assert "folder disk/run cannot be used: it is not writable" in refused("--check")

    def test_file_in_the_folders_place_is_one_line(self, tmp_path, refused):
        (tmp_path / "disk").mkdir()
        (tmp_path / "disk/run").write_text("")
        assert "disk/run is no folder" in refused()
        assert "disk/run is no folder" in refused("--check")
        (tmp_path / "disk/run").unlink()
        (tmp_path / "disk/run").mkdir()
        (tmp_path / "disk/run/journal").write_text("")
        assert "disk/run/journal is no folder" in refused()
        assert "disk/run/journal is no folder" in refused("--check")


class TestJournal:
    SPACE = pl.Space({"x": pl.Float(0, 1)})

    def individual(self, serial, text="", seconds=0.0):
        ident = pl.Id(0, 0, serial)
        outcome = {"status": pl.Status.OK, "loss": serial / 7, "seconds": seconds, "metrics": {"t": text}}
        return make_individual(ident, (0.5,), self.SPACE, origin="o", **outcome)

    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch):
        monkeypatch.setattr(append_log, "RETRY_SECONDS", 0.0)

    def serials(self, folder):
        return [individual.id.serial for individual in Recovery(folder, Shape(self.SPACE)).individuals()]

    def test_partial_line_is_closed_off_and_its_event_written_whole_once(self, small_disk, capfd):
        """Room comes and goes by bytes, so that lines are torn at all kinds of places."""
        fill(small_disk / "ballast", 8192)
        journal = Journal(journal_path(small_disk, 0))
        journal.write(Session(rank=0, ranks=1, began=1.0))
        for serial in range(400):
            journal.end(self.individual(serial, "y" * (serial * 37 % 211)))
            journal.flush()
            if serial % 20 == 19:
                size = (small_disk / "ballast").stat().st_size
                os.truncate(small_disk / "ballast", size - 4096)
            on_disk = self.serials(small_disk)
            assert on_disk == list(range(len(on_disk)))
            unsaved = [event.id.serial for event in journal.history]
            assert unsaved == list(range(serial + 1))[len(self.serials(small_disk)) :]
        os.truncate(small_disk / "ballast", 0)
        journal.close()
        assert self.serials(small_disk) == list(range(400))
        assert journal_path(small_disk, 0).read_bytes().count(b"\n") > 401  # some were torn
        said = capfd.readouterr().err.splitlines()
        assert len([line for line in said if "No space left on device; the search goes on in memory" in line]) == 1

    @pytest.mark.parametrize("what", ["file", "folder", "replaced", "read back"])
    def test_removed_file_is_written_anew_where_its_folder_is(self, what, tmp_path, capfd):
        path = journal_path(tmp_path / "run", 0)
        (tmp_path / "run").mkdir()
        Journal(path).end(self.individual(999))
        journal = Journal(path)
        for serial in range(10):
            journal.end(self.individual(serial))
        journal.flush()
        content = path.read_bytes()
        if what == "folder":
            shutil.rmtree(tmp_path / "run/journal")
        else:
            path.unlink()
        if what == "replaced":
            path.write_bytes(b"".join(content.splitlines(keepends=True)[3:]) + b'{"torn')
        elif what == "read back":
            path.write_bytes(content)
        journal.end(self.individual(10))
        journal.close()
        assert sorted(self.serials(tmp_path / "run")) == list(range(11))
        assert journal.history == []
        assert "it was removed; the search goes on in memory" in capfd.readouterr().err

    def test_removed_run_stays_in_memory_until_its_folder_is_back(self, tmp_path):
        path = journal_path(tmp_path / "run", 0)
        journal = Journal(path)
        journal.end(self.individual(0))
        journal.flush()
        shutil.rmtree(tmp_path / "run")
        journal.end(self.individual(1))
        journal.flush()
        assert not (tmp_path / "run").exists()
        assert [event.id.serial for event in journal.history] == [0, 1]
        (tmp_path / "run").mkdir()
        assert journal.history == []
        journal.close()
        assert self.serials(tmp_path / "run") == [0, 1]

    def test_moved_run_goes_on_where_it_is_moved_back(self, tmp_path):
        journal = Journal(journal_path(tmp_path / "run", 0))
        journal.end(self.individual(0))
        journal.flush()
        (tmp_path / "run").rename(tmp_path / "elsewhere")
        journal.end(self.individual(1))
        journal.flush()
        assert self.serials(tmp_path / "elsewhere") == [0]
        (tmp_path / "elsewhere").rename(tmp_path / "run")
        journal.close()
        assert self.serials(tmp_path / "run") == [0, 1]

    def test_failing_disk_is_said_once_for_each_kind(self, tmp_path, capfd, monkeypatch):
        journal = Journal(journal_path(tmp_path, 0))
        written = os.write
        for serial, number in enumerate([errno.EIO, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ESTALE, 0, errno.EIO]):

            def write(file, block, number=number):
                if number:
                    raise OSError(number, os.strerror(number))
                return written(file, block)

            with monkeypatch.context() as patched:
                patched.setattr(os, "write", write)
                journal.end(self.individual(serial, seconds=5.0))
        said = capfd.readouterr().err
        assert [said.count(f"{os.strerror(number)}; the search") for number in (5, 30, 116, 122)] == [1, 1, 1, 1]
        journal.close()
        assert self.serials(tmp_path) == list(range(7))

    def test_what_could_not_be_forced_to_disk_stands_there_once(self, tmp_path, monkeypatch):
        """A network file system may take what is written, and say only when it is synced that it is lost."""
        journal = Journal(journal_path(tmp_path, 0))
        for serial, (fails, loses) in enumerate([(False, False), (True, False), (True, True), (False, False)]):

            def fsync(file, fails=fails, loses=loses):
                if loses:
                    os.ftruncate(file, os.fstat(file).st_size - 40)
                if fails:
                    raise OSError(errno.EDQUOT, "Disk quota exceeded")

            with monkeypatch.context() as patched:
                patched.setattr(os, "fsync", fsync)
                journal.end(self.individual(serial, seconds=5.0))
        journal.close()
        assert self.serials(tmp_path) == [0, 1, 2, 3]

    def test_metrics_too_large_for_a_line_cost_no_outcome(self, tmp_path):
        journal = Journal(journal_path(tmp_path, 0))
        journal.end(self.individual(0, "m" * 20_000_000))
        journal.end(self.individual(1))
        journal.close()
        first, second = Recovery(tmp_path, Shape(self.SPACE)).individuals()
        assert (first.loss, first.metrics, second.id.serial) == (0.0, {}, 1)
        assert "metrics and curve left out: 20,000," in first.cause


class TestEvaluations:
    """What evaluations leave behind cannot be written: that may cost them, but not the search."""

    TRAIN = """\
def printing(x, evaluation):
    print("z" * 100_000)
    return x

def silent(x):
    return x

def keeping(x, evaluation):
    (evaluation.directory / "checkpoint").write_bytes(bytes(100_000))
    return x
"""

    def run(self, command, tmp_path, name, rest):
        (tmp_path / "train.py").write_text(self.TRAIN)
        (tmp_path / "search.yaml").write_text(
            f"objective: {name}\nspace: {{x: {{float: [0, 1]}}}}\nbudget: {{evaluations: 40}}\nrun: disk/run\n{rest}"
        )
        return command("run", "search.yaml", check=False)

    def test_isolated_loss_that_writes_nothing_is_evaluated(self, small_disk, command, tmp_path):
        fill(small_disk / "ballast", 16_384)
        ended = self.run(command, tmp_path, "train.py:silent", "evaluation: {isolate: true}\n")
        assert "40 evaluations in" in ended.stdout

    @pytest.mark.parametrize(("loss", "isolate"), [("printing", "true"), ("keeping", "true"), ("keeping", "false")])
    def test_loss_that_writes_to_its_directory_fails_alone(self, loss, isolate, small_disk, command, tmp_path):
        fill(small_disk / "ballast", 300_000)
        ended = self.run(command, tmp_path, f"train.py:{loss}", f"evaluation: {{isolate: {isolate}}}\n")
        assert re.search(r"40 evaluations \(3\d error\) in", ended.stdout), ended.stdout + ended.stderr
        assert "No space left on device" in ended.stdout

    def test_command_without_room_for_its_output_fails_alone(self, small_disk, command, tmp_path):
        fill(small_disk / "ballast", 300_000)
        objective = "{command: [sh, -c, 'head -c 50000 /dev/zero > {directory}/kept && echo {x}']}"
        ended = self.run(command, tmp_path, objective, "")
        assert re.search(r"40 evaluations \(3\d error\) in", ended.stdout), ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr

    def test_folder_removed_under_isolated_evaluations_costs_none(self, tmp_path, script):
        script(self.TRAIN, "train.py")
        sys.path.insert(0, str(tmp_path))
        remover = threading.Thread(target=self._remove, args=(tmp_path / "run",))
        remover.start()
        try:
            import train

            result = pl.minimize(
                train.printing, {"x": (0.0, 1.0)}, evaluations=300, run=tmp_path / "run", evaluation={"isolate": True}
            )
        finally:
            sys.path.remove(str(tmp_path))
            del sys.modules["train"]
            remover.join()
        assert result.statuses == {"ok": 300}
        assert len({individual.id for individual in result.individuals}) == len(result.individuals) == 300
        assert len(list(Run(tmp_path / "run").individuals())) == 300 - result.unsaved

    @staticmethod
    def _remove(folder):
        until = time.monotonic() + SECONDS
        while not len(list(folder.glob("trials/*"))) > 20 and time.monotonic() < until:
            time.sleep(0.01)
        shutil.rmtree(folder, ignore_errors=True)


def test_progress_that_cannot_be_printed_ends_no_search(tmp_path, script):
    """Standard error is a full disk itself."""
    path = script(
        "import sys, propulate_like as pl\n"
        "result = pl.minimize(lambda x: x, {'x': (0.0, 1.0)}, evaluations=500, run='run', progress=True)\n"
        "report(result.evaluations)\n"
    )
    with Path("/dev/full").open("wb") as full:
        subprocess.run([sys.executable, path], cwd=tmp_path, stderr=full, check=False, timeout=SECONDS)
    assert len(list(Run(tmp_path / "run").individuals())) == 500
    assert json.loads((tmp_path / "run/journal/rank-00000.jsonl").read_text().splitlines()[-1])["type"] == "closed"
