"""A quadratic model of the loss around the best point, and the step that minimizes it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from propulate_like.population.training_data import Array
from propulate_like.propagators.models.gaussian_process import warped

_POOL, _ROWS = 3.0, 1.8  # points considered, and fitted to, per coefficient of the model
_RIDGE, _SHORT_RIDGE = 1e-8, 1e-3  # with enough rows, and with too few
_FLATTEST = 1e-14  # smallest variance of the best points along an axis, relative to the largest
# docs/decisions.md, "Trust region and quadratic model share asks 60 to 40"
_WHITENED_FROM, _WHITENED = 20, 0.7  # points per dimension from which this share of proposals uses whitened coordinates
_FULL = 40  # largest number of coordinates for which a model has mixed terms
_RADII = (0.03, 1.0)
_NOISE = 0.3  # random step, as a share of the step's length


def coefficients(dimension: int) -> int:
    """Return the number of coefficients of the model, which has no mixed terms with very many parameters."""
    return 1 + dimension + len(_terms(dimension)[0])


def propose(points: Array, losses: Array, generator: np.random.Generator) -> Array:
    """Return the point (d,) of the unit cube that minimizes a quadratic model within a radius.

    The model is fitted by weighted ridge regression around the best point, mostly in coordinates in which the best
    points have unit covariance, and so follows narrow valleys: compare Hansen 2019, A global surrogate assisted CMA-ES.
    The radius is random each time, and a normal step is added, as other ranks may propose from the same points.

    Args:
        points: The known points, shape (n, d).
        losses: Their losses, shape (n,).
        generator: The random generator.
    """
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
    gradient, curvature = _fit(whitened[rows] / scale, losses[near][rows])
    radius = float(np.exp(generator.uniform(*np.log(_RADII))))
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


def _fit(rows: Array, losses: Array) -> tuple[Array, Array]:
    """Return the gradient (d,) and the matrix of second derivatives (d, d) at the origin.

    Args:
        rows: The points, shape (n, d).
        losses: Their losses, shape (n,).
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
    solved = np.linalg.solve(normal, features.T @ (weights * warped(losses, 1.0)))
    curvature = np.zeros((dimension, dimension))
    curvature[first, second] = solved[dimension + 1 :]
    return solved[1 : dimension + 1], curvature + curvature.T


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
