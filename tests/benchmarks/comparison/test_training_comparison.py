"""The comparison `training`: real searches, for a few seconds, and what the page says of them."""

import itertools
import json
import math
import os
import subprocess
import sys
import time

import msgspec
import pytest
from conftest import ROOT
from installing import declare_project
from propulate_like_bench.comparison import training
from propulate_like_bench.comparison.comparison import Comparison, text_of
from propulate_like_bench.comparison.measures import Result

from propulate_like.search.config import ConfigError

pytest.importorskip("sklearn", reason="needs scikit-learn: pip install scikit-learn")
pytest.importorskip("optuna", reason="needs optuna: pip install optuna")
training_worker = pytest.importorskip("propulate_like_bench.comparison.training_worker")

SHIPPED = text_of("training")
GROUPS = SHIPPED[SHIPPED.index("groups:") : SHIPPED.index("space:")]
TINY = (
    SHIPPED[: SHIPPED.index("quick:")]
    .replace(GROUPS, 'groups: [{workers: 2, contestants: [auto, "Optuna TPE, journal file"]}]\n')
    .replace("seconds: 9 ", "seconds: 24 ")
    .replace("seeds: 5", "seeds: 1")
)


@pytest.fixture(autouse=True)
def installed(tmp_path_factory, monkeypatch):
    """Let processes find the command where the benchmarks are not installed, as after `pip install -e .[dev]`."""
    site = declare_project(ROOT / "benchmarks", tmp_path_factory.mktemp("site"))
    monkeypatch.setenv("PYTHONPATH", site["PYTHONPATH"])


def bench(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "propulate_like", "bench", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"PYTHONWARNINGS": "error"},
    )


@pytest.mark.mpi
@pytest.mark.slow
def test_two_workers_each_train_until_the_time_is_over_and_a_page_tells(tmp_path):
    (tmp_path / "training.yaml").write_text(TINY)
    ended = bench(tmp_path, "training.yaml")
    assert ended.returncode == 0, ended.stderr
    kept = [json.loads(line) for line in (tmp_path / "bench" / "training.jsonl").read_text().splitlines()]
    assert [cell["missing"] for cell in kept] == ["", ""]
    for measured in (cell["measured"] for cell in kept):
        assert measured["jobs"] == len(measured["job_seconds"]) > 0
        assert max(measured["job_seconds"]) > 1.5 * min(measured["job_seconds"])
        seconds, losses = zip(*measured["course"], strict=True)
        assert 0.0 < measured["start_up"] < max(seconds) <= 24.0
        assert sorted(losses, reverse=True) == list(losses)
        assert 0.0 <= measured["idle_percent"] < 100.0
        assert measured["megabytes"] > 50.0
    page = (tmp_path / "bench" / "page.md").read_text()
    assert page.count("| auto |") == page.count("| Optuna TPE, journal file |") == 2
    assert (tmp_path / "bench" / "page.html").read_text().count("<svg") == 1
    again = bench(tmp_path, "training.yaml")
    assert (again.returncode, again.stderr, again.stdout) == (0, "", ended.stdout)


@pytest.mark.filterwarnings("ignore")  # as the program does
@pytest.mark.parametrize(("storage", "seconds"), [("memory", 2.0), ("journal", 2.0), ("sqlite", 8.0)])
def test_optuna_trains_with_params_of_the_space_and_its_threads_at_the_same_time(tmp_path, storage, seconds):
    space = Comparison("training.yaml", TINY).settings.space
    contestant = {"by": "Optuna", "sampler": "TPESampler", "storage": storage, "arguments": {"group": True}}
    seen = []

    class Job(training_worker.Job):
        def __call__(self, params):
            seen.append(params)
            return super().__call__(params)

    training_worker.train({"width": 4, "layers": 1, "epochs": 2})
    task = training_worker.Task(contestant, space, 2, 0, time.monotonic(), seconds, 4.0, str(tmp_path))
    training_worker.optimize(task, Job(task.stretch, task.folder))
    conditional = {"adam": {"beta_1"}, "sgd": {"momentum", "nesterovs_momentum"}}
    for params in seen:
        assert space.keys() - params.keys() == set.union(*conditional.values()) - conditional[params["solver"]]
    (noted,) = tmp_path.glob("worker-*.jsonl")
    times = sorted(json.loads(line)[1:3] for line in noted.read_text().splitlines())
    assert len(times) == len(seen) > 1
    overlap = [later[0] < earlier[1] for earlier, later in itertools.pairwise(times)]
    assert any(overlap) == (storage == "memory")


