"""The loop of the quality benchmark: asynchronous workers, none of which knows what has not ended."""

import importlib.util
import math
import os
import shutil
import statistics
from pathlib import Path
from random import Random

import pytest
from propulate_like_bench.quality import cells, contestants, coordinates, ours, workers
from propulate_like_bench.quality.cells import Cell
from propulate_like_bench.quality.suites import Problem
from propulate_like_bench.quality.workers import Contestant, Proposal, Setting

import propulate_like as pl

SPACE = pl.Space({"x": pl.Float(0.0, 1.0)})
MIXED = pl.Space(
    {
        "rate": pl.Float(1e-5, 1e-1, log=True),
        "layers": pl.Int(1, 8),
        "units": pl.Int(1, 512, log=True),
        "width": pl.Ordinal(16, 32, 64),
        "optimizer": pl.Choice("adam", "sgd"),
        "fixed": pl.Choice("only"),
        "momentum": pl.Float(0.0, 0.9, step=0.3, when={"optimizer": "sgd"}),
        "nesterov": pl.Choice(True, False, when={"optimizer": "sgd"}),
    }
)
NEEDS = {"pycma": "cma", "tpe": "optuna", "cmaes": "cmaes", "nsga2": "optuna", "gp": "torch", "random": "random"}


class Witness(Contestant):
    """Notes what happens to it, in order."""

    def __init__(self):
        self.events = []

    def ask(self, worker):
        self.events.append(("ask", worker, None))
        return Proposal({"x": 0.5}, len(self.events))

    def tell(self, worker, proposal, loss, seconds, ended):
        assert loss == 0.5
        self.events.append(("tell", worker, (proposal.handle, seconds, ended)))
        return proposal.handle, ended

    def absorb(self, worker, told):
        self.events.append(("absorb", worker, told))


def witnessed(count, evaluations, stream="a", **options):
    witness = Witness()
    setting = Setting(SPACE, count, evaluations, 0)
    workers.search(witness, Problem(SPACE, lambda params: params["x"]), setting, stream=stream, **options)
    return witness.events


def told(events):
    return [what for kind, _, what in events if kind == "tell"]


@pytest.mark.parametrize(("count", "evaluations"), [(1, 9), (4, 30), (16, 20), (5, 3)])
def test_every_worker_always_evaluates_one_until_the_budget_is_used_up(count, evaluations):
    pending, most, begun = set(), 0, 0
    for kind, worker, _ in witnessed(count, evaluations):
        if kind == "ask":
            assert worker not in pending
            pending.add(worker)
            begun += 1
        elif kind == "tell":
            assert worker in pending
            most = max(most, len(pending))
            assert len(pending) == min(count, evaluations) or begun == evaluations
            pending.remove(worker)
    assert (begun, most, pending) == (evaluations, min(count, evaluations), set())


def test_results_come_in_the_order_in_which_they_end():
    ended = [end for _, _, end in told(witnessed(8, 100))]
    assert ended == sorted(ended)
    handles = [handle for handle, _, _ in told(witnessed(8, 100))]
    assert handles != sorted(handles)


def test_without_delay_others_know_what_has_ended_before_anything_else_happens():
    events = witnessed(3, 20)
    for position, (kind, worker, what) in enumerate(events):
        if kind == "tell":
            following = events[position + 1 : position + 3]
            assert [(k, w) for k, w, _ in following] == [("absorb", other) for other in range(3) if other != worker]
            assert all(told_what == (what[0], what[2]) for _, _, told_what in following)


def test_with_a_delay_others_know_only_what_ended_that_long_before():
    delay, unknown, late = 45.0, {}, 0
    for kind, _, what in witnessed(4, 100, delay=delay):
        if kind == "absorb":
            unknown.pop(what[0], None)
            latest = what[1] + delay
        elif kind == "tell":
            assert all(end + delay >= what[2] for end in unknown.values())
            assert late == 0 or latest <= what[2]
            unknown[what[0]] = what[2]
        late += kind == "absorb"
    assert late > 200


