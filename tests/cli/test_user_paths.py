"""Paths that users write: what they mean, or one clear line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SECONDS

import propulate_like as pl
from propulate_like.cli.app import main
from propulate_like.foundation.user_paths import user_path
from propulate_like.storage.run import Run

SPACE = {"x": (0.0, 1.0)}
WRONG = [
    ("", "'' cannot be a path: it is empty"),
    ("a\0b", "'a\\x00b' cannot be a path: it has a NUL character"),
    ("$HOME/x", "'$HOME/x' cannot be a path: variables have no meaning here: write the value of $HOME"),
    ("x/${SCRATCH}/y", "variables have no meaning here: write the value of ${SCRATCH}"),
    ("x" * 256, "it is too long: a name may have 255 bytes"),
    ("x/" * 2048 + "x", "it is too long: a name may have 255 bytes, and a path 4095"),
    ("é" * 128, "it is too long"),
    ("~nobody-of-this-name/x", "there is no such user"),
    ("a\udcffb", "'a\\udcffb' cannot be a path: it is not UTF-8"),
]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    Path("x.py").write_text("def f(x):\n    return x\n")
    Path("home/x.py").write_text("def f(x):\n    return x\n")


@pytest.fixture
def said(monkeypatch, capfd):
    """Run a command in this process, and return its exit status and all that it printed."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["propulate-like", *map(str, words)])
        status = 0
        try:
            main()
        except SystemExit as ended:
            status = ended.code or 0
        captured = capfd.readouterr()
        return status, captured.out + captured.err

    return run


def search(**options):
    return pl.minimize(lambda x: x, SPACE, evaluations=3, progress=False, **options)


def configured(lines="", objective="x.py:f"):
    Path("x.yaml").write_text(
        f"objective: {objective}\nspace: {{x: {{float: [0, 1]}}}}\nbudget: {{evaluations: 3}}\n{lines}\n"
    )


@pytest.mark.parametrize("path", [5, b"run", 0.5, ["run"]])
def test_what_is_no_text_is_no_path(path):
    for options in ({"run": path}, {"run": "run", "fork": path}):
        with pytest.raises(ValueError, match=r"cannot be a path: it must be a text"):
            search(**options)


@pytest.mark.parametrize(("path", "message"), WRONG, ids=[repr(each[0])[:20] for each in WRONG])
def test_what_can_be_no_path_is_one_line(path, message, said):
    search(run="run")
    for options in ({"run": path}, {"run": "run", "fork": path}, {"run": "new", "warm_start": path}):
        with pytest.raises(ValueError, match="cannot be a path") as refused:
            search(**options)
        assert message in str(refused.value)
        assert "\n" not in str(refused.value)
    configured()
    for words in (
        ()
        if "\0" in path
        else (
            ("run", "x.yaml", "--run", path),
            ("run", "x.yaml", f"--run={path}", "-n", "2"),
            ("run", "x.yaml", "--run", path, "--check"),
            ("run", "x.yaml", "--run", "run", "--fork", path),
            ("status", path),
            ("results", path),
            ("export", path, "--to", "csv", "x.csv"),
            ("export", "run", "--to", "csv", path),
            ("export", "run", "--to", "optuna", path),
            ("check", path),
            ("run", path),
            ("run", path, "-n", "2"),
        )
    ):
        status, told = said(*words)
        assert (status, told.count("\n")) == (2, 1), (words, told)
        assert message in told or "is not UTF-8" in told, (words, told)
    assert {each.name for each in Path().iterdir()} == {"home", "x.py", "x.yaml", "run"}


def test_home_is_meant_by_a_tilde(said):
    home = Path("home").absolute()
    search(run="~/run")
    assert Run(home / "run").standing().evaluations == 3
    search(run="~/run", fork="~/fork")
    assert search(run=None, warm_start="~/run").evaluations == 3
    configured("run: ~/yaml\nwarm_start: ~/run", objective="~/x.py:f")
    assert said("check", "x.yaml")[1].endswith(f"run folder {home}/yaml\n")
    assert said("run", "x.yaml")[0] == 0
    assert said("run", "x.yaml", "--run=~/other", "--set", "warm_start=[~/run, ~/yaml]")[0] == 0
    assert said("status", "~/other")[0] == said("results", "~/other")[0] == 0
    assert said("export", "~/other", "--to", "csv", "~/x.csv")[0] == 0
    assert said("run", "~/x.py:f", "--set", "budget.evaluations=2", "--set", "space={x: {float: [0, 1]}}")[0] == 0
    configured("run: commands", objective='{command: [sh, -c, "pwd >where; echo 1", "{x}"], folder: "~"}')
    assert said("run", "x.yaml")[0] == 0
    assert Path("home/where").read_text() == f"{home}\n"
    assert {path.name for path in home.iterdir()} == {"x.py", "run", "fork", "yaml", "other", "x.csv", "where"} | {
        path.name for path in home.glob("__pycache__")
    }


