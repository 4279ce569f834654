"""An optimizer that follows an Optuna study: it absorbs every finished trial, whichever process ran it."""

# ruff: noqa: SLF001 (a sampler has no other way to its storage than Optuna's own have)

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from propulate_like.integrations.optuna.trial_points import TrialPoints, outcome_of, violation_of
from propulate_like.population.individual import Candidate, Id, Individual
from propulate_like.search.optimizer import Optimizer

_LEAST = 1.0  # the shortest duration of a trial in seconds, so that "auto" uses models
_HUGE = 1e300

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
        self._begin = begin
        self._bred: dict[int, Individual] = {}
        self._penalties = Penalties()
        self.points = TrialPoints()
        self.ready: set[int] = set()
        self._restart()

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
        ended = self._ended(trials)
        feasible = [losses for trial in ended if not violation_of(trial) and _finite(losses := self._losses(trial))]
        if feasible and self._penalties.add(feasible):
            self._restart()
            ended = self._ended(trials)
        for trial in ended:
            self.optimizer.absorb(self._evaluated(trial))

    def _restart(self) -> None:
        """Create a new optimizer, which has absorbed nothing."""
        self.optimizer = self._begin(len(self._signs))
        self._seen, self._last = 0, -1
        self._running: list[int] = []  # indices
        self._known: set[int] = set()

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
        losses = self._losses(trial)
        if _finite(losses):
            losses = self._penalties.told(losses, violation_of(trial))
        took = 0.0 if trial.duration is None else trial.duration.total_seconds()
        return individual.evaluated(outcome_of(trial, losses).timed(max(took, _LEAST)))


class Penalties:
    """Losses that order all trials: feasible ones first, then infeasible ones by their violation.

    Deb 2000, An efficient constraint handling method for genetic algorithms. Where no trial is feasible, a trial's loss
    is its violation; otherwise it is the violation plus a limit above the losses of all feasible trials.
    """

    def __init__(self) -> None:
        self._lowest: Losses = ()
        self._highest: Losses = ()
        self._limits: Losses = ()
        self._used = False

    def add(self, feasible: Sequence[Losses]) -> bool:
        """Take in the losses of feasible trials.

        Returns:
            Whether losses that `told` returned before are outdated.
        """
        before = [self._lowest, self._highest] if self._limits else []
        self._lowest = tuple(map(min, zip(*feasible, *before)))
        self._highest = tuple(map(max, zip(*feasible, *before)))
        if self._limits and all(high <= limit for high, limit in zip(self._highest, self._limits)):
            return False
        self._limits = tuple(min(2.0 * high - low, _HUGE) for low, high in zip(self._lowest, self._highest))
        stale, self._used = self._used, False
        return stale

    def told(self, losses: Losses, violation: float) -> Losses:
        """Return the losses to tell the optimizer; where the trial is infeasible, its own losses do not count."""
        if not violation:
            return losses
        self._used = True
        return tuple(limit + violation for limit in self._limits or (0.0,) * len(losses))


def _finite(losses: Losses) -> bool:
    """Return whether there are losses and all of them are finite."""
    return bool(losses) and all(map(math.isfinite, losses))
