"""A surrogate model of learning curves: the probability that an evaluation ends among the best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from propulate_like.evaluation.pruning.curves import Curves
from propulate_like.evaluation.pruning.pruner import Pruner
from propulate_like.foundation import declarations
from propulate_like.foundation.undisturbed import undisturbed
from propulate_like.population.individual import Id

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]

_ROWS = 256  # completed curves that are regressed on
_OUTLIER = 20.0  # median absolute deviations at which losses are clipped
_PRIOR_VARIANCE = 1e-3  # of scaled losses


class LearningCurvePruner(Pruner):
    """Learning-curve rule: stop an evaluation that is unlikely to end among the best `keep` completed ones.

    At each report, the last losses of the newest 256 completed curves that went further are regressed on two features
    of those curves up to the present step: their level, and its decrease over the second half. The evaluation is
    stopped where its probability of ending at or below the `keep`-th lowest last loss, by Student's t distribution
    around the regression's prediction, is below `probability`. After Baker et al. 2018 (Accelerating neural
    architecture search using performance prediction), with Bayesian linear regression (Bishop 2006, section 3.3;
    Gelman et al. 2013, section 14.2) as the model. A shift or scaling of the losses has no effect.

    Args:
        keep: The number of best evaluations among which it must be likely to end, at least 1.
        probability: The probability below which it is stopped, above 0 and at most 0.5.
        startup: The number of completed curves that must be known, at least 5.
        warmup: The number of the report from which on it may be stopped, at least 2.
    """

    def __init__(self, keep: int = 1, probability: float = 0.05, startup: int = 10, warmup: int = 3) -> None:
        """Check the arguments.

        Raises:
            ValueError: An argument is out of its range.
        """
        self.keep: int = declarations.whole("keep", keep, 1)
        self.probability: float = declarations.number("probability", probability, 0.0, 0.5, above=True)
        self.startup: int = declarations.whole("startup", startup, 5)
        self.warmup: int = declarations.whole("warmup", warmup, 2)
        self._arrays: dict[Id, tuple[Array, Array]] = {}

    @undisturbed
    def stops(self, ident: Id, curves: Curves) -> bool:
        """Return whether to stop, by the completed curves that went further than this one."""
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
        """Return a curve's steps and losses, each of shape (reports,); those of completed curves are cached."""
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
    """Return the probability that this curve ends at or below the `keep`-th lowest last loss of the others.

    Args:
        own: The curve's steps and losses, each of shape (reports,).
        further: The same of each completed curve.
        keep: The number of lowest last losses.
    """
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
    """Return the regression's inputs, shape (curves, 3): 1, the level over the last quarter, the fall since the second.

    Args:
        seen: The losses of each curve, shape (curves, reports).
    """
    import numpy as np

    quarter = max(1, seen.shape[1] // 4)
    level = seen[:, -quarter:].mean(axis=1)
    before = seen[:, -3 * quarter :][:, :quarter].mean(axis=1)
    return np.column_stack([np.ones(len(seen)), level, before - level])


def _predict(inputs: Array, targets: Array, asked: Array) -> tuple[float, float, float]:
    """Return location, scale and degrees of freedom of the posterior predictive of a Bayesian linear regression.

    The normal-inverse-gamma prior expects a curve to end at its level, with the weight of about one observation.

    Args:
        inputs: The inputs of the completed curves, shape (n, 3).
        targets: Their last losses, shape (n,).
        asked: The inputs of the curve to predict, shape (3,).
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
