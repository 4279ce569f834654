"""Links in a folder that an enemy made: nothing is written, created or touched at the other end."""

import os
import sys
import time
from pathlib import Path

import pytest

import propulate_like as pl
from propulate_like.cli.app import main
from propulate_like.foundation.files import folder_inside, open_output, open_plain
from propulate_like.storage.run import Run

pytestmark = pytest.mark.process
SPACE = {"x": (0.0, 1.0)}
HOWS = {
    "inline": ("function", {}),
    "isolated": ("function", {"isolate": True}),
    "command": (pl.Command("echo said; echo warned >&2; echo {x}", shell=True), {}),
}


def speak(x, evaluation):
    """Say something, save something, and return the loss."""
    print("said")
    (evaluation.directory / "saved").write_text("saved")
    return x


def search(run, how="isolated", evaluations=4, **options):
    objective, settings = HOWS[how]
    loss = speak if objective == "function" else objective
    return pl.minimize(
        loss, SPACE, evaluations=evaluations, seed=0, run=run, evaluation=settings, progress=False, **options
    )


@pytest.fixture
def victim(tmp_path):
    """Return a folder of somebody else's, in which nothing may change."""
    folder = tmp_path / "victim"
    (folder / "inner").mkdir(parents=True)
    for name in ("file", "output.log", "inner/rank-00000.jsonl"):
        (folder / name).write_text("precious")
    os.utime(folder / "file", (1e9, 1e9))

    def state():
        return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in folder.rglob("*")}

    before = state()
    yield folder
    assert state() == before


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("target", ["victim", "victim/new", "victim/file", ".", "..", "/dev/null", "journal"])
@pytest.mark.parametrize("name", ["trials", "journal"])
def test_run_whose_folders_are_links_is_refused(name, target, how, victim, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / name).symlink_to(tmp_path / target if target.startswith("victim") else target)
    with pytest.raises(ValueError, match=rf"run/{name} is a link"):
        search(run, how)
    assert not list(victim.rglob("rank-00001.jsonl"))
    assert not (run / "owner.json").exists()


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("trials/.rank-00000.log", "file"),
        ("trials/.rank-00000.log", "new"),
        ("trials/0-0-0/output.log", "file"),
        ("trials/0-0-0/output.log", "new"),
        ("trials/0-0-0/errors.log", "file"),
        ("trials/0-0-1", "inner"),
        ("trials/0-0-1", ""),
        ("trials/0-0-1", "new"),
        ("config.yaml", "new"),
        ("config.partial", "file"),
        ("owner.json", "file"),
        ("owner.next.json", "file"),
        ("owner.next.json", "new"),
    ],
)
def test_nothing_is_written_through_a_link(name, target, how, victim, tmp_path):
    path = tmp_path / "run" / name
    path.parent.mkdir(parents=True)
    path.symlink_to(victim / target)
    result = search(tmp_path / "run", how)
    assert result.evaluations == 4
    if name == "trials/0-0-1":
        (failed,) = [one for one in result.individuals if one.failed]
        assert "run/trials/0-0-1 is a link to elsewhere" in failed.cause
    if path.name == "output.log" and how != "inline":
        assert path.read_text() == "said\n" + (f"{result.individuals[0].params['x']}\n" if how == "command" else "")


@pytest.mark.parametrize("target", ["file", "new", "inner/rank-00000.jsonl"])
@pytest.mark.parametrize("rank", [0, 7])
def test_run_whose_journal_is_a_link_is_refused(rank, target, victim, tmp_path):
    path = tmp_path / f"run/journal/rank-0000{rank}.jsonl"
    path.parent.mkdir(parents=True)
    path.symlink_to(victim / target)
    with pytest.raises(ValueError, match="jsonl is a link, and nothing is written through one"):
        search(tmp_path / "run", "inline")


def test_run_whose_journal_has_another_name_is_refused(tmp_path):
    search(tmp_path / "run", "inline")
    path = tmp_path / "run/journal/rank-00000.jsonl"
    before = path.read_bytes()
    (tmp_path / "copy").hardlink_to(path)
    with pytest.raises(ValueError, match="has another name, as a hard link"):
        search(tmp_path / "run", "inline", evaluations=8)
    assert (tmp_path / "copy").read_bytes() == before


