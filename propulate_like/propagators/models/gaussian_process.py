"""A Gaussian process: Matérn-5/2 kernel with a length scale for each coordinate, and a quadratic trend."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack, solve_triangular
from scipy.optimize import Bounds, minimize

from propulate_like.population.training_data import Array

# docs/decisions.md, "The trend prefers bowls"
_BEND, _BOWL = 0.3, 5.0  # of the trend's kernel (1 + .3 u.v)^2 + 5 u.u v.v: bowls are likelier than other quadratics
# docs/decisions.md, "The best candidate is refined by the gradient"
_DESCENT = 20  # steps of a descent
_SETTLED = 1e-5  # relative gain of the log-likelihood in a step below which a fit ends
# docs/decisions.md, "High losses get noise instead of a warp"
_NOISE_SHARE = 0.1  # standard deviation of high losses, as a share of their excess over the low ones
_HIGHEST = 1e9  # largest loss that counts, as a multiple of the low losses' range
_ROUNDING = 1e-10  # share of each variance that is added to it, so that no matrix is singular
_LENGTHS = (math.log(0.005), math.log(30.0))
_NOISES = (math.log(1e-7), math.log(1.0))
_TRENDS = (math.log(1e-3), math.log(1e3))


class Prior:
    """The prior of the logarithms of the kernel's parameters, each a normal distribution.

    Attributes:
        length: The mean and standard deviation of each length scale's logarithm.
        noise: The same of the noise variance, as a share of the signal variance.
        trend: The same of the trend's variance, as a share of the signal variance.
    """

    def __init__(
        self,
        length: tuple[float, float],
        noise: tuple[float, float] = (-9.0, 2.0),
        trend: tuple[float, float] = (0.0, 1.5),
    ) -> None:
        self.length, self.noise, self.trend = length, noise, trend


class GaussianProcess:
    """A Gaussian process regression of a standardized loss.

    The signal variance is profiled: Rasmussen and Williams 2006, sections 2.2 and 5.4.

    Attributes:
        parameters: The logarithms of the length scale of each group, and of the trend's and the noise's variance as
            shares of the signal variance.
    """

    def __init__(self, groups: npt.NDArray[np.intp], prior: Prior, *, trend: bool = True) -> None:
        """Start with the prior's means.

        Args:
            groups: The number of each coordinate's length scale, shape (d,): the coordinates of one Choice share it.
            prior: The prior.
            trend: Whether there is a quadratic trend around the best point.
        """
        self._groups, self._count = groups, int(groups.max()) + 1
        self._trend = trend
        fixed = [prior.trend[0], prior.noise[0]]
        self.parameters: Array = np.array([prior.length[0]] * self._count + fixed)
        self._means = self.parameters.copy()
        self._weights = np.array([prior.length[1]] * self._count + [prior.trend[1], prior.noise[1]]) ** -2.0
        self._points: Array = np.empty((0, len(groups)))
        self._center: Array = np.empty(len(groups))
        self._extra_noise: Array | float = 0.0
        self._amplitude = 1.0

    @property
    def lengths(self) -> Array:
        """The length scale of each coordinate, shape (d,)."""
        lengths: Array = np.exp(self.parameters[self._groups])
        return lengths

    def fit(
        self, points: Array, targets: Array, center: Array, steps: int = 20, extra_noise: Array | float = 0.0
    ) -> None:
        """Fit the parameters, from the present ones on, to the maximum of the posterior, and condition on the data.

        Args:
            points: The points, shape (n, d).
            targets: The standardized losses, shape (n,).
            center: The center of the trend, shape (d,).
            steps: The largest number of steps of the optimizer.
            extra_noise: The variance of each row besides the noise, shape (n,), as a share of the signal variance.
        """
        self._extra_noise = extra_noise
        bounds = [_LENGTHS] * self._count + [_TRENDS, _NOISES]
        found = minimize(
            self._objective,
            self.parameters,
            args=(points, targets, center),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": steps, "maxfun": 2 * steps, "ftol": _SETTLED},
        )
        if np.all(np.isfinite(found.x)):
            self.parameters = found.x
        self.condition(points, targets, center, extra_noise)

    def condition(self, points: Array, targets: Array, center: Array, extra_noise: Array | float = 0.0) -> None:
        """Condition on data under the present parameters; the arguments are those of `fit`."""
        self._extra_noise = extra_noise
        covariance = self._covariances(points, center, self.parameters)[0]
        self._factor, _ = lapack.dpotrf(covariance, lower=1, overwrite_a=1)
        self._points, self._center = points, center
        self._scaled = points / self.lengths
        self._solved, _ = lapack.dpotrs(self._factor, targets, lower=1)
        self._amplitude = max(float(targets @ self._solved) / len(targets), 0.0)

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Return the means and standard deviations, each of shape (m,), of the loss without noise at points (m, d)."""
        cross = self.cross(points)
        return cross @ self._solved, self._deviations(points, cross)

    def lowest(self, points: Array, optimism: float) -> tuple[int, float]:
        """Return the index and the bound of the point with the lowest confidence bound among those with low means.

        Args:
            points: The points, shape (m, d).
            optimism: The weight of the standard deviation in the bound mean - optimism * sd.
        """
        cross = self.cross(points)
        means = cross @ self._solved
        low = np.argpartition(means, len(means) // 3)[: len(means) // 3 + 1]
        bounds = means[low] - optimism * self._deviations(points[low], cross[low])
        index = int(np.argmin(bounds))
        return int(low[index]), float(bounds[index])

    def descend(self, point: Array, low: Array, high: Array, optimism: float) -> Array:
        """Return a local minimum (d,) of the confidence bound in a box.

        Args:
            point: The start, shape (d,).
            low: The box's lower corner, shape (d,).
            high: The box's upper corner, shape (d,).
            optimism: The weight of the standard deviation in the bound mean - optimism * sd.
        """
        found = minimize(
            self.bound,
            point,
            args=(optimism,),
            jac=True,
            method="L-BFGS-B",
            bounds=Bounds(low, high),
            options={"maxiter": _DESCENT, "maxfun": 2 * _DESCENT},
        )
        return np.clip(found.x, low, high) if np.all(np.isfinite(found.x)) else point

    def bound(self, point: Array, optimism: float) -> tuple[float, Array]:
        """Return the confidence bound mean - optimism * sd at one point (d,), and its gradient (d,)."""
        lengths = self.lengths
        scaled = point / lengths
        steps = scaled - self._scaled
        root = np.sqrt(5.0 * np.einsum("ij,ij->i", steps, steps))
        decay = np.exp(-root)
        cross = (1.0 + root + root * root / 3.0) * decay
        slopes = (-5.0 / 3.0 * (1.0 + root) * decay)[:, None] * steps
        own, own_slope = 1.0, np.zeros_like(point)
        if self._trend:
            weight, center = math.exp(self.parameters[-2]), self._center / lengths
            place, others = scaled - center, self._scaled - center
            norm, norms = float(place @ place), np.einsum("ij,ij->i", others, others)
            linear = 1.0 + _BEND * (others @ place)
            cross += weight * (linear**2 + _BOWL * norm * norms)
            slopes += 2.0 * weight * (_BEND * linear[:, None] * others + _BOWL * norms[:, None] * place)
            own += weight * ((1.0 + _BEND * norm) ** 2 + _BOWL * norm**2)
            own_slope = 4.0 * weight * (_BEND * (1.0 + _BEND * norm) + _BOWL * norm) * place
        solved, _ = lapack.dpotrs(self._factor, cross, lower=1)
        variance = self._amplitude * max(own - float(cross @ solved), 1e-12)
        deviation = math.sqrt(max(variance, 1e-300))
        slope = self._solved @ slopes
        slope -= 0.5 * optimism * self._amplitude / deviation * (own_slope - 2.0 * (solved @ slopes))
        return float(cross @ self._solved) - optimism * deviation, slope / lengths

    def _deviations(self, points: Array, cross: Array) -> Array:
        """Return the standard deviations (m,) at points (m, d), whose covariances with the data (m, n) are `cross`."""
        own = np.ones(len(points))
        if self._trend:
            norms = np.sum(((points - self._center) / self.lengths) ** 2, axis=1)
            own += math.exp(self.parameters[-2]) * _trend(norms, norms, norms)[0]
        half = solve_triangular(self._factor, cross.T, lower=True, check_finite=False)
        variance = np.maximum(own - np.einsum("ij,ij->j", half, half), 1e-12)
        deviations: Array = np.sqrt(self._amplitude * variance)
        return deviations

    def cross(self, points: Array) -> Array:
        """Return the covariances (m, n) of points (m, d) with the data, as shares of the signal variance."""
        lengths = self.lengths
        kernel = _matern(_squares(points / lengths, self._scaled))
        if self._trend:
            center = self._center / lengths
            rows, others = points / lengths - center, self._scaled - center
            norms = np.einsum("ij,ij->i", rows, rows)[:, None]
            trend, _ = _trend(rows @ others.T, norms, np.einsum("ij,ij->i", others, others))
            kernel += math.exp(self.parameters[-2]) * trend
        return kernel

    def _covariances(self, points: Array, center: Array, parameters: Array) -> tuple[Array, Array, Array, Array, Array]:
        """Return the covariance matrix (n, n) of points (n, d), and the terms of its gradient.

        The terms are the squared scaled distances (n, n), the trend's kernel (n, n), its linear part (n, n), and the
        scaled points around the center (n, d).
        """
        lengths = np.exp(parameters[self._groups])
        scaled = (points - center) / lengths
        inner = scaled @ scaled.T
        norms = np.diag(inner)
        squares = np.maximum(norms[:, None] + norms - 2.0 * inner, 0.0)
        covariance = _matern(squares)
        trend, linear = _trend(inner, norms[:, None], norms)
        if self._trend:
            covariance += math.exp(parameters[-2]) * trend
        diagonal = covariance.diagonal() * (1.0 + _ROUNDING)
        np.fill_diagonal(covariance, diagonal + math.exp(parameters[-1]) + self._extra_noise)
        return covariance, squares, trend, linear, scaled

    def _objective(self, parameters: Array, points: Array, targets: Array, center: Array) -> tuple[float, Array]:
        """Return the negative log-posterior of the parameters, with the signal variance profiled, and its gradient."""
        count = len(targets)
        covariance, squares, trend, linear, scaled = self._covariances(points, center, parameters)
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
        pairs = outer * ((10.0 / 3.0) * (1.0 + root) * np.exp(-root))
        alone = pairs.sum(axis=1)
        gradient = np.zeros_like(parameters)
        if self._trend:
            weight = math.exp(parameters[-2])
            pairs += (4.0 * _BEND * weight) * (outer * linear)
            alone -= (4.0 * _BOWL * weight) * (outer @ np.einsum("ij,ij->i", scaled, scaled))
            gradient[-2] = weight * float(np.vdot(outer, trend))
        by_column = alone @ scaled**2 - np.einsum("ij,ij->j", scaled, pairs @ scaled)
        gradient[: self._count] = np.bincount(self._groups, by_column, self._count)
        gradient[-1] = math.exp(parameters[-1]) * float(np.trace(outer))
        return value, gradient + self._weights * off


def warped(losses: Array, quantile: float) -> Array:
    """Return standardized targets for a model, shape (n,): linear up to a quantile of the losses, logarithmic above it.

    Args:
        losses: The losses, shape (n,).
        quantile: The quantile, in [0, 1].
    """
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


def noisy_targets(losses: Array, quantile: float, center: float | None = None) -> tuple[Array, Array]:
    """Return targets for a model, linear in the losses, and a noise variance of each, both of shape (n,).

    The variance is 0 up to a quantile of the distances from the lowest loss and grows above it: high losses determine
    the trend, but the model need not interpolate them.

    Args:
        losses: The losses, or values of a constraint, shape (n,).
        quantile: The quantile, in [0, 1].
        center: The value from which distances count, by default the lowest one.
    """
    above = losses - (float(losses.min()) if center is None else center)
    distances = np.abs(above)
    span = float(np.quantile(distances, quantile))
    if not span > 0.0:
        span = float(distances.max())
    if not 0.0 < span < math.inf:
        span = 1.0
    heights = np.clip(above, -_HIGHEST * span, _HIGHEST * span) / span
    low = heights[np.abs(heights) <= 1.0]
    spread = float(low.std())
    targets = (heights - low.mean()) / (spread if spread > 0.0 else 1.0)
    return targets, np.square(_NOISE_SHARE * np.maximum(np.abs(heights) - 1.0, 0.0))


def _trend(inner: Array, norms: Array, others: Array) -> tuple[Array, Array]:
    """Return the trend's kernel and its linear part, by the inner products and squared norms of points."""
    linear = 1.0 + _BEND * inner
    return linear**2 + _BOWL * norms * others, linear


def _squares(rows: Array, others: Array) -> Array:
    """Return the squared distances (m, n) of rows (m, d) from other rows (n, d)."""
    squares = np.einsum("ij,ij->i", rows, rows)[:, None] + np.einsum("ij,ij->i", others, others) - 2.0 * rows @ others.T
    nonnegative: Array = np.maximum(squares, 0.0)
    return nonnegative


def _matern(squares: Array) -> Array:
    """Return the Matérn-5/2 kernel of squared scaled distances."""
    root = np.sqrt(5.0 * squares)
    kernel: Array = (1.0 + root + root * root / 3.0) * np.exp(-root)
    return kernel
