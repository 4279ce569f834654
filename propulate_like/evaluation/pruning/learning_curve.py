"""A surrogate of learning curves: how likely an evaluation that looks as it does is to end among the best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from propulate_like.evaluation.pruning.curves import Curves
from propulate_like.evaluation.pruning.pruner import Pruner
from propulate_like.foundation import declarations
from propulate_like.population.individual import Id

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]

_ROWS = 256
_OUTLIER = 20.0
_PRIOR_VARIANCE = 1e-3


class LearningCurvePruner(Pruner):
    """Stop what is unlikely to end among the best `keep` of the completed evaluations.

    At each report from the `warmup`-th on, the last losses of the newest 256 completed curves are regressed on what
    those curves were like until this step, once `startup` of them are known: their level, and how far it fell over the
    second half. Where the chance of ending at or below the `keep`-th lowest is under `probability`, by Student's t
    distribution about the regression's prediction, the evaluation is stopped. After Baker et al. 2018 (Accelerating
    neural architecture search using performance prediction), with Bayesian linear regression (Bishop 2006, section
    3.3; Gelman et al. 2013, section 14.2) as the model; a shift or a scaling of the losses changes nothing.
    """

    def __init__(self, keep: int = 1, probability: float = 0.05, startup: int = 10, warmup: int = 3) -> None:
        """ValueError where `probability` is outside 0 to 0.5, or a whole number is too low."""
        self.keep: int = declarations.whole("keep", keep, 1)
        self.probability: float = declarations.number("probability", probability, 0.0, 0.5, above=True)
        self.startup: int = declarations.whole("startup", startup, 5)
        self.warmup: int = declarations.whole("warmup", warmup, 2)
        self._arrays: dict[Id, tuple[Array, Array]] = {}

    def stops(self, ident: Id, curves: Curves) -> bool:
        """Judge by the completed curves that went further than this one has."""
        curve = curves[ident]
        now = curve[-1].step
        if len(curve) < self.warmup:
            return False
        further = [other for other, rival in curves.items() if rival.completed and rival[-1].step > now][-_ROWS:]
        if len(further) < max(self.startup, self.keep):
            return False
        chance = _chance(self._array(ident, curves), [self._array(other, curves) for other in further], self.keep)
        return chance < self.probability

    def _array(self, ident: Id, curves: Curves) -> tuple[Array, Array]:
        """Return a curve's steps and losses, those of a completed one from the last time."""
        import numpy as np

        if ident in self._arrays:
            return self._arrays[ident]
        steps, losses = np.array(curves[ident].points, dtype=float).T
        if curves[ident].completed:
            self._arrays[ident] = steps, losses
            for forgotten in self._arrays.keys() - curves.keys():
                del self._arrays[forgotten]
        return steps, losses


def _chance(own: tuple[Array, Array], further: list[tuple[Array, Array]], keep: int) -> float:
    """Return the probability that this curve ends at or below the `keep`-th lowest last loss of the others."""
    import numpy as np
    from scipy.special import stdtr

    last = np.array([losses[-1] for _, losses in further])
    origin = np.median(last)
    scale = np.median(np.abs(last - origin))
    if not scale > 0:
        return 1.0
    steps, losses = own
    seen = np.array([np.interp(steps, *other) for other in further] + [losses])
    seen, last = (np.clip((values - origin) / scale, -_OUTLIER, _OUTLIER) for values in (seen, last))
    inputs = _inputs(seen)
    location, spread, freedom = _predict(inputs[:-1], last, inputs[-1])
    return float(stdtr(freedom, (np.partition(last, keep - 1)[keep - 1] - location) / spread))


def _inputs(seen: Array) -> Array:
    """Return for each curve, shape (curves, reports): 1, its level over the last quarter, its fall since the second."""
    import numpy as np

    quarter = max(1, seen.shape[1] // 4)
    level = seen[:, -quarter:].mean(axis=1)
    before = seen[:, -3 * quarter :][:, :quarter].mean(axis=1)
    return np.column_stack([np.ones(len(seen)), level, before - level])


def _predict(inputs: Array, targets: Array, asked: Array) -> tuple[float, float, float]:
    """Return location, scale and degrees of freedom of the posterior predictive of a Bayesian linear regression.

    Its normal-inverse-gamma prior expects a curve to end at its level, with the weight of about one observation.
    """
    import numpy as np

    prior = np.array([0.0, 1.0, 0.0])
    precision = np.eye(3) + inputs.T @ inputs
    mean = np.linalg.solve(precision, prior + inputs.T @ targets)
    residuals, moved = targets - inputs @ mean, mean - prior
    freedom = 1.0 + len(targets)
    variance = (_PRIOR_VARIANCE + residuals @ residuals + moved @ moved) / freedom
    spread = np.sqrt(variance * (1.0 + asked @ np.linalg.solve(precision, asked)))
    return float(asked @ mean), float(spread), freedom
