"""A result as tables in HTML, as a notebook shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from propulate_like.foundation.html_table import html_table
from propulate_like.foundation.values import short_text
from propulate_like.population.html import individual_html, values_text
from propulate_like.population.individual import Individual
from propulate_like.search.rows import param_names

if TYPE_CHECKING:
    from propulate_like.search.result import Result

_FRONT = 20  # individuals of a front that are shown
_PARAMS = 50  # and parameters of each
_DIGITS = 6


def result_html(result: Result) -> str:
    """Return how the search went, and its best individual or its front."""
    statuses = ", ".join(f"{count} {status}" for status, count in result.statuses.items())
    lines = [
        ("evaluations", f"{result.evaluations} ({statuses})" if statuses else "none"),
        ("seconds", f"{result.seconds:.1f}, ended by {result.reason}"),
    ]
    if result.run is not None:
        lines.append(("run", str(result.run)))
    course = html_table("Result", [], lines)
    if not result.succeeded:
        return course
    if result.losses > 1:
        return course + _front_html(result.front)
    return course + ("" if result.best is None else individual_html(result.best))


def _front_html(front: list[Individual]) -> str:
    """Return the first individuals of a front as a table, a line for each."""
    shown = front[:_FRONT]
    names = param_names(shown)[:_PARAMS]
    title = f"Front of {len(front)}" + (f", of which these are the first {_FRONT}" if len(front) > _FRONT else "")
    rows = []
    for individual in shown:
        params = individual.params
        texts = [short_text(params[name], _DIGITS) if name in params else "" for name in names]
        rows.append([str(individual.id), values_text(individual), *texts])
    return html_table(title, ["id", "values", *names], rows)
