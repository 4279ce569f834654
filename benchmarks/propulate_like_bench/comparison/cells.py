"""Cells run in fresh processes, one after the other where they are timed; what has ended is kept, a JSON line each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from propulate_like_bench.comparison.comparison import Comparison
from propulate_like_bench.comparison.measures import Cell, Result
from propulate_like_bench.launching import ONE_THREAD

_MODULE = f"{__package__}.cell"
_LEAVE_SECONDS = 5.0
_FAILED = "failed: "
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Kept(msgspec.Struct, frozen=True):
    """A line of the file: a cell, what was measured, with what and on what, when it ended, and how long it took."""

    cell: Cell
    measured: dict[str, Any]
    missing: str
    surroundings: dict[str, str]
    ended: str
    seconds: float


class Store:
    """The cells of a comparison that have been measured in these surroundings, in DIR/NAME.jsonl."""

    def __init__(self, folder: Path, name: str, surroundings: Mapping[str, str]) -> None:
        self._path = folder / f"{name}.jsonl"
        self._surroundings = dict(surroundings)
        self._kept: dict[bytes, Kept] = {}
        self._writing = threading.Lock()
        known = self._path.read_bytes() if self._path.exists() else b""
        self._torn = known[-1:] not in {b"", b"\n"}
        for line in known.splitlines():
            with suppress(msgspec.DecodeError):  # the torn end of what was cut off
                kept = msgspec.json.decode(line, type=Kept)
                if kept.surroundings == self._surroundings:
                    self._kept[_key(kept.cell)] = kept

    def keep(self, cell: Cell, result: Result, seconds: float) -> None:
        """Append a cell."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        kept = Kept(cell, result.measured, result.missing, self._surroundings, now, round(seconds, 2))
        with self._writing:
            self._kept[_key(cell)] = kept
            with self._path.open("ab") as file:
                file.write(b"\n" * self._torn + msgspec.json.encode(kept) + b"\n")
            self._torn = False

    def find(self, cell: Cell) -> Kept | None:
        """Return a cell that has been tried."""
        return self._kept.get(_key(cell))

    def has(self, cell: Cell) -> bool:
        """Return whether a cell has been measured, or lacked something that is no different now."""
        kept = self.find(cell)
        return kept is not None and not kept.missing

    def results(self, comparison: Comparison) -> list[Result]:
        """Return the results of a comparison, in the order of its cells."""
        found = [self.find(cell) for cell in comparison.cells]
        return [Result(kept.cell, kept.measured, kept.missing) for kept in found if kept is not None]

    def spent(self, comparison: Comparison) -> tuple[float, str]:
        """Return the seconds that the cells took, and when the last one ended."""
        found = [kept for cell in comparison.cells if (kept := self.find(cell)) is not None]
        return sum(kept.seconds for kept in found), max((kept.ended for kept in found), default="")


def _key(cell: Cell) -> bytes:
    return msgspec.json.encode(cell, order="sorted")


class Running:
    """The processes of cells that are under way."""

    def __init__(self, comparison: Comparison, store: Store) -> None:
        self._comparison, self._store = comparison, store
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._deadline = time.monotonic() + 60.0 * comparison.settings.minutes
        self._ended = False

    def measure(self, tell: Callable[[str], None]) -> None:
        """Measure the cells that are missing, until the comparison's minutes are over.

        A signal to end is a KeyboardInterrupt meanwhile: what runs is ended first.
        """
        before = {number: signal.signal(number, signal.default_int_handler) for number in _SIGNALS}
        try:
            self._measure(tell)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _measure(self, tell: Callable[[str], None]) -> None:
        missing = [cell for cell in self._comparison.cells if not self._store.has(cell)]
        jobs = len(os.sched_getaffinity(0)) if self._comparison.measure.PARALLEL else 1
        began = time.monotonic()
        with ThreadPoolExecutor(jobs) as pool:
            futures = {pool.submit(self._one, cell): cell for cell in missing}
            try:
                for number, future in enumerate(as_completed(futures), 1):
                    said = future.result()
                    after = time.monotonic() - began
                    if said is not None:
                        cell = futures[future]
                        what = ", ".join(str(value) for value in cell.values() if isinstance(value, str | int))
                        tell(f"{self._comparison.name} {number} of {len(missing)} after {after:.0f} s: {what}{said}")
            except BaseException:
                self._ended = True
                pool.shutdown(wait=False, cancel_futures=True)
                for process in list(self._processes):
                    _end(process)
                raise

    def _one(self, cell: Cell) -> str | None:
        if self._ended or time.monotonic() > self._deadline:
            return None
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", _MODULE, self._comparison.settings.measure],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # all that it starts ends with it
            env=ONE_THREAD | os.environ,
        )
        self._processes.add(process)
        try:
            out, errors = process.communicate(msgspec.json.encode(cell), timeout=self._comparison.settings.cell_seconds)
            result = _read(cell, process.returncode, out, errors)
        except subprocess.TimeoutExpired:
            result = Result(cell, missing=f"{_FAILED}ended after {self._comparison.settings.cell_seconds:g} s")
        finally:
            _end(process)
            self._processes.discard(process)
        if not self._ended:
            self._store.keep(cell, result, time.monotonic() - began)
        return f": {result.missing}" if result.missing else ""


def _read(cell: Cell, status: int, out: bytes, errors: bytes) -> Result:
    try:
        return msgspec.json.decode(out.splitlines()[-1] if out else b"", type=Result)
    except msgspec.DecodeError:
        said = errors.decode(errors="replace").strip().splitlines() or [f"exit status {status}"]
        return Result(cell, missing=f"{_FAILED}{said[-1][:300]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what a cell has started, which is in a session of its own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        if number == signal.SIGTERM and process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LEAVE_SECONDS)
    process.wait()
