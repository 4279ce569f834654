"""Propagators as an Optuna sampler."""

# ruff: noqa: SLF001 (a sampler has no other way to its storage than Optuna's own have)

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from propulate_like.foundation import declarations
from propulate_like.foundation.declarations import whole
from propulate_like.integrations.optuna.constraints import CONSTRAINTS
from propulate_like.integrations.optuna.following import Following
from propulate_like.integrations.optuna.trial_points import drawn
from propulate_like.propagators import Propagator
from propulate_like.propagators.propagator import whole_propagator
from propulate_like.search.optimizer import Optimizer

_ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


class PropagatorSampler(BaseSampler):
    """A sampler that breeds trials by a propagator, from all trials of the study, whichever process ran them.

    Any number of threads and processes may share a study, each with a sampler of its own. Infeasible trials come after
    all feasible ones, ordered by their violation. A parameter that no trial has asked for yet, or only in other ranges,
    is drawn uniformly.

    Args:
        propagator: The propagator, such as a chain, or "auto", for which a trial takes at least one second, so that
            models breed it.
        seed: The seed: trials with the same number are drawn from the same random stream. By default it is random.
        constraints_func: Returns a trial's constraints, none of which is above 0 where the trial is feasible.
        evaluations: The total number of trials, to which "auto" adapts its settings.
    """

    def __init__(
        self,
        propagator: Propagator | str = "auto",
        *,
        seed: int | None = None,
        constraints_func: Callable[[FrozenTrial], Sequence[float]] | None = None,
        evaluations: int | None = None,
    ) -> None:
        """Check the arguments.

        Raises:
            ValueError: The propagator cannot breed on its own, or a number is out of its range.
        """
        self.propagator = propagator if propagator == "auto" else whole_propagator(propagator)
        self.seed = Random().getrandbits(32) if seed is None else declarations.seed_of(seed)
        self.evaluations: int | None = None if evaluations is None else whole("evaluations", evaluations, 1)
        self.constraints_func = constraints_func
        self._lock = threading.Lock()
        self._latest: Following | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return the settings without the study's state: it is read again, and draws depend only on trial numbers."""
        return {name: value for name, value in vars(self).items() if name not in ("_lock", "_latest")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock, self._latest = threading.Lock(), None

    def reseed_rng(self) -> None:
        """Do nothing, as each trial has a random stream of its own."""

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        with self._following(study) as following:
            following.ready.add(trial.number)
            return {name: following.points.distributions[name] for name in following.optimizer.space}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not search_space:
            return {}
        with self._following(study, trial.number) as following:
            return following.points.values(following.bred(trial.number), search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return drawn(param_distribution, Random(f"{self.seed}/{trial.number}/{param_name}"))

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Store the trial's constraints where Optuna expects them.

        Raises:
            ValueError: A constraint is NaN.
        """
        if self.constraints_func is None or state not in _ENDED:
            return
        constraints = tuple(map(float, self.constraints_func(trial)))
        if any(map(math.isnan, constraints)):
            message = f"trial {trial.number}: constraints must be numbers, not {constraints!r}"
            raise ValueError(message)
        study._storage.set_trial_system_attr(trial._trial_id, CONSTRAINTS, constraints)

    @contextmanager
    def _following(self, study: Study, number: int | None = None) -> Iterator[Following]:
        """Lock and yield the optimizer of the study, after it has absorbed all finished trials.

        Trials are read once for each trial that is bred: not for `number` where it is ready.
        """
        with self._lock:
            following = self._latest
            if following is None or not following.follows(study):
                following = self._latest = Following(study, self._optimizer)
            if number in following.ready:
                following.ready.remove(number)
            else:
                following.read(study._storage.get_all_trials(study._study_id, deepcopy=False))
            yield following

    def _optimizer(self, losses: int) -> Optimizer:
        """Return a new optimizer."""
        return Optimizer(propagator=self.propagator, evaluations=self.evaluations, seed=self.seed, losses=losses)
