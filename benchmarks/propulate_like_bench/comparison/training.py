"""Training: the time to given losses at equal wall clock, where jobs are really trained and differ in length."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import msgspec

from propulate_like.foundation.declarations import nearest
from propulate_like.parallel.launching.mpiexec import rank_environment
from propulate_like.problem.space import Space
from propulate_like_bench.comparison import measures
from propulate_like_bench.comparison.measures import Cell, Missing
from propulate_like_bench.comparison.training_section import section
from propulate_like_bench.launching import ONE_THREAD, command

__all__ = ["PARALLEL", "Settings", "cells", "measure", "section"]

PARALLEL = False
_WORKER = Path(__file__).with_name("training_worker.py")
_LEAVES = 30.0  # seconds after the end of its time in which a worker is to leave
Count = Annotated[int, msgspec.Meta(ge=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]


class Ours(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="by", tag="propulate-like"):
    """A search of this package, by a propagator as YAML has it."""

    propagator: Any = "auto"


class Optuna(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="by", tag="Optuna"):
    """A search of Optuna's: its sampler's class and arguments, and the storage that its processes share.

    In memory there is one process, of as many threads as there are workers.
    """

    sampler: str
    storage: Annotated[str, msgspec.Meta(pattern="^(memory|journal|sqlite)$")]
    arguments: dict[str, Any] = {}


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Contestants, and the number of workers of each."""

    workers: Count
    contestants: list[str]


class Settings(measures.Settings, frozen=True, kw_only=True):
    """What the YAML has.

    `seconds` is a search's wall clock, start-up included; a job lasts `stretch` times as long as its training computes.
    `targets` are the losses to reach.
    """

    seconds: Positive
    stretch: Annotated[float, msgspec.Meta(ge=1)]
    seeds: Count
    targets: Annotated[list[Positive], msgspec.Meta(min_length=1)]
    contestants: dict[str, Ours | Optuna]
    groups: list[Group]
    space: dict[str, dict[str, Any]]


def cells(settings: Settings) -> list[Cell]:
    """Return all of the first seed, then of the next."""
    Space.from_declaration(settings.space)
    for place, group in enumerate(settings.groups):
        for name in group.contestants:
            if name not in settings.contestants:
                hint = nearest(name, list(settings.contestants))
                message = f"groups[{place}]: no contestant is named {name!r}{hint}"
                raise ValueError(message)
    return [
        {
            "name": name,
            "contestant": msgspec.to_builtins(settings.contestants[name]),
            "workers": group.workers,
            "seed": seed,
            "seconds": settings.seconds,
            "stretch": settings.stretch,
            "space": settings.space,
        }
        for seed in range(settings.seeds)
        for group in settings.groups
        for name in group.contestants
    ]


def measure(cell: Cell) -> dict[str, Any]:
    """Search once: the course of the best loss, and where the workers' time and memory went."""
    needs = {"sklearn": "scikit-learn"} | ({"optuna": "optuna"} if cell["contestant"]["by"] == "Optuna" else {})
    for module, distribution in needs.items():
        if find_spec(module) is None:
            message = f"{distribution}: pip install {distribution}"
            raise Missing(message)
    with tempfile.TemporaryDirectory() as folder:
        launched = time.monotonic()
        with Path(folder, "errors").open("w", encoding="utf-8") as errors:
            processes = [
                subprocess.Popen(words, env=_environment(), stdout=errors, stderr=errors)
                for words in _commands(cell, launched, folder)
            ]
            statuses = [process.wait(cell["seconds"] + _LEAVES) for process in processes]
        if any(statuses):
            said = Path(folder, "errors").read_text(encoding="utf-8", errors="replace").strip().splitlines()
            message = f"a worker of {cell['name']} failed: {said[-1] if said else statuses}"
            raise RuntimeError(message)
        return _told(cell, launched, Path(folder)) | {"left_after": time.monotonic() - launched}


def _environment() -> dict[str, str]:
    return rank_environment(os.cpu_count() or 1) | ONE_THREAD


def _commands(cell: Cell, launched: float, folder: str) -> Iterator[list[str]]:
    """Return the commands that start a search: one for mpiexec, or one for each of Optuna's processes."""
    contestant, workers = cell["contestant"], cell["workers"]
    task = {key: value for key, value in cell.items() if key != "name"} | {"launched": launched, "folder": folder}
    ours = contestant["by"] != "Optuna"
    processes = 1 if ours or contestant["storage"] == "memory" else workers
    for number in range(processes):
        yield command(workers if ours else 1, _WORKER, json.dumps(task | {"number": number}))


def _told(cell: Cell, launched: float, folder: Path) -> dict[str, Any]:
    """Put together what the workers noted; what began or ended too late does not count."""
    seconds, workers = cell["seconds"], cell["workers"]
    jobs, peaks = [], []
    starts: dict[Any, float] = {}
    for path in folder.glob("worker-*.jsonl"):
        for line in path.read_bytes().splitlines():
            noted = json.loads(line)
            if isinstance(noted, dict):
                peaks.append(noted["peak_megabytes"])
            elif noted[1] < launched + seconds:
                thread, began, ended, loss = noted
                jobs.append((ended - launched, began - launched, loss))
                starts.setdefault((path, thread), began - launched)
    done = sorted(job for job in jobs if job[0] <= seconds)
    start_up = sum(starts.values()) + seconds * (workers - len(starts))
    searching = seconds * workers - start_up
    at_work = sum(min(ended, seconds) - began for ended, began, _ in jobs)
    return {
        "course": _course(done),
        "jobs": len(done),
        "job_seconds": [round(ended - began, 4) for ended, began, _ in done],
        "start_up": start_up / workers,
        "idle_percent": 100.0 * (1.0 - at_work / searching) if searching else 100.0,
        "megabytes": sum(peaks) / workers,
    }


def _course(jobs: list[tuple[float, float, float]]) -> list[tuple[float, float]]:
    """Return each moment at which the lowest loss fell."""
    course: list[tuple[float, float]] = []
    for ended, _, loss in jobs:
        if not course or loss < course[-1][1]:
            course.append((round(ended, 3), loss))
    return course
