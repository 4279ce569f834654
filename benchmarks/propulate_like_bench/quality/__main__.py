"""Measure search quality: python -m propulate_like_bench.quality bbob --dimension 5 --evaluations 20d 100d."""

from __future__ import annotations

import argparse
import json
import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from propulate_like.foundation.declarations import nearest
from propulate_like_bench.arguments import count, natural, seconds
from propulate_like_bench.quality import cells, peer_propulate, summary
from propulate_like_bench.quality.cells import Cache, Cell
from propulate_like_bench.quality.contestants import PEERS, entry
from propulate_like_bench.quality.suites import SUITES, Suite, suite


def main() -> None:
    """Run what the cache does not have, and print a table for each number of evaluations."""
    chosen = _arguments()
    if chosen.propulate:
        os.environ[peer_propulate.PYTHON] = chosen.propulate
    try:
        problems = suite(chosen.suite)
        named = _versions(chosen, problems)
        grids = {number: _grid(chosen, problems, number) for number in _budgets(chosen, problems)}
    except ValueError as error:
        sys.exit(f"error: {error}")
    cache = Cache(Path(chosen.cache))
    if not chosen.cached:
        wanted = [cell for number in sorted(grids, reverse=True) for cell in grids[number] if cell.contestant in named]
        try:
            cells.measure(wanted, named, cache, chosen.jobs, lambda line: print(line, file=sys.stderr, flush=True))
        except KeyboardInterrupt:
            sys.exit("interrupted: the same command goes on from here")
    reports = []
    for number, grid in grids.items():
        standing = _standing(grid, named, cache, problems)
        if standing is None:
            print(f"nothing measured at {number:,} evaluations")
            continue
        reports.append(standing.data(chosen.reference, list(PEERS)))
        print(f"\n{_title(chosen, number)}\n\n{summary.table(standing, chosen.reference, list(PEERS))}", flush=True)
        if chosen.plot:
            summary.plot(standing, _apart(Path(chosen.plot), number, len(grids)))
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(reports, indent=1), encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m propulate_like_bench.quality", description=__doc__)
    parser.add_argument("suite", choices=SUITES)
    parser.add_argument("--dimension", type=count, default=5, help="where the suite has several")
    parser.add_argument("--evaluations", nargs="+", default=["100d"], metavar="N", help="100, or 100d: times dimension")
    parser.add_argument("--workers", type=count, default=16)
    parser.add_argument("--instances", type=natural, nargs="+", default=[1])
    parser.add_argument("--seeds", type=natural, nargs="+", default=[0])
    parser.add_argument("--problems", nargs="+", metavar="NAME", help="of the suite; all where left out")
    parser.add_argument(
        "--contestants",
        nargs="+",
        default=["auto", *PEERS],
        metavar="NAME",
        help=f"{', '.join(PEERS)}, auto, a propagator as in YAML, or file.py:function, which is given the Setting",
    )
    parser.add_argument("--reference", metavar="NAME", help="whom others are compared with (auto)")
    parser.add_argument("--seconds", type=seconds, default=60.0, help="mean evaluation time, virtual")
    parser.add_argument("--delay", type=seconds, default=0.0, help="virtual seconds until others know of a result")
    parser.add_argument("--jobs", type=count, default=1, help="processes")
    parser.add_argument("--cache", default=".quality", metavar="FOLDER")
    parser.add_argument("--cached", action="store_true", help="run nothing, show what the cache has")
    parser.add_argument("--propulate", metavar="PYTHON", help="a Python that has propulate")
    parser.add_argument("--json", metavar="FILE", help="rows and curves")
    parser.add_argument("--plot", metavar="FILE", help="curves, as .html")
    chosen = parser.parse_args()
    if chosen.reference is None:
        chosen.reference = "auto"
    elif chosen.reference not in chosen.contestants:
        parser.error(f"--reference {chosen.reference}: no contestant{nearest(chosen.reference, chosen.contestants)}")
    return chosen


