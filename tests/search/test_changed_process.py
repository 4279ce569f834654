"""A loss may change the process that it runs in: the search neither minds nor undoes it."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.process, pytest.mark.mpi]
# A change, and an expression that is true once it was made.
CHANGES = {
    "working directory": ("os.chdir('/')", "os.getcwd() == '/'"),
    "removed working directory": (
        "os.makedirs(OWN := str(os.getpid())); os.chdir(OWN); os.rmdir(os.getcwd())",
        "no_directory()",
    ),
    "decimals": ("decimal.getcontext().prec = 3", "decimal.getcontext().prec == 3"),
    "traps of decimals": ("decimal.getcontext().traps[decimal.Inexact] = True", "True"),
    "closed stdout": ("sys.stdout.close()", "sys.stdout.closed"),
    "closed stderr": ("sys.stderr.close()", "sys.stderr.closed"),
    "no stdout": ("sys.stdout = sys.__stdout__ = None", "sys.stdout is None"),
    "no stderr": ("sys.stderr = sys.__stderr__ = None", "sys.stderr is None"),
    "silent stdout": ("sys.stdout = open(os.devnull, 'w')", "sys.stdout.name == os.devnull"),
    "odd stderr": ("sys.stderr = object()", "type(sys.stderr) is object"),
    "locale": ("locale.setlocale(locale.LC_ALL, 'C')", "locale.setlocale(locale.LC_ALL) == 'C'"),
    "umask": ("os.umask(0o777)", "os.umask(0o777) == 0o777"),
    "module path": ("sys.path[:] = []", "sys.path == []"),
    "environment": ("os.environ.clear()", "'PATH' not in os.environ"),
    "random seed": ("random.seed(1); numpy.random.seed(1)", "True"),
    "NumPy's errors": ("numpy.seterr(all='raise')", "numpy.geterr()['under'] == 'raise'"),
    "warnings": (
        "warnings.simplefilter('error')",
        "any(each[0] == 'error' and each[2] is Warning for each in warnings.filters)",
    ),
    "depth of calls": ("sys.setrecursionlimit(120)", "sys.getrecursionlimit() == 120"),
    "garbage": ("gc.disable()", "not gc.isenabled()"),
    "open files": ("resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))", "True"),
    "priority": ("os.nice(1)", "os.nice(0) > 0"),
    "arguments": ("sys.argv[:] = []", "sys.argv == []"),
    "trace": ("sys.settrace(lambda *_: None)", "sys.gettrace() is not None"),
}
USUAL = {"working directory", "removed working directory", "decimals", "closed stderr", "module path", "environment"}
USUAL |= {"NumPy's errors", "depth of calls"}
TRAIN = """
import decimal, gc, locale, os, random, resource, sys, time, warnings
import numpy
def no_directory():
    try:
        os.getcwd()
    except OSError:
        return True
changed = False
def loss(x, y):
    global changed
    if changed and not (HOLDS):
        return "it was undone"
    if not changed:
        CHANGE
        changed = True
    time.sleep(0.02)
    return x**2 + y**2
