"""Isolation: losses that crash, hang, eat memory, print and fork, in a child process of the rank."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import losses
import psutil
import pytest

import propulate_like as pl

KINDS = ["segfault", "exit", "hang", "memory", "chatter", "family", "family and exit", "error", "fine"]
EXPECTED = {
    "segfault": "crashed",
    "exit": "crashed",
    "hang": "timeout",
    "memory": "memory",
    "chatter": "ok",
    "family": "ok",
    "family and exit": "crashed",
    "error": "error",
    "fine": "ok",
}
pytestmark = pytest.mark.process
SPACE = {"x": (0.0, 1.0)}


def left_behind() -> list[int]:
    """Return the processes that the tests' losses started and nobody ended."""
    everyone = psutil.process_iter(["cmdline"])
    return [p.pid for p in everyone if any("left-behind-by-a-test" in word for word in p.info["cmdline"] or [])]


@pytest.mark.xdist_group("left behind")
def test_no_loss_hurts_the_rank_and_each_outcome_is_known(tmp_path: Path) -> None:
    settings = {"isolate": True, "timeout": 3.0, "memory": "400 MiB"}
    result = pl.minimize(
        losses.hostile,
        {"kind": KINDS, "x": (0.0, 1.0)},
        evaluations=20,
        propagator=pl.UniformInitialization(),
        evaluation=settings,
        seed=0,
        run=tmp_path / "run",
    )
    kinds = Counter(individual.params["kind"] for individual in result.individuals)
    assert set(kinds) == set(KINDS)
    for individual in result.individuals:
        assert str(individual.status) == EXPECTED[individual.params["kind"]], individual.cause
    causes = {i.params["kind"]: i.cause.strip().splitlines()[-1] for i in result.individuals if i.failed}
    whole = "".join(individual.cause for individual in result.individuals)
    assert 'losses.py", line' in whole, "where it crashed and where it hung is known"
    assert causes["segfault"] == "the process was killed by SIGSEGV"
    assert causes["exit"] == "the process exited with status 3"
    assert causes["hang"] == "it took longer than 3 s"
    assert "MiB of memory, and 400 MiB are allowed" in causes["memory"]
    assert causes["error"].endswith("ValueError: as told")
    assert left_behind() == []
    for individual in result.individuals:
        log = tmp_path / "run/trials" / str(individual.id) / "output.log"
        size = log.stat().st_size if log.exists() else 0
        kind = individual.params["kind"]
        assert (size == 20 * 1_000_001) is (kind == "chatter"), (individual.params, size)
        assert (0 < size < 20_000) is (kind in {"segfault", "hang"}), "their stack alone"


def test_one_child_serves_all_evaluations_in_a_session_of_its_own() -> None:
    result = pl.minimize(losses.place, SPACE, evaluations=20, evaluation={"isolate": True}, seed=0)
    metrics = [individual.metrics for individual in result.individuals]
    assert len({each["pid"] for each in metrics}) == 1
    assert metrics[0]["pid"] != os.getpid()
    assert metrics[0]["session"] == metrics[0]["pid"]
    assert not psutil.pid_exists(int(metrics[0]["pid"]))


@pytest.mark.mpi
def test_a_child_sees_nothing_of_the_launcher(script: Any, pooled: Any, reports: Any) -> None:
    path = script(
        """
        import sys
        sys.path.insert(0, FOLDER)
        import losses, propulate_like as pl
        result = pl.minimize(losses.place, {"x": (0.0, 1.0)}, evaluations=20, evaluation={"isolate": True})
        metrics = [i.metrics for i in result.individuals]
        report(sum(each["launched"] for each in metrics), len({each["pid"] for each in metrics}))
    """.replace("FOLDER", repr(str(Path(__file__).parent)))
    )
    pooled(path, ranks=2)
    assert reports() == [["0", "2"]] * 2


