"""Cells: one search each, of one contestant on one problem. They run alone, in any order, and are kept in files."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from random import Random

import msgspec

from propulate_like_bench.launching import ONE_THREAD
from propulate_like_bench.quality import contestants, suites, workers
from propulate_like_bench.quality.workers import Course, Setting

_DIGITS = 12  # hexadecimal digits of a file's name that tell apart what the rest of it does not


class Cell(msgspec.Struct, frozen=True):
    """What decides a search, but for code: the file's name and its digest come from this.

    `seconds` is the mean of the evaluation times and `delay` how long others' results travel, in virtual seconds.
    """

    suite: str
    problem: str
    dimension: int
    instance: int
    seed: int
    workers: int
    evaluations: int
    contestant: str
    seconds: float = 60.0
    delay: float = 0.0

    @property
    def stream(self) -> str:
        """Name the random numbers: no two problems, instances or seeds share any; all contestants do."""
        return f"{self.suite}/{self.problem}/{self.dimension}/{self.instance}/{self.seed}"

    def __str__(self) -> str:
        size = f" {self.dimension}-d" if self.dimension else ""
        return (
            f"{self.contestant} on {self.suite} {self.problem}{size}, instance {self.instance}, seed {self.seed}, "
            f"{self.workers} workers, {self.evaluations} evaluations"
        )


class Kept(msgspec.Struct, frozen=True):
    """A cell as it stands in its file, with the versions it was measured with, and how long that took."""

    cell: Cell
    versions: list[str]
    course: Course
    wall: float


def versions(cell: Cell) -> list[str]:
    """Name what was measured: the contestant, the suite and the loop; errors as `Entry.version`."""
    return [
        contestants.entry(cell.contestant).version(),
        suites.suite(cell.suite).version(),
        f"loop {workers.REVISION}",
    ]


def run(cell: Cell) -> Course:
    """Run one search in this process."""
    problem = suites.suite(cell.suite).problem(cell.problem, cell.dimension, cell.instance)
    seed = Random(f"{cell.stream}/seed").getrandbits(31)
    setting = Setting(problem.space, cell.workers, cell.evaluations, seed)
    contestant = contestants.entry(cell.contestant).make(setting)
    try:
        return workers.search(contestant, problem, setting, stream=cell.stream, mean=cell.seconds, delay=cell.delay)
    finally:
        contestant.close()


class Cache:
    """Cells in a folder, a small file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, cell: Cell, named: Sequence[str]) -> Course | None:
        """Return the course of a cell with these versions.

        A longer search's where the contestant does the same in it.
        """
        if contestants.entry(cell.contestant).told_budget:
            paths = [self._path(cell, named)]
        else:
            stem = self._path(cell, named).name.rpartition("-")[0]
            paths = sorted(self._place(cell).glob(f"{stem}-*.json"), key=_evaluations)
        for path in paths:
            if path.is_file() and _evaluations(path) >= cell.evaluations:
                return msgspec.json.decode(path.read_bytes(), type=Kept).course
        return None

    def keep(self, kept: Kept) -> None:
        """Write a cell, whole or not at all."""
        path = self._path(kept.cell, kept.versions)
        path.parent.mkdir(parents=True, exist_ok=True)
        begun = path.with_suffix(f".{os.getpid()}")
        begun.write_bytes(msgspec.json.encode(kept))
        begun.replace(path)

    def _place(self, cell: Cell) -> Path:
        return self._folder / cell.suite / (re.sub(r"\W+", "_", cell.contestant)[:40].strip("_") or "other")

    def _path(self, cell: Cell, named: Sequence[str]) -> Path:
        apart = msgspec.structs.replace(cell, evaluations=0)
        digest = hashlib.sha256(msgspec.json.encode([apart, list(named)])).hexdigest()[:_DIGITS]
        name = f"{cell.problem}-{cell.dimension}d-i{cell.instance}-s{cell.seed}-w{cell.workers}"
        return self._place(cell) / f"{name}-{digest}-{cell.evaluations}.json"


def _evaluations(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def measure(
    wanted: Iterable[Cell],
    named: Mapping[str, Sequence[str]],
    cache: Cache,
    jobs: int,
    tell: Callable[[str], None] = lambda _line: None,
) -> None:
    """Run the cells that are not in the cache.

    A cell that fails is told of and left out; one during which the source changed is not kept.

    Args:
        wanted: The cells.
        named: The versions of each contestant.
        cache: Where they are kept.
        jobs: The number of processes.
        tell: Called with a line for each cell that has ended.
    """
    missing = [cell for cell in _longest(wanted) if cache.find(cell, named[cell.contestant]) is None]
    if not missing:
        return
    os.environ.update(ONE_THREAD | os.environ)  # each process has one core
    begun = time.monotonic()
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        running = {pool.submit(_measured, cell): cell for cell in missing}
        try:
            for number, future in enumerate(as_completed(running), 1):
                cell = running[future]
                error = future.exception()
                if error is not None:
                    tell(f"failed: {cell}: {type(error).__name__}: {error}")
                elif future.result().versions != list(named[cell.contestant]):
                    tell(f"not kept: {cell}: the source has changed meanwhile: begin again")
                else:
                    cache.keep(future.result())
                    tell(f"{number} of {len(missing)} after {time.monotonic() - begun:.0f} s: {cell}")
        except BaseException:
            pool.shutdown(cancel_futures=True)  # and wait, as leaving `with` would take the cancelling back
            raise


def _longest(cells: Iterable[Cell]) -> list[Cell]:
    """Leave out the cells that are the beginnings of others."""
    longest: dict[Cell, Cell] = {}
    for cell in cells:
        told = contestants.entry(cell.contestant).told_budget
        search = cell if told else msgspec.structs.replace(cell, evaluations=0)
        if search not in longest or cell.evaluations > longest[search].evaluations:
            longest[search] = cell
    return list(longest.values())


def _measured(cell: Cell) -> Kept:
    before, begun = versions(cell), time.perf_counter()
    course = run(cell)
    return Kept(cell, before, course, round(time.perf_counter() - begun, 3))
