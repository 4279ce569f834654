"""What a user may write, with types: a type checker has nothing to say of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, assert_type

import propulate_like as pl
from propulate_like.evaluation.pruning import Curves


@pl.objective(x=pl.Float(1e-3, 1.0, log=True), layers=pl.Int(1, 8), kind=pl.Choice("a", "b"), width=pl.Ordinal(16, 32))
def decorated(x: float, layers: int, kind: str, width: int) -> float:
    """A loss with its space."""
    return x * layers + len(kind) + width


def reporting(x: float, evaluation: pl.Evaluation) -> Iterator[float]:
    """A loss that reports."""
    for step in range(3):
        if evaluation.should_stop:
            return
        yield x / (step + 1)


def measured(params: Mapping[str, Any]) -> dict[str, Any]:
    """A loss of all parameters in one mapping, with metrics."""
    return {"loss": float(params["x"]), "accuracy": 0.5}


def asking(trial: pl.Trial, epochs: int = 1) -> float:
    """A loss that asks for its parameters."""
    return trial.suggest_float("x", 0.0, 1.0) + trial.suggest_int("n", 1, 3) / epochs


class Mirror(pl.Variation):
    """A propagator of one's own."""

    def __init__(self, share: float = 1.0) -> None:
        self.share = share

    def __call__(self, individuals: Sequence[pl.Individual], breeding: pl.BreedingContext) -> list[pl.Individual]:
        (one,) = individuals
        return [self.derive(one, tuple(1.0 - gene for gene in one.genome), breeding)]


class Fresh(pl.Propagator):
    """One that breeds of nothing."""

    takes = (0, None)

    def __call__(self, individuals: Sequence[pl.Individual], breeding: pl.BreedingContext) -> list[pl.Individual]:
        return [breeding.child(breeding.space.sample(breeding.generator))]


class LatePruner(pl.Pruner):
    """A pruner of one's own."""

    def stops(self, ident: pl.Id, curves: Curves) -> bool:
        return len(curves[ident]) > 2


class Pairs(pl.Topology):
    """A topology of one's own."""

    def targets(self, island: int, count: int, generator: Random) -> Iterable[int]:
        return [island ^ 1]


chain = pl.Chain(pl.Sometimes(0.1, Fresh(), pl.SelectBest(1)), Mirror(0.5), pl.GaussianMutation(0.1))
space = {"x": pl.Float(0.0, 1.0)}
assert_type(decorated(0.1, 2, "a", 16), float)
result = pl.minimize(decorated, evaluations=10, seed=0, run="runs/one", progress=False)
assert_type(result, pl.Result)
assert_type(result.best, pl.Individual | None)
assert_type(result.front, list[pl.Individual])
assert_type(result.succeeded, bool)
assert_type(result.evaluations, int)
if result.best is not None:
    best: Mapping[str, Any] = result.best.params
    assert_type(result.best.loss, float)
    assert_type(result.best.value, float)
    assert_type(result.best.values, tuple[float, ...])
assert_type(result.is_root, bool)
assert_type([each.value for each in result.trace], list[float])

assert_type(pl.maximize(measured, space, seconds=1.0, target=0.5, propagator=chain), pl.Result)
pl.minimize(reporting, space, evaluations=10, pruner=pl.AnyPruner(LatePruner(), pl.MedianPruner()))
pl.minimize(reporting, {"x": (0.0, 1.0), "n": [1, 2, 3]}, evaluations=10, islands=pl.Islands(2, topology=Pairs()))
pl.minimize(asking, evaluations=10, evaluation=pl.EvaluationSettings(isolate=True, timeout=2.0))
pl.minimize(asking, evaluations=10, evaluation={"isolate": True}, fidelity=pl.Fidelity("epochs", [1, 3, 9]))
pl.minimize(pl.Command(["./train", "--x={x}"]), space, evaluations=10, warm_start="runs/one")

optimizer = pl.Optimizer(space, propagator=Fresh(), seed=1)
individual = optimizer.ask()
assert_type(individual, pl.Individual)
assert_type(optimizer.tell(individual, 0.5), pl.Individual)
assert_type(optimizer.best, pl.Individual | None)
try:
    pl.minimize(asking, evaluations=1)
except pl.SearchFailed as failure:
    assert_type(failure.result, pl.Result)
