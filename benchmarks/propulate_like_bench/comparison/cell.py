"""The process of one cell: python -m propulate_like_bench.comparison.cell MEASURE, given the cell as JSON."""

from __future__ import annotations

import contextlib
import sys

import msgspec

from propulate_like_bench.comparison.measures import Cell, Missing, Result, measure_of


def main() -> None:
    """Measure, and write the result as the last line."""
    cell = msgspec.json.decode(sys.stdin.buffer.read(), type=Cell)
    with contextlib.redirect_stdout(sys.stderr):
        try:
            result = Result(cell, measured=measure_of(sys.argv[1]).measure(cell))
        except Missing as reason:
            result = Result(cell, missing=str(reason))
    sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")


if __name__ == "__main__":
    main()
