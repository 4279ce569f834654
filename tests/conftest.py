"""What the tests share: real processes, and real ranks under mpiexec.

A test that starts ranks is marked `mpi`; all are marked `process` whose fixtures or module start processes. Tests run
on several cores at once, each in a folder of its own; those of which two at once would disturb each other are of one
`xdist_group`.
"""

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest
from hypothesis import settings
from rank_pool import RankPool

from propulate_like.parallel.launching.mpiexec import Mpiexec, rank_environment
from propulate_like.population.individual import Candidate, Individual
from propulate_like.population.outcome import Outcome

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")  # as the launcher does: small matrices are many times slower on several threads
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):  # or each process would compile the package anew, for 0.15 s
    sys.dont_write_bytecode = False
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in a shell's background, for all that tests start as well
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("thorough", max_examples=2000)
ROOT = Path(__file__).parent.parent
paths = [str(ROOT / "benchmarks"), *filter(None, [os.environ.get("PYTHONPATH")])]
os.environ["PYTHONPATH"] = os.pathsep.join(
    paths
)  # for the processes that tests start, as pytest's pythonpath is for it
SECONDS = 120
MOST_WORKERS = 8
STARTING = {"python", "command", "pooled"}  # fixtures that start processes
REPORT = """
import os
def report(*words):
    with open(f"report-{os.getpid()}.txt", "a", encoding="utf-8") as file:
        print(*words, file=file)
"""


def make_individual(ident, genome, space, *, moves=0, **fields):
    """Make an individual of fields of its candidate and its outcome."""
    candidate = {name: fields.pop(name) for name in Candidate.__struct_fields__ if name in fields}
    return Individual(Candidate(ident, tuple(genome), space, **candidate), Outcome(**fields), moves)


def some_of(cases, first):
    """Let a test have the first of these `numbers`, and then, as a slow test, the others."""
    few, others = cases[:first], cases[first:]
    named = [f"{each[0]}-{each[-1]}" for each in (few, others)]
    return pytest.mark.parametrize(
        "numbers", [pytest.param(few, id=named[0]), pytest.param(others, id=named[1], marks=pytest.mark.slow)]
    )


def pytest_xdist_auto_num_workers(config):
    """Test on all cores, some of which wait; a few files that were named, on one, which is ready sooner."""
    return min(len(os.sched_getaffinity(0)) + 1, MOST_WORKERS) if config.args == config.getini("testpaths") else 0


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        starts = STARTING & set(item.fixturenames) or hasattr(item.module, "subprocess")
        if starts or item.get_closest_marker("mpi"):
            item.add_marker("process")


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Let searches without a run keep their evaluations' files in the test's own folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def optuna():
    """Return Optuna, which says nothing but errors; the test is skipped where it is not installed."""
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


@pytest.fixture
def script(tmp_path):
    """Write a Python script, which may `report` words to the `reports` of the test, and give its path."""

    def write(text, name="script.py"):
        path = tmp_path / name
        path.write_text(REPORT + textwrap.dedent(text), encoding="utf-8")
        return path

    return write


@pytest.fixture
def reports(tmp_path):
    """Return what the processes of a script reported: a list of words for each line."""
    return lambda: [line.split() for file in tmp_path.glob("report-*") for line in file.read_text().splitlines()]


@pytest.fixture
def python(tmp_path):
    """Run Python in the test's folder, on several ranks where asked for, and give the ended process."""

    def run(*arguments, ranks=1, check=True):
        command = [sys.executable, *map(str, arguments)]
        environment = dict(os.environ)
        if ranks > 1:
            command = [*Mpiexec().command(ranks), *command]
            environment = rank_environment(ranks)
        ended = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        if check:
            assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended

    return run


@pytest.fixture(scope="session")
def rank_pool():
    pool = RankPool()
    yield pool
    pool.close()


@pytest.fixture
def pooled(rank_pool, tmp_path):
    """Run a script in the test's folder on some of the ranks that stay, and give what `python` would."""

    def run(path, *arguments, ranks):
        ended = rank_pool.run(path, [*map(str, arguments)], ranks, tmp_path, SECONDS)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended

    return run


@pytest.fixture
def command(python):
    """Run `propulate-like` in the test's folder, and give the ended process."""
    return lambda *arguments, check=True: python("-m", "propulate_like", *arguments, check=check)
