"""What the page says of quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from propulate_like_bench.comparison.intervals import Estimate, better
from propulate_like_bench.comparison.measures import Result
from propulate_like_bench.comparison.page.section import Better, Chart, Section, Series, Table, Verdict
from propulate_like_bench.quality.cells import Cell
from propulate_like_bench.quality.scoring import Array, interval
from propulate_like_bench.quality.suites import suite
from propulate_like_bench.quality.summary import Standing, Unit
from propulate_like_bench.quality.workers import Course

_NAMES = {
    "auto": "auto", "tpe": "Optuna TPE", "cmaes": "Optuna CMA-ES", "nsga2": "Optuna NSGA-II", "gp": "Optuna GP",
    "random": "random search", "propulate": "Propulate",
    "propulate_small": "Propulate, population 10", "pycma": "pycma",
}  # fmt: skip
_OPTUNA = ("tpe", "cmaes", "nsga2", "gp")
_GROUPS = {
    "bbob": {
        "separable (f1 to f5)": range(1, 6),
        "moderately conditioned (f6 to f9)": range(6, 10),
        "ill-conditioned (f10 to f14)": range(10, 15),
        "many optima, in order (f15 to f19)": range(15, 20),
        "many optima, in none (f20 to f24)": range(20, 25),
    }
}
_FAIR = """\
All get the same number of evaluations on the same asynchronous workers, in virtual time: evaluations take lognormal \
times (sigma 1), the same for all, and nobody knows a result before its evaluation has ended.
Optuna has its samplers' recommended settings: TPE multivariate, with constant liar, grouped where parameters are \
conditional; the Gaussian process told that losses are exact; CMA-ES and NSGA-II as they are. Every worker has a \
sampler of its own seed, and all share one study in memory, so that each knows all at once.
Optuna sees scaled parameters (a logarithmic range is a plain one to it), and conditional parameters are suggested \
where their conditions hold.
Instances were kept for this page: nothing was chosen or tuned on them."""
_COMPARED = """\
The lowest loss found, by numbers of evaluations. Score: orders of magnitude gained over a typical random point, out \
of 8 (BBOB); where the optimum is unknown, the mean rank among those compared, 1 being the best. Both are averaged \
over 51 moments of the search, spread evenly over the logarithm of its evaluations."""
_INTERVALS = """\
95 %, by the bootstrap over problems and instances. Differences are paired, and tell more than whether two intervals \
overlap."""


def section(settings: Any, results: Sequence[Result]) -> Section:
    """Tell each grid: a table, curves, differences, and what the intervals say."""
    courses = {
        msgspec.convert(each.cell, Cell): msgspec.convert(each.measured, Course) for each in results if each.measured
    }
    parts: list[Table | Chart] = []
    verdicts: list[Verdict] = []
    notes: list[str] = []
    for grid in settings.grids:
        standing = _standing(grid.cells(settings.workers), courses)
        if standing is None:
            notes.append(f"{grid.title}: nothing was measured.")
            continue
        told = _Told(grid, standing)
        parts += [told.table(), told.curves(), told.differences()]
        verdicts += told.verdicts()
        notes += told.notes()
    return Section(
        compared=_COMPARED,
        fair=_FAIR.splitlines(),
        intervals=_INTERVALS,
        parts=parts,
        verdicts=verdicts,
        notes=notes,
    )


def _standing(cells: Sequence[Cell], courses: Mapping[Cell, Course]) -> Standing | None:
    """Return where contestants stand on what all of them have been measured on: by the seeds that are complete.

    Where none is yet, by the first one's problems and instances that are. Contestants without any result are left out.
    """
    present = dict.fromkeys(cell.contestant for cell in cells if cell in courses)
    wanted = [cell for cell in cells if cell.contestant in present]
    lacking = {cell.seed for cell in wanted if cell not in courses}
    seeds = {cell.seed for cell in wanted} - lacking or {cells[0].seed}
    wanted = [cell for cell in wanted if cell.seed in seeds]
    missing = {(cell.problem, cell.instance) for cell in wanted if cell not in courses}
    by: dict[str, dict[Unit, list[Course]]] = {name: {} for name in present}
    for cell in wanted:
        unit = (cell.problem, cell.instance)
        if unit not in missing:
            by[cell.contestant].setdefault(unit, []).append(courses[cell])
    if not by or not next(iter(by.values())):
        return None
    first = cells[0]
    problems = suite(first.suite)
    units = {unit: problems.problem(unit[0], first.dimension, unit[1]) for unit in next(iter(by.values()))}
    return Standing(units, by, first.evaluations)


class _Told:
    """A grid, and where its contestants stand."""

    def __init__(self, grid: Any, standing: Standing) -> None:
        self._grid, self._standing = grid, standing
        self._names = standing.contestants
        self._reference = grid.contestants[0] if grid.contestants[0] in self._names else self._names[0]
        self._scored = standing.scores is not None
        self._values: Array = standing.worth.mean(axis=2)  # contestant, unit
        self._word = "score" if self._scored else "mean rank"

    def _row(self, contestant: str) -> Array:
        row: Array = self._values[self._names.index(contestant)]
        return row

    def _apart(self, contestant: str, units: Sequence[int] | None = None) -> Estimate:
        """Return how much better a contestant is than the reference (below 0: worse)."""
        apart = (self._row(contestant) - self._row(self._reference)) * (1.0 if self._scored else -1.0)
        return _estimate(apart if units is None else apart[list(units)])

    def table(self) -> Table:
        rows = []
        for name in sorted(self._names, key=lambda one: self._row(one).mean() * (-1.0 if self._scored else 1.0)):
            seconds = self._standing.ask_seconds[self._names.index(name)]
            apart = "" if name == self._reference else _written(self._apart(name), sign="+")
            rows.append([named(name), _written(_estimate(self._row(name))), apart, f"{1000.0 * seconds:.3g}"])
        seeds = self._standing.seeds
        caption = (
            f"{self._grid.title}: {len(self._standing.units)} problems and instances, {seeds} seed{'s' * (seeds > 1)}"
        )
        lead = f"better than {self._reference} by"
        return Table(caption, ["", f"{self._word} (95 %)", lead, "ms an ask"], rows, ours=[named(self._reference)])

    def curves(self) -> Chart:
        series = []
        for row, name in enumerate(self._names):
            by_moment = self._standing.worth[row].T
            moments = self._standing.moments
            points = {at: _estimate(values).at(at) for at, values in zip(moments, by_moment, strict=True)}
            series.append(Series(named(name), list(points.values()), ours=name == self._reference))
        direction = "" if self._scored else " (1 is best)"
        caption = f"{self._grid.title}: {self._word}{direction} of the lowest loss so far"
        return Chart(caption, "evaluations", self._word, series, log_x=True, low_is_good=not self._scored)

    def differences(self) -> Chart:
        others = [name for name in self._names if name != self._reference]
        series = [Series(named(name), [self._apart(name).at(0.0)]) for name in others]
        caption = f"{self._grid.title}: paired differences to {self._reference}"
        return Chart(caption, "", f"better than {self._reference} by ({self._word})", series, kind="dots")

    def verdicts(self) -> list[Verdict]:
        """Judge the suite as a whole, and its groups of problems where the judgement is another one there."""
        verdicts = []
        for name in self._names:
            if name in _OPTUNA and name != self._reference:
                whole = self._apart(name)
                verdicts.append(self._verdict(name, self._grid.title, whole))
                verdicts.append(self._of_asks(name))
                for group, units in self._groups().items():
                    part = self._apart(name, units)
                    if _judged(part) != _judged(whole):
                        verdicts.append(self._verdict(name, f"{self._grid.title}, {group}", part))
        return verdicts

    def _verdict(self, name: str, where: str, apart: Estimate) -> Verdict:
        judged = _judged(apart)
        if judged == "neither":
            text = f"{named(name)} less {self._reference}: {_written(apart, sign='+')} {self._word}"
        else:
            side = "ahead of" if judged == "theirs" else "behind"
            lead = apart if judged == "theirs" else Estimate(-apart.mean, -apart.high, -apart.low)
            text = f"{named(name)} is {side} {self._reference} by {_written(lead)} {self._word}"
        return Verdict(judged, f"{where}: {text}")

    def _of_asks(self, name: str) -> Verdict:
        mine, its = (
            _estimate(1000.0 * self._standing.asking[self._names.index(one)]) for one in (self._reference, name)
        )
        times = f"{its.written()} ms, {self._reference} {mine.written()}"
        return Verdict(better(mine, its, larger=False), f"{self._grid.title}: an ask takes {named(name)} {times}")

    def _groups(self) -> dict[str, list[int]]:
        numbers = _GROUPS.get(self._grid.suite, {})
        units = list(self._standing.units)
        found = {
            group: [place for place, (problem, _) in enumerate(units) if int(problem[1:]) in members]
            for group, members in numbers.items()
        }
        return {group: places for group, places in found.items() if len(places) > 1}

    def notes(self) -> list[str]:
        """Name the problems on which one of Optuna's samplers has the better mean."""
        sign = 1.0 if self._scored else -1.0
        problems: dict[str, list[int]] = {}
        for place, (problem, _) in enumerate(self._standing.units):
            problems.setdefault(problem, []).append(place)
        ahead = []
        for problem, places in problems.items():
            means = {name: sign * float(self._row(name)[places].mean()) for name in self._names}
            best = max((name for name in means if name in _OPTUNA), key=means.__getitem__, default=None)
            if best is not None and means[best] > means[self._reference]:
                ahead.append(f"{problem} ({named(best).removeprefix('Optuna ')})")
        which = ", ".join(ahead) or "none"
        count = f"{len(ahead)} of {len(problems)} problems"
        of = f"the best of Optuna's samplers is ahead of {self._reference} on {count}: {which}"
        return [f"{self._grid.title}: by means alone, of too few searches for an interval, {of}."]


def named(contestant: str) -> str:
    """Return a contestant's name on the page."""
    return _NAMES.get(contestant, contestant)


def _judged(apart: Estimate) -> Better:
    """Say who is better, by how much better Optuna's is."""
    if apart.values == 1:
        return "neither"
    return "theirs" if apart.low > 0.0 else "ours" if apart.high < 0.0 else "neither"


def _estimate(values: Array) -> Estimate:
    return Estimate(float(np.mean(values)), *interval(values), len(values))


def _written(estimate: Estimate, sign: str = "") -> str:
    return f"{estimate.mean:{sign}.3f} ({estimate.low:{sign}.3f} to {estimate.high:{sign}.3f})"
