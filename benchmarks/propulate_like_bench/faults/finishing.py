"""Objectives that write down what they finish, and that return a wrong loss where they catch an interrupt.

As a program: python finishing.py ID X Y.
"""

from __future__ import annotations

import json
import os
import sys
import time
from random import Random

import propulate_like as pl

_MEAN = float(os.environ.get("MEAN_SECONDS", "0.05"))
_random = Random(os.getpid())
FINISHED = "FINISHED"
"""The variable of the environment that names the file in which finished evaluations are written down."""
WRONG = -1.0
"""What an interrupted evaluation returns."""


def plain(x: float, y: float, evaluation: pl.Evaluation) -> float:
    """Return the sum of squares."""
    return _finished(evaluation, x * x + y * y)


def finite(x: int, y: int, kind: str, evaluation: pl.Evaluation) -> float:
    """Return the sum of squares of whole numbers, and a bit more for one of two kinds."""
    return _finished(evaluation, float(x * x + y * y + (kind == "b")))


def several(x: float, y: float, evaluation: pl.Evaluation) -> tuple[float, float]:
    """Return the distances from two points, the second one negated."""
    first = _finished(evaluation, x * x + y * y)
    return first, -((x - 1) ** 2) - y * y


def asking(trial: pl.Trial, evaluation: pl.Evaluation) -> float:
    """Ask for two numbers, or three."""
    x, y = trial.suggest_float("x", -5, 5), trial.suggest_float("y", -5, 5)
    more = trial.suggest_float("z", 0, 1) if trial.suggest_categorical("deep", [True, False]) else 0.5
    return _finished(evaluation, x * x + y * y + more)


def reporting(x: float, y: float, evaluation: pl.Evaluation, epochs: int = 3) -> float | None:
    """Report an intermediate loss after each epoch, and stop where told to."""
    loss = x * x + y * y
    for epoch in range(1, epochs + 1):
        if not _waited(_MEAN / epochs):
            return WRONG
        if evaluation.report(loss + 1 / epoch, epoch):
            _write(evaluation.id, loss + 1 / epoch)
            return None
    _write(evaluation.id, loss)
    return loss


def _finished(evaluation: pl.Evaluation, loss: float) -> float:
    """Take some time, and return the loss, as written down."""
    if not _waited(_random.expovariate(1 / _MEAN)):
        return WRONG
    if evaluation.rank == 0:
        _write(evaluation.id, loss)
    return loss


def _waited(seconds: float) -> bool:
    """Wait, and return whether nothing interrupted."""
    try:
        time.sleep(seconds)
    except KeyboardInterrupt:
        return False
    return True


def _write(ident: object, loss: float) -> None:
    line = json.dumps([str(ident), loss]) + "\n"
    descriptor = os.open(os.environ[FINISHED], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    _, _ident, _x, _y = sys.argv
    if _waited(_MEAN):
        _loss = float(_x) ** 2 + float(_y) ** 2
        _write(_ident, _loss)
    else:
        _loss = WRONG
    print(_loss)
