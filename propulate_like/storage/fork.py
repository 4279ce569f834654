"""Forks: a copy of a run folder that continues with another config."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from propulate_like.population.individual import Candidate, Individual
from propulate_like.population.outcome import Outcome
from propulate_like.problem.directions import values_of
from propulate_like.problem.fidelity import Fidelity
from propulate_like.problem.space import Genome, Space
from propulate_like.storage.config_diff import joined
from propulate_like.storage.events import Evaluated, Event, Session, Started
from propulate_like.storage.journal import Journal, journal_path, read
from propulate_like.storage.run import Run, new_ident, signs_in, space_in, write_config


class Forked(msgspec.Struct):
    """The numbers of evaluated individuals that a fork took over and left out."""

    taken: int = 0
    left: int = 0

    def __str__(self) -> str:
        if not self.left:
            return f"all {self.taken} evaluated individuals taken over"
        return f"{self.taken} evaluated individuals taken over, {self.left} left out: they do not fit the config"


def fork(old: Path, new: Path, config: Mapping[str, Any]) -> Forked:
    """Copy the run in `old`, in its present state, to `new`, and give the copy another config.

    Individuals keep their identity. They are converted where the space, the rungs or the direction differ; those that
    the new search could not have bred are left out.

    Args:
        old: The folder of the run, which is only read.
        new: The new folder, which appears once it is complete.
        config: The new run's config; the former budget and seed stay where it has none.

    Returns:
        The numbers of individuals taken over and left out.

    Raises:
        ValueError: `old` holds no run, or `new` exists.
        OSError: `new` cannot be written.
    """
    import shutil

    before = Run(old)
    if os.path.lexists(new):
        message = f"{new} exists already: --fork (in Python, fork=) begins a new folder"
        raise ValueError(message)
    told = joined(before.config, config)
    partial = new.parent / f".{new.name}.{os.getpid()}.partial"
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir()
        if (old / "trials").is_dir():  # promoted evaluations continue from the files that earlier ones left there
            shutil.copytree(old / "trials", partial / "trials", symlinks=True, ignore=shutil.ignore_patterns(".*"))
        ident = new_ident()
        forked = _copy(before, partial, _Translation(before, told, ident))
        write_config(partial, told, ident)
        partial.rename(new)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return forked


def _copy(before: Run, folder: Path, translation: _Translation) -> Forked:
    """Write the converted journals of a run to another folder, and return what was taken over."""
    forked = Forked()
    journals: dict[int, Journal] = {}
    for rank, event in read(before.folder, before.shape):
        if rank not in journals:
            journals[rank] = Journal(journal_path(folder, rank))
        translated = translation(event)
        if translated is not None:
            journals[rank].note(translated)
            journals[rank].flush_if_due()
        if isinstance(event, Evaluated):
            forked.taken += translated is not None
            forked.left += translated is None
    for journal in journals.values():
        journal.close()
    return forked


class _Translation:
    """The conversion of a run's events for a search with another config."""

    def __init__(self, before: Run, config: Mapping[str, Any], ident: str) -> None:
        self._ident = ident
        self._before, self._space = before.space, space_in(config)
        self._same_space = self._before == self._space and self._before.names == self._space.names
        self._asked = Space.read(self._before.written)
        signs = signs_in(config)
        self._signs = values_of(before.signs, signs)  # -1 where the direction changes
        self._rungs = matching_rungs(before.config.get("fidelity"), config.get("fidelity"))
        if metric_of(before.config) != metric_of(config) or len(before.signs) != len(signs):
            self._rungs = {}  # no loss keeps its meaning

    def __call__(self, event: Event) -> Event | None:
        """Return the converted event, or None where its individual does not fit the new search."""
        if isinstance(event, Started):
            candidate = self._candidate(event.candidate)
            return None if candidate is None else msgspec.structs.replace(event, candidate=candidate)
        if isinstance(event, Session):
            return msgspec.structs.replace(event, run=self._ident)
        if not isinstance(event, Evaluated):
            return event
        individual = event.individual
        candidate = self._candidate(individual.candidate)
        if candidate is None:
            return None
        return Evaluated(Individual(candidate, self._outcome(individual.outcome), individual.moves))

    def _candidate(self, candidate: Candidate) -> Candidate | None:
        """Return the converted candidate, or None where it does not fit the new search."""
        rung = self._rungs.get(candidate.rung)
        if rung is None or (rung and candidate.continues is None):
            return None
        space = self._space or (candidate.space if candidate.space.asked_for else self._asked)
        try:
            genome = candidate.genome if self._same_space else self._genome(candidate)
        except ValueError:
            return None
        continues = candidate.continues if rung else None
        return msgspec.structs.replace(candidate, genome=genome, space=space, rung=rung, continues=continues)

    def _outcome(self, outcome: Outcome) -> Outcome:
        """Return the outcome with the signs of the new directions."""
        sign = self._signs[0]
        return msgspec.structs.replace(
            outcome,
            loss=sign * outcome.loss,
            losses=values_of(outcome.losses, self._signs),
            curve=tuple((step, sign * loss) for step, loss in outcome.curve),
        )

    def _genome(self, candidate: Candidate) -> Genome:
        """Return the genome of the same params in the new space."""
        return translated(candidate.genome, candidate.space, self._space) if self._space else candidate.genome


def translated(genome: Genome, before: Space, now: Space) -> Genome:
    """Return the genome of the same params in another space.

    Args:
        genome: The genome, a point of the space `before`.
        before: The space that the genome belongs to.
        now: The other space.

    Returns:
        The genome in the space `now`. Parameters that are equal in both spaces keep their genes.

    Raises:
        ValueError: The space `now` does not contain these params.
    """
    encoded = now.encode(before.decode(genome))
    genes = dict(zip(before, genome))
    return tuple(
        genes[name] if before.get(name) == parameter else gene for (name, parameter), gene in zip(now.items(), encoded)
    )


def matching_rungs(before: Any, now: Any) -> dict[int, int]:
    """Return, for each former rung whose fidelity value still exists, the index of its present rung.

    Args:
        before: The former fidelity or its declaration, or None.
        now: The present one.
    """
    if before is None and now is None:
        return {0: 0}
    if before is None or now is None:
        return {}
    old, new = Fidelity.of(before), Fidelity.of(now)
    if old.name != new.name:
        return {}
    return {rung: new.rungs.index(value) for rung, value in enumerate(old.rungs) if value in new.rungs}


def metric_of(config: Mapping[str, Any]) -> Any:
    """Return the name of the metric that a run's config uses as the loss, or None where it uses none."""
    evaluation = config.get("evaluation")
    return evaluation.get("metric") if isinstance(evaluation, dict) else None