def test_journal_that_becomes_a_link_is_said_and_not_written(victim, tmp_path, capfd):
    """As of an enemy that is at it while the search runs."""
    path = tmp_path / "run/journal/rank-00000.jsonl"

    def swap(x):
        if not path.is_symlink():
            time.sleep(0.02)
            path.unlink()
            path.symlink_to(victim / "file")
            time.sleep(1.1)  # until the journal looks again
        return x

    result = pl.minimize(swap, SPACE, evaluations=4, seed=0, run=tmp_path / "run", progress=False)
    assert result.unsaved == 4
    assert "rank-00000.jsonl: cannot be written: it is a link" in capfd.readouterr().err


@pytest.mark.parametrize("how", ["isolated", "command"])
@pytest.mark.parametrize("kind", ["fifo", "hard link"])
@pytest.mark.parametrize("name", ["output.log", "errors.log"])
def test_what_stands_in_the_place_of_an_output_is_replaced(name, kind, how, victim, tmp_path):
    path = tmp_path / "run/trials/0-0-0" / name
    path.parent.mkdir(parents=True)
    if kind == "fifo":
        os.mkfifo(path)
    else:
        path.hardlink_to(victim / "file")
    result = search(tmp_path / "run", how)
    assert [str(status) for status in result.statuses] == ["ok"]
    if how == "command":
        assert path.is_file()
        assert (path.parent / "errors.log").read_text() == "warned\n"


def test_promoted_individual_continues_through_links_to_neighbours(tmp_path):
    result = pl.minimize(
        lambda x, epochs, evaluation: speak(x, evaluation) / epochs,
        SPACE,
        fidelity=pl.Fidelity("epochs", [1, 2, 4]),
        evaluations=40,
        seed=0,
        run=tmp_path / "run",
        progress=False,
    )
    highest = [one for one in result.individuals if one.rung == 2]
    for one in highest:
        assert (result.directory(one) / "saved").read_text() == "saved"
        assert result.directory(one).resolve().parent == (tmp_path / "run/trials").resolve()
    assert highest


def test_run_folder_itself_may_be_a_link(tmp_path):
    (tmp_path / "scratch").mkdir()
    (tmp_path / "run").symlink_to("scratch")
    search(tmp_path / "run")
    assert Run(tmp_path / "scratch").standing().evaluations == 4
    assert (tmp_path / "scratch/trials/0-0-0/output.log").read_text() == "said\n"


def test_links_to_neighbours_are_followed_only_so_far(tmp_path):
    for name, target in (("a", "b"), ("b", "a"), ("c", "d")):
        (tmp_path / name).symlink_to(target)
    with pytest.raises(OSError, match="a is a link to itself"), folder_inside(tmp_path, "a"):
        pass
    with folder_inside(tmp_path, "c") as folder:
        os.close(open_plain(folder, "file", os.O_WRONLY))
    assert (tmp_path / "d/file").exists()
    os.close(open_output(tmp_path, "c", "file"))


def say(arguments, monkeypatch, capfd):
    """Run the command, and return its exit status and what it said."""
    monkeypatch.setattr(sys, "argv", ["propulate-like", *map(str, arguments)])
    try:
        main()
    except SystemExit as ended:
        status = ended.code or 0
    captured = capfd.readouterr()
    return status, captured.out + captured.err


@pytest.mark.parametrize("target", ["file", "new"])
@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["init", "."], "search.yaml"),
        (["init", "."], "objective.py"),
        (["slurm", "x.yaml", "--nodes", "1", "--ranks-per-node", "1", "--time", "2h"], "job.sbatch"),
        (["export", "run", "--to", "csv", "run/out.csv"], "run/out.csv"),
        (["export", "run", "--to", "parquet", "run/out.parquet"], "run/out.parquet"),
        (["export", "run", "--to", "optuna", "run/out.log"], "run/out.log"),
        (["export", "run", "--to", "optuna", "sqlite:///run/out.db"], "run/out.db"),
        (["simulate", "x.yaml", "--ranks", "2", "--plot", "out.html"], "out.html"),
    ],
)
def test_commands_write_through_no_link(arguments, name, target, victim, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    search(tmp_path / "run", "inline")
    Path("x.yaml").write_text("objective: x.py:f\nspace: {x: {float: [0, 1]}}\nbudget: {evaluations: 4}\n")
    Path("x.py").write_text("def f(x):\n    return x\n")
    (tmp_path / name).symlink_to(victim / target)
    status, said = say(arguments, monkeypatch, capfd)
    assert status == 2
    assert "is a link, and nothing is written through one" in said or f"{name} exists already" in said
    assert (tmp_path / name).is_symlink()
