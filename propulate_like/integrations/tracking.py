"""What trackers of experiments have in common: what an evaluation is to them, and that their library is needed."""

from __future__ import annotations

import importlib.util
import json
import re
from typing import Any, NamedTuple

from propulate_like.population.individual import Individual
from propulate_like.population.outcome import Status
from propulate_like.search.callbacks import WatchedSearch

VALUE = "value"
BEST = "best"
CURVE = "intermediate"
_ADDED = ("status", "origin", "parents", "cause")


class Tracked(NamedTuple):
    """An evaluation as trackers have it.

    Attributes:
        ident: The individual's identity.
        params: Its parameters.
        numbers: What the loss returned, as "value", or "value.0" and so on, its constraints and their violation, and
            those of its metrics that are numbers.
        texts: Its status, origin and parents, the cause of a failure, and its other metrics.
        curve: Its intermediate values, each with its step.
        succeeded: Whether there is a value.
        began: When its evaluation began, in Unix time.
        ended: When its evaluation ended, in Unix time.
    """

    ident: str
    params: dict[str, Any]
    numbers: dict[str, float]
    texts: dict[str, str]
    curve: list[tuple[int, float]]
    succeeded: bool
    began: float
    ended: float

    @classmethod
    def of(cls, search: WatchedSearch, individual: Individual) -> Tracked:
        """Return an individual as trackers have it."""
        values = individual.values if individual.has_loss else ()
        names = [VALUE] if len(search.directions) == 1 else [f"{VALUE}.{place}" for place in range(len(values))]
        numbers = {"seconds": individual.seconds, **dict(zip(names, values))}
        if individual.constraints:
            numbers |= {f"constraints.{place}": number for place, number in enumerate(individual.constraints)}
            numbers["violation"] = individual.violation
        said = (str(individual.status), individual.origin, " ".join(map(str, individual.parents)), individual.cause)
        texts = {name: text for name, text in zip(_ADDED, said) if text}
        for name, metric in individual.metrics.items():
            if isinstance(metric, int | float) and not isinstance(metric, bool):
                numbers.setdefault(name, float(metric))
            else:
                texts.setdefault(name, metric if isinstance(metric, str) else json.dumps(metric))
        return cls(
            str(individual.id),
            individual.params,
            numbers,
            texts,
            search.curve(individual),
            individual.has_loss,
            individual.ended - individual.seconds,
            individual.ended,
        )

    @property
    def stopped(self) -> bool:
        """Whether a pruner ended it."""
        return self.texts["status"] == Status.STOPPED


def require(library: str, name: str) -> None:
    """Check that a tracker's library is installed, without importing it.

    Raises:
        ValueError: It is not. The message says what to install.
    """
    spec = importlib.util.find_spec(library)
    if spec is None or spec.origin is None:  # a folder of that name, such as W&B's own files, is no library
        message = f"{name} is not installed: pip install 'propulate-like[{library}]'"
        raise ValueError(message)


def name_of(search: WatchedSearch) -> str:
    """Return a name for a search that any file may have: its run's folder, and the beginning of the run's identity."""
    name = search.run.absolute().name if search.run is not None else "search"
    return f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)[:60]}-{search.key[:8]}"