def _versions(chosen: argparse.Namespace, problems: Suite) -> dict[str, list[str]]:
    """Return the versions of each contestant that can run, and say of the others how to install them."""
    try:
        problems.version()
    except metadata.PackageNotFoundError:
        message = f"suite {chosen.suite} needs: pip install {' '.join(problems.REQUIRES)}"
        raise ValueError(message) from None
    named = {}
    for name in chosen.contestants:
        try:
            named[name] = cells.versions(Cell(chosen.suite, "", 0, 0, 0, chosen.workers, 0, name))
        except (metadata.PackageNotFoundError, FileNotFoundError):
            print(f"{name} is left out: {entry(name).install}", file=sys.stderr)
    return named


def _budgets(chosen: argparse.Namespace, problems: Suite) -> list[int]:
    if problems.DIMENSIONS and chosen.dimension not in problems.DIMENSIONS:
        valid = ", ".join(map(str, problems.DIMENSIONS))
        message = f"--dimension {chosen.dimension}: suite {chosen.suite} has {valid}"
        raise ValueError(message)
    budgets = []
    for text in chosen.evaluations:
        number = text.removesuffix("d")
        relative = number != text
        if not number.isdecimal() or int(number) == 0 or (relative and not problems.DIMENSIONS):
            valid = "500 or 100d" if problems.DIMENSIONS else f"500: suite {chosen.suite} has no dimension to multiply"
            message = f"--evaluations {text}: give a number such as {valid}"
            raise ValueError(message)
        budgets.append(int(number) * (chosen.dimension if relative else 1))
    return budgets


def _grid(chosen: argparse.Namespace, problems: Suite, evaluations: int) -> list[Cell]:
    names = problems.names()
    for name in chosen.problems or ():
        if name not in names:
            message = f"unknown problem {name!r}{nearest(name, names)}"
            raise ValueError(message)
    dimension = chosen.dimension if problems.DIMENSIONS else 0
    return [
        Cell(
            chosen.suite, name, dimension, instance, seed, chosen.workers, evaluations, contestant, chosen.seconds,
            chosen.delay,
        )
        for contestant in dict.fromkeys(chosen.contestants)
        for instance in dict.fromkeys(chosen.instances)
        for seed in dict.fromkeys(chosen.seeds)
        for name in chosen.problems or names
    ]  # fmt: skip


def _standing(grid: list[Cell], named: dict[str, list[str]], cache: Cache, problems: Suite) -> summary.Standing | None:
    """Return where the contestants stand; those of which cells are missing are named, and left out."""
    courses: dict[str, dict[summary.Unit, list[Any]]] = {name: {} for name in named}
    lacking: dict[str, int] = {}
    for cell in grid:
        if cell.contestant in named:
            course = cache.find(cell, named[cell.contestant])
            courses[cell.contestant].setdefault((cell.problem, cell.instance), []).append(course)
            lacking[cell.contestant] = lacking.get(cell.contestant, 0) + (course is None)
    for name, missing in lacking.items():
        if missing:
            print(f"{name} is left out: {missing} of its cells are not in the cache", file=sys.stderr)
            del courses[name]
    if not courses:
        return None
    first = grid[0]
    units = {unit: problems.problem(unit[0], first.dimension, unit[1]) for unit in next(iter(courses.values()))}
    return summary.Standing(units, courses, first.evaluations)


def _title(chosen: argparse.Namespace, evaluations: int) -> str:
    size = f", {chosen.dimension}-d" if suite(chosen.suite).DIMENSIONS else ""
    return (
        f"{chosen.suite}{size}, {evaluations:,} evaluations, {chosen.workers} workers, "
        f"instances {', '.join(map(str, chosen.instances))}, seeds {', '.join(map(str, chosen.seeds))}"
    )


def _apart(path: Path, evaluations: int, grids: int) -> Path:
    return path if grids == 1 else path.with_stem(f"{path.stem}-{evaluations}")


if __name__ == "__main__":
    main()
