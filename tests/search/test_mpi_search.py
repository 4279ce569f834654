"""Searches on several real ranks."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from propulate_like.parallel.launching.mpiexec import Mpiexec, rank_environment
from propulate_like.storage.events import Evaluated
from propulate_like.storage.journal import read

pytestmark = pytest.mark.mpi

COUNT = """
    import sys, propulate_like as pl
    from propulate_like.parallel.transport import launched
    calls = []
    result = pl.minimize(
        lambda x, y: calls.append(1) or x * x + y * y,
        {{"x": (-5.12, 5.12), "y": (-5.12, 5.12)}}, evaluations={evaluations}, seed=0, run={run!r},
    )
    best, individuals = result.best, result.individuals
    report((launched() or (0, 1))[0], len(calls), result.evaluations, len(individuals),
          len({{i.id for i in individuals}}), best.loss, str(best.id), result.reason)
"""


@pytest.mark.every_mpi
@pytest.mark.parametrize(
    ("evaluations", "ranks", "on_disk"), [(1, 4, True), (3, 3, False), (1000, 3, True), (10_007, 4, False)]
)
def test_evaluations_are_exactly_so_many_over_all_ranks(evaluations, ranks, on_disk, script, pooled, reports):
    path = script(COUNT.format(evaluations=evaluations, run="run" if on_disk else None))
    pooled(path, ranks=ranks)
    lines = reports()
    assert len(lines) == ranks
    assert sum(int(calls) for _, calls, *_ in lines) == evaluations
    for _, _, total, listed, distinct, *_ in lines:
        assert int(total) == int(listed) == int(distinct) == evaluations
    assert len({tuple(line[5:]) for line in lines}) == 1, "every rank has the same result"


def test_search_is_one_population(script, python):
    """Individuals descend from parents of other ranks, and every rank's best are the best of all."""
    path = script("""
        import propulate_like as pl
        from propulate_like.search import session
        seen = []
        original = session.Worker
        def worker(optimizer, *arguments, **settings):
            seen.append(optimizer)
            return original(optimizer, *arguments, **settings)
        session.Worker = worker
        chain = pl.Chain(pl.SelectBest(16), pl.SelectRandom(2), pl.UniformCrossover(), pl.GaussianMutation(0.1))
        space = {"x": (-5.12, 5.12), "y": (-5.12, 5.12)}
        result = pl.minimize(lambda x, y: x * x + y * y, space, evaluations=4000, seed=0, propagator=chain)
        best = sorted(i.loss for i in result.individuals)[:16]
        assert [i.loss for i in seen[0].population.best(16)] == best
        foreign = sum(any(p.rank != i.id.rank for p in i.parents) for i in result.individuals)
        assert foreign > 1000, foreign
    """)
    python(path, ranks=4)


@pytest.mark.every_mpi
def test_slow_rank_hands_its_evaluations_to_the_fast_ones(script, pooled, reports):
    """Its first evaluation lasts until the others have done all the rest."""
    path = script("""
        import time, propulate_like as pl
        from pathlib import Path
        from propulate_like.parallel.transport import launched
        rank = launched()[0]
        calls = []
        def loss(x):
            calls.append(x)
            if rank == 1:
                until = time.monotonic() + 60
                while len(list(Path().glob("done-*"))) < 199 and time.monotonic() < until:
                    time.sleep(0.01)
            else:
                time.sleep(0.002)
                Path(f"done-{rank}-{len(calls)}").touch()
            return x
        pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=200, seed=0)
        report(rank, len(calls))
    """)
    pooled(path, ranks=4)
    calls = {int(rank): int(count) for rank, count in reports()}
    assert sum(calls.values()) == 200
    assert calls[1] == 1


