"""The soak: a long search in which evaluations fail, ranks are paused and killed, and the whole is stopped at times.

In the middle third it is disturbed; before and after, memory, file handles and processes are compared.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from statistics import median
from typing import NamedTuple

import psutil

from propulate_like_bench.faults.victims import configuration, evaluated, ranks_of, start

_RANKS = 4


class Sample(NamedTuple):
    """What was in use at a time: by the launcher and the median rank, and on the machine."""

    seconds: float
    launcher_megabytes: float
    rank_megabytes: float
    handles: float
    threads: float
    processes: int
    shared_files: int


def soak(python: str, folder: Path, seconds: float, evaluations: int) -> None:
    """Search for about so long, and say what was in use at the begin and at the end."""
    generator = Random(0)
    mean = 0.9 * _RANKS * seconds / evaluations
    path = configuration(folder, evaluations, "failing", islands="{count: 2, migration_probability: 0.05}")
    samples: list[Sample] = []
    began = time.monotonic()
    kills = stops = pauses = 0
    output = (folder / "output").open("a", encoding="utf-8")
    process = start(path, _RANKS, mean, python, output=output)
    for now in _every(10.0, began):
        if process.poll() is not None:
            if process.returncode == 0:
                break
            process = start(path, _RANKS, mean, python, output=output)
            continue
        living = ranks_of(process)
        if living:
            samples += _sample(process, living, now)
        disturbed = seconds / 3 < now < 2 * seconds / 3
        lot = generator.random()
        if disturbed and living and lot < 0.25:  # noqa: PLR2004 (once in 40 s)
            _kill(living, generator)
            kills += 1
        elif disturbed and lot < 0.33:  # noqa: PLR2004
            process.send_signal(generator.choice([signal.SIGINT, signal.SIGTERM]))
            stops += 1
        elif living and lot > 0.9:  # noqa: PLR2004
            _pause(living, generator)
            pauses += 1
    found = evaluated(folder)
    early = [sample for sample in samples if seconds / 60 < sample.seconds < seconds / 4]
    late = samples[-len(early) :]
    took = time.monotonic() - began
    print(f"soak: {took:.0f} s, {kills} ranks killed, {stops} stops, {pauses} pauses; {found} of {evaluations}")
    for name in Sample._fields[1:]:
        before, after = (median(getattr(sample, name) for sample in part) for part in (early, late))
        print(f"  {name.replace('_', ' ')}: {before:.1f} early, {after:.1f} late")


def _every(interval: float, began: float) -> Iterator[float]:
    number = 0
    while True:
        number += 1
        time.sleep(max(began + number * interval - time.monotonic(), 0))
        yield time.monotonic() - began


def _sample(process: subprocess.Popen[str], living: dict[int, psutil.Process], now: float) -> list[Sample]:
    with suppress(psutil.Error, ValueError):
        launcher = psutil.Process(process.pid)
        ranks = list(living.values())
        return [
            Sample(
                now,
                launcher.memory_info().rss / 1e6,
                median(rank.memory_info().rss / 1e6 for rank in ranks),
                median(rank.num_fds() for rank in ranks),
                median(rank.num_threads() for rank in ranks),
                len(launcher.children(recursive=True)),
                len(list(Path("/dev/shm").iterdir())),  # noqa: S108 (where MPI shares memory)
            )
        ]
    return []


def _kill(living: dict[int, psutil.Process], generator: Random) -> None:
    with suppress(psutil.Error):
        generator.choice(sorted(living.items()))[1].kill()


def _pause(living: dict[int, psutil.Process], generator: Random) -> None:
    with suppress(psutil.Error):
        paused = generator.choice(sorted(living.items()))[1]
        paused.suspend()
        time.sleep(5)
        paused.resume()
