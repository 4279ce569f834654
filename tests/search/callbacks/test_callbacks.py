"""Callbacks are told of every evaluation of all ranks, each once, by one rank, and never hold the search up."""

import sys
import time

import pytest
from conftest import SECONDS

import propulate_like as pl

SPACE = {"x": (0.0, 1.0)}


class Recorder(pl.Callback):
    """Keeps what it is told."""

    def __init__(self):
        self.calls = []

    def on_start(self, search):
        self.calls.append(("start", [individual.id for individual in search.known()]))

    def on_evaluated(self, search, individual):
        self.calls.append(("evaluated", individual.id))

    def on_best(self, search, individual):
        self.calls.append(("best", individual.id, individual.values))

    def on_end(self, search, result):
        self.calls.append(("end", result))

    def of(self, kind):
        return [call[1] for call in self.calls if call[0] == kind]


def square(x):
    return (x - 0.3) ** 2


def minimize(loss=square, **options):
    return pl.minimize(loss, SPACE, **{"evaluations": 30, "seed": 0, "progress": False, **options})


@pytest.mark.parametrize("run", [None, "run"])
def test_each_evaluation_is_told_once_between_start_and_end(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recorder = Recorder()
    result = minimize(run=run, callbacks=recorder)
    assert recorder.calls[0] == ("start", [])
    assert recorder.calls[-1] == ("end", result)
    assert sorted(recorder.of("evaluated")) == sorted(individual.id for individual in result.individuals)
    assert list(tmp_path.glob("propulate-like-journals*")) == []


@pytest.mark.parametrize("search", [pl.minimize, pl.maximize])
def test_each_best_is_better_than_the_one_before_and_the_last_is_the_best(search):
    recorder = Recorder()
    result = search(square, SPACE, evaluations=30, seed=0, progress=False, callbacks=[recorder])
    values = [call[2][0] for call in recorder.calls if call[0] == "best"]
    assert len(values) > 1
    assert values == sorted(set(values), reverse=search is pl.minimize)
    assert values[-1] == result.value
    assert recorder.of("best")[-1] == result.best.id


def test_of_several_losses_each_is_best_that_none_before_dominates():
    recorder = Recorder()
    result = pl.minimize(
        lambda x: (x**2, (x - 1) ** 2), SPACE, directions=["minimize"] * 2, evaluations=40, seed=0, progress=False,
        callbacks=[recorder],
    )  # fmt: skip
    best = {call[2] for call in recorder.calls if call[0] == "best"}
    assert {individual.values for individual in result.front} <= best
    assert len(recorder.of("best")) < 40


def test_earlier_sessions_are_known_at_the_start_and_not_told_again(tmp_path):
    run = tmp_path / "run"
    first = [individual.id for individual in minimize(run=run).individuals]
    recorder = Recorder()
    result = minimize(run=run, evaluations=50, callbacks=[recorder])
    assert recorder.of("start") == [first]
    assert sorted(recorder.of("evaluated")) == sorted(individual.id for individual in result.individuals[30:])
    again = Recorder()
    minimize(run=run, evaluations=50, callbacks=[again])
    assert [call[0] for call in again.calls] == ["start", "end"]


def test_a_callback_that_raises_is_said_once_and_the_others_go_on(capfd):
    class Broken(pl.Callback):
        def on_evaluated(self, search, individual):
            raise KeyError("gone")

        def on_end(self, search, result):
            raise AssertionError("it is called no more")

    class Exits:
        def on_best(self, search, individual):
            sys.exit(7)

    recorder = Recorder()
    result = minimize(callbacks=[Broken(), recorder, Exits()])
    assert result.evaluations == len(recorder.of("evaluated")) == 30
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 2
    assert "Broken() raised KeyError: 'gone'" in said[0]
    assert "SystemExit: 7" in said[1]


def test_a_slow_callback_holds_no_evaluation_up(tmp_path):
    done = tmp_path / "done"
    waited = []

    def loss(x):
        with (tmp_path / "count").open("a") as file:
            file.write("x")
        if (tmp_path / "count").stat().st_size == 50:
            done.touch()
        return x

    def slow(search, individual):
        ends = time.monotonic() + SECONDS
        while not done.exists() and time.monotonic() < ends:
            time.sleep(0.01)
        waited.append(done.exists())

    minimize(loss, evaluations=50, callbacks=slow)
    assert waited == [True] * 50


def test_a_callback_stops_the_search_and_what_ended_counts():
    def loss(x):
        time.sleep(0.01)
        return x

    def enough(search, individual):
        if search.evaluations >= 5:
            search.stop()

    result = minimize(loss, evaluations=5000, callbacks=enough)
    assert result.reason == "callback"
    assert 5 <= result.evaluations < 5000


def test_the_end_is_told_where_an_error_ended_the_search():
    class FailingPruner(pl.Pruner):
        def stops(self, ident, curves):
            raise RuntimeError("no")

    def loss(x):
        yield x

    recorder = Recorder()
    with pytest.raises(pl.PartError):
        minimize(loss, pruner=FailingPruner(), callbacks=recorder)
    assert recorder.calls[-1] == ("end", None)


def test_the_end_is_told_where_all_failed():
    recorder = Recorder()
    with pytest.raises(pl.SearchFailed):
        minimize(lambda x: 1 / 0, callbacks=recorder)
    assert recorder.of("end")[0].best is None


@pytest.mark.parametrize(
    ("callbacks", "said"),
    [
        (Recorder, "Recorder is a class: give an object of it, such as Recorder()"),
        ([object()], "is no callback: it has none of on_start, on_evaluated, on_best, on_end"),
        (7, "7 is no callback"),
        ("trace", "unknown callback 'trace'"),
        ({"recorder": {"folder": 1}}, "recorder: unknown key 'folder'"),
    ],
)
def test_what_is_no_callback_is_refused_before_anything_runs(callbacks, said):
    def loss(x):
        pytest.fail("it was called")

    with pytest.raises(ValueError, match=said.replace("(", r"\(").replace(")", r"\)")):
        minimize(loss, callbacks=callbacks)


def test_a_misspelled_method_is_named():
    class Misspelled:
        def on_evaluation(self, search, individual):
            pass

    with pytest.raises(ValueError, match="did you mean 'on_evaluated'"):
        minimize(callbacks=Misspelled())


RANKS = """
import os, time
import propulate_like as pl
from propulate_like.parallel.transport import launched
rank = launched()[0]

def loss(x):
    time.sleep(0.01)
    if rank == {dies} and time.monotonic() > began + 0.5:
        os.kill(os.getpid(), 9)
    return x

class Told(pl.Callback):
    def on_start(self, search):
        report("start", rank, *(individual.id for individual in search.known()))
    def on_evaluated(self, search, individual):
        report("evaluated", rank, individual.id)
    def on_end(self, search, result):
        report("end", rank, result.evaluations)

began = time.monotonic()
result = pl.minimize(loss, {{"x": (0.0, 1.0)}}, evaluations=300, seed=0, run={run!r}, callbacks=[Told()])
report("result", rank, *(individual.id for individual in result.individuals))
"""


@pytest.mark.mpi
@pytest.mark.every_mpi
@pytest.mark.parametrize("run", [None, "run"])
def test_rank_0_is_told_of_the_evaluations_of_all_ranks(run, script, pooled, reports):
    pooled(script(RANKS.format(run=run, dies=None)), ranks=3)
    lines = reports()
    assert {words[1] for words in lines if words[0] != "result"} == {"0"}
    told = [words[2] for words in lines if words[0] == "evaluated"]
    evaluated = next(words[2:] for words in lines if words[0] == "result")
    assert sorted(told) == sorted(evaluated)
    assert len({ident.split("-")[1] for ident in told}) == 3
    assert ["end", "0", "300"] in lines


@pytest.mark.mpi
def test_the_next_rank_is_told_where_the_one_that_was_has_died(script, python, reports):
    python(script(RANKS.format(run="run", dies=0)), ranks=3)
    lines = reports()
    assert ["end", "1", "300"] in lines
    known = next(words[2:] for words in lines if words[:2] == ["start", "1"])
    told = [words[2] for words in lines if words[:2] == ["evaluated", "1"]]
    evaluated = next(words[2:] for words in lines if words[0] == "result")
    assert sorted([*known, *told]) == sorted(evaluated)
