"""What a loss forks has a fresh Python's signal handlers, and never goes on with the search."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.process
PROGRAM = """
    import multiprocessing, os, signal, sys, time, propulate_like as pl

    LOSS

    if __name__ == "__main__":
        result = pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=6, run="run", evaluation={"isolate": ISOLATE})
        lines = [line for path in os.scandir("run/journal") for line in open(path) if '"evaluated"' in line]
        report(result.evaluations, len(lines), *{str(status) for status in result.statuses})
"""
WAYS = pytest.mark.parametrize("isolate", [False, True], ids=["in the rank", "isolated"])
ENDINGS = {
    "it returns": ("return 7.0", 0),
    "it exits": ("sys.exit(3)", 3),
    "it exits with a huge number": ("sys.exit(1 << 70)", 255),
    "it exits with words": ("sys.exit('words of a fork')", 1),
    "it raises": ("raise ValueError('raised in a fork')", 1),
    "it is interrupted": ("raise KeyboardInterrupt", -2),
}


def program(loss: str, *, isolate: bool) -> str:
    """Return a program that searches with a loss, whose lines are given without indentation."""
    lines = loss.strip("\n").replace("\n", "\n    ")
    return PROGRAM.replace("LOSS", lines).replace("ISOLATE", str(isolate))


@WAYS
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_forked_process_that_comes_back_from_the_loss_ends_there_as_python_does(
    ending: str, isolate: bool, script: Any, python: Any, reports: Any, tmp_path: Any
) -> None:
    statement, status = ENDINGS[ending]
    loss = f"""
def loss(x):
    process = os.fork()
    if process == 0:
        print("printed in a fork")
        {statement}
    left = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return {{"loss": x, "left": left}} if left == {status} else str(left)
"""
    ended = python(script(program(loss, isolate=isolate)))
    assert reports() == [["6", "6", "ok"]]
    said = ended.stdout + ended.stderr + "".join(path.read_text() for path in tmp_path.glob("run/trials/*/output.log"))
    assert said.count("printed in a fork") == 6
    assert said.count("words of a fork\n") == (6 if "words" in ending else 0)
    assert said.count("ValueError: raised in a fork\n") == (6 if ending == "it raises" else 0)
    assert "propulate_like/" not in said, "no frame of this package is in a traceback"


@WAYS
def test_a_forked_process_that_comes_back_from_a_generator_ends_there(
    isolate: bool, script: Any, python: Any, reports: Any
) -> None:
    loss = """
def loss(x):
    yield 2.0
    if os.fork() == 0:
        return 7.0
    os.wait()
    yield 1.0
"""
    python(script(program(loss, isolate=isolate)))
    assert reports() == [["6", "6", "ok"]]


@WAYS
def test_a_forked_process_cannot_report(isolate: bool, script: Any, python: Any, reports: Any) -> None:
    loss = """
def loss(x, evaluation):
    process = os.fork()
    if process == 0:
        evaluation.report(0.5)
    return {"loss": x} if os.waitpid(process, 0)[1] == 256 else "no"
"""
    ended = python(script(program(loss, isolate=isolate)))
    assert reports() == [["6", "6", "ok"]]
    assert isolate or "RuntimeError: a process that the loss forked cannot report" in ended.stderr


@WAYS
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_what_a_loss_starts_has_the_signal_handlers_of_a_fresh_python(
    isolate: bool, method: str, script: Any, python: Any, reports: Any
) -> None:
    loss = f"""
def handlers(_):
    found = {{number: signal.getsignal(number) for number in signal.valid_signals()}}
    return [(int(number), str(handler)) for number, handler in found.items() if callable(handler)]

def loss(x):
    with multiprocessing.get_context({method!r}).Pool(1) as pool:
        found = pool.map(handlers, [0])[0]
    fresh = [(2, str(signal.default_int_handler))]
    return x if found == fresh else str(found)
"""
    python(script(program(loss, isolate=isolate)))
    assert reports() == [["6", "6", "ok"]]


@WAYS
def test_terminate_ends_the_processes_of_a_pool(isolate: bool, script: Any, python: Any, reports: Any) -> None:
    loss = """
def loss(x):
    pool = multiprocessing.get_context("fork").Pool(3)
    pool.map_async(time.sleep, [1000] * 3)
    workers = list(pool._pool)
    time.sleep(0.1)
    pool.terminate()
    pool.join()
    return x if all(worker.exitcode == -signal.SIGTERM for worker in workers) else "alive"
"""
    ended = python(script(program(loss, isolate=isolate)))
    assert reports() == [["6", "6", "ok"]]
    assert "Traceback" not in ended.stderr


def test_a_search_within_a_forked_process_is_one_of_its_own(script: Any, python: Any, reports: Any) -> None:
    path = script("""
        import multiprocessing, propulate_like as pl
        def inner(y):
            return y
        def nested(_):
            return pl.minimize(inner, {"y": (0.0, 1.0)}, evaluations=5).evaluations
        def loss(x):
            with multiprocessing.get_context("fork").Pool(1) as pool:
                return x if pool.map(nested, [0]) == [5] else "no"
        if __name__ == "__main__":
            result = pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=3)
            report(result.evaluations, *{str(status) for status in result.statuses})
    """)
    python(path)
    assert reports() == [["3", "ok"]]


@pytest.mark.mpi
def test_several_ranks_and_teams_search_on_alone_when_their_losses_fork(script: Any, python: Any, reports: Any) -> None:
    path = script("""
        import os, sys, propulate_like as pl
        def loss(x):
            if os.fork() == 0:
                sys.exit(1)
            os.wait()
            return x
        if __name__ == "__main__":
            for size in (1, 2):
                settings = {"isolate": False, "ranks_per_worker": size}
                result = pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=6, evaluation=settings)
                report(result.evaluations, *{str(status) for status in result.statuses})
    """)
    python(path, ranks=2)
    assert reports() == [["6", "ok"]] * 4


@pytest.mark.mpi
def test_processes_spawned_under_the_command_have_a_fresh_pythons_handlers(
    script: Any, command: Any, tmp_path: Any
) -> None:
    script(
        """
        import multiprocessing, signal
        def handlers(_):
            return [str(signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGUSR1)]
        def loss(x):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                found = pool.map(handlers, [0])[0]
            return x if found == [str(signal.SIG_DFL)] * 2 else str(found)
        """,
        "train.py",
    )
    config = "objective: train.py:loss\nspace: {x: {float: [0, 1]}}\nbudget: {evaluations: 2}\n"
    (tmp_path / "search.yaml").write_text(config, encoding="utf-8")
    for ranks in ("1", "2"):
        ended = command("run", "search.yaml", "-n", ranks, "--run", f"run{ranks}")
        assert "2 evaluations in" in ended.stdout
