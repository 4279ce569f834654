"""The loss that costs nothing, and what each worker notes of it."""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

BOUND = 5.12
_KILOBYTES = 1024
_SYNCS = 5


class Notes:
    """When each evaluation of this worker ended, and its peak memory at some numbers of them."""

    def __init__(self, marks: Iterable[int]) -> None:
        self.began = time.monotonic()
        self.ended: list[float] = []
        self._marks = set(marks)
        self._memory: list[tuple[int, float]] = []

    def loss(self, values: Iterable[float]) -> float:
        """Return the sum of squares."""
        loss = sum(value * value for value in values)
        self.ended.append(time.monotonic())
        if len(self.ended) in self._marks:
            self._memory.append((len(self.ended), peak_megabytes()))
        return loss

    def data(self) -> dict[str, Any]:
        """Return all of it, for JSON."""
        memory = [*self._memory, (len(self.ended), peak_megabytes())]
        return {"began": self.began, "ended": self.ended, "memory": memory}


def fsync_milliseconds(folder: Path) -> float:
    """Return how long the disk takes to keep a line, the median of several."""
    times = []
    with (folder / "line").open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            file.write(b"\n")
            began = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - began)
    return 1000.0 * statistics.median(times)


def peak_megabytes() -> float:
    """Return the most memory that this process has had; what it was forked from does not count."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KILOBYTES
    return int(status.partition("VmHWM:")[2].split()[0]) / _KILOBYTES
