"""`propulate-like bench`: from a config through fresh processes to the page, which is made of the results alone."""

import json
import math
import os
import signal
import subprocess
import sys

import pytest
from conftest import ROOT
from installing import declare_project
from propulate_like_bench.comparison.comparison import Comparison, names, text_of
from propulate_like_bench.comparison.intervals import (
    Estimate,
    better,
    better_by,
    geometric_mean,
    mean,
    ratio,
    rounded,
)
from propulate_like_bench.comparison.measures import Result
from propulate_like_bench.comparison.page import charts, words
from propulate_like_bench.comparison.page.section import Chart, Point, Section, Series
from scipy.stats import ttest_ind

COMMAND = [sys.executable, "-m", "propulate_like", "bench"]
OVERHEAD = """
measure: overhead
title: A small comparison
minutes: 1
cell_seconds: 40
parameters: 2
repetitions: 2
marks: [10, 20]
groups:
  - {contestants: [auto], storages: [memory, folder], workers: [1], seconds: 5}
  - {contestants: [tpe], storages: [journal], workers: [1, 2], seconds: 10}
"""
QUALITY = """
measure: quality
title: Quality
minutes: 1
workers: 2
grids:
  - {title: Two functions, suite: bbob, dimension: 2, evaluations: 12, problems: [f1, f3], instances: [1, 2],
     contestants: [auto, tpe]}
"""


@pytest.fixture(autouse=True)
def installed(tmp_path_factory, monkeypatch):
    """Let processes find the command where the benchmarks are not installed, as after `pip install -e .[dev]`."""
    site = declare_project(ROOT / "benchmarks", tmp_path_factory.mktemp("site"))
    monkeypatch.setenv("PYTHONPATH", site["PYTHONPATH"])


def bench(folder, *arguments):
    return subprocess.run([*COMMAND, *arguments], cwd=folder, capture_output=True, text=True, timeout=100, check=False)


def test_a_config_becomes_a_page_and_nothing_is_measured_twice(tmp_path):
    pytest.importorskip("optuna")
    (tmp_path / "small.yaml").write_text(OVERHEAD)
    ended = bench(tmp_path, "small.yaml", "--output", "out")
    assert ended.returncode == 0, ended.stderr
    assert len(ended.stderr.splitlines()) == 8
    lines = [json.loads(line) for line in (tmp_path / "out/small.jsonl").read_text().splitlines()]
    assert len(lines) == 8
    assert all(line["measured"]["trials"] == 20 and not line["missing"] for line in lines)
    assert all(line["measured"]["seconds"]["10"] <= line["measured"]["seconds"]["20"] for line in lines)
    assert all(line["measured"]["peak"] > 10.0 for line in lines)
    page = (tmp_path / "out/page.html").read_text()
    assert "propulate-like bench small.yaml --output out" in page
    assert "8 of 8 measurements" in page
    assert "95 % intervals are Student" in page
    assert "measure: overhead" in page  # the config, to be copied
    assert page.count("<svg") == 5
    assert "src=" not in page
    assert "http" not in page
    for group, _ in words.GROUPS.values():
        assert f"<h2>{group}</h2>" in page
    assert "Optuna TPE, journal file, 1 worker, first " in page

    again = bench(tmp_path, "small.yaml", "--output", "out")
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == ended.stdout


