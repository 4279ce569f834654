"""Propulate, which runs in an environment of its own: this side of the pipes to it."""

from __future__ import annotations

import json
import math
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from propulate_like.parallel.launching.mpiexec import rank_environment
from propulate_like_bench.quality.coordinates import coordinates, params
from propulate_like_bench.quality.workers import Contestant, Proposal, Setting

REVISION = 1
PYTHON = "PROPULATE_PYTHON"
"""The environment variable that names a Python that has propulate."""
_PROGRAM = Path(__file__).with_name("propulate_program.py")


class Propulate(Contestant):
    """Propulate's default propagator for each worker, which breeds from what all workers have evaluated."""

    def __init__(self, setting: Setting, population: int | None = None) -> None:
        """Breed from the best `population`, or twice as many as there are workers, as Propulate's tutorials do."""
        self._space, self._coordinates = setting.space, coordinates(setting.space)
        limits = {one.name: [one.levels, one.ordered] for one in self._coordinates}
        self._process = subprocess.Popen(
            [python(), str(_PROGRAM)],
            env=rank_environment(1),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        size = population or 2 * setting.workers
        self._say(limits=limits, workers=setting.workers, seed=setting.seed, population=size)

    def _say(self, **message: Any) -> Any:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError
        self._process.stdin.write(json.dumps(message) + "\n")
        answer = self._process.stdout.readline()
        if not answer:
            message_ = "propulate's program has ended"
            raise RuntimeError(message_)
        return json.loads(answer)

    def ask(self, worker: int) -> Proposal:
        number, values = self._say(ask=worker)
        return Proposal(params(self._space, values), number)

    def tell(self, worker: int, proposal: Proposal, loss: float, seconds: float, ended: float) -> None:
        self._say(tell=proposal.handle, loss=loss if math.isfinite(loss) else None)

    def close(self) -> None:
        self._process.communicate()


def python() -> str:
    """Return the Python that has propulate.

    Raises:
        FileNotFoundError: The environment variable names none.
    """
    named = os.environ.get(PYTHON, "")
    if not Path(named).is_file():
        raise FileNotFoundError(named)
    return named


@cache
def version() -> str:
    """Return Propulate's version.

    Raises:
        FileNotFoundError: No Python that has it is named.
    """
    code = "from importlib import metadata; print(metadata.version('propulate'))"
    ended = subprocess.run([python(), "-c", code], capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise FileNotFoundError(python())
    return ended.stdout.strip()