def test_ranks_are_hardly_idle_while_work_is_left(script, pooled, reports):
    """Evaluation times are lognormal (sigma 1, mean 20 ms); what the share comes to is seen in virtual time."""
    path = script("""
        import math, random, time, propulate_like as pl
        draw = random.Random()
        def loss(x):
            time.sleep(draw.lognormvariate(math.log(0.02) - 0.5, 1.0))
            return x
        result = pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=400, seed=0)
        begun = sorted((i.ended - i.seconds, i.id.rank) for i in result.individuals)
        last = {rank: number for number, (_, rank) in enumerate(begun)}
        report(result.idle_share, 400 - min(last.values()))
    """)
    pooled(path, ranks=4)
    (share, after), *others = reports()
    assert others == [[share, after]] * 3
    assert 0.0 <= float(share) < 1.0
    assert int(after) < 40, "so many evaluations began after a rank had begun its last"


def test_target_and_seconds_end_every_rank(script, pooled):
    path = script("""
        import time, propulate_like as pl
        space = {"x": (0.0, 1.0)}
        result = pl.minimize(lambda x: time.sleep(0.005) or x, space, target=0.5, seconds=60, seed=0)
        assert (result.reason, result.best.loss <= 0.5) == ("target", True), result
        result = pl.minimize(lambda x: time.sleep(0.005) or x, space, seconds=0.5, target=-1.0, seed=0)
        assert result.reason == "seconds" and result.seconds > 0.4, result
        assert result.evaluations == len(result.individuals)
    """)
    pooled(path, ranks=3)


def test_search_in_which_everything_fails_ends_on_all_ranks(script, pooled, reports):
    path = script("""
        import propulate_like as pl
        try:
            pl.minimize(lambda x: x / 0, {"x": (0.0, 1.0)}, evaluations=10**6)
        except pl.SearchFailed as failure:
            assert "ZeroDivisionError" in str(failure)
            report("failed", failure.result.evaluations)
    """)
    pooled(path, ranks=4)
    lines = reports()
    assert [line[0] for line in lines] == ["failed"] * 4
    assert int(lines[0][1]) < 2000


def test_failures_at_the_start_of_some_ranks_do_not_end_a_search_that_succeeds_on_others(script, pooled, reports):
    path = script("""
        import propulate_like as pl
        from propulate_like.parallel.transport import launched
        rank, calls = launched()[0], []
        def loss(x):
            calls.append(x)
            if rank != 3 and len(calls) < 7:
                raise RuntimeError("not yet")
            return x
        result = pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=400, seed=0)
        report(result.evaluations, result.reason)
    """)
    pooled(path, ranks=4)
    assert reports() == [["400", "evaluations"]] * 4


def test_bad_folder_is_the_same_error_on_every_rank(script, pooled, reports, tmp_path):
    (tmp_path / "run").write_text("", encoding="utf-8")
    path = script("""
        import propulate_like as pl
        try:
            pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=10, run="run")
        except ValueError as error:
            report("refused", "is no folder" in str(error))
    """)
    pooled(path, ranks=3)
    assert reports() == [["refused", "True"]] * 3


SLOW = """
    import random, time, propulate_like as pl
    draw = random.Random()
    def loss(x, y):
        time.sleep({seconds})
        return x * x + y * y
    space = {{"x": (-5.12, 5.12), "y": (-5.12, 5.12)}}
    result = pl.minimize(loss, space, evaluations={evaluations}, seed=0, run="run")
    report(result.evaluations, len(result.individuals), len({{i.id for i in result.individuals}}))
"""


@pytest.fixture
def job(tmp_path):
    """Start a script, on several ranks where asked for; what is left of it at the end of the test is killed."""
    jobs = []

    def start(path, ranks=1):
        command, environment = [sys.executable, str(path)], None
        if ranks > 1:
            command = [*Mpiexec().command(ranks), *command]
            environment = rank_environment(ranks)
        jobs.append(Job(command, environment, tmp_path))
        return jobs[-1]

    yield start
    for each in jobs:
        each.kill()