def test_evaluation_times_are_lognormal_and_the_same_for_every_contestant():
    seconds = [duration for _, duration, _ in told(witnessed(4, 4000, mean=60.0))]
    assert statistics.stdev(map(math.log, seconds)) == pytest.approx(1.0, abs=0.05)
    assert statistics.fmean(map(math.log, seconds)) == pytest.approx(math.log(60.0) - 0.5, abs=0.05)
    assert told(witnessed(4, 50)) == told(witnessed(4, 50))
    assert not {duration for _, duration, _ in told(witnessed(4, 50))} & {
        duration for _, duration, _ in told(witnessed(4, 50, stream="b"))
    }


def require(contestant):
    if contestant.startswith("propulate"):
        if not os.environ.get("PROPULATE_PYTHON"):
            pytest.skip("PROPULATE_PYTHON names no Python that has propulate")
    elif importlib.util.find_spec(NEEDS[contestant]) is None:
        pytest.skip(contestants.entry(contestant).install)


@pytest.mark.parametrize("contestant", [*contestants.PEERS])
def test_a_peer_stays_in_the_space_and_repeats_with_its_seed(contestant):
    require(contestant)

    def searched(seed):
        seen = []

        def loss(params):
            assert MIXED.contains(params)
            seen.append(tuple(params.items()))
            return math.nan if params["layers"] == 3 else params["rate"] * params["layers"]

        setting = Setting(MIXED, 3, 12 if contestant == "gp" else 24, seed)  # which takes seconds an ask, from the 11th
        search = contestants.entry(contestant).make(setting)
        workers.search(search, Problem(MIXED, loss), setting, stream="c")
        search.close()
        return seen

    first = searched(1)
    assert first == searched(1)
    assert first != searched(2)


def test_coordinates_reach_every_value():
    generator = Random(1)
    seen = {name: set() for name in ("layers", "width", "optimizer", "momentum", "units")}
    for _ in range(400):
        point = {
            one.name: generator.random() if one.levels is None else generator.randrange(one.levels)
            for one in coordinates.coordinates(MIXED)
        }
        params = coordinates.params(MIXED, point)
        assert MIXED.contains(params)
        for name in seen & params.keys():
            seen[name].add(params[name])
    assert seen["layers"] == set(range(1, 9))
    assert seen["width"] == {16, 32, 64}
    assert seen["momentum"] == {0.0, 0.3, 0.6, 0.9}
    assert {min(seen["units"]), max(seen["units"])} <= {1, 2, 3, *range(450, 513)}


@pytest.mark.parametrize("contestant", ["auto", "random", "sobol_initialization"])
def test_a_cell_repeats_and_no_two_share_random_numbers(contestant):
    pytest.importorskip("ioh", reason="needs ioh: pip install ioh")
    cell = Cell("bbob", "f8", 3, 1, 0, 4, 60, contestant)
    first = cells.run(cell).improvements
    assert first == cells.run(cell).improvements
    assert first != cells.run(Cell("bbob", "f8", 3, 1, 1, 4, 60, contestant)).improvements


def test_version_of_ours_depends_on_all_the_source_that_decides_a_search(tmp_path, monkeypatch, request):
    request.addfinalizer(ours._source.cache_clear)
    package = Path(pl.__file__).parent
    copied = tmp_path / "propulate_like"
    shutil.copytree(package, copied, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(pl, "__file__", str(copied / "__init__.py"))

    def version():
        ours._source.cache_clear()
        return ours.version("auto")

    before = version()
    for part in ("problem/partition.py", "population/training_data.py", "propagators/auto.py", "search/optimizer.py"):
        with (copied / part).open("a") as file:
            file.write("# changed\n")
        assert version() != before
        before = version()
    (copied / "cli/app.py").write_text("")
    assert version() == before
