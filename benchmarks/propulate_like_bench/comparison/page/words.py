"""Sentences that the page has in whatever it is written in."""

from __future__ import annotations

from propulate_like_bench.comparison.page.report import Chapter, Report

TITLE = "propulate-like beside Optuna"
LEAD = (
    "Who is better at what, as these measurements say. Each line below is computed from the results: one side is "
    "called better where 95 % intervals say so, and where they do not, that is said too. Of comparisons "
    "without any difference, one in twenty seems to have one."
)
GROUPS = {
    "theirs": ("Where Optuna is better", "Nowhere in what was measured here."),
    "ours": ("Where propulate-like is better", "Nowhere in what was measured here."),
    "neither": ("Where the intervals do not tell", "There is no such comparison."),
}


def extent(chapter: Chapter) -> str:
    """Return how much of a comparison was measured."""
    size = "The small version, which says little: " if chapter.quick else ""
    text = f"{size}{chapter.measured} of {chapter.cells} measurements, which took {chapter.seconds / 60:.1f} minutes"
    if chapter.ended:
        text += f", the last on {chapter.ended.replace('T', ' at ').replace('+00:00', ' UTC')}"
    if chapter.measured < chapter.cells:
        text += "; the same command goes on with the others"
    return text


def when(report: Report) -> str:
    """Return the day on which the last measurement ended."""
    return max((chapter.ended for chapter in report.chapters), default="")[:10] or "nothing measured"
