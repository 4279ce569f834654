"""Overhead: evaluations a second of a loss that costs nothing, by numbers of trials and of workers; and memory."""

from __future__ import annotations

import bisect
import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import msgspec

from propulate_like_bench.comparison import measures, storages
from propulate_like_bench.comparison.measures import Cell, Missing
from propulate_like_bench.comparison.overhead_section import section
from propulate_like_bench.quality import peer_optuna, peer_propulate
from propulate_like_bench.timed import noting, searches
from propulate_like_bench.timed.order import Order
from propulate_like_bench.timed.search_optuna import opened

__all__ = ["PARALLEL", "Settings", "cells", "measure", "section"]

PARALLEL = False
OURS, PROPULATE = ("auto", "chain"), "propulate"
OPTUNAS = ("tpe", "random", "cmaes", "nsga2")
_OURS_STORAGES = ("memory", "folder")
_LEAST = 100  # trials of Propulate, which is started again for each mark
Count = Annotated[int, msgspec.Meta(ge=1)]


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Contestants in all their settings; a search ends after `seconds`, if not all trials are done by then.

    `files` is the folder for their files, if not TMPDIR: one in memory, such as /dev/shm, leaves out the disk.
    """

    contestants: list[str]
    storages: list[str]
    workers: list[Count]
    seconds: Annotated[float, msgspec.Meta(gt=0)]
    files: str | None = None


class Settings(measures.Settings, frozen=True, kw_only=True):
    """What the YAML has. `marks` are the numbers of trials at which rates and memory are told."""

    parameters: Count
    repetitions: Count
    marks: Annotated[list[Count], msgspec.Meta(min_length=1)]
    groups: list[Group]


def cells(settings: Settings) -> list[Cell]:
    """Return all of the first repetition, then of the next."""
    found = []
    for repetition in range(settings.repetitions):
        for place, group in enumerate(settings.groups):
            for contestant in group.contestants:
                for storage in group.storages:
                    for workers in group.workers:
                        _check(f"groups[{place}]", contestant, storage, workers)
                        found.append(
                            {
                                "contestant": contestant,
                                "storage": storage,
                                "workers": workers,
                                "repetition": repetition,
                                "seconds": group.seconds,
                                "files": group.files,
                                "parameters": settings.parameters,
                                "marks": sorted(settings.marks),
                            }
                        )
    return found


def _check(place: str, contestant: str, storage: str, workers: int) -> None:
    known = {**dict.fromkeys(OURS, _OURS_STORAGES), PROPULATE: ("memory",)}
    known |= dict.fromkeys(OPTUNAS, storages.STORAGES)
    if contestant not in known:
        message = f"{place}: contestant {contestant!r} is none of {', '.join(known)}"
        raise ValueError(message)
    if storage not in known[contestant]:
        message = f"{place}: {contestant} has the storages {', '.join(known[contestant])}, not {storage!r}"
        raise ValueError(message)
    if contestant in OPTUNAS and storage == "memory" and workers > 1:
        message = f"{place}: Optuna's storage in memory serves one process, not {workers}"
        raise ValueError(message)


def measure(cell: Cell) -> dict[str, Any]:
    """Search once; return the seconds after which each mark was reached, what was reached, and memory."""
    if cell["contestant"] == PROPULATE:
        return _propulate(cell)
    if cell["files"] is not None and not Path(cell["files"]).is_dir():
        message = f"there is no folder {cell['files']}"
        raise Missing(message)
    with tempfile.TemporaryDirectory(dir=cell["files"]) as folder:
        disk = noting.fsync_milliseconds(Path(folder))
        notes = _ours(cell, folder) if cell["contestant"] in OURS else _optuna(cell, Path(folder))
    began = max(note["began"] for note in notes)
    ended = sorted(time for note in notes for time in note["ended"])
    reached = [mark for mark in cell["marks"] if mark <= len(ended)]
    memory: dict[int, float] = {}
    for note in notes:
        for count, megabytes in note["memory"]:
            place = bisect.bisect_right(reached, count * cell["workers"] + cell["workers"]) - 1
            if place >= 0:
                memory[reached[place]] = max(megabytes, memory.get(reached[place], 0.0))
    return {
        "seconds": {mark: ended[mark - 1] - began for mark in reached},
        "memory": memory,
        "trials": len(ended),
        "total_seconds": ended[-1] - began,
        "peak": max(note["memory"][-1][1] for note in notes),
        "fsync_milliseconds": disk,
    }


def _order(cell: Cell, rank: int, **more: Any) -> Order:
    return Order(
        parameters=cell["parameters"],
        seed=1000 * cell["repetition"] + rank,
        seconds=cell["seconds"],
        marks=[mark // cell["workers"] for mark in cell["marks"]],  # about what one worker has had by then
        **more,
    )


def _ours(cell: Cell, folder: str) -> list[dict[str, Any]]:
    journal = cell["storage"] == "folder"
    order = _order(cell, 0, evaluations=cell["marks"][-1], by=cell["contestant"], folder=folder, journal=journal)
    searches.search("ours", order, cell["workers"])
    return [json.loads(Path(folder, f"{rank}.json").read_text(encoding="utf-8")) for rank in range(cell["workers"])]


def _optuna(cell: Cell, folder: Path) -> list[dict[str, Any]]:
    try:
        import optuna
    except ImportError:
        message = "Optuna: pip install optuna"
        raise Missing(message) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if cell["contestant"] == "cmaes" and find_spec("cmaes") is None:
        message = "Optuna's CMA-ES needs: pip install cmaes"
        raise Missing(message)
    sampler, arguments = peer_optuna.SAMPLERS[cell["contestant"]]
    with storages.serving(cell["storage"], folder) as place:
        optuna.create_study(study_name="timed", storage=opened(cell["storage"], place))
        orders = [
            _order(
                cell, rank, evaluations=cell["marks"][-1] // cell["workers"], by=sampler, arguments=arguments,
                storage=cell["storage"], place=place,
            )
            for rank in range(cell["workers"])
        ]  # fmt: skip
        workers = [
            subprocess.Popen(
                [sys.executable, searches.path("optuna"), searches.encoded(order)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for order in orders
        ]  # fmt: skip
        for worker in workers:
            _line(worker)
        for worker in workers:
            _say(worker)
        return [json.loads(_line(worker)) for worker in workers]


def _line(worker: subprocess.Popen[str]) -> str:
    line = worker.stdout.readline() if worker.stdout else ""
    if not line:
        message = f"a worker of Optuna ended with status {worker.wait()}; what it said is above"
        raise RuntimeError(message)
    return line


def _say(worker: subprocess.Popen[str]) -> None:
    if worker.stdin:
        worker.stdin.write("go\n")
        worker.stdin.flush()


def _propulate(cell: Cell) -> dict[str, Any]:
    """Let Propulate search anew up to each mark but the least, while that fits into the seconds."""
    python = os.environ.get(peer_propulate.PYTHON)
    if not python:
        message = "Propulate: give --propulate a Python that has propulate and an MPI"
        raise Missing(message)
    seconds: dict[int, float] = {}
    memory: dict[int, float] = {}
    trials, spent = 0, 0.0
    for mark in [mark for mark in cell["marks"] if mark >= _LEAST] or cell["marks"][:1]:
        if trials and spent + seconds[trials] * (mark / trials) > cell["seconds"]:
            break
        order = Order(evaluations=mark, parameters=cell["parameters"])
        found = searches.search("propulate", order, cell["workers"], python)
        trials, seconds[mark], memory[mark] = mark, found.seconds, found.memory
        spent += seconds[mark]
    return {
        "seconds": seconds, "memory": memory, "trials": trials, "total_seconds": seconds[trials], "peak": memory[trials]
    }  # fmt: skip
