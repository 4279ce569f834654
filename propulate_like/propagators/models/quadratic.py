"""A quadratic model of the loss around the best point, and the step that minimizes it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from propulate_like.population.training_data import Array
from propulate_like.propagators.models.feasibility import Known
from propulate_like.propagators.models.gaussian_process import warped

_POOL, _ROWS = 3.0, 1.8  # points considered, and fitted to, per coefficient of the model
_RIDGE, _SHORT_RIDGE = 1e-8, 1e-3  # with enough rows, and with too few
_FLATTEST = 1e-14  # smallest variance of the best points along an axis, relative to the largest
# docs/decisions.md, "Trust region and quadratic model share asks 60 to 40"
_WHITENED_FROM, _WHITENED = 20, 0.7  # points per dimension from which this share of proposals uses whitened coordinates
_FULL = 40  # largest number of coordinates for which a model has mixed terms
_RADII = (0.03, 1.0)
_PENALTY, _STEPS = 10.0, 30  # of a violation, in losses; of a step with constraints
_NOISE = 0.3  # random step, as a share of the step's length


def coefficients(dimension: int) -> int:
    """Return the number of coefficients of the model, which has no mixed terms with very many parameters."""
    return 1 + dimension + len(_terms(dimension)[0])


def propose(known: Known, generator: np.random.Generator) -> Array:
    """Return the point (d,) of the unit cube that minimizes a quadratic model within a radius.

    The model is fitted by weighted ridge regression around the best point, mostly in coordinates in which the best
    points have unit covariance, and so follows narrow valleys: compare Hansen 2019, A global surrogate assisted CMA-ES.
    The radius is random each time, and a normal step is added, as other ranks may propose from the same points.

    Args:
        known: The known points.
        generator: The random generator.
    """
    points, losses = known.points, known.merits
    best = points[np.argmin(losses)]
    wanted = coefficients(points.shape[1])
    near = _smallest(np.sum((points - best) ** 2, axis=1), int(_POOL * wanted))
    if len(losses) >= _WHITENED_FROM * points.shape[1] and generator.random() < _WHITENED:
        ranked = near[np.argsort(losses[near], kind="stable")]
        axes = _axes(points[ranked[: int(_ROWS * wanted)]] - best)
    else:
        axes = np.eye(points.shape[1])
    whitened = np.linalg.solve(axes, (points[near] - best).T).T
    squares = np.sum(whitened**2, axis=1)
    rows = _smallest(squares, int(_ROWS * wanted))
    scale = float(np.sqrt(np.quantile(squares[rows], 0.9)))
    if not scale > 0.0:
        return np.array(best)
    steps, near = whitened[rows] / scale, near[rows]
    radius = float(np.exp(generator.uniform(*np.log(_RADII))))
    if known.constraints.shape[1]:
        step = _constrained_step(steps, known.rows(near), known.constraints[np.argmin(losses)], radius)
    else:
        (gradient, *_), (curvature, *_) = _fit(steps, losses[near], warped(losses[near], 1.0)[:, None])
        step = trust_region_step(gradient, curvature, radius)
    step += generator.standard_normal(len(step)) * (_NOISE * np.linalg.norm(step) / np.sqrt(len(step)))
    proposed: Array = np.clip(best + axes @ step * scale, 0.0, 1.0)
    return proposed


def trust_region_step(gradient: Array, curvature: Array, radius: float) -> Array:
    """Return the step s of at most this length that minimizes g.s + s.H.s / 2: Moré and Sorensen 1983.

    In the hard case, where the gradient has no component along the lowest curvature, the step goes along that to the
    radius.

    Args:
        gradient: g, shape (d,).
        curvature: H, shape (d, d).
        radius: The largest length of the step.
    """
    values, vectors = np.linalg.eigh(curvature)
    slopes = vectors.T @ gradient
    if values[0] > 0.0:
        step = -slopes / values
        if np.linalg.norm(step) <= radius:
            inner: Array = vectors @ step
            return inner
    tiny = 1e-12 * (1.0 + float(np.abs(values).max()))
    low = max(0.0, -float(values[0])) + tiny
    high = low + float(np.linalg.norm(slopes)) / radius + tiny
    for _ in range(60):
        shift = 0.5 * (low + high)
        if np.linalg.norm(slopes / (values + shift)) > radius:
            low = shift
        else:
            high = shift
    step = -slopes / (values + high)
    if values[0] < 0.0:
        step[0] = np.copysign(np.sqrt(max(radius**2 - float(step[1:] @ step[1:]), 0.0)), step[0])
    outer: Array = vectors @ step
    return outer


def _axes(steps: Array) -> Array:
    """Return axes, the columns of shape (d, d), along which these steps (n, d), best first, have unit covariance."""
    weights = np.log(len(steps) + 1.0) - np.log(np.arange(1, len(steps) + 1))
    values, vectors = np.linalg.eigh((steps.T * (weights / weights.sum())) @ steps)
    axes: Array = vectors * np.sqrt(np.maximum(values, max(float(values[-1]), 1e-200) * _FLATTEST))
    return axes


def _constrained_step(steps: Array, known: Known, constraints: Array, radius: float) -> Array:
    """Return the step (d,) of at most this length that minimizes the model of the loss where constraints allow it.

    Each constraint has a quadratic model of its own. The largest violation is penalized, so that there always is a
    step: compare Powell 1994, A direct search optimization method that models the objective and constraint functions by
    linear interpolation.

    Args:
        steps: The points, shape (n, d), around the best one, which is the origin.
        known: What is known of them.
        constraints: The constraints at the origin, shape (m,).
        radius: The largest length of the step.
    """
    targets = np.column_stack([warped(known.losses, 1.0), np.nan_to_num(known.constraints)])
    gradients, curvatures = _fit(steps, known.merits, targets)
    values = np.concatenate([[0.0], np.nan_to_num(constraints)])
    penalty = _PENALTY * (1.0 + float(np.linalg.norm(gradients[0])))
    dimension = steps.shape[1]

    def bend(point: Array) -> Array:
        return curvatures @ point[:dimension]

    def margins(point: Array) -> Array:
        step = point[:dimension]
        modeled = (values + gradients @ step + 0.5 * bend(point) @ step)[1:]
        return np.concatenate([point[dimension] - modeled, [radius**2 - step @ step]])

    def margin_slopes(point: Array) -> Array:
        slopes = np.zeros((len(values), dimension + 1))
        slopes[:-1, :dimension] = -(gradients + bend(point))[1:]
        slopes[:-1, dimension] = 1.0
        slopes[-1, :dimension] = -2.0 * point[:dimension]
        return slopes

    def loss(point: Array) -> tuple[float, Array]:
        step, bent = point[:dimension], bend(point)[0]
        value = float(gradients[0] @ step + 0.5 * bent @ step + penalty * point[dimension])
        slope: Array = np.append(gradients[0] + bent, penalty)
        return value, slope

    found = minimize(
        loss,
        np.append(np.zeros(dimension), max(float(values.max()), 0.0)),
        jac=True,
        method="SLSQP",
        bounds=[(None, None)] * dimension + [(0.0, None)],
        constraints=[{"type": "ineq", "fun": margins, "jac": margin_slopes}],
        options={"maxiter": _STEPS},
    )
    step: Array = found.x[:dimension]
    length = float(np.linalg.norm(step))
    if not np.isfinite(length):
        return np.zeros(dimension)
    return step * min(radius / length, 1.0) if length > 0.0 else step


def _fit(rows: Array, losses: Array, targets: Array) -> tuple[Array, Array]:
    """Return the gradients (k, d) and the matrices of second derivatives (k, d, d) at the origin.

    Args:
        rows: The points, shape (n, d).
        losses: What their weights depend on, shape (n,).
        targets: What is modeled, shape (n, k).
    """
    count, dimension = rows.shape
    first, second = _terms(dimension)
    features = np.hstack([np.ones((count, 1)), rows, rows[:, first] * rows[:, second]])
    ranks = np.argsort(np.argsort(losses, kind="stable"), kind="stable")
    weights = np.exp(-2.0 * ranks / count - np.minimum(np.sum(rows**2, axis=1), 20.0))
    ridge = np.full(features.shape[1], _RIDGE if count >= features.shape[1] else _SHORT_RIDGE)
    ridge[: dimension + 1] = 1e-10
    normal = (features.T * weights) @ features
    normal.flat[:: len(normal) + 1] += ridge * weights.sum()
    solved = np.linalg.solve(normal, features.T @ (weights[:, None] * targets)).T
    curvatures = np.zeros((len(solved), dimension, dimension))
    curvatures[:, first, second] = solved[:, dimension + 1 :]
    return solved[:, 1 : dimension + 1], curvatures + curvatures.transpose(0, 2, 1)


def _terms(dimension: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the pairs of coordinates whose products are terms of the model."""
    if dimension > _FULL:
        return np.arange(dimension), np.arange(dimension)
    first, second = np.triu_indices(dimension)
    return first, second


def _smallest(values: Array, count: int) -> npt.NDArray[np.intp]:
    """Return the indices of the `count` smallest values, in any order."""
    if count >= len(values):
        return np.arange(len(values))
    return np.argpartition(values, count - 1)[:count]
