"""What was measured, in figures: a table, curves over the evaluations, and both as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from propulate_like_bench.quality.scoring import Array, anytime, interval, moments, ranks
from propulate_like_bench.quality.suites import Problem
from propulate_like_bench.quality.workers import Course

Unit = tuple[str, int]
"""A problem and an instance of it: what intervals are drawn over."""
Courses = Mapping[Unit, Sequence[Course]]
"""One contestant's courses, one for each seed."""


class Standing:
    """Where contestants stand after a number of evaluations.

    All have courses of the same problems, instances and seeds. `scores` and `ranks` have a row for each contestant and
    a column for each unit; `curves` and `rank_curves` a value for each moment in place of a unit; `worth` (scores, or
    ranks where there are none) a layer for each moment besides.
    """

    def __init__(self, problems: Mapping[Unit, Problem], courses: Mapping[str, Courses], evaluations: int) -> None:
        self.contestants, self.units = list(courses), list(problems)
        self.evaluations = evaluations
        self.moments = moments(evaluations)
        losses: Array = np.array(
            [[[anytime(c.improvements, evaluations) for c in by[unit]] for unit in problems] for by in courses.values()]
        )  # contestant, unit, seed, moment
        self.seeds = losses.shape[2]
        ranked = ranks(losses).mean(axis=2)
        self.ranks, self.rank_curves = ranked.mean(axis=2), ranked.mean(axis=1)
        self.worth: Array = ranked
        gains = [problem.gain for problem in problems.values() if problem.gain is not None]
        self.scores: Array | None = None
        self.curves: Array | None = None
        if len(gains) == len(problems):
            by_unit: Array = np.array(
                [
                    np.vectorize(gain, otypes=[float])(losses[:, column]).mean(axis=1)
                    for column, gain in enumerate(gains)
                ]
            )  # unit, contestant, moment
            self.worth = by_unit.transpose(1, 0, 2)
            self.scores, self.curves = self.worth.mean(axis=2), self.worth.mean(axis=1)
        self.asking: Array = np.array(
            [[np.mean([_asked(c, evaluations) for c in by[unit]]) for unit in problems] for by in courses.values()]
        )  # contestant, unit
        self.asking /= evaluations
        self.ask_seconds = [float(seconds) for seconds in self.asking.mean(axis=1)]

    def rows(self, reference: str, peers: Sequence[str]) -> list[dict[str, Any]]:
        """Return a row for each contestant, the best first.

        `difference` is to the `reference`, paired; `gain_ratio` is the gain over random search beside the best peer's.
        """
        measure = self.ranks if self.scores is None else self.scores
        means = dict(zip(self.contestants, measure.mean(axis=1), strict=True))
        base = measure[self.contestants.index(reference)] if reference in self.contestants else None
        best = None
        if self.scores is not None and "random" in means:
            others = [means[name] - means["random"] for name in peers if name in means and name != "random"]
            best = max(others, default=None)
        rows = []
        for row, name in enumerate(self.contestants):
            values: dict[str, Any] = {"contestant": name, "mean_rank": float(self.ranks[row].mean())}
            if self.scores is not None:
                values["score"] = float(means[name])
            values["interval"] = interval(measure[row])
            if base is not None and name != reference:
                apart = measure[row] - base
                values["difference"], values["difference_interval"] = float(apart.mean()), interval(apart)
            if best is not None and best > 0.0 and name != "random":
                values["gain_ratio"] = float((means[name] - means["random"]) / best)
            values["ask_milliseconds"] = 1000.0 * self.ask_seconds[row]
            rows.append(values)
        return sorted(rows, key=lambda row: -row["score"] if "score" in row else row["mean_rank"])

    def data(self, reference: str, peers: Sequence[str]) -> dict[str, Any]:
        """Return all of it as JSON can hold it."""
        curves = self.rank_curves if self.curves is None else self.curves
        return {
            "evaluations": self.evaluations,
            "moments": self.moments,
            "curves_of": "mean rank" if self.curves is None else "score",
            "curves": dict(zip(self.contestants, curves.tolist(), strict=True)),
            "rows": self.rows(reference, peers),
        }


def table(standing: Standing, reference: str, peers: Sequence[str]) -> str:
    """Write the standing as a table in Markdown."""
    scored = standing.scores is not None
    head = ["contestant", *(["score"] if scored else []), "mean rank", "95 % interval", f"less {reference}'s"]
    head += [*(["gain over random / best peer's"] if scored else []), "ms per ask"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in standing.rows(reference, peers):
        digits = 3 if scored else 2
        cells = [row["contestant"], *([f"{row['score']:.3f}"] if scored else []), f"{row['mean_rank']:.2f}"]
        cells.append(_range(row["interval"], digits))
        apart = ""
        if "difference" in row:
            apart = f"{row['difference']:+.{digits}f} ({_range(row['difference_interval'], digits, '+')})"
        cells.append(apart)
        if scored:
            cells.append(f"{row['gain_ratio']:.2f}" if "gain_ratio" in row else "")
        cells.append(f"{row['ask_milliseconds']:.3g}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(standing: Standing, path: Path) -> None:
    """Draw the curves into an HTML page, or a picture where the file's name says so; needs plotly."""
    import plotly.graph_objects as go

    scored = standing.curves is not None
    curves = standing.curves if standing.curves is not None else standing.rank_curves
    figure = go.Figure()
    for name, curve in zip(standing.contestants, curves, strict=True):
        figure.add_scatter(x=standing.moments, y=curve, name=name, mode="lines")
    figure.update_xaxes(type="log", title="evaluations")
    figure.update_yaxes(title="score" if scored else "mean rank", autorange=None if scored else "reversed")
    if path.suffix == ".html":
        figure.write_html(path, include_plotlyjs=True)
    else:
        figure.write_image(path)


def _range(bounds: tuple[float, float], digits: int, sign: str = "") -> str:
    return f"{bounds[0]:{sign}.{digits}f} to {bounds[1]:{sign}.{digits}f}"


def _asked(course: Course, evaluations: int) -> float:
    """Return the seconds that asks had taken by then, of a search that may have gone on."""
    at, spent = zip(*course.asking, strict=True)
    return float(np.interp(evaluations, at, spent))