def test_a_measurement_that_was_cut_off_goes_on(tmp_path):
    pytest.importorskip("ioh")
    pytest.importorskip("optuna")
    (tmp_path / "small.yaml").write_text(QUALITY)
    begun = subprocess.Popen(
        [*COMMAND, "small.yaml"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert begun.stderr.readline().startswith("small 1 of 8")
    begun.send_signal(signal.SIGINT)
    _, errors = begun.communicate(timeout=60)
    assert errors.splitlines()[-1] == "interrupted: the same command goes on from here"
    assert begun.returncode == 130
    results = tmp_path / "bench/small.jsonl"
    kept = results.read_bytes().count(b"\n")
    assert 1 <= kept < 8
    with results.open("ab") as file:
        file.write(b'{"cell": {"suite"')  # as a crash leaves it
    ended = bench(tmp_path, "small.yaml")
    assert len(ended.stderr.splitlines()) == 8 - kept
    assert "8 of 8 measurements" in ended.stdout
    assert "| Optuna TPE |" in ended.stdout
    verdicts = ended.stdout.partition("## Quality")[0]
    assert "Two functions: an ask takes Optuna TPE" in verdicts


def test_what_is_not_here_is_said_and_the_rest_goes_on(tmp_path):
    (tmp_path / "small.yaml").write_text(
        OVERHEAD.partition("groups:")[0]
        + """groups:
  - {contestants: [auto], storages: [memory], workers: [1], seconds: 5}
  - {contestants: [propulate], storages: [memory], workers: [1], seconds: 5}
"""
    )
    environment = {key: value for key, value in os.environ.items() if key != "PROPULATE_PYTHON"}
    ended = subprocess.run(
        [*COMMAND, "small.yaml"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    assert "Not measured: Propulate: give --propulate a Python that has propulate and an MPI" in ended.stdout
    assert "2 of 4 measurements" in ended.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("measure: overhead", "measure: overhaed"), "measure: 'overhaed' is none of overhead, quality, training"),
        (("measure: overhead", ""), "a comparison begins with `measure: NAME`"),
        (("repetitions: 2", "repetitons: 2"), "unknown key 'repetitons'; did you mean 'repetitions'?"),
        (("repetitions: 2", "repetitions: many"), "repetitions: Expected `int`, got `str`"),
        (("repetitions: 2", "quick: 3"), "quick: a mapping of keys to change, not 3"),
        (("parameters: 2", ""), "the key 'parameters' is missing"),
        (("[tpe]", "[tpp]"), "groups[1]: contestant 'tpp' is none of auto, chain"),
        (("storages: [memory, folder]", "storages: [sqlite]"), "groups[0]: auto has the storages memory, folder"),
        (("title: A", "title: [A"), "line"),
    ],
)
def test_a_broken_config_is_refused_in_one_line(tmp_path, change, message):
    (tmp_path / "broken.yaml").write_text(OVERHEAD.replace(*change))
    ended = bench(tmp_path, "broken.yaml")
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.startswith(f"broken.yaml: {message}")
    assert not (tmp_path / "bench").exists()


def test_a_name_that_is_none_is_refused_with_the_nearest(tmp_path):
    ended = bench(tmp_path, "overhed")
    assert (ended.returncode, ended.stderr) == (
        2,
        "overhed: neither a comparison nor a file; did you mean 'overhead'?\n",
    )


def test_seeds_that_are_not_complete_are_not_counted():
    pytest.importorskip("ioh")
    one = Comparison("q.yaml", QUALITY.replace("instances: [1, 2],", "instances: [1, 2], seeds: [0, 1],"))
    assert [cell["seed"] for cell in one.cells] == [0] * 8 + [1] * 8
    course = {"improvements": [[1, 5.0]], "asking": [[1, 0.01], [12, 0.1]]}

    def told(measured):
        section = one.measure.section(one.settings, [Result(cell, course) for cell in one.cells[:measured]])
        return [part.caption for part in section.parts][:1] or list(section.notes)

    assert told(16) == ["Two functions: 4 problems and instances, 2 seeds"]
    assert told(15) == ["Two functions: 4 problems and instances, 1 seed"]
    assert told(7) == ["Two functions: 3 problems and instances, 1 seed"]
    assert told(0) == ["Two functions: nothing was measured."]


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("quick", [False, True])
def test_what_comes_with_the_package_is_valid_whole_and_quick(name, quick):
    one = Comparison(name, text_of(name), quick=quick)
    keys = [json.dumps(cell, sort_keys=True) for cell in one.cells]
    assert len(set(keys)) == len(keys) > 0


def test_show_prints_the_config_that_is_shipped(tmp_path):
    assert bench(tmp_path, "--show", "overhead").stdout == text_of("overhead")


def test_student_intervals_of_known_numbers():
    estimate = mean([1.0, 2.0, 3.0, 4.0, 5.0])
    half = 2.776445 * math.sqrt(2.5 / 5)  # t of four degrees of freedom
    assert estimate.mean == 3.0
    assert estimate.low == pytest.approx(3.0 - half, abs=1e-6)
    assert estimate.high == pytest.approx(3.0 + half, abs=1e-6)
    assert mean([7.0]) == Estimate(7.0, 7.0, 7.0, 1)
    geometric = geometric_mean([math.e, math.e**3])
    assert geometric.mean == pytest.approx(math.e**2)
    assert math.log(geometric.high) == pytest.approx(2.0 + 12.706205, abs=1e-5)


def test_welch_intervals_of_known_numbers():
    first, second = [27.5, 21.0, 19.0, 23.6], [27.1, 22.0, 20.8]
    times = ratio([math.exp(value) for value in first], [math.exp(value) for value in second])
    exact = ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    assert math.log(times.mean) == pytest.approx(22.775 - 23.3)
    assert (math.log(times.low), math.log(times.high)) == pytest.approx((exact.low, exact.high))
    assert better_by(times) == "neither"
    assert better_by(ratio([90.0, 100.0, 110.0], [1.0, 1.1, 1.2])) == "ours"
    assert better_by(ratio([90.0, 100.0, 110.0], [1.0, 1.1, 1.2]), larger=False) == "theirs"
    assert better_by(ratio([90.0, 100.0], [1.0])) == "neither"  # one value tells nothing


def test_one_side_is_better_only_where_the_intervals_lie_apart():
    low, high, wide = Estimate(1.0, 0.5, 1.5), Estimate(3.0, 2.0, 4.0), Estimate(2.0, 0.0, 5.0)
    assert [better(high, low), better(low, high), better(wide, high)] == ["ours", "theirs", "neither"]
    assert [better(high, low, larger=False), better(low, high, larger=False)] == ["theirs", "ours"]
    assert better(high, mean([0.1])) == "neither"  # one value tells nothing


@pytest.mark.parametrize(
    ("value", "written"), [(16412.0, "16,400"), (0.01234, "0.0123"), (5.0, "5.00"), (0.0, "0"), (-312.4, "-312")]
)
def test_numbers_have_the_digits_that_mean_something(value, written):
    assert rounded(value) == written


@pytest.mark.parametrize("kind", ["lines", "dots"])
@pytest.mark.parametrize("log", [False, True])
def test_charts_stay_inside_their_frame(kind, log):
    points = [Point(1.0, 5.0, 2.0, 9.0), Point(1000.0, 5000.0, 4000.0, 7000.0)]
    chart = Chart("c", "x", "y", [Series("<one>", points, ours=True), Series("two", points[:1])], kind, log, log)
    drawn = charts.draw(chart, charts.Colors(Section("", [], "", [chart], [])))
    width, height = (float(text) for text in drawn.partition('viewBox="0 0 ')[2].partition('"')[0].split())
    xs = [float(part.partition('"')[0]) for part in drawn.split('cx="')[1:]]
    ys = [float(part.partition('"')[0]) for part in drawn.split('cy="')[1:]]
    assert len(xs) == 3
    assert all(0.0 <= x <= width for x in xs)
    assert all(0.0 <= y <= height for y in ys)
    assert "&lt;one&gt;" in drawn
    assert "<one>" not in drawn
