"""The searches that are compared: this package's `auto`, and Optuna's samplers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from propulate_like.population.individual import Individual
from propulate_like.population.outcome import Outcome
from propulate_like.search.optimizer import Optimizer
from propulate_like_bench.constraints.problems import Values
from propulate_like_bench.quality.coordinates import coordinates, params
from propulate_like_bench.quality.peer_optuna import SAMPLERS, suggest
from propulate_like_bench.quality.workers import Contestant, Proposal, Setting


class Ours(Contestant):
    """An Optimizer for each worker."""

    def __init__(self, setting: Setting, losses: int) -> None:
        self._optimizers = [
            Optimizer(
                setting.space,
                workers=setting.workers,
                rank=rank,
                evaluations=setting.evaluations,
                seed=setting.seed,
                losses=losses,
            )
            for rank in range(setting.workers)
        ]

    def ask(self, worker: int) -> Proposal:
        individual = self._optimizers[worker].ask()
        return Proposal(individual.params, individual)

    def tell(self, worker: int, proposal: Proposal, loss: Any, seconds: float, ended: float) -> Individual:
        outcome = Outcome.of({"loss": loss.losses, "constraints": loss.constraints})
        evaluated: Individual = proposal.handle.evaluated(outcome.timed(seconds, ended))
        self._optimizers[worker].absorb(evaluated)
        return evaluated

    def absorb(self, worker: int, told: Individual) -> None:
        self._optimizers[worker].absorb(told)


class Study(Contestant):
    """One study of Optuna's in memory that all workers share, and a sampler with its own seed for each."""

    def __init__(self, setting: Setting, losses: int, sampler: str) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        self._space, self._coordinates = setting.space, coordinates(setting.space)
        kind, arguments = SAMPLERS[sampler]
        seeds = Random(f"{setting.seed}/optuna")
        make = getattr(optuna.samplers, kind)
        self._samplers = [make(seed=seeds.getrandbits(32), **arguments) for _ in range(setting.workers)]
        self._study = optuna.create_study(sampler=self._samplers[0], directions=["minimize"] * losses)

    def ask(self, worker: int) -> Proposal:
        self._study.sampler = self._samplers[worker]
        trial = self._study.ask()
        return Proposal(params(self._space, {one.name: suggest(trial, one) for one in self._coordinates}), trial)

    def tell(self, worker: int, proposal: Proposal, loss: Values, seconds: float, ended: float) -> None:  # type: ignore[override]
        self._study.sampler = self._samplers[worker]
        for number, constraint in enumerate(loss.constraints):  # what `constraints_func` did before Optuna 5
            proposal.handle.set_constraint(str(number), constraint)
        self._study.tell(proposal.handle, loss.losses)


CONTESTANTS: dict[str, Callable[[Setting, int], Contestant]] = {
    "auto": Ours,
    "tpe": partial(Study, sampler="tpe"),
    "nsga2": partial(Study, sampler="nsga2"),
}
