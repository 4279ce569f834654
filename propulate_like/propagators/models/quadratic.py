"""A quadratic model of the loss around the best point, and the steps that minimize it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from propulate_like.population.training_data import Array
from propulate_like.propagators.models.gaussian_process import warped

_POOL, _ROWS = 3.0, 1.8  # points looked at, and fitted to, per coefficient of the model
_RIDGE, _SHORT_RIDGE = 1e-8, 1e-3  # where there are enough rows, and where not
_FLATTEST = 1e-14  # variance of the best points along an axis, relative to the widest
# docs/decisions.md, "Trust region and quadratic model share asks 60 to 40"
_WHITENED_FROM, _WHITENED = 20, 0.7  # points per dimension, and the share of proposals from then on
_FULL = 40  # coordinates at most that a model has mixed terms for
_RADII = (0.03, 1.0)
_NOISE = 0.3  # of a step's length


def coefficients(dimension: int) -> int:
    """Return the number of coefficients of the model: where there are very many parameters, without mixed terms."""
    return 1 + dimension + len(_terms(dimension)[0])


def propose(points: Array, losses: Array, generator: np.random.Generator) -> Array:
    """Return a point of the unit cube where a quadratic model of these rows, within some radius, is least.

    The model is fitted by weighted ridge regression around the best point, mostly in coordinates in which the best
    points have unit covariance: so it sees the directions of narrow valleys, as does Hansen 2019, A global surrogate
    assisted CMA-ES. The radius is drawn anew each time, and a normal step is added, as others may propose from the same
    points.
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
    """Return the step of at most this length that minimizes g.s + s.H.s / 2: Moré and Sorensen 1983.

    The hard case, where the gradient has no part along the lowest curvature, goes along that to the radius.
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
    """Return the columns along which these steps, best first, have unit covariance."""
    weights = np.log(len(steps) + 1.0) - np.log(np.arange(1, len(steps) + 1))
    values, vectors = np.linalg.eigh((steps.T * (weights / weights.sum())) @ steps)
    axes: Array = vectors * np.sqrt(np.maximum(values, max(float(values[-1]), 1e-200) * _FLATTEST))
    return axes


def _fit(rows: Array, losses: Array) -> tuple[Array, Array]:
    """Return the gradient and the matrix of second derivatives at the origin."""
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
    if count >= len(values):
        return np.arange(len(values))
    return np.argpartition(values, count - 1)[:count]