@pytest.mark.filterwarnings("ignore")
def test_a_network_that_diverges_has_a_finite_loss_and_the_same_params_the_same_one():
    params = {"width": 8, "layers": 1, "epochs": 3, "solver": "sgd", "batch_size": 20}
    diverged = training_worker.train({**params, "learning_rate_init": 1e9})
    assert math.log(10) < diverged < 7.0
    trained = training_worker.train({**params, "learning_rate_init": 0.1})
    assert trained == training_worker.train({**params, "learning_rate_init": 0.1}) < math.log(10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[auto,", "[outo,"), "groups[0]: no contestant is named 'outo'; did you mean 'auto'?"),
        (("by: propulate-like", "by: propulate"), "contestants[...].by: Invalid value 'propulate'"),
        (("storage: sqlite", "storage: sqlit"), "contestants[...].storage: Expected `str` matching regex"),
        (("stretch: 8", "stretch: 0.5"), "stretch: Expected `float` >= 1.0"),
        (("{int: [1, 3]}", "{whole: [1, 3]}"), "layers: {'whole': [1, 3]} must name one kind of parameter"),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_line(change, message):
    with pytest.raises(ConfigError) as refused:
        Comparison("training.yaml", TINY.replace(*change))
    assert str(refused.value).startswith(f"training.yaml: {message}")
    assert "\n" not in str(refused.value)


def results(comparison, courses):
    measured = {"jobs": 3, "job_seconds": [0.1, 0.2, 0.3], "start_up": 1.0, "idle_percent": 2.0, "megabytes": 90.0}
    for cell in comparison.cells:
        course = courses[cell["contestant"]["by"]]
        yield Result(cell, measured | {"course": [(ended + 0.01 * cell["seed"], loss) for ended, loss in course]})


def test_who_is_better_is_said_of_each_target_and_searches_that_never_had_it_count():
    comparison = Comparison(
        "training.yaml",
        TINY.replace("seeds: 1", "seeds: 5").replace("targets: [0.27, 0.25, 0.23]", "targets: [0.5, 0.3, 0.2]"),
    )
    early_and_late = {"propulate-like": [(1.0, 0.4), (5.0, 0.25)], "Optuna": [(2.0, 0.45), (3.0, 0.26)]}
    section = training.section(comparison.settings, list(results(comparison, early_and_late)))
    better = {verdict.text.split(": ")[0]: verdict.better for verdict in section.verdicts}
    assert better == {
        "2 workers, log loss after 24 s": "ours",
        "2 workers, seconds to 0.5; searches": "ours",
        "2 workers, seconds to 0.3; searches": "theirs",
        "2 workers, start-up, s": "neither",
        "2 workers, idle, %": "neither",
        "2 workers, memory a worker, MB": "neither",
    }
    reached = next(part for part in section.parts if part.caption == "What was reached, 2 workers")
    assert reached.rows[0][2:5] == ["1.02; 5 of 5", "5.02; 5 of 5", "0 of 5"]


def test_a_search_that_came_to_no_loss_is_as_good_as_guessing():
    comparison = Comparison("training.yaml", TINY)
    section = training.section(
        comparison.settings, list(results(comparison, {"propulate-like": [], "Optuna": [(1.0, 0.3)]}))
    )
    reached = next(part for part in section.parts if part.caption == "What was reached, 2 workers")
    assert float(reached.rows[0][1]) == pytest.approx(math.log(10), rel=0.01)
    assert not next(part for part in section.parts if part.caption.startswith("Lowest")).series[0].points


def test_the_shipped_comparison_and_its_small_version_have_cells_for_every_contestant():
    whole, small = Comparison("training", SHIPPED), Comparison("training", SHIPPED, quick=True)
    assert {cell["name"] for cell in whole.cells} == set(whole.settings.contestants)
    assert {cell["workers"] for cell in whole.cells} == {cell["workers"] for cell in small.cells} == {1, 4, 8}
    assert len({msgspec.json.encode(cell) for cell in whole.cells}) == len(whole.cells)
