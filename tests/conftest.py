"""What the tests share: real processes, and real ranks under mpiexec."""

import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from propulate_like.cli.mpiexec import Mpiexec, rank_environment
from propulate_like.population.individual import Candidate, Individual
from propulate_like.population.outcome import Outcome

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")  # as the launcher does: small matrices are many times slower on several threads

ROOT = Path(__file__).parent.parent
paths = [str(ROOT / "benchmarks"), *filter(None, [os.environ.get("PYTHONPATH")])]
os.environ["PYTHONPATH"] = os.pathsep.join(
    paths
)  # for the processes that tests start, as pytest's pythonpath is for it
SECONDS = 120
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


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Let searches without a run keep their evaluations' files in the test's own folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


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
    """Give what the processes of a script reported: a list of words for each line."""
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


@pytest.fixture
def command(python):
    """Run `propulate-like` in the test's folder, and give the ended process."""
    return lambda *arguments, check=True: python("-m", "propulate_like", *arguments, check=check)