def test_what_is_printed_goes_to_the_evaluations_log_and_silence_leaves_none(tmp_path: Path) -> None:
    space = {"x": (-1.0, 1.0)}
    result = pl.minimize(
        losses.prints, space, evaluations=30, evaluation={"isolate": True}, seed=0, run=tmp_path / "run"
    )
    for individual in result.individuals:
        log = tmp_path / "run/trials" / str(individual.id) / "output.log"
        x = individual.params["x"]
        assert (log.read_text() if log.exists() else "") == (f"x is {x}\nbeneath\n" if x >= 0 else "")
    assert not list((tmp_path / "run/trials").glob(".*"))


def test_retries_are_counted_and_only_of_what_was_said() -> None:
    def search(**settings: Any) -> pl.Result:
        return pl.minimize(
            losses.fails_at_first, SPACE, evaluations=3, evaluation={"isolate": True, **settings}, seed=0
        )

    assert {individual.attempts for individual in search(retries=2).individuals} == {3}
    assert search(retries=5).statuses == {pl.Status.OK: 3}
    with pytest.raises(pl.SearchFailed) as failed:
        search(retries=1)
    assert failed.value.result.statuses == {pl.Status.CRASHED: 3}
    with pytest.raises(pl.SearchFailed):
        search(retries=2, retry_on=["timeout"])


def test_a_pruner_stops_a_loss_in_its_child(tmp_path: Path) -> None:
    result = pl.minimize(
        losses.falling,
        SPACE,
        evaluations=60,
        pruner=pl.MedianPruner(),
        evaluation={"isolate": True},
        seed=0,
        run=tmp_path / "run",
    )
    assert set(result.statuses) == {pl.Status.OK, pl.Status.STOPPED}
    for individual in result.individuals:
        if individual.status is pl.Status.STOPPED:
            assert len(individual.curve) < 20
            assert individual.loss == individual.curve[-1][1]
        else:
            assert len(individual.curve) == 20
            assert individual.loss == individual.params["x"]


def test_what_no_other_process_can_hold_cannot_be_isolated() -> None:
    lock = threading.Lock()
    with pytest.raises(ValueError, match="cannot be sent to another process: TypeError"):
        pl.minimize(lambda x: x + lock.locked(), SPACE, evaluations=1, evaluation={"isolate": True})


def test_a_script_without_its_guard_is_told_of_it(script: Any, python: Any) -> None:
    path = script("""
        import propulate_like as pl
        def loss(x):
            return x
        pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=2, evaluation={"isolate": True})
    """)
    ended = python(path, check=False)
    assert ended.returncode == 1
    assert "write `if __name__ == '__main__':`" in ended.stderr


def test_the_command_line_reaches_the_child(script: Any, python: Any, reports: Any) -> None:
    path = script("""
        import sys, propulate_like as pl
        FACTOR = int(sys.argv[1])
        def loss(x):
            return FACTOR * x
        if __name__ == "__main__":
            result = pl.minimize(loss, {"x": (1.0, 2.0)}, evaluations=2, evaluation={"isolate": True})
            report(*(i.loss == 7 * i.params["x"] for i in result.individuals))
    """)
    python(path, "7")
    assert reports() == [["True", "True"]]


def test_interruption_ends_a_hanging_child_after_its_grace(script: Any, python: Any, reports: Any) -> None:
    path = script(
        """
        import os, signal, time, propulate_like as pl
        def loss(x):
            os.kill(os.getppid(), signal.SIGINT)
            time.sleep(1000)
            return x
        if __name__ == "__main__":
            try:
                result = pl.minimize(loss, {"x": (-1.0, 1.0)}, evaluations=1000, seed=0, evaluation=SETTINGS)
            except KeyboardInterrupt:
                report("raised")
            else:
                report(result.reason, result.evaluations)
    """.replace("SETTINGS", repr({"isolate": True, "grace": 0.5}))
    )
    python(path)
    assert reports() == [["interrupted", "0"]]