class Job:
    def __init__(self, command, environment, folder):
        self.script = command[-1]
        self.errors = folder / "errors"
        with self.errors.open("w", encoding="utf-8") as errors:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )

    def wait(self, seconds):
        """Return its status, with what it said where that is a failure."""
        status = self.process.wait(timeout=seconds)
        return status and (status, self.errors.read_text(encoding="utf-8"))

    def kill(self):
        """Kill all of it without warning: mpiexec, its daemons and every rank."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if self.script.encode() in (process / "cmdline").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        self.process.wait()


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ended_ids(folder):
    return [event.id for _, event in read(folder / "run") if isinstance(event, Evaluated)]


@pytest.mark.parametrize("seconds", ["draw.expovariate(20)", "0.0001"])
@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_run_killed_at_random_moments_goes_on_with_any_number_of_ranks_and_loses_nothing(
    kills, seconds, script, job, reports, tmp_path
):
    evaluations = (50 if "draw" in seconds else 8000) * kills
    path = script(SLOW.format(seconds=seconds, evaluations=evaluations))
    generator = random.Random(1)
    known = []
    for kill in range(kills):
        running = job(path, ranks=2 + kill % 3)
        wait_until(lambda before=known: len(ended_ids(tmp_path)) > len(before))
        time.sleep(generator.uniform(0, 0.5))
        running.kill()
        now = ended_ids(tmp_path)
        assert set(known) <= set(now)
        assert len(set(now)) == len(now)
        known = now
    assert 0 < len(known) < evaluations
    assert job(path, ranks=4).wait(110) == 0
    assert reports() == [[str(evaluations)] * 3] * 4
    assert set(known) <= set(ended_ids(tmp_path))


def test_what_was_under_way_when_a_run_was_killed_is_evaluated_first_when_it_goes_on(script, job, tmp_path):
    path = script(SLOW.format(seconds="0.3", evaluations=12))
    running = job(path, ranks=3)
    wait_until(lambda: len(ended_ids(tmp_path)) >= 3)
    time.sleep(0.15)
    running.kill()
    lines = [json.loads(line) for file in tmp_path.glob("run/journal/*") for line in file.read_text().splitlines()]
    ended = [line["id"] for line in lines if line["type"] == "evaluated"]
    under_way = {tuple(line["id"]) for line in lines if line["type"] == "started" and line["id"] not in ended}
    assert len(under_way) == 3
    assert job(path, ranks=2).wait(60) == 0
    after = sorted(
        (event.individual.ended, event.id) for _, event in read(tmp_path / "run") if isinstance(event, Evaluated)
    )
    first = {(i.island, i.rank, i.serial) for _, i in after[len(ended) : len(ended) + 4]}
    assert under_way <= first


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_a_search_in_good_order_with_the_result_so_far(number, script, job, reports, tmp_path):
    running = job(script(SLOW.format(seconds="0.05", evaluations=10_000)))
    wait_until(lambda: len(ended_ids(tmp_path)) >= 3)
    running.process.send_signal(number)
    assert running.wait(60) == 0
    ((total, listed, _),) = reports()
    assert int(total) == int(listed) == len(ended_ids(tmp_path))


def test_endless_evaluation_is_broken_off_and_taken_up_again(script, job, reports, tmp_path):
    path = script("""
        import os, time, propulate_like as pl
        def loss(x):
            while not os.path.exists("go"):
                time.sleep(0.01)
            return x
        report(pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=3, run="run", seed=0).reason)
    """)
    running = job(path)
    wait_until(lambda: any(b"started" in file.read_bytes() for file in tmp_path.glob("run/journal/*")))
    running.process.send_signal(signal.SIGTERM)
    assert running.wait(60) == 0
    (tmp_path / "go").touch()
    assert job(path).wait(60) == 0
    assert sorted(reports()) == [["evaluations"], ["interrupted"]]
    assert sorted(i.serial for i in ended_ids(tmp_path)) == [0, 1, 2]
