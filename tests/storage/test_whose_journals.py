"""Whose journals a folder has: a search goes on with its own evaluations only, each of which counts once."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

import propulate_like as pl
from propulate_like.cli.app import main
from propulate_like.storage.journal import count_evaluated, journal_path
from propulate_like.storage.run import Run

SPACE = {"x": (0.0, 1.0)}


def search(run="run", evaluations=10, loss=lambda x: x, space=SPACE, **options):
    return pl.minimize(loss, space, evaluations=evaluations, run=run, progress=False, **{"seed": 0, **options})


def lines(run="run"):
    return journal_path(Path(run), 0).read_bytes().splitlines(keepends=True)


def rewrite(written, run="run"):
    journal_path(Path(run), 0).write_bytes(b"".join(written))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def said(monkeypatch, capfd):
    """Run a command in this process, and return its exit status and what it printed."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["propulate-like", *map(str, words)])
        try:
            main()
        except SystemExit as ended:
            status = ended.code or 0
        captured = capfd.readouterr()
        return status, captured.out + captured.err

    return run


COMMANDS = [
    ("run", "x.yaml"),
    ("run", "x.yaml", "--check"),
    ("run", "x.yaml", "--fork", "new"),
    ("status", "run"),
    ("results", "run"),
    ("results", "run", "--failed"),
    ("export", "run", "--to", "csv", "x.csv"),
    ("simulate", "x.yaml", "--ranks", "2", "--losses", "run"),
    ("run", "x.yaml", "--set", "warm_start=run", "--run", "other"),
]


@pytest.fixture
def written():
    """Write a configuration whose search has begun in `run`."""
    Path("x.yaml").write_text(
        "objective: x.py:f\nspace: {x: {float: [0, 1]}}\nbudget: {evaluations: 20}\nseed: 0\nrun: run\n"
    )
    Path("x.py").write_text("def f(x):\n    return x\n")
    search(evaluations=10)


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(), "no config.yaml"),
        (lambda path: path.write_text(""), "a run's config must be a mapping with a `space`"),
        (lambda path: path.write_text(path.read_text().partition("seed")[0]), "it was cut off"),
    ],
    ids=["removed", "emptied", "cut off"],
)
def test_journals_without_their_config_are_refused_in_one_line(change, message, words, said):
    change(Path("run/config.yaml"))
    before = lines()
    status, told = said(*words)
    assert (status, told.count("\n")) == (2, 1), told
    assert message in told
    assert "put" in told or message != "no config.yaml"
    assert lines() == before
    assert not Path("new").exists()


def test_folder_whose_config_was_removed_is_no_new_run():
    search(evaluations=10)
    Path("run/config.yaml").unlink()
    with pytest.raises(ValueError, match=r"run has journals of a search but no config\.yaml.*put that file back"):
        search(evaluations=10, space={"y": (5.0, 6.0)}, loss=lambda y: y)


def test_config_that_is_put_back_continues_the_run():
    search(evaluations=10)
    Path("run/config.yaml").rename("config.yaml")
    with pytest.raises(ValueError, match="no config"):
        search(evaluations=12)
    Path("config.yaml").rename("run/config.yaml")
    assert search(evaluations=12).evaluations == 12


@pytest.mark.parametrize("mixed", ["replaced", "appended", "beside"])
@pytest.mark.parametrize("same", [True, False], ids=["same space", "other space"])
def test_journal_of_another_run_is_refused_with_its_name(mixed, same, said):
    search(evaluations=10)
    space = SPACE if same else {"a": (0.0, 9.0), "b": (0.0, 9.0)}
    search("other", 10, lambda **params: sum(params.values()) - 5, space)
    foreign = journal_path(Path("other"), 0).read_bytes()
    path = journal_path(Path("run"), 1 if mixed == "beside" else 0)
    with path.open("ab" if mixed == "appended" else "wb") as file:
        file.write(foreign)
    for words in (("status", "run"), ("results", "run"), ("export", "run", "--to", "csv", "x.csv")):
        status, told = said(*words)
        assert (status, told.count("\n")) == (2, 1), told
        assert f"{path}: it, or a part of it, is of another run: take that out of the folder" in told
    for options in ({"run": "run"}, {"run": "run", "fork": "new"}, {"run": "new", "warm_start": "run"}):
        with pytest.raises(ValueError, match="is of another run"):
            search(**options, evaluations=20)


@pytest.mark.parametrize("copies", [2, 3])
def test_lines_that_are_there_twice_count_once(copies, said):
    search(evaluations=10, loss=lambda x: x if x < 0.5 else 1 / 0)
    expected = said("status", "run", "--json")[1], said("results", "run")[1]
    once = lines()
    rewrite(once[:1] + once[1:-1] * copies + once[-1:])
    assert count_evaluated(Path("run")) == 10 * copies
    told = said("status", "run", "--json")[1], said("results", "run")[1]
    assert [json.loads(told[0]), told[1]] == [json.loads(expected[0]), expected[1]]
    assert said("export", "run", "--to", "csv", "x.csv")[1].startswith("10 evaluations")
    assert [one.id.serial for one in Run("run").individuals()] == list(range(10))
    assert search(evaluations=20, loss=lambda x: x).evaluations == 20
    assert len({one.id for one in Run("run").individuals()}) == 20
    result = search("new", 5, warm_start="run")
    assert result.evaluations == 5
    search("run", 20, fork="copy")
    assert len(lines("copy")) < 10 * copies + 20


def test_of_two_lines_with_one_id_the_first_counts():
    search(evaluations=10)
    written = lines()
    last = [line for line in written if b'"evaluated"' in line][-1]
    again = re.sub(rb'"loss":[^,]*', b'"loss":-7.0', last)
    rewrite([*written, again])
    assert min(one.loss for one in Run("run").individuals()) >= 0
    assert search(evaluations=12).evaluations == 12


def test_journal_without_its_first_line_keeps_its_evaluations(said):
    search(evaluations=10)
    rewrite(lines()[1:])
    status, told = said("status", "run")
    assert status == 0
    assert "10 of 10" in told
    assert search(evaluations=12).evaluations == 12


def test_run_of_an_older_version_without_an_identity_continues():
    search(evaluations=10)
    config = Path("run/config.yaml")
    config.write_text(re.sub(r"id: .*\n", "", config.read_text()))
    rewrite([re.sub(rb'"run":"\w*",', b"", line) for line in lines()])
    assert search(evaluations=12).evaluations == 12
    assert search(evaluations=14).evaluations == 14
    assert len(Run("run").ident) == 32


def test_copies_and_forks_of_a_run_are_read_as_they_are():
    search(evaluations=10)
    shutil.copytree("run", "copy")
    assert search("copy", 12).evaluations == 12
    assert search("run", 12, fork="new").evaluations == 12
    assert Run("new").ident != Run("run").ident == Run("copy").ident
    assert search("new", 14).evaluations == 14