"""
CONFIG = """
objective: train.py:loss
space: {x: {float: [-1, 1]}, y: {float: [0, 1], step: 0.1}}
budget: {evaluations: 60}
propagator: PROPAGATOR
seed: 0
"""


@pytest.mark.parametrize(
    "change", [pytest.param(name, marks=[pytest.mark.slow] * (name not in USUAL)) for name in CHANGES]
)
def test_the_search_neither_minds_nor_undoes_what_the_loss_changes(
    change: str, script: Any, command: Any, tmp_path: Any
) -> None:
    made, holds = CHANGES[change]
    script(TRAIN.replace("HOLDS", holds).replace("CHANGE", made), "train.py")
    (tmp_path / "search.yaml").write_text(CONFIG.replace("PROPAGATOR", "auto"), encoding="utf-8")
    for ranks in (1, 2):
        ended = command("run", "search.yaml", "-n", ranks, "--run", f"runs/{ranks}")
        assert "60 evaluations in" in ended.stdout, ended.stderr
        assert "Traceback" not in ended.stderr
        again = command("run", "search.yaml", "-n", ranks, "--run", f"runs/{ranks}")
        assert "60 evaluations in" in again.stdout, again.stderr
        assert {path.name for path in tmp_path.iterdir()} <= {"search.yaml", "train.py", "runs", "__pycache__", "x"}


@pytest.mark.every_mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_paths_are_those_of_the_start_wherever_importing_the_objective_goes(
    ranks: int, script: Any, command: Any, tmp_path: Any
) -> None:
    """Each rank goes to a folder of its own, as scripts do that write there."""
    script(
        """
        import os
        os.makedirs(OWN := f"own-{os.getpid()}")
        os.chdir(OWN)
        def loss(x, y):
            return x**2 + y**2
        """,
        "train.py",
    )
    (tmp_path / "search.yaml").write_text(CONFIG.replace("PROPAGATOR", "auto"), encoding="utf-8")
    for words in (
        ["--run", "a"],
        ["--run", "a"],
        ["--run", "b", "--set", "warm_start=a"],
        ["--run", "a", "--fork", "c"],
    ):
        ended = command("run", "search.yaml", "-n", ranks, *words)
        assert "60 evaluations in" in ended.stdout, ended.stderr
    assert {"a", "b", "c"} <= {path.name for path in tmp_path.iterdir()}
    assert not [path for own in tmp_path.glob("own-*") for path in own.iterdir()]


@pytest.mark.parametrize("propagator", ["trust_region", "quadratic_model", "cma_es", "mixed_gaussian_process"])
def test_models_compute_alike_whatever_the_loss_has_set(
    propagator: str, script: Any, command: Any, tmp_path: Any
) -> None:
    best = set()
    for name in ("NumPy's errors", "warnings", "depth of calls", "decimals", "garbage"):
        made, holds = CHANGES[name]
        script(TRAIN.replace("HOLDS", holds).replace("CHANGE", made).replace("sleep(0.02)", "sleep(0)"), "train.py")
        (tmp_path / "search.yaml").write_text(CONFIG.replace("PROPAGATOR", propagator), encoding="utf-8")
        ended = command("run", "search.yaml", "-n", 1, "--run", f"runs/{name.replace(' ', '-')}")
        assert "60 evaluations in" in ended.stdout, ended.stderr
        best.add(ended.stdout.partition("60 evaluations")[0])
    assert len(best) == 1


# What the search itself would stumble over, after the first evaluation, where the loss has imported nothing for it.
STUMBLES = {
    "no module path": ("sys.path[:] = []", "sys.path == []"),
    "module path that is none": ("sys.path = None", "sys.path is None"),
    "odd module path": ("sys.path[:0] = [3, None]", "sys.path[:2] == [3, None]"),
    "finders": ("sys.meta_path.clear(); sys.path_hooks.clear(); sys.path_importer_cache.clear()", "not sys.meta_path"),
    "shadows": (
        "shadow('numpy', 'scipy', 'pickle', 'random'); sys.path.insert(0, os.getcwd())",
        "sys.path[0] == os.getcwd()",
    ),
    "open files": ("exhaust()", "exhausted()"),
    "depth of calls": ("sys.setrecursionlimit(25)", "sys.getrecursionlimit() == 25"),
    "clocks": ("time.perf_counter = time.monotonic = time.time = lambda: 1.0", "time.time() == 1.0"),
    "closed files": ("os.closerange(3, 256)", "True"),
    "closed files, and others": (
        "os.closerange(3, 256); kept.extend(open(f'kept{number}', 'w') for number in range(40))",
        "not any(os.path.getsize(f'kept{number}') for number in range(40))",
    ),
    "a late alarm": (
        "signal.signal(signal.SIGALRM, lambda *_: 1 / 0); signal.setitimer(signal.ITIMER_REAL, 3600)",
        "signal.getitimer(signal.ITIMER_REAL)[0] > 3000",
    ),
}
PROGRAM = """
import os, resource, signal, sys, time
import propulate_like as pl
kept, changed = [], False
def shadow(*names):
    for name in names:
        with open(f"{name}.py", "w") as file:
            file.write("raise RuntimeError")
def exhaust():
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    while not exhausted():
        kept.append(os.open(os.devnull, os.O_RDONLY))
def exhausted():
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return True
def loss(x, y):
    global changed
    if changed and not (HOLDS):
        return "it was undone"
    if not changed:
        CHANGE
        changed = True
    return x**2 + y**2
if __name__ == "__main__":
    space = {"x": (-1.0, 1.0), "y": pl.Float(0, 1, step=0.1)}
    result = pl.minimize(loss, space, evaluations=60, propagator=PROPAGATOR, seed=0, run="run")
    os.write(1, f"{result.evaluations} {result.statuses['ok']}".encode())
"""


@pytest.mark.parametrize("propagator", ["'auto'", pytest.param("pl.CMAES()", marks=pytest.mark.slow)])
@pytest.mark.parametrize("change", STUMBLES)
def test_the_search_stumbles_over_nothing_that_the_loss_leaves(
    change: str, propagator: str, script: Any, python: Any, tmp_path: Any
) -> None:
    made, holds = STUMBLES[change]
    text = PROGRAM.replace("HOLDS", holds).replace("CHANGE", made).replace("PROPAGATOR", propagator)
    ended = python(script(text))
    assert ended.stdout == "60 60", ended.stderr
    lines = (tmp_path / "run/journal/rank-00000.jsonl").read_text().splitlines()
    assert sum('"type":"evaluated"' in line for line in lines) == 60
    assert "cannot be written" not in ended.stderr


@pytest.mark.parametrize("isolate", [False, True], ids=["in the rank", "isolated"])
def test_an_alarm_that_a_loss_has_left_goes_off_in_one(isolate: bool, script: Any, python: Any, reports: Any) -> None:
    path = script(
        """
        import signal, time, propulate_like as pl
        evaluated = 0
        def late(*_):
            raise TimeoutError("late")
        def loss(x):
            global evaluated
            evaluated += 1
            if evaluated == 1:
                signal.signal(signal.SIGALRM, late)
                signal.setitimer(signal.ITIMER_REAL, 0.2)
            time.sleep(0.01)
            return x
        class Slow(pl.Propagator):
            def __call__(self, individuals, breeding):
                time.sleep(0.05)
                return individuals
        if __name__ == "__main__":
            chain = pl.Chain(pl.UniformInitialization(), Slow())
            options = {"propagator": chain, "evaluation": {"isolate": ISOLATE}}
            result = pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=40, **options)
            report(result.evaluations, result.statuses["ok"], result.statuses["error"])
    """.replace("ISOLATE", str(isolate))
    )
    python(path)
    assert reports() == [["40", "39", "1"]]
