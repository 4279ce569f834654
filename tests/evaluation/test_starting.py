"""How a loss is started: what its process imports, which arguments it sees, and when its time begins."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import losses
import pytest

import propulate_like as pl
from propulate_like.evaluation.child import Load
from propulate_like.evaluation.context import Tasks, never_stop
from propulate_like.evaluation.isolated import IsolatedEvaluator
from propulate_like.evaluation.process import Limits
from propulate_like.population.individual import Candidate, Individual

pytestmark = pytest.mark.process
SHADOWED = ("random", "types", "enum", "socket", "struct", "selectors", "json", "subprocess", "site", "string")
SHADOWED += ("pickle", "secrets", "rich", "psutil", "scipy")
CONFIG = """
objective: OBJECTIVE
space: {x: {float: [0, 1]}}
budget: {evaluations: 6}
evaluation: {isolate: ISOLATE}
"""
TRAIN = """
import argparse, neighbour, sys
parser = argparse.ArgumentParser()
parser.add_argument("--factor", type=int, default=3)
FACTOR = parser.parse_args().factor
def loss(x):
    neighbour.check()
    return {"loss": FACTOR * x, "program": sys.argv[0], "arguments": len(sys.argv)}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder whose files have the names of modules of the standard library, with an objective in it."""
    for name in SHADOWED:
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('{name} is shadowed')\n", encoding="utf-8")
    (tmp_path / "neighbour.py").write_text("def check(): pass\n", encoding="utf-8")
    (tmp_path / "train.py").write_text(TRAIN, encoding="utf-8")
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Any:
    """Run the installed command in the folder: `python -m` would itself put that in front of all modules."""

    def run(objective: str, ranks: int, *, isolate: bool) -> subprocess.CompletedProcess[str]:
        config = CONFIG.replace("OBJECTIVE", objective).replace("ISOLATE", str(isolate).lower())
        (folder / "search.yaml").write_text(config, encoding="utf-8")
        command = [sys.executable, "-P", "-m", "propulate_like", "run", "search.yaml", "-n", str(ranks)]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)

    return run


@pytest.mark.mpi
@pytest.mark.parametrize("isolate", [False, True], ids=["in the rank", "isolated"])
@pytest.mark.parametrize("ranks", [1, 2])
def test_files_beside_the_config_shadow_no_modules_and_no_arguments_reach_the_objective(
    ranks: int, isolate: bool, run: Any, folder: Path
) -> None:
    ended = run("train.py:loss", ranks, isolate=isolate)
    assert ended.returncode == 0, ended.stderr
    assert "6 evaluations in" in ended.stdout
    assert f"[program]    {folder / 'train.py'}\n" in ended.stdout
    assert "[arguments]  1\n" in ended.stdout


@pytest.mark.parametrize("propagator", ["cma_es", "quadratic_model", "mixed_gaussian_process"])
def test_files_beside_the_objective_shadow_no_modules_that_models_import(propagator: str, folder: Path) -> None:
    (folder / "train.py").write_text("def loss(x):\n    return x * x\n", encoding="utf-8")
    config = CONFIG.replace("OBJECTIVE", "train.py:loss").replace("ISOLATE", "false")
    config = config.replace("evaluations: 6", "evaluations: 30") + f"propagator: {propagator}\n"
    (folder / "search.yaml").write_text(config, encoding="utf-8")
    for words in (["run"], ["simulate", "--ranks", "2", "--seconds-per-evaluation", "1"]):
        command = [sys.executable, "-P", "-m", "propulate_like", words[0], "search.yaml", *words[1:]]
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        assert ended.returncode == 0, ended.stderr


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_module_as_the_objective_gets_no_arguments_either(ranks: int, run: Any) -> None:
    ended = run("train:loss", ranks, isolate=True)
    assert ended.returncode == 0, ended.stderr
    assert "[arguments]  1\n" in ended.stdout


SEARCH = """
import os, propulate_like as pl
def loss(x):
    return {"loss": x, "pid": os.getpid()}
if __name__ == "__main__":
    result = pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=3, evaluation={"isolate": True})
    print("ends", result.evaluations, os.getpid() not in {each.metrics["pid"] for each in result.individuals})
"""


def search(folder: Path, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python with these words in a folder."""
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=folder, input=stdin, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("name", ["package.search", "package", "search"])
def test_the_loss_of_a_module_that_python_runs_is_isolated(name: str, tmp_path: Path) -> None:
    path = tmp_path / {"package": "package/__main__.py"}.get(name, f"{name.replace('.', '/')}.py")
    path.parent.mkdir(exist_ok=True)
    relative = "from . import other\n" if "package" in name else ""
    path.write_text(relative + SEARCH, encoding="utf-8")
    (path.parent / "__init__.py").touch()
    (path.parent / "other.py").touch()
    ended = search(tmp_path, "-m", name)
    assert ended.stdout == "ends 3 True\n", ended.stderr


