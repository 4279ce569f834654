"""The searches that are compared: each gives, evaluation by evaluation, the epochs spent until then and its loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch

import propulate_like as pl
from propulate_like.propagators.evolution import genetic_chain
from propulate_like_bench.stopping.network import EPOCHS, SPACE, train

Course = list[tuple[int, float]]
SHORT = 9
_RUNGS = [3, 9, 27, 81]


def _seed(evaluation: pl.Evaluation) -> int:
    return int(evaluation.generator.integers(2**31))


def whole(params: Mapping[str, Any], evaluation: pl.Evaluation) -> Iterator[float]:
    """Train all epochs."""
    for loss, _ in train(params, EPOCHS, _seed(evaluation)):
        yield loss


def short(params: Mapping[str, Any], evaluation: pl.Evaluation) -> Iterator[float]:
    """Train a few epochs, from scratch."""
    for loss, _ in train(params, SHORT, _seed(evaluation)):
        yield loss


def inheriting(params: Mapping[str, Any], evaluation: pl.Evaluation) -> Iterator[float]:
    """Train a few epochs, from the first parent's weights on where they have the same shape."""
    parents = evaluation.parents
    for loss, state in train(params, SHORT, _seed(evaluation), _saved(parents[0].directory) if parents else None):
        _save(evaluation.directory, state)
        yield loss


def climbing(params: Mapping[str, Any], evaluation: pl.Evaluation) -> Iterator[float]:
    """Train up to the rung's epochs, from this individual's own weights on."""
    rung = _RUNGS.index(int(evaluation.fidelity or 0))
    before = _RUNGS[rung - 1] if rung else 0
    saved = _saved(evaluation.directory) if rung else None
    for loss, state in train(params, _RUNGS[rung] - before, _seed(evaluation), saved):
        _save(evaluation.directory, state)
        yield loss


def _search(loss: Callable[..., Iterator[float]], times: int, **settings: Any) -> Callable[[int, int], Course]:
    """Return a search of this package's, of `times` as many evaluations as whole ones fit into the epochs."""

    def run(seed: int, epochs: int) -> Course:
        with TemporaryDirectory() as folder:
            result = pl.minimize(
                loss,
                SPACE,
                evaluations=times * (epochs // EPOCHS),
                propagator=genetic_chain(
                    min(max(epochs // EPOCHS // 10, 4), 40)
                ),  # the same for all: only what an evaluation costs is to differ
                seed=seed,
                run=Path(folder, "run"),
                progress=False,
                **settings,
            )
            individuals = result.individuals
        course, spent = [], 0
        for individual in individuals:
            spent += len(individual.curve)
            course.append((spent, individual.loss if individual.has_loss else math.inf))
        return course

    return run


def _optuna(pruner: str, **arguments: Any) -> Callable[[int, int], Course]:
    """Return a search of Optuna's, with its default sampler; as here, what a pruned trial had reached counts."""

    def run(seed: int, epochs: int) -> Course:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        rule = getattr(optuna.pruners, pruner)(**arguments)
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed), pruner=rule)
        course, spent = [], 0
        while spent < epochs:
            trial = study.ask(_distributions())
            for step, (loss, _) in enumerate(train(trial.params, EPOCHS, seed * 100_000 + trial.number), 1):
                spent += 1
                if not math.isfinite(loss):
                    break
                trial.report(loss, step)
                if trial.should_prune():
                    break
            complete = step == EPOCHS and math.isfinite(loss)
            state = optuna.trial.TrialState.COMPLETE if complete else optuna.trial.TrialState.PRUNED
            study.tell(trial, loss if complete else None, state=state)
            course.append((spent, loss if math.isfinite(loss) else math.inf))
        return course

    return run


def _distributions() -> dict[str, Any]:
    """Return the same space as Optuna has it; it has no ordinal one."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    optunas: dict[str, Any] = {}
    for name, parameter in SPACE.items():
        if isinstance(parameter, pl.Ordinal):
            optunas[name] = CategoricalDistribution(parameter.options)
        elif isinstance(parameter, pl.Int):
            optunas[name] = IntDistribution(int(parameter.low), int(parameter.high), log=parameter.log)
        elif isinstance(parameter, pl.Float):
            optunas[name] = FloatDistribution(parameter.low, parameter.high, log=parameter.log)
    return optunas


_HALVING = {"reduction_factor": 3, "min_resource": 1}
CONTESTANTS: dict[str, Callable[[int, int], Course]] = {
    "no stopping": _search(whole, 1),
    "successive halving": _search(whole, 10, pruner=pl.SuccessiveHalvingPruner(3)),
    "learning curve": _search(whole, 3, pruner=pl.LearningCurvePruner()),
    "Optuna's successive halving": _search(whole, 10, pruner=pl.OptunaPruner("SuccessiveHalvingPruner", _HALVING)),
    "rungs of 3, 9, 27, 81": _search(climbing, 12, fidelity=pl.Fidelity("epochs", _RUNGS)),
    "9 epochs from scratch": _search(short, 9),
    "9 epochs from a parent": _search(inheriting, 9),
    "Optuna, no stopping": _optuna("NopPruner"),
    "Optuna, successive halving": _optuna("SuccessiveHalvingPruner", **_HALVING),
}


def compete(job: tuple[str, int, int]) -> tuple[str, int, Course]:
    """Let a contestant search with a seed, for a number of epochs in total."""
    name, seed, epochs = job
    return name, seed, CONTESTANTS[name](seed, epochs)


def _saved(directory: Path) -> Mapping[str, Any] | None:
    path = directory / "weights.pt"
    return cast("Mapping[str, Any]", torch.load(path)) if path.exists() else None


def _save(directory: Path, state: Mapping[str, Any]) -> None:
    torch.save(state, directory / "weights.pt")
