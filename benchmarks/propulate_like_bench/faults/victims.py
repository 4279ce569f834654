"""Victims: searches started as a user does, and their processes, to be killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import psutil

from propulate_like.parallel.transport import launched
from propulate_like.storage.events import Evaluated
from propulate_like.storage.journal import read

_OBJECTIVE = Path(__file__).with_name("objective.py")


def configuration(folder: Path, evaluations: int, function: str = "sphere", **settings: object) -> Path:
    """Write a configuration, and return its path; its run's folder is `run` beside it."""
    more = "".join(f"{key}: {value}\n" for key, value in settings.items())
    path = folder / "search.yaml"
    space = "{x: {float: [-5, 5]}, y: {float: [-5, 5]}}"
    path.write_text(
        f"objective: {_OBJECTIVE}:{function}\nspace: {space}\nbudget: {{evaluations: {evaluations}}}\n"
        f"propagator: coordinate_search\nseed: 0\nrun: {folder / 'run'}\n{more}",  # ranks are always evaluating
        encoding="utf-8",
    )
    return path


def start(
    configuration: Path,
    ranks: int,
    mean: float,
    python: str = sys.executable,
    options: Sequence[str] = (),
    output: IO[str] | int = subprocess.PIPE,
) -> subprocess.Popen[str]:
    """Start a search by one `propulate-like run`, whose evaluations take `mean` seconds on average."""
    return subprocess.Popen(
        [python, "-m", "propulate_like", "run", str(configuration), "-n", str(ranks), *options],
        env=os.environ | {"MEAN_SECONDS": str(mean)},
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def ranks_of(process: subprocess.Popen[str]) -> dict[int, psutil.Process]:
    """Return the processes of the ranks that a launcher has started, as far as they have begun."""
    found = {}
    try:
        for child in psutil.Process(process.pid).children(recursive=True):
            if "propulate_like.cli.rank" in child.cmdline() and child.name() != "mpiexec":
                place = launched(child.environ())
                if place is not None:
                    found[place[0]] = child
    except psutil.Error:
        pass
    return found


def evaluated(folder: Path) -> tuple[int, int]:
    """Return how many evaluations stand in a run's journals, and how many different ones."""
    ids = [event.id for _, event in read(folder / "run") if isinstance(event, Evaluated)]
    return len(ids), len(set(ids))
