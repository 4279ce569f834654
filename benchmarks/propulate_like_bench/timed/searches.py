"""Starting such a program."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from propulate_like_bench.launching import measure
from propulate_like_bench.timed.order import Found, Order

_HERE = Path(__file__).parent


def path(program: str) -> str:
    """Return the file of a program: "ours", "bare", "optuna" or "propulate"."""
    return str(_HERE / f"search_{program}.py")


def encoded(order: Order) -> str:
    """Return an order as a program takes it."""
    return msgspec.json.encode(order).decode()


def search(program: str, order: Order, ranks: int = 1, python: str = sys.executable) -> Found:
    """Run a program on some ranks; end where it fails."""
    said = measure(python, path(program), ranks, encoded(order))
    return msgspec.json.decode(said.splitlines()[-1], type=Found)