@pytest.mark.mpi
def test_a_rank_exchanges_messages_while_its_child_works(script: Any, python: Any, reports: Any) -> None:
    """Rank 0's child sleeps through the search; it ends in time all the same, with the others' individuals known."""
    path = script("""
        import os, time, propulate_like as pl
        from propulate_like.parallel.transport import launched
        def loss(x):
            time.sleep(3 if os.environ["SLOW"] == "yes" else 0.001)
            return x
        if __name__ == "__main__":
            os.environ["SLOW"] = "yes" if launched()[0] == 0 else "no"
            from propulate_like.parallel import wire
            from propulate_like.search import session
            absorbed = []
            class Worker(session.Worker):
                def __init__(self, *arguments):
                    super().__init__(*arguments)
                    handlers = self.protocol.dispatcher.handlers
                    receive = handlers[wire.RECORDS]
                    def received(*message):
                        if self.evaluating:
                            absorbed.append(time.perf_counter())
                        receive(*message)
                    handlers[wire.RECORDS] = received
            session.Worker = Worker
            result = pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=300, evaluation={"isolate": True})
            report(launched()[0], result.evaluations, len(absorbed))
    """)
    python(path, ranks=2)
    lines = {int(rank): (int(evaluations), int(absorbed)) for rank, evaluations, absorbed in reports()}
    assert lines[0][0] == lines[1][0] == 300
    assert lines[0][1] > 10


def test_the_rank_outlives_its_limits_on_time_while_waiting(tmp_path: Path) -> None:
    began = time.perf_counter()
    with pytest.raises(pl.SearchFailed):
        pl.minimize(
            losses.hostile,
            {"kind": ["hang"], "x": (0.0, 1.0)},
            evaluations=3,
            evaluation={"isolate": True, "timeout": 0.3},
            run=tmp_path / "run",
        )
    assert time.perf_counter() - began >= 0.9


ODD = {
    "base exception": ("error", "BaseException: no Exception"),
    "generator exit": ("error", "GeneratorExit"),
    "undecodable error": ("error", "ValueError: file \\udcff"),
    "undecodable metric": ("ok", ""),
    "huge metric": ("ok", ""),
    "no float": ("invalid", "which is no number: RuntimeError()"),
    "huge step": ("error", "step=1000000000000000000000000000000 must be a whole number of at least 0"),
}
ODD_CHILD = {
    **ODD,
    "no stdout": ("ok", ""),
    "closed stdout": ("ok", ""),
    "closed files": ("crashed", "the process exited with status 1"),
}


@pytest.mark.parametrize(("expected", "isolate"), [(ODD, False), (ODD_CHILD, True)], ids=["in the rank", "isolated"])
def test_odd_losses_are_outcomes_and_reach_the_journal(expected: Any, isolate: bool, tmp_path: Path) -> None:
    result = pl.minimize(
        losses.odd,
        {"kind": pl.Choice(*expected), "x": (0.0, 1.0)},
        evaluations=6 * len(expected),
        propagator=pl.UniformInitialization(),
        pruner=pl.MedianPruner(),
        evaluation={"isolate": isolate},
        seed=0,
        run=tmp_path / "run",
    )
    assert {individual.params["kind"] for individual in result.individuals} == set(expected)
    for individual in result.individuals:
        status, cause = expected[individual.params["kind"]]
        assert str(individual.status) == status, individual
        assert cause in individual.cause
        if individual.params["kind"] == "huge metric":
            assert individual.metrics["count"] == 1e30


@pytest.mark.xdist_group("left behind")
@pytest.mark.parametrize("how", ["isolated", "command"])
def test_when_a_rank_is_killed_nothing_that_it_started_stays(how: str, script: Any, tmp_path: Path) -> None:
    path = script(f"""
        import os, subprocess, sys, time, propulate_like as pl
        SLEEP = [sys.executable, "-c", "import time; time.sleep(99)  # left-behind-by-a-test"]
        def loss(x):
            subprocess.Popen(SLEEP, start_new_session=True)
            time.sleep(99)
        if __name__ == "__main__":
            isolated = {how!r} == "isolated"
            objective = loss if isolated else pl.Command(SLEEP)
            pl.minimize(objective, {{"x": (0.0, 1.0)}}, evaluations=1, evaluation={{"isolate": isolated}})
    """)
    rank = subprocess.Popen([sys.executable, str(path)], cwd=tmp_path)
    deadline = time.monotonic() + 30
    while not left_behind():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    rank.kill()
    rank.wait()
    while left_behind():
        assert time.monotonic() < deadline
        time.sleep(0.05)