def test_the_loss_of_a_folder_that_python_runs_is_isolated(tmp_path: Path) -> None:
    (tmp_path / "program").mkdir()
    (tmp_path / "program/__main__.py").write_text(SEARCH, encoding="utf-8")
    ended = search(tmp_path, "program")
    assert ended.stdout == "ends 3 True\n", ended.stderr


@pytest.mark.parametrize("way", ["-", "-c", "a zip file"])
def test_a_loss_that_no_child_can_import_reaches_it_all_the_same(way: str, tmp_path: Path) -> None:
    if way == "a zip file":
        import zipfile

        with zipfile.ZipFile(tmp_path / "program.zip", "w") as file:
            file.writestr("__main__.py", SEARCH)
        ended = search(tmp_path, "program.zip")
    else:
        ended = search(tmp_path, "-c", SEARCH) if way == "-c" else search(tmp_path, "-", stdin=SEARCH)
    assert ended.stdout == "ends 3 True\n", ended.stderr


def test_the_child_runs_the_package_that_the_rank_runs(tmp_path: Path) -> None:
    """It is neither another one in the working directory, nor only found on a path that the child is yet to be told."""
    (tmp_path / "train.py").write_text(SEARCH, encoding="utf-8")
    (tmp_path / "propulate_like").mkdir()
    (tmp_path / "propulate_like/__init__.py").write_text("raise RuntimeError('another package')", encoding="utf-8")
    code = f"""
        import sys
        sys.path[:0] = [{str(Path(pl.__file__).parents[1])!r}, {str(tmp_path)!r}]
        import train, propulate_like
        result = propulate_like.minimize(train.loss, {{"x": (0.0, 1.0)}}, evaluations=3, evaluation={{"isolate": True}})
        print(result.evaluations)
    """
    ended = search(tmp_path, "-P", "-c", textwrap.dedent(code))
    assert ended.stdout == "3\n", ended.stderr


def evaluator(reference: str, folder: Path, limits: Limits) -> IsolatedEvaluator:
    """Return an evaluator of a loss in the folder."""
    space = pl.Space.from_limits({"x": (0.0, 1.0)})
    path = [str(folder), *sys.path]
    load = Load(reference, b"", space.written, (1.0,), "", path, [], {}, os.getpid())
    return IsolatedEvaluator(load, Tasks(0, str(folder)), limits, "rank-00000")


def evaluated(evaluator: IsolatedEvaluator) -> Individual:
    """Return an individual that was evaluated."""
    space = pl.Space.from_limits({"x": (0.0, 1.0)})
    try:
        return evaluator(Individual(Candidate(pl.Id(0, 0, 0), (0.5,), space)), never_stop)
    finally:
        evaluator.close()


SLOW = "import time\ntime.sleep(SECONDS)\ndef loss(x): return x\n"


def test_the_time_of_an_evaluation_begins_after_the_imports_and_is_recorded_so(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW.replace("SECONDS", "1.5"), encoding="utf-8")
    individual = evaluated(evaluator("slow:loss", tmp_path, Limits(seconds=1.0)))
    assert individual.status is pl.Status.OK, individual.cause
    assert individual.seconds < 1.0


def test_the_start_has_a_limit_of_its_own_which_its_cause_names(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW.replace("SECONDS", "1000"), encoding="utf-8")
    individual = evaluated(evaluator("slow:loss", tmp_path, Limits(seconds=0.1, start=1.0)))
    assert individual.status is pl.Status.TIMEOUT
    assert individual.cause.endswith("the child process took longer than 1 s to start and import the objective")
    assert "slow.py" in individual.cause, "where it hung"


def test_an_import_that_ends_the_child_is_an_outcome(tmp_path: Path) -> None:
    (tmp_path / "dies.py").write_text("import os\nos._exit(7)\n", encoding="utf-8")
    individual = evaluated(evaluator("dies:loss", tmp_path, Limits(seconds=1.0)))
    assert individual.status is pl.Status.CRASHED
    assert individual.cause == "the process exited with status 7"


def test_what_the_import_prints_goes_to_the_first_evaluations_log(tmp_path: Path) -> None:
    (tmp_path / "prints.py").write_text("print('imported')\ndef loss(x): return x\n", encoding="utf-8")
    individual = evaluated(evaluator("prints:loss", tmp_path, Limits()))
    assert (tmp_path / str(individual.id) / "output.log").read_text() == "imported\n"


def test_every_evaluation_ends_where_its_child_must_start_anew_each_time() -> None:
    settings = {"isolate": True, "timeout": 0.5, "retries": 5}
    result = pl.minimize(losses.fails_at_first, {"x": (0.0, 1.0)}, evaluations=4, evaluation=settings, seed=0)
    assert result.statuses == {pl.Status.OK: 4}
