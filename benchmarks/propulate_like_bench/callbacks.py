"""What callbacks cost a search: evaluations a second, and the share of their time for which ranks are idle.

python -m propulate_like_bench.callbacks [--ranks 4] [--repeats 3]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import propulate_like as pl
from propulate_like.parallel.transport import launched
from propulate_like_bench.arguments import count
from propulate_like_bench.launching import measure

_SLEEPING_SECONDS = 20.0
"""How long callbacks take in all at most, which is longer than a search: it waits for them at its end."""
_LOSSES = {"cheap": (0.0, 40_000), "expensive": (0.05, 400)}
"""The seconds of an evaluation, and the number of evaluations."""


class Count(pl.Callback):
    """Counts evaluations."""

    def __init__(self) -> None:
        self.evaluations = 0

    def on_evaluated(self, search: pl.WatchedSearch, individual: pl.Individual) -> None:
        self.evaluations += 1


class Raise(pl.Callback):
    """Fails at once."""

    def on_evaluated(self, search: pl.WatchedSearch, individual: pl.Individual) -> None:
        raise ArithmeticError


class Sleep(pl.Callback):
    """Sleeps for a second at each evaluation, as long as a search lasts."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    def on_evaluated(self, search: pl.WatchedSearch, individual: pl.Individual) -> None:
        if time.monotonic() - self.began < _SLEEPING_SECONDS:
            time.sleep(1.0)


class Compute(pl.Callback):
    """Computes for a second at each evaluation, as long as a search lasts: the interpreter is shared meanwhile."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    def on_evaluated(self, search: pl.WatchedSearch, individual: pl.Individual) -> None:
        began = time.monotonic()
        while began - self.began < _SLEEPING_SECONDS and time.monotonic() - began < 1.0:
            pass


_CALLBACKS: dict[str, Callable[[], list[Any]]] = {
    "none": list,
    "counts": lambda: [Count()],
    "raises": lambda: [Raise()],
    "sleeps 1 s": lambda: [Sleep()],
    "computes 1 s": lambda: [Compute()],
}


def search(kind: str, callback: str) -> None:
    """Search on this rank, and print the evaluations a second and the idle share, on rank 0."""
    seconds, evaluations = _LOSSES[kind]

    def loss(x: float, y: float) -> float:
        if seconds:
            time.sleep(seconds)
        return x * x + y * y

    space = {"x": (-5.12, 5.12), "y": (-5.12, 5.12)}
    callbacks = _CALLBACKS[callback]()
    result = pl.minimize(loss, space, evaluations=evaluations, seed=0, callbacks=callbacks, progress=False)
    if (launched() or (0, 1))[0] == 0:
        print(json.dumps([result.evaluations / result.seconds, result.idle_share]))


def main() -> None:
    """Measure in turn, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=count, default=4)
    parser.add_argument("--repeats", type=count, default=3)
    parser.add_argument("--search", nargs=2, metavar=("LOSS", "CALLBACK"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.search:
        search(*chosen.search)
        return
    found: dict[tuple[str, str], list[list[float]]] = {}
    for _ in range(chosen.repeats):
        for kind in _LOSSES:
            for callback in _CALLBACKS:
                said = measure(sys.executable, __file__, chosen.ranks, "--search", kind, callback)
                found.setdefault((kind, callback), []).append(json.loads(said.splitlines()[-1]))
    print("| an evaluation is | the callback | evaluations/s | idle % |\n| --- | --- | --- | --- |")
    for (kind, callback), runs in found.items():
        rate, idle = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"| {kind} | {callback} | {rate:,.0f} | {100 * idle:.2f} |")


if __name__ == "__main__":
    main()
