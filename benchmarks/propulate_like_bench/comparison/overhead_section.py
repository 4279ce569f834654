"""What the page says of overhead."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from propulate_like_bench.comparison.intervals import Estimate, better_by, geometric_mean, mean, ratio, rounded
from propulate_like_bench.comparison.measures import Result
from propulate_like_bench.comparison.page.section import Chart, Section, Series, Table, Verdict

Who = tuple[str, str, int]
"""Contestant, storage (and where its files are), and number of workers."""
_OURS = ("auto", "chain")
_OPTUNA = ("tpe", "random", "cmaes", "nsga2")
_NAMES = {
    "tpe": "Optuna TPE", "random": "Optuna random", "cmaes": "Optuna CMA-ES", "nsga2": "Optuna NSGA-II",
    "propulate": "Propulate",
}  # fmt: skip
_PLACES = {
    "memory": "in memory", "folder": "run folder", "journal": "journal file", "sqlite": "SQLite",
    "postgresql": "PostgreSQL", "grpc": "gRPC + PostgreSQL",
}  # fmt: skip
_FAIR = """\
The loss is the sum of squares of the parameters: what is measured is the optimizer, its storage and its messages.
Each search has fresh processes, and nothing else runs beside it. The clock starts when all workers have imported what \
they need and the study exists.
Optuna has its samplers' recommended settings (TPE: multivariate, constant liar), a seed of its own for each worker \
(1000 x repetition + worker), and an equal share of the trials, which costs it less than counting them together.
What is kept differs: Optuna's journal file, SQLite and PostgreSQL have each trial on disk before the next; our run \
folder is handed to the operating system within 10 ms, and synced from evaluations of 1 s on.
A search that has not done all trials when its time is up is told as far as it came."""


def section(settings: Any, results: Sequence[Result]) -> Section:
    """Tell rates by trials and by workers, and memory."""
    by: dict[Who, list[dict[str, Any]]] = {}
    for result in results:
        if result.measured:
            cell = result.cell
            storage = f"{cell['storage']} {cell['files'] or ''}".strip()
            by.setdefault((cell["contestant"], storage, cell["workers"]), []).append(result.measured)
    marks = sorted(settings.marks)
    most = max((who[2] for who in by), default=1)
    kinds: dict[str, Callable[[Who], bool]] = {
        "One process, in memory": lambda who: who[2] == 1 and who[1] == "memory",
        "One process, kept on disk": lambda who: who[2] == 1 and who[1] != "memory",
        f"{most} workers": lambda who: who[2] == most > 1,
    }
    charts = [_rates_chart(kind, {who: by[who] for who in by if chosen(who)}) for kind, chosen in kinds.items()]
    parts: list[Table | Chart] = [*charts, _workers_chart(by), _memory_chart(by), _table(by, marks)]
    return Section(
        compared=(
            f"Evaluations a second where an evaluation costs nothing, for {marks[0]:,} to {marks[-1]:,} trials and up "
            f"to {most} workers, and the memory of a worker."
        ),
        fair=_FAIR.splitlines(),
        intervals=(
            f"Geometric means of {settings.repetitions} repetitions, each with other seeds; 95 % intervals are "
            "Student's t of the logarithms. One side is better where Welch's interval of the ratio leaves out 1."
        ),
        parts=parts,
        verdicts=_verdicts(by),
        notes=_notes(by),
    )


def name(who: Who, *, workers: bool = False) -> str:
    """Name a contestant in a setting."""
    contestant, storage, number = who
    kind, _, files = storage.partition(" ")
    words = f"{_NAMES.get(contestant, contestant)}, {_PLACES[kind]}{f', {files}' if files else ''}"
    return f"{words}, {number} worker{'s' * (number > 1)}" if workers else words


def rates_at(runs: Sequence[Mapping[str, Any]], mark: int) -> list[float]:
    """Return evaluations a second of the first `mark` trials, which all repetitions have reached."""
    return [mark / run["seconds"][str(mark)] for run in runs]


def rate_at(runs: Sequence[Mapping[str, Any]], mark: int) -> Estimate:
    """Return their mean."""
    return geometric_mean(rates_at(runs, mark))


def whole_rate(runs: Sequence[Mapping[str, Any]]) -> Estimate:
    """Return evaluations a second of all that the searches came to."""
    return geometric_mean([run["trials"] / run["total_seconds"] for run in runs])


def memory_at(runs: Sequence[Mapping[str, Any]], mark: int) -> Estimate:
    """Return the peak memory of the worker with most, in MB, by that number of trials."""
    return mean([run["memory"][str(mark)] for run in runs])


def _reached(runs: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the marks that all repetitions came to."""
    common = set.intersection(*(set(run["seconds"]) for run in runs))
    return sorted(map(int, common))


