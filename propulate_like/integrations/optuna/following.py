"""An optimizer that follows an Optuna study: it absorbs every finished trial, whichever process ran it."""

# ruff: noqa: SLF001 (a sampler has no other way to its storage than Optuna's own have)

from __future__ import annotations

from collections.abc import Callable, Sequence

from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from propulate_like.integrations.optuna.trial_points import TrialPoints, outcome_of
from propulate_like.population.individual import Candidate, Id, Individual
from propulate_like.search.optimizer import Optimizer

_LEAST = 1.0  # the shortest duration of a trial in seconds, so that "auto" uses models

Losses = tuple[float, ...]


class Following:
    """The optimizer of one study.

    Attributes:
        optimizer: The optimizer.
        points: The conversion of trials to points.
        ready: The numbers of trials that are bred next, and for which the study was read already.
    """

    def __init__(self, study: Study, begin: Callable[[int], Optimizer]) -> None:
        """Create the optimizer, without reading the study.

        Args:
            study: The study.
            begin: Returns an optimizer for a number of losses.
        """
        self._storage, self._study = study._storage, study._study_id
        self._signs = [-1.0 if direction == StudyDirection.MAXIMIZE else 1.0 for direction in study.directions]
        self.optimizer = begin(len(self._signs))
        self._bred: dict[int, Individual] = {}
        self.points = TrialPoints()
        self.ready: set[int] = set()
        self._seen, self._last = 0, -1
        self._running: list[int] = []  # indices
        self._known: set[int] = set()

    def follows(self, study: Study) -> bool:
        """Return whether this is the study that is followed."""
        return study._storage is self._storage and study._study_id == self._study

    def bred(self, number: int) -> Individual:
        """Breed the individual for the trial with this number."""
        individual = self._bred[number] = self.optimizer.ask(number)
        return individual

    def read(self, trials: Sequence[FrozenTrial]) -> None:
        """Absorb the finished trials that are new.

        Args:
            trials: All trials of the study, in the order of their numbers.
        """
        for trial in self._ended(trials):
            self.optimizer.absorb(self._evaluated(trial))

    def _ended(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Return the trials that have finished since the last call."""
        if self._seen and trials[self._seen - 1].number != self._last:  # a trial before it appeared late
            self._seen, self._running = 0, []
        ended, running = [], []
        for place in (*self._running, *range(self._seen, len(trials))):
            trial = trials[place]
            if not trial.state.is_finished():
                running.append(place)
            elif trial.number not in self._known:
                self._known.add(trial.number)
                ended.append(trial)
        self._seen, self._running = len(trials), running
        self._last = trials[-1].number if trials else -1
        return ended

    def _losses(self, trial: FrozenTrial) -> Losses:
        """Return a trial's values with the signs that are minimized; none where it has no values."""
        values = trial.values
        return () if values is None else tuple(sign * value for sign, value in zip(self._signs, values))

    def _evaluated(self, trial: FrozenTrial) -> Individual:
        """Return a finished trial as an individual, with the lineage with which it was bred."""
        genome, space = self.points.of(trial)
        bred = self._bred.get(trial.number)
        individual = Individual(Candidate(Id(0, 0, trial.number), genome, space))
        if bred is not None:
            individual = bred.with_genome(genome, space)
        took = 0.0 if trial.duration is None else trial.duration.total_seconds()
        return individual.evaluated(outcome_of(trial, self._losses(trial)).timed(max(took, _LEAST)))
