"""The result of a search: the same on every rank."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from propulate_like.foundation.console import short
from propulate_like.parallel.coordination.termination import SessionSummary
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import Status
from propulate_like.population.pareto import front
from propulate_like.population.population import LAST
from propulate_like.population.summary import Summary
from propulate_like.problem.directions import Signs
from propulate_like.search.rows import column_names, param_names, row
from propulate_like.storage.events import Died
from propulate_like.storage.journal_lines import Shape
from propulate_like.storage.recovery import Recovery
from propulate_like.storage.run import Run

if TYPE_CHECKING:
    import pandas as pd


class Improvement(NamedTuple):
    """A moment of a search at which it found a better value than before.

    Attributes:
        evaluations: The number of evaluations until then.
        seconds: The seconds until then.
        value: The value, as the loss function returned it.
        loss: The loss: the value, or, where that is maximized, the value negated.
    """

    evaluations: int
    seconds: float
    value: float
    loss: float


class Findings(msgspec.Struct, frozen=True):
    """What a result is made of, as it travels between processes of one search.

    Attributes:
        evaluations: The summary of all evaluations of the run.
        session: The summary of this session.
        seconds: The time that the run took.
        trials: The folder of the evaluations' own directories, or "".
    """

    evaluations: Summary
    session: SessionSummary
    seconds: float
    trials: str = ""


class Result:
    """What a search found, over all ranks and over all the times it was continued: the same on every rank.

    Individuals know the search's directions: `best.value` is what the loss function returned, `best.loss` what is
    minimized. A script under `mpiexec` prints once with `if result.is_root:`, which is true on one rank alone.

    `statuses` counts evaluations by status, `seconds` is how long the run took, `reason` is why it ended, and
    `idle_share` is the part of the ranks' time (of this session, until its last evaluation began) in which they
    waited for work; `tail_share` is the part of all their time in which they waited after that, with nothing left to
    begin. `batches` counts the batches of messages that this session's ranks sent, `volume` their bytes. `run` is
    its folder, None where nothing was written to disk, `deaths` are the ranks that died in this session, and
    `trials` the one with the evaluations' own directories, each named after its individual's id: a temporary one,
    which is yours to remove, where there is no `run`.
    """

    def __init__(
        self, findings: Findings, *, shape: Shape, signs: Signs, run: Path | None = None, is_root: bool = True
    ) -> None:
        evaluations, session = findings.evaluations, findings.session
        self.findings: Findings = findings
        self.losses: int = len(signs)
        """How many losses an evaluation has."""
        self.failure: Individual | None = evaluations.failure and evaluations.failure.in_directions(signs)
        self.statuses: dict[Status, int] = evaluations.statuses
        self.added: int = session.evaluations.finished
        """How many evaluations this session added to those that the run had before."""
        self.seconds: float = findings.seconds
        self.idle_share: float = session.idle_share
        self.tail_share: float = session.tail_share
        self.batches: int = session.batches
        self.volume: int = session.volume
        self.reason: str = session.reason
        self.maximize: bool = signs == (-1.0,)
        self.run: Path | None = run
        self.trials: Path | None = Path(findings.trials) if findings.trials else None
        self.deaths: Sequence[Died] = session.died
        self.is_root: bool = is_root
        """Whether this rank is the one to print or to save what came of it: the lowest that lives."""
        self._leading: Individual | None = evaluations.best and evaluations.best.in_directions(signs)
        self._history = session.history
        self._shape, self._signs = shape, signs

    @property
    def best(self) -> Individual | None:
        """The feasible individual with the best value; None where no evaluation has succeeded, or none is feasible.

        Raises:
            LookupError: There are several losses, of which none is the best.
        """
        if self.losses > 1:
            message = f"of {self.losses} losses none is the best: see `front`"
            raise LookupError(message)
        return self._leading if self.succeeded else None

    @property
    def least_violating(self) -> Individual | None:
        """The individual that violates its constraints least; None where no evaluation has succeeded.

        It violates none where there is a feasible one: then it is the one with the lowest (first) loss.
        """
        return self._leading

    @cached_property
    def front(self) -> list[Individual]:
        """The individuals that no other is better than: in no loss worse, and in one better. By their first loss.

        Of those with the same params and losses, only the one that ended first is among them. With a fidelity, all are
        of the highest rung that was reached; with constraints, all are feasible.
        """
        succeeded = [individual for individual in self.individuals if individual.feasible]
        highest = max((individual.rung for individual in succeeded), default=0)
        return front(individual for individual in succeeded if individual.rung == highest)

    @property
    def succeeded(self) -> bool:
        """Whether any evaluation did and is feasible, so that there is a `best`."""
        return self._leading is not None and self._leading.feasible

    @property
    def value(self) -> float:
        """What the loss function returned for the best.

        Raises:
            LookupError: No evaluation has succeeded, none is feasible, or there are several losses.
        """
        best = self.best
        if best is None:
            least, failed = self._leading, "no evaluation has succeeded"
            if least is not None:
                failed = (
                    f"no evaluation is feasible, the least violation is {least.violation:.6g}: see `least_violating`"
                )
            message = f"{failed}: {self.evaluations} evaluations, ended by {self.reason}"
            raise LookupError(message)
        return best.value

    def checked(self) -> Result:
        """Return this result.

        Raises:
            SearchFailed: Every evaluation failed.
        """
        if self._leading is None and self.failure is not None:
            raise SearchFailed(self)
        return self

    @property
    def evaluations(self) -> int:
        """How many evaluations have ended, failures included."""
        return sum(self.statuses.values())

    @cached_property
    def individuals(self) -> list[Individual]:
        """Every evaluated individual, failures included, in the order in which the evaluations ended."""
        known = [each.in_directions(self._signs) for each in (*self._on_disk, *self._unsaved)]
        return sorted(known, key=lambda individual: (individual.ended, individual.id))

    @property
    def unsaved(self) -> int:
        """How many of the evaluated individuals are not in the run's folder, as the disk did not take them."""
        return len(self._unsaved) if self.run is not None else 0

    @cached_property
    def _on_disk(self) -> list[Individual]:
        if self.run is None:
            return []
        if not (self._history or Run.exists(self.run)):
            message = f"{self.run} was removed after the search"
            raise ValueError(message)
        return list(Recovery(self.run, self._shape).individuals())

    @cached_property
    def _unsaved(self) -> list[Individual]:
        if self.run is None or not self._history:
            return self._history
        known = {individual.id for individual in self._on_disk}
        return list({each.id: each for each in self._history if each.id not in known}.values())

    @property
    def trace(self) -> list[Improvement]:
        """Each improvement of the best feasible value, first to last; seconds count from the first start.

        Raises:
            LookupError: There are several losses, of which none is the best.
        """
        if self.losses > 1:
            message = f"of {self.losses} losses none is the best: see `front`"
            raise LookupError(message)
        improvements: list[Improvement] = []
        lowest = LAST
        individuals = self.individuals
        began = min((individual.ended - individual.seconds for individual in individuals), default=0.0)
        for count, individual in enumerate(individuals, 1):
            if individual.feasible and individual.order < lowest:
                lowest = individual.order
                seconds = individual.ended - began
                improvements.append(Improvement(count, seconds, individual.value, individual.loss))
        return improvements

    def directory(self, individual: Individual) -> Path:
        """Return the folder that was an individual's `evaluation.directory`; LookupError where there are none."""
        if self.trials is None:
            message = "no evaluation of this search had a directory"
            raise LookupError(message)
        return self.trials / str(individual.id)

    def to_dataframe(self) -> pd.DataFrame:
        """Return a row for each individual: id, value, status, loss, its parameters, metrics and how it came about.

        `value` is what the loss function returned, several are in value.0, value.1 and so on; losses likewise. The
        columns of parameters are in the order of the space.

        Needs pandas; ImportError where it is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            message = "to_dataframe() needs pandas: pip install pandas"
            raise ImportError(message) from None
        rows = [row(individual) for individual in self.individuals]
        frame = pd.DataFrame(rows, columns=column_names(rows, param_names(self.individuals)))
        for name in frame.columns:  # or 1 and True beside 1.0 would become 1.0 as well
            if name.startswith("params.") and len({type(each[name]) for each in rows if name in each}) > 1:
                frame[name] = pd.Series([each.get(name) for each in rows], dtype=object)
        return frame

    def __repr__(self) -> str:
        if not self.succeeded:
            best = "nothing" if self._leading is None else f"nothing feasible, violation {self._leading.violation:.6g}"
        elif self.losses > 1:
            best = f"a front of {len(self.front)}"
        else:
            best = "nothing" if self.best is None else f"{self.value} at {self.best.params}"
        return f"<Result: {best}, after {self.evaluations} evaluations in {self.seconds:.1f} s>"

    def _repr_html_(self) -> str:
        """Return how the search went, and the best or the front, as tables for a notebook."""
        from propulate_like.search.result_html import result_html

        return result_html(self)


class SearchFailed(RuntimeError):  # noqa: N818 (it says what happened, as the standard library's names do)
    """Every evaluation failed. The message holds the first failure's cause, `result` the search's result."""

    def __init__(self, result: Result) -> None:
        cause = result.failure.cause if result.failure is not None else "no cause is known"
        super().__init__(f"all {result.evaluations} evaluations failed; the first one so:\n{cause}")
        self.result = result


def last_line(text: str) -> str:
    """Return the last line of a cause or a metric that has any words, for a table or a summary."""
    return short(text.strip().rpartition("\n")[2].strip())