def test_files_that_other_commands_write_and_read_are_named_alike(said):
    home = Path("home").absolute()
    search(run="~/run")
    configured()
    assert said("init", "~/new")[0] == 0
    job = ("slurm", "x.yaml", "--nodes", "1", "--time", "1h", "--ranks-per-node", "1", "--output")
    assert said(*job, "~/job.sbatch")[0] == 0
    forecast = ("simulate", "x.yaml", "--ranks", "2")
    assert said(*forecast, "--seconds-per-evaluation", "~/run", "--losses", "~/run")[0] == 0
    assert {"new", "job.sbatch"} <= {path.name for path in home.iterdir()}
    for words in (("init",), job, (*forecast, "--losses"), (*forecast, "--plot")):
        for path in ("", "$HOME/x", "a\0b", "~nobody-of-this-name/x"):
            status, told = said(*words, path)
            assert (status, told.count("\n")) == (2, 1), (words, path, told)
            assert "cannot be a path" in told
    assert {path.name for path in Path().iterdir()} == {"home", "x.py", "x.yaml"}


def test_working_directory_can_be_the_folder_of_a_run():
    assert search(run=".").run == Path()
    assert search(run=".").evaluations == 3
    assert Path("config.yaml").exists()


def test_run_in_the_directory_of_an_evaluation_is_a_run(tmp_path):
    def outer(x, evaluation):
        return search(run=evaluation.directory / "inner").value + x

    result = pl.minimize(outer, SPACE, evaluations=2, run="run", progress=False)
    assert Run(tmp_path / "run/trials" / str(result.individuals[0].id) / "inner").standing().evaluations == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda run: run.write_text("x"), "run is no folder"),
        (lambda run: run.symlink_to("nothing"), "run is no folder"),
        (lambda run: run.symlink_to("run"), "run is no folder"),
        (os.mkfifo, "run is no folder"),
        (lambda run: (run.mkdir(), (run / "journal").write_text("x")), "run/journal is no folder"),
        (lambda run: (run.mkdir(), (run / "journal").symlink_to("journal")), "run/journal is a link"),
        (lambda run: (run.mkdir(), (run / "trials").write_text("x")), "run/trials is no folder"),
        (lambda run: (run.mkdir(), os.mkfifo(run / "journal")), "run/journal is no folder"),
    ],
)
def test_folder_that_is_none_is_one_line(make, message, said):
    make(Path("run"))
    with pytest.raises(ValueError, match=message):
        search(run="run")
    configured("run: run")
    for words in (("run", "x.yaml"), ("run", "x.yaml", "-n", "2"), ("run", "x.yaml", "--check")):
        status, told = said(*words)
        assert (status, told.count("\n")) == (2, 1), (words, told)
        assert message in told or "no folder" in told, told


@pytest.mark.parametrize("kind", ["file", "loop", "fifo"])
def test_run_whose_journals_folder_is_none_is_not_read_as_an_empty_one(kind, said):
    search(run="run")
    Path("run/journal").rename("journal")
    match kind:
        case "file":
            Path("run/journal").write_text("x")
        case "loop":
            Path("run/journal").symlink_to("journal")
        case "fifo":
            os.mkfifo("run/journal")
    for words in (("status", "run"), ("results", "run"), ("export", "run", "--to", "csv", "x.csv")):
        assert said(*words) == (2, "run/journal is no folder\n")


@pytest.mark.process
def test_word_that_is_not_utf8_is_one_line():
    configured()
    for word in (b"a\xffb", b"\xc3"):
        words = [sys.executable, "-m", "propulate_like", "run", "x.yaml", "--run", word]
        for more in ([], ["-n", "2"]):
            ended = subprocess.run([*words, *more], capture_output=True, text=True, check=False, timeout=SECONDS)
            assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended
            assert "is not UTF-8" in ended.stderr


def test_dollar_in_the_name_of_a_folder_that_is_there_is_no_variable():
    Path("$HOME x/${y}").mkdir(parents=True)
    assert search(run="$HOME x/${y}/run").run == Path("$HOME x/${y}/run")
    with pytest.raises(ValueError, match=r"write the value of \$z"):
        search(run="$HOME x/$z")


@pytest.mark.parametrize("path", ["a$5", "a~", "./~x", "a b", "-x", "$", "a$", "x/../y", "é"])
def test_other_names_are_taken_as_they_are(path):
    assert user_path(path) == Path(path)
    assert search(run=path).run == Path(path)
