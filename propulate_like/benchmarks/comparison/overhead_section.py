"""What the page says of overhead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from propulate_like.benchmarks.comparison.intervals import Estimate, better, geometric_mean, mean
from propulate_like.benchmarks.comparison.measures import Result
from propulate_like.benchmarks.comparison.page.section import Chart, Section, Series, Table, Verdict

Who = tuple[str, str, int]
"""Contestant, storage and number of workers."""
_OURS = ("auto", "chain")
_NAMES = {
    "tpe": "Optuna TPE", "random": "Optuna random", "cmaes": "Optuna CMA-ES", "nsga2": "Optuna NSGA-II",
    "propulate": "Propulate",
}  # fmt: skip
_PLACES = {
    "memory": "in memory", "folder": "run folder", "journal": "journal file", "sqlite": "SQLite",
    "postgresql": "PostgreSQL", "grpc": "gRPC proxy, PostgreSQL",
}  # fmt: skip
_FAIR = """\
The loss is the sum of squares of the parameters: what is measured is the optimizer, its storage and its messages.
Each search has fresh processes, and nothing else runs beside it. The clock starts when all workers have imported what \
they need and the study exists.
Optuna has its samplers' recommended settings (TPE: multivariate, constant liar), a seed of its own for each worker, \
and an equal share of the trials, which costs it less than counting them together.
What is kept differs: Optuna's journal file, SQLite and PostgreSQL have each trial on disk before the next; our run \
folder is handed to the operating system within 10 ms, and synced from evaluations of 1 s on.
A search that has not done all trials when its time is up is told as far as it came."""


def section(settings: Any, results: Sequence[Result]) -> Section:
    """Tell rates by trials and by workers, and memory."""
    by: dict[Who, list[dict[str, Any]]] = {}
    for result in results:
        if result.measured:
            cell = result.cell
            by.setdefault((cell["contestant"], cell["storage"], cell["workers"]), []).append(result.measured)
    marks = sorted(settings.marks)
    most = max((who[2] for who in by), default=1)
    one = {who: runs for who, runs in by.items() if who[2] == 1}
    parts: list[Table | Chart] = [
        _rates_chart(f"One process: evaluations a second of the first n trials, {settings.parameters} parameters", one),
        *[_rates_chart(f"The same with {most} workers", {w: r for w, r in by.items() if w[2] == most})] * (most > 1),
        _workers_chart(by, marks),
        _memory_chart(by, most),
        _table(by, marks),
    ]
    return Section(
        compared=(
            f"Evaluations a second where an evaluation costs nothing, for {marks[0]:,} to {marks[-1]:,} trials and up "
            f"to {most} workers, and the memory of a worker."
        ),
        fair=_FAIR.splitlines(),
        intervals=(
            f"Geometric means of {settings.repetitions} repetitions, each with other seeds; 95 % intervals are "
            "Student's t of the logarithms."
        ),
        parts=parts,
        verdicts=_verdicts(by),
    )


def name(who: Who, *, workers: bool = False) -> str:
    """Name a contestant in a setting."""
    contestant, storage, number = who
    words = f"{_NAMES.get(contestant, contestant)}, {_PLACES[storage]}"
    return f"{words}, {number} worker{'s' * (number > 1)}" if workers else words


def rate_at(runs: Sequence[Mapping[str, Any]], mark: int) -> Estimate | None:
    """Give evaluations a second of the first `mark` trials, of the repetitions that came so far."""
    found = [mark / run["seconds"][str(mark)] for run in runs if str(mark) in run["seconds"]]
    return geometric_mean(found) if found else None


def _reached(runs: Sequence[Mapping[str, Any]]) -> list[int]:
    """Give the marks that all repetitions came to."""
    common = set.intersection(*(set(run["seconds"]) for run in runs))
    return sorted(map(int, common))


def _rates_chart(caption: str, by: Mapping[Who, Sequence[Mapping[str, Any]]]) -> Chart:
    series = []
    for who, runs in by.items():
        points = [rate.at(mark) for mark in _reached(runs) if (rate := rate_at(runs, mark)) is not None]
        series.append(Series(name(who), points, ours=who[0] in _OURS))
    return Chart(caption, "trials", "evaluations a second", series, log_x=True, log_y=True)


def _workers_chart(by: Mapping[Who, Sequence[Mapping[str, Any]]], marks: Sequence[int]) -> Chart:
    at = _common_mark(by, marks)
    kinds = {who[:2] for who in by if who[2] > 1}
    series = []
    for contestant, storage in dict.fromkeys(who[:2] for who in by if who[:2] in kinds):
        numbers = sorted(who[2] for who in by if who[:2] == (contestant, storage))
        found = [(number, rate_at(by[contestant, storage, number], at)) for number in numbers]
        points = [rate.at(number) for number, rate in found if rate is not None]
        series.append(Series(name((contestant, storage, 1)), points, ours=contestant in _OURS))
    caption = f"Evaluations a second of the first {at:,} trials, by number of workers"
    return Chart(caption, "workers", "evaluations a second", series, log_x=True, log_y=True)


def _common_mark(by: Mapping[Who, Sequence[Mapping[str, Any]]], marks: Sequence[int]) -> int:
    """Give the largest number of trials that all have reached, or most."""
    reached = {mark: sum(mark in _reached(runs) for runs in by.values()) for mark in marks}
    return max(marks, key=lambda mark: (reached[mark], mark))


def _memory_chart(by: Mapping[Who, Sequence[Mapping[str, Any]]], most: int) -> Chart:
    series = []
    for who, runs in by.items():
        if who[2] in {1, most} and (who[2] == most or who[1] == "memory"):
            marks = sorted(set.intersection(*(set(map(int, run["memory"])) for run in runs)))
            points = [mean([run["memory"][str(mark)] for run in runs]).at(mark) for mark in marks]
            series.append(Series(name(who), points, ours=who[0] in _OURS))
    return Chart("Peak memory of a worker, MB", "trials", "MB", series, log_x=True)


def _table(by: Mapping[Who, Sequence[Mapping[str, Any]]], marks: Sequence[int]) -> Table:
    shown = [mark for mark in (marks[0], 1000, marks[-1]) if mark in marks]
    shown = list(dict.fromkeys(shown))
    rows = []
    for who, runs in by.items():
        rates = [rate_at(runs, mark) for mark in shown]
        written = [rate.written() if rate is not None else "not reached" for rate in rates]
        came = min(run["trials"] for run in runs), max(run["total_seconds"] for run in runs)
        peak = max(run["peak"] for run in runs)
        rows.append([name(who), str(who[2]), *written, f"{came[0]:,} in {came[1]:.3g} s", f"{peak:.0f}"])
    head = ["", "workers", *[f"a second at {mark:,}" for mark in shown], "came to", "MB a worker"]
    return Table(
        "Evaluations a second of the first n trials (95 % interval)", head, rows, [name(w) for w in by if w[0] in _OURS]
    )


def _verdicts(by: Mapping[Who, Sequence[Mapping[str, Any]]]) -> list[Verdict]:
    """Compare `auto` with each of Optuna's that has as many workers, and keeps as much on disk."""
    verdicts = []
    for who, runs in by.items():
        contestant, storage, workers = who
        mine = by.get(("auto", "memory" if storage == "memory" else "folder", workers))
        if contestant in _OURS or mine is None:
            continue
        both = [mark for mark in _reached(runs) if mark in _reached(mine)]
        for mark in both[-1:]:
            here, there = rate_at(mine, mark), rate_at(runs, mark)
            if here is None or there is None:
                continue
            rates = f"{there.written()} evaluations a second, auto {here.written()}"
            text = f"{name(who, workers=True)}, {mark:,} trials: {rates}"
            verdicts.append(Verdict(better(here, there), text))
    return verdicts
