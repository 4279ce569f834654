"""What a search survives: `python -m propulate_like_bench.faults [--only kills|jobs|stops|soak] [--mpich PYTHON]`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from random import Random

import psutil

from propulate_like.population.individual import Individual
from propulate_like.storage.events import Evaluated
from propulate_like.storage.journal import read
from propulate_like_bench.arguments import count, seconds
from propulate_like_bench.faults.soak import soak
from propulate_like_bench.faults.stops import stops
from propulate_like_bench.faults.victims import configuration, evaluated, ranks_of, start

_PATIENCE = 180.0


def kills(python: str, runs: int, name: str) -> None:
    """Kill 1 to 3 of 4 to 8 ranks at random moments, in each of several searches."""
    healed = again = wrong = died = 0
    took = []
    for number in range(runs):
        generator = Random(f"{name} {number}")
        ranks, victims = generator.randint(4, 8), generator.randint(1, 3)
        mean = 10 ** generator.uniform(-3, -1)
        evaluations = int(ranks * generator.uniform(2, 5) / mean)
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            process = start(configuration(Path(folder), evaluations), ranks, mean, python)
            moments = sorted(generator.uniform(0.3, 6) for _ in range(victims))
            for moment in moments:
                time.sleep(max(began + moment - time.monotonic(), 0))
                living = ranks_of(process)
                if living:
                    victim = 0 if generator.randrange(3) == 0 and 0 in living else generator.choice(sorted(living))
                    with suppress(psutil.Error):
                        living[victim].kill()
                        died += 1
            try:
                output, _ = process.communicate(timeout=_PATIENCE)
            except Exception as error:  # noqa: BLE001 (whatever it is, the next one is tried)
                os.killpg(process.pid, signal.SIGKILL)
                output = f"{error}"
            took.append(time.monotonic() - began)
            found = evaluated(Path(folder))
            if process.returncode != 0 or found != (evaluations, evaluations):
                wrong += 1
                print(
                    f"  run {number}: status {process.returncode}, {found} of {evaluations}\n{output[-3000:]}",
                    flush=True,
                )
            elif "again from" in output:
                again += 1
            elif "go on" in output:
                healed += 1
    print(
        f"{name}: {runs} searches, {died} ranks killed: {wrong} wrong, {healed} healed in place, "
        f"{again} started again, {runs - wrong - healed - again} had ended before; {max(took):.0f} s the longest",
        flush=True,
    )


def jobs(python: str, times: int) -> None:
    """Kill a whole job, launcher first, again and again, and continue it."""
    generator = Random(0)
    evaluations, kills = 60_000, 0
    with tempfile.TemporaryDirectory() as folder:
        path = configuration(Path(folder), 10 * evaluations)
        seen: set[object] = set()
        while kills < times:
            process = start(path, 4, 0.01, python)
            time.sleep(generator.uniform(0.5, 3.5))
            processes = [psutil.Process(process.pid)]
            with suppress(psutil.Error):
                processes += processes[0].children(recursive=True)
            for each in processes:
                with suppress(psutil.Error):
                    each.kill()
            process.communicate()
            kills += 1
            before = len(seen)
            seen |= _ids(Path(folder))
            lost = len(seen) - len(_ids(Path(folder)))
            if lost or kills % 50 == 0:
                print(f"  after {kills} kills: {before} to {len(seen)} evaluations, {lost} lost", flush=True)
        total = len(seen) + 200
        path = configuration(Path(folder), total)
        output, _ = start(path, 4, 0.01, python).communicate(timeout=_PATIENCE)
        found = evaluated(Path(folder))
        best = next(float(line.split()[1]) for line in output.splitlines() if line.startswith("best"))
        lowest = min(each.loss for each in _outcomes(Path(folder)) if each.has_loss)
        agrees = f"{best:.6g}" == f"{lowest:.6g}" and f"{total} evaluations in" in output
        print(
            f"jobs: {kills} killed; {found[0]} evaluations in the journal, {found[1]} different, of {total}; "
            f"the result equals what the journal says: {agrees}"
        )


def _ids(folder: Path) -> set[object]:
    return {individual.id for individual in _outcomes(folder)}


def _outcomes(folder: Path) -> list[Individual]:
    return [event.individual for _, event in read(folder / "run") if isinstance(event, Evaluated)]


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=["kills", "jobs", "stops", "soak"])
    parser.add_argument("--hours", type=seconds, default=1.0, help="of the soak")
    parser.add_argument("--runs", type=count, default=100)
    parser.add_argument("--mpich", help="the Python of an environment with MPICH")
    given = parser.parse_args()
    if given.only in (None, "kills"):
        kills(sys.executable, given.runs, "this MPI")
        if given.mpich:
            kills(given.mpich, given.runs // 2, "MPICH")
    if given.only in (None, "jobs"):
        jobs(sys.executable, 2 * given.runs)
    if given.only in (None, "stops"):
        stops(5 * given.runs)
    if given.only == "soak":
        with tempfile.TemporaryDirectory() as folder:
            soak(sys.executable, Path(folder), 3600 * given.hours, int(1e6 * given.hours))


if __name__ == "__main__":
    main()
