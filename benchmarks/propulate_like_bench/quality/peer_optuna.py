"""Optuna: one study in memory that all workers share, and a sampler of its own seed for each."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from propulate_like_bench.quality.coordinates import Coordinate, coordinates, params
from propulate_like_bench.quality.workers import Contestant, Proposal, Setting

REVISION = 1


class Study(Contestant):
    """A study; conditional parameters are suggested where their conditions hold, as Optuna's users write it."""

    def __init__(self, setting: Setting, sampler: Callable[[Setting, int], Any]) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        self._space = setting.space
        self._coordinates = coordinates(setting.space)
        seeds = Random(f"{setting.seed}/optuna")
        self._samplers = [sampler(setting, seeds.getrandbits(32)) for _ in range(setting.workers)]
        self._study = optuna.create_study(sampler=self._samplers[0])
        self._failed = optuna.trial.TrialState.FAIL

    def ask(self, worker: int) -> Proposal:
        self._study.sampler = self._samplers[worker]
        trial = self._study.ask()
        values: dict[str, float] = {}
        pending = self._coordinates
        while pending:
            active = params(self._space, values)
            ready = [one for one in pending if one.name in active and self._known(one, values)]
            if not ready:
                break
            values |= {one.name: suggest(trial, one) for one in ready}
            pending = [one for one in pending if one.name not in values]
        return Proposal(params(self._space, values), trial)

    def _known(self, coordinate: Coordinate, values: dict[str, float]) -> bool:
        parents = self._space[coordinate.name].when
        return all(parent in values or self._space[parent].levels == 1 for parent in parents)

    def tell(self, worker: int, proposal: Proposal, loss: float, seconds: float, ended: float) -> None:
        self._study.sampler = self._samplers[worker]
        if math.isfinite(loss):
            self._study.tell(proposal.handle, loss)
        else:
            self._study.tell(proposal.handle, state=self._failed)


def suggest(trial: Any, coordinate: Coordinate) -> float:
    """Return a trial's value of a coordinate."""
    if coordinate.levels is None:
        return float(trial.suggest_float(coordinate.name, 0.0, 1.0))
    if coordinate.ordered:
        return int(trial.suggest_int(coordinate.name, 0, coordinate.levels - 1))
    return int(trial.suggest_categorical(coordinate.name, list(range(coordinate.levels))))


SAMPLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "tpe": ("TPESampler", {"multivariate": True, "constant_liar": True}),
    "cmaes": ("CmaEsSampler", {"warn_independent_sampling": False}),
    "gp": ("GPSampler", {"deterministic_objective": True, "warn_independent_sampling": False}),
    "nsga2": ("NSGAIISampler", {}),
    "random": ("RandomSampler", {}),
}
"""The class and the arguments of a sampler, as Optuna's documentation recommends; TPE groups conditional parameters."""


def _sampler(name: str, setting: Setting, seed: int) -> Any:
    from optuna import samplers

    kind, arguments = SAMPLERS[name]
    if name == "tpe" and any(parameter.when for parameter in setting.space.values()):
        arguments = {**arguments, "group": True}
    return getattr(samplers, kind)(seed=seed, **arguments)


tpe, cmaes, gp, nsga2 = (partial(Study, sampler=partial(_sampler, name)) for name in ("tpe", "cmaes", "gp", "nsga2"))
