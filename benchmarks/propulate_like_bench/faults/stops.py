"""Searches of many kinds that are killed and interrupted again and again: what is counted is what was finished."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import psutil

from propulate_like.foundation import strict_yaml
from propulate_like.storage.events import Evaluated
from propulate_like.storage.journal import read
from propulate_like_bench.faults import finishing
from propulate_like_bench.faults.victims import ranks_of

_PATIENCE = 120.0
_BEGINS = 0.9  # share of the stops that come while the search evaluates
_FILE = Path(finishing.__file__)
_SPACE = {"x": {"float": [-5, 5]}, "y": {"float": [-5, 5]}}
_FINITE = {"x": {"int": [-9, 9]}, "y": {"int": [-9, 9]}, "kind": {"choice": ["a", "b"]}}
_COMMAND = {"command": [sys.executable, str(_FILE), "{id}", "{x}", "{y}"]}


class Kind(msgspec.Struct, frozen=True):
    """A kind of search: what it evaluates, on how many ranks, and what else its configuration says."""

    function: str = "plain"
    ranks: int = 3
    settings: dict[str, Any] = {}
    evaluation: dict[str, Any] = {}


KINDS = {
    "plain": Kind(),
    "one rank": Kind(ranks=1),
    "isolated": Kind(evaluation={"isolate": True}),
    "command": Kind(settings={"objective": _COMMAND}),
    "pruned": Kind("reporting", settings={"pruner": "median"}),
    "trial": Kind("asking", settings={"space": None}),
    "several losses": Kind("several", settings={"directions": ["minimize", "maximize"]}),
    "fidelity": Kind("reporting", settings={"fidelity": {"name": "epochs", "rungs": [1, 3, 9]}}),
    "migration": Kind(ranks=4, settings={"islands": {"count": 2, "migration_probability": 0.3, "pollination": False}}),
    "teams": Kind(ranks=4, evaluation={"ranks_per_worker": 2, "isolate": False}),
    "isolated teams": Kind(ranks=4, evaluation={"ranks_per_worker": 2}),
    "finite": Kind("finite", settings={"space": _FINITE}),
}


class Victim:
    """One search of a kind, which is started and stopped again and again, and what was wrong with it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.kind, self.folder = name, KINDS[name], folder
        self.finished = folder / "finished.jsonl"
        self.known: set[str] = set()
        self.wrong: list[str] = []
        self._told: set[tuple[str, str]] = set()
        self._generator = Random(name)

    def configure(self, evaluations: int) -> Path:
        """Write the configuration of the search up to this number of evaluations, and return its path."""
        forms = {
            "objective": f"{_FILE}:{self.kind.function}",
            "space": _SPACE,
            "budget": {"evaluations": evaluations},
            "seed": 0,
            "run": str(self.folder / "run"),
            "evaluation": {"grace": 0.02, **self.kind.evaluation},
            **self.kind.settings,
        }
        path = self.folder / "search.yaml"
        path.write_text(strict_yaml.dump({key: value for key, value in forms.items() if value is not None}))
        return path

    def start(self, evaluations: int) -> subprocess.Popen[str]:
        """Start the search, or continue it."""
        command = [sys.executable, "-m", "propulate_like", "run", str(self.configure(evaluations))]
        return subprocess.Popen(
            [*command, "-n", str(self.kind.ranks)],
            env=os.environ | {finishing.FINISHED: str(self.finished), "MEAN_SECONDS": "0.05"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def stop_once(self) -> str:
        """Start it, stop it at a random moment in a random way, check what stands on disk, and return the way."""
        process = self.start(10**6)
        self._wait(process)
        way = self._generator.choice(list(WAYS))
        family = _family(process)
        WAYS[way](process, self._generator)
        try:
            process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            self.wrong.append(f"{way}: did not end")
        for each in family:
            with suppress(psutil.Error):
                each.kill()
        process.communicate()
        self.check(way)
        return way

    def _wait(self, process: subprocess.Popen[str]) -> None:
        """Let the search evaluate for a random time; now and then, do not even wait until it begins."""
        size, deadline = self._size(), time.monotonic() + _PATIENCE
        begins = self._generator.random() < _BEGINS
        while begins and self._size() == size and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(self._generator.uniform(0.0, 1.0 if begins else 2.0))

    def _size(self) -> int:
        return self.finished.stat().st_size if self.finished.exists() else 0

    def check(self, way: str) -> None:
        """Compare the journals with what the objective wrote down, and with what stood there before."""
        if not (self.folder / "run").exists():
            return
        evaluated = [event.individual for _, event in read(self.folder / "run") if isinstance(event, Evaluated)]
        times = Counter(str(individual.id) for individual in evaluated)
        written = self.written()
        found = {
            "counted twice": [ident for ident, count in times.items() if count > 1],
            "lost": sorted(self.known - times.keys()),
            "counted and not finished": [
                str(each.id) for each in evaluated if each.has_loss and (str(each.id), each.loss) not in written
            ],
            "failed": [f"{each.id} {each.status}" for each in evaluated if each.failed and "died" not in each.cause],
        }
        new = {(what, ident) for what, ids in found.items() for ident in ids} - self._told
        self._told |= new
        self.wrong += [f"{way}: {what}: {ident}" for what, ident in sorted(new)]
        self.known = set(times)

    def written(self) -> set[tuple[str, float]]:
        """Return the identities and losses that the objective wrote down as finished."""
        lines = self.finished.read_text().splitlines() if self.finished.exists() else []
        return {tuple(json.loads(line)) for line in lines}

    def finish(self) -> None:
        """Let the search come to its end, and check that all that was ever finished is counted."""
        total = len(self.known) + 30
        output, _ = self.start(total).communicate(timeout=_PATIENCE)
        self.check("to the end")
        missing = {ident for ident, _ in self.written()} - self.known
        if missing or len(self.known) != total:
            self.wrong.append(f"the end: {len(self.known)} of {total}, forgotten: {sorted(missing)}\n{output[-2000:]}")


def stops(times: int, jobs: int = 1) -> None:
    """Kill and interrupt searches of all kinds, `times` in all, and print what was wrong."""
    each = -(-times // len(KINDS))
    with ThreadPoolExecutor(jobs) as pool:
        victims = list(pool.map(lambda name: _stopped(name, each), KINDS))
    total = sum(len(victim.known) for victim in victims)
    wrong = sum(len(victim.wrong) for victim in victims)
    print(f"stops: {each * len(KINDS)} of {len(KINDS)} kinds of search, {total} evaluations, {wrong} wrong", flush=True)


def _stopped(name: str, times: int) -> Victim:
    """Stop one search so many times, and let it end."""
    with tempfile.TemporaryDirectory() as folder:
        victim = Victim(name, Path(folder))
        ways = Counter(victim.stop_once() for _ in range(times))
        victim.finish()
        told = ", ".join(f"{count} {way}" for way, count in sorted(ways.items()))
        print(f"  {name}: {len(victim.known)} evaluations, {len(victim.wrong)} wrong; {told}", flush=True)
        for line in victim.wrong:
            print(f"    {line}", flush=True)
    return victim


def _family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    return []


def _group(number: int) -> Callable[[subprocess.Popen[str], Random], None]:
    """Send a signal to the launcher's group, as a terminal does."""

    def send(process: subprocess.Popen[str], _generator: Random) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)

    return send


def _twice(process: subprocess.Popen[str], generator: Random) -> None:
    process.send_signal(signal.SIGINT)
    time.sleep(generator.uniform(0.0, 0.3))
    process.send_signal(signal.SIGINT)


def _everything(process: subprocess.Popen[str], _generator: Random) -> None:
    for each in _family(process):
        with suppress(psutil.Error):
            each.kill()


def _one_rank(process: subprocess.Popen[str], generator: Random) -> None:
    """Kill a rank, let the others go on for a while, and interrupt."""
    living = ranks_of(process)
    if living:
        with suppress(psutil.Error):
            generator.choice(sorted(living.items()))[1].kill()
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)


WAYS: dict[str, Callable[[subprocess.Popen[str], Random], None]] = {
    "Ctrl-C": _group(signal.SIGINT),
    "SIGINT": lambda process, _: process.send_signal(signal.SIGINT),
    "SIGINT twice": _twice,
    "SIGTERM": lambda process, _: process.send_signal(signal.SIGTERM),
    "SIGUSR1": lambda process, _: process.send_signal(signal.SIGUSR1),
    "launcher killed": lambda process, _: process.kill(),
    "all killed": _everything,
    "a rank killed": _one_rank,
}
