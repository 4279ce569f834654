"""A Gaussian process: Matérn-5/2 with a length for each coordinate, and a quadratic trend around the best point."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack, solve_triangular
from scipy.optimize import minimize

Array = npt.NDArray[np.float64]

_BEND = 0.3  # of the trend's kernel (1 + .3 u.v)^2
_ROOT5 = math.sqrt(5.0)
_LENGTHS = (math.log(0.005), math.log(30.0))
_NOISES = (math.log(1e-7), math.log(1.0))
_TRENDS = (math.log(1e-3), math.log(1e3))


class Prior:
    """Where the logarithms of lengths, trend and noise are expected, as means and standard deviations."""

    def __init__(
        self,
        length: tuple[float, float],
        noise: tuple[float, float] = (-9.0, 2.0),
        trend: tuple[float, float] = (0.0, 1.5),
    ) -> None:
        self.length, self.noise, self.trend = length, noise, trend


class GaussianProcess:
    """Predicts a standardized loss at points of any coordinates.

    `groups` gives each coordinate's length by its number, as those that stand for one choice share one. With
    `trend=False` there is no quadratic part. Amplitudes are profiled: Rasmussen and Williams 2006, sections 2.2, 5.4.
    """

    def __init__(self, groups: npt.NDArray[np.intp], prior: Prior, *, trend: bool = True) -> None:
        self._groups, self._count = groups, int(groups.max()) + 1
        self._prior, self._trend = prior, trend
        fixed = [prior.trend[0], prior.noise[0]]
        self.parameters: Array = np.array([prior.length[0]] * self._count + fixed)
        """Logarithms: of a length for each group, of the trend's and the noise's variance, as shares of the main."""
        self._means = self.parameters.copy()
        self._weights = np.array([prior.length[1]] * self._count + [prior.trend[1], prior.noise[1]]) ** -2.0
        self._points: Array = np.empty((0, len(groups)))
        self._center: Array = np.empty(len(groups))
        self._amplitude = 1.0

    @property
    def lengths(self) -> Array:
        """The length of each coordinate."""
        lengths: Array = np.exp(self.parameters[self._groups])
        return lengths

    def fit(self, points: Array, targets: Array, center: Array, steps: int = 20) -> None:
        """Find the likeliest parameters for these rows, going on from the present ones, and condition on them."""
        bounds = [_LENGTHS] * self._count + [_TRENDS, _NOISES]
        found = minimize(
            self._objective,
            self.parameters,
            args=(points, targets, center),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": steps, "maxfun": 2 * steps},
        )
        if np.all(np.isfinite(found.x)):
            self.parameters = found.x
        self.condition(points, targets, center)

    def condition(self, points: Array, targets: Array, center: Array) -> None:
        """Take these rows as what is known, under the present parameters."""
        covariance, *_ = self._covariances(points, center, self.parameters)
        self._factor, _ = lapack.dpotrf(covariance, lower=1, overwrite_a=1)
        self._points, self._center = points, center
        self._scaled = points / self.lengths
        self._solved, _ = lapack.dpotrs(self._factor, targets, lower=1)
        self._amplitude = float(targets @ self._solved) / len(targets)

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Give the means and standard deviations of the loss without noise at these rows."""
        cross = self.cross(points)
        return cross @ self._solved, self._deviations(points, cross)

    def lowest(self, points: Array, optimism: float) -> tuple[int, float]:
        """Give the number of the row with the least mean - `optimism` deviations, among those with low means."""
        cross = self.cross(points)
        means = cross @ self._solved
        low = np.argpartition(means, len(means) // 3)[: len(means) // 3 + 1]
        bounds = means[low] - optimism * self._deviations(points[low], cross[low])
        index = int(np.argmin(bounds))
        return int(low[index]), float(bounds[index])

    def _deviations(self, points: Array, cross: Array) -> Array:
        trend = math.exp(self.parameters[-2]) if self._trend else 0.0
        own = 1.0 + trend * (1.0 + _BEND * np.sum(((points - self._center) / self.lengths) ** 2, axis=1)) ** 2
        half = solve_triangular(self._factor, cross.T, lower=True, check_finite=False)
        variance = np.maximum(own - np.einsum("ij,ij->j", half, half), 1e-12)
        deviations: Array = np.sqrt(self._amplitude * variance)
        return deviations

    def cross(self, points: Array) -> Array:
        """Give the covariance, without the amplitude, of these rows with those it is conditioned on."""
        lengths = self.lengths
        kernel = _matern(_squares(points / lengths, self._scaled))
        if self._trend:
            center = self._center / lengths
            kernel += (
                math.exp(self.parameters[-2])
                * (1.0 + _BEND * (points / lengths - center) @ (self._scaled - center).T) ** 2
            )
        return kernel

    def _covariances(self, points: Array, center: Array, parameters: Array) -> tuple[Array, Array, Array, Array]:
        """Give the covariance of the rows, and what its gradient is made of."""
        lengths = np.exp(parameters[self._groups])
        scaled = (points - center) / lengths
        inner = scaled @ scaled.T
        norms = np.diag(inner)
        squares = np.maximum(norms[:, None] + norms - 2.0 * inner, 0.0)
        covariance = _matern(squares)
        linear = 1.0 + _BEND * inner
        if self._trend:
            covariance += math.exp(parameters[-2]) * linear**2
        covariance.flat[:: len(points) + 1] += math.exp(parameters[-1])
        return covariance, squares, linear, scaled

    def _objective(self, parameters: Array, points: Array, targets: Array, center: Array) -> tuple[float, Array]:
        """Give the negative logarithm of the posterior, with the amplitude profiled, and its gradient."""
        count = len(targets)
        covariance, squares, linear, scaled = self._covariances(points, center, parameters)
        factor, failed = lapack.dpotrf(covariance, lower=1)
        if failed:
            return 1e10, np.zeros_like(parameters)
        solved, _ = lapack.dpotrs(factor, targets, lower=1)
        fit = max(float(targets @ solved), 1e-300)
        inverse, _ = lapack.dpotri(factor, lower=1)
        inverse = inverse + np.tril(inverse, -1).T
        off = parameters - self._means
        value = 0.5 * count * math.log(fit) + float(np.sum(np.log(np.diag(factor))))
        value += 0.5 * float(self._weights @ off**2)
        outer = 0.5 * inverse - (0.5 * count / fit) * np.outer(solved, solved)
        root = np.sqrt(5.0 * squares)
        slopes = outer * ((5.0 / 3.0) * (1.0 + root) * np.exp(-root))
        by_column = 2.0 * (slopes.sum(axis=1) @ scaled**2 - np.einsum("ij,ij->j", scaled, slopes @ scaled))
        gradient = np.zeros_like(parameters)
        if self._trend:
            weight = math.exp(parameters[-2])
            bent = outer * linear
            by_column -= 4.0 * _BEND * weight * np.einsum("ij,ij->j", scaled, bent @ scaled)
            gradient[-2] = weight * float(np.sum(bent * linear))
        gradient[: self._count] = np.bincount(self._groups, by_column, self._count)
        gradient[-1] = math.exp(parameters[-1]) * float(np.trace(outer))
        return value, gradient + self._weights * off


def warped(losses: Array, quantile: float) -> Array:
    """Give targets for a model: linear up to a quantile of the losses, logarithmic above it, standardized."""
    least = float(losses.min())
    span = float(np.quantile(losses, quantile)) - least
    if not span > 0.0:
        span = float(losses.max()) - least
    if not 0.0 < span < math.inf:
        span = 1.0
    above = np.maximum(losses - least, 0.0)
    targets = np.where(
        above > span, 1.0 + np.log(np.maximum(above, span)) - math.log(span), np.minimum(above, span) / span
    )
    spread = float(targets.std())
    standardized: Array = (targets - targets.mean()) / (spread if spread > 0.0 else 1.0)
    return standardized


def _squares(rows: Array, others: Array) -> Array:
    """Give the squared distances of rows from other rows."""
    squares = np.einsum("ij,ij->i", rows, rows)[:, None] + np.einsum("ij,ij->i", others, others) - 2.0 * rows @ others.T
    nonnegative: Array = np.maximum(squares, 0.0)
    return nonnegative


def _matern(squares: Array) -> Array:
    root = np.sqrt(5.0 * squares)
    kernel: Array = (1.0 + root + root * root / 3.0) * np.exp(-root)
    return kernel