def _rates_chart(caption: str, by: Mapping[Who, Sequence[Mapping[str, Any]]]) -> Chart:
    series = []
    for who, runs in by.items():
        points = [rate_at(runs, mark).at(mark) for mark in _reached(runs)]
        series.append(Series(name(who), points, ours=who[0] in _OURS))
    caption = f"{caption}: evaluations a second of the first n trials"
    return Chart(caption, "trials", "evaluations a second", series, log_x=True, log_y=True)


def _workers_chart(by: Mapping[Who, Sequence[Mapping[str, Any]]]) -> Chart:
    several = dict.fromkeys(who[:2] for who in by if who[2] > 1)
    series = []
    for contestant, storage in several:
        numbers = sorted(who[2] for who in by if who[:2] == (contestant, storage))
        points = [whole_rate(by[contestant, storage, number]).at(number) for number in numbers]
        series.append(Series(name((contestant, storage, 1)), points, ours=contestant in _OURS))
    caption = "Evaluations a second of whole searches, by number of workers"
    return Chart(caption, "workers", "evaluations a second", series, log_x=True, log_y=True)


def _memory_chart(by: Mapping[Who, Sequence[Mapping[str, Any]]]) -> Chart:
    series = []
    for who, runs in by.items():
        if who[2] == 1:
            marks = sorted(set.intersection(*(set(map(int, run["memory"])) for run in runs)))
            points = [memory_at(runs, mark).at(mark) for mark in marks]
            series.append(Series(name(who), points, ours=who[0] in _OURS))
    return Chart("One process: peak memory", "trials", "MB", series, log_x=True)


def _table(by: Mapping[Who, Sequence[Mapping[str, Any]]], marks: Sequence[int]) -> Table:
    shown = [mark for mark in (100, 1000) if mark in marks]
    rows = []
    for who, runs in by.items():
        reached = _reached(runs)
        written = [rate_at(runs, mark).written(2) if mark in reached else "-" for mark in shown]
        trials, seconds = (statistics.median(run[key] for run in runs) for key in ("trials", "total_seconds"))
        came = f"{trials:,.0f} in {rounded(seconds, 2)} s"
        peak = f"{max(run['peak'] for run in runs):.0f}"
        rows.append([name(who), str(who[2]), *written, whole_rate(runs).written(2), came, peak])
    head = ["", "workers", *[f"first {mark:,}" for mark in shown], "all", "came to", "MB a worker"]
    ours = [name(who) for who in by if who[0] in _OURS]
    caption = (
        "Evaluations a second of the first n trials, and of all (95 % intervals); - where a search did not come so far"
    )
    return Table(caption, head, rows, ours)


def _notes(by: Mapping[Who, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Return how quick the disk was, as a storage that keeps each step waits for it several times a trial."""
    chosen = [run for (_, storage, _), runs in by.items() if " " not in storage for run in runs]
    times = sorted(run["fsync_milliseconds"] for run in chosen if "fsync_milliseconds" in run)
    if not times:
        return []
    spread = f"between {rounded(times[0])} and {rounded(times[-1])}"
    return [
        f"The disk took {rounded(statistics.median(times))} ms to keep a line: the median of all searches, {spread}."
    ]


def _verdicts(by: Mapping[Who, Sequence[Mapping[str, Any]]]) -> list[Verdict]:
    """Compare each of Optuna's with `auto`, of as many workers and both in memory or on disk.

    By the most trials that both did, and by the most of those where the judgement is another one.
    """
    verdicts: list[Verdict] = []
    for who, runs in by.items():
        contestant, storage, workers = who
        mine = by.get(("auto", "memory" if storage == "memory" else "folder", workers), ())
        both = sorted(set(_reached(runs)) & set(_reached(mine)), reverse=True) if mine else []
        if contestant not in _OPTUNA or not both:
            continue
        judged: dict[str, Verdict] = {}
        for mark in both:
            times = ratio(rates_at(mine, mark), rates_at(runs, mark))
            means = (
                f"{rounded(rate_at(runs, mark).mean)} evaluations a second, auto {rounded(rate_at(mine, mark).mean)}"
            )
            text = f"{name(who, workers=True)}, first {mark:,} trials: {means}, {times.written()} times as many"
            judged.setdefault(better_by(times), Verdict(better_by(times), text))
        verdicts += judged.values()
        if workers == 1 and storage == "memory":
            its, ours = ([run["memory"][str(both[0])] for run in each] for each in (runs, mine))
            times = ratio(ours, its)
            means = f"{rounded(statistics.fmean(its))} MB, auto {rounded(statistics.fmean(ours))}"
            text = f"{name(who, workers=True)}, {both[0]:,} trials: {means}, {times.written()} times as much"
            verdicts.append(Verdict(better_by(times, larger=False), text))
    return verdicts
