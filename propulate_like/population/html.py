"""An individual as a table in HTML, as a notebook shows it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from propulate_like.foundation.html_table import html_table
from propulate_like.foundation.values import short_text

if TYPE_CHECKING:
    from propulate_like.population.individual import Individual

_MOST = 100  # parameters, and as many metrics
_DIGITS = 6


def individual_html(individual: Individual) -> str:
    """Return an individual as a table, with a line for each of its values, parameters and metrics."""
    return html_table(f"Individual {individual.id}", [], _lines(individual))


def values_text(individual: Individual) -> str:
    """Return what the loss function returned, as a text for people."""
    return ", ".join(short_text(value, _DIGITS) for value in individual.values)


def _lines(individual: Individual) -> Iterator[tuple[str, str]]:
    """Yield the lines: what each is about, and the text."""
    yield "status", str(individual.status)
    if individual.has_loss:
        yield "value" if len(individual.values) == 1 else "values", values_text(individual)
    for names in (individual.params, {f"[{name}]": value for name, value in islice(individual.metrics.items(), _MOST)}):
        for name, value in islice(names.items(), _MOST):
            yield name, short_text(value, _DIGITS)
        if len(names) > _MOST:
            yield "...", f"and {len(names) - _MOST} more"
    yield "seconds", f"{individual.seconds:.4g}"
    if individual.origin:
        yield "bred by", individual.origin
    if individual.cause:
        yield "cause", individual.cause.strip().rpartition("\n")[2]
