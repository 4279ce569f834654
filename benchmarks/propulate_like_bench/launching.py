"""Starting a program of a benchmark on some ranks of its own environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from propulate_like.parallel.launching.mpiexec import Mpiexec, rank_environment

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""The environment variables by which numerical libraries take one core."""


def command(ranks: int, *words: object, python: str = sys.executable) -> list[str]:
    """Return the command that runs `python` with these words on some ranks, by its own environment's mpiexec."""
    program = [python, *map(str, words)]
    if ranks == 1:
        return program
    mpiexec = Mpiexec() if python == sys.executable else Mpiexec(str(Path(python).with_name("mpiexec")))
    return [*mpiexec.command(ranks), *program]


def measure(python: str, script: str, ranks: int, *arguments: object) -> str:
    """Run a script on some ranks, and return what it printed; end where it fails."""
    words = command(ranks, script, *arguments, python=python)
    ended = subprocess.run(words, env=rank_environment(ranks), capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        sys.exit(f"{' '.join(words)} failed:\n{ended.stderr[-2000:]}")
    return ended.stdout
