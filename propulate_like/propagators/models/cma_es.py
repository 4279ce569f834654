"""CMA-ES: a normal distribution that adapts to where better points are, from results in any order and of any origin.

Equation numbers are those of Hansen 2016, The CMA evolution strategy: a tutorial, arXiv:1604.00772.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr

from propulate_like.population.training_data import Array

_DRAWN = 64  # normal vectors that are drawn at a time
_WORST_CONDITION = 1e14  # of the covariance matrix
_SMALLEST = 1e-40  # variance along the longest axis, in units of sigma squared
_OUTSIDE = 0.5  # standard deviations by which the mean may lie outside the unit cube
_BEYOND = 0.1  # distance by which points and the mean may lie outside the unit cube
_FAR = 20.0  # standard deviations
_ROOT = float(np.sqrt(2.0 * np.pi))
_FLATTEST, _NARROWEST = 1e-9, 1e-12  # span of losses, relative to their size; steps, relative to the unit cube


class EvolutionStrategy:
    """CMA-ES in the unit cube.

    It makes an update after every `population` results, from whatever source and in any order: points that are far away
    are moved nearer (Hansen 2011, Injecting external solutions into CMA-ES). The covariance matrix is full, and is also
    updated by the worse half of the results (active update). A point on the border of the cube may have been drawn
    outside it; its position there is estimated in the update, so that optima on the border are reached.

    Attributes:
        mean: The mean of the distribution, shape (d,).
        sigma: The step size.
        population: The number of results per update.
        updates: The number of updates.
        ended: Why it will find nothing better; empty while it may.
    """

    def __init__(
        self, mean: Array, sigma: float, generator: np.random.Generator, population: int | None = None
    ) -> None:
        """Start a search.

        Args:
            mean: The initial mean, shape (d,).
            sigma: The initial step size.
            generator: The random generator.
            population: The number of results per update, by default `usual_population`.
        """
        self.mean, self.sigma = mean.copy(), sigma
        dimension = len(mean)
        self.population = usual_population(dimension) if population is None else population
        self.updates = 0
        self.ended = ""
        """Why it will find nothing better any more; empty while it may."""
        self._generator, self._settings = generator, _settings(dimension, self.population)
        self._covariance = np.eye(dimension)
        self._sigma_path, self._covariance_path = np.zeros(dimension), np.zeros(dimension)
        self._axes, self._scales = np.eye(dimension), np.ones(dimension)  # B and D
        self._root, self._inverse_root = np.eye(dimension), np.eye(dimension)
        self._stale = 0  # updates since the matrix was last decomposed
        self._normal, self._drawn = np.empty((0, dimension)), 0
        self._points: list[Array] = []
        self._losses: list[float] = []
        self._history: list[float] = []

    def ask(self) -> Array:
        """Draw a point of the unit cube, shape (d,) (38 to 40); one outside is moved onto the border."""
        if self._drawn == len(self._normal):
            self._normal, self._drawn = self._generator.standard_normal((_DRAWN, len(self.mean))), 0
        if self._stale >= self._settings.decomposed_every:
            self._decompose()
        point = self.mean + self.sigma * (self._root @ self._normal[self._drawn])
        self._drawn += 1
        return _clipped(point)

    def tell(self, point: Array, loss: float) -> None:
        """Add the loss of a point, shape (d,), of the unit cube."""
        self._points.append(point)
        self._losses.append(loss)
        if len(self._losses) == self.population:
            points, losses = np.array(self._points), np.array(self._losses)
            self._points.clear()
            self._losses.clear()
            self._update(points, losses)

    def _update(self, points: Array, losses: Array) -> None:
        """Update the distribution by points (population, d) and their losses (population,)."""
        settings, mean, sigma = self._settings, self.mean, self.sigma
        if self._stale >= settings.decomposed_every:
            self._decompose()
        order = np.argsort(losses, kind="stable")
        steps = (self._unclipped(points[order]) - mean) / sigma
        lengths = np.sqrt(np.sum(np.square(steps @ self._inverse_root), axis=1))
        far = lengths > settings.longest
        if far.any():
            steps[far] *= (settings.longest / lengths[far])[:, None]
            lengths = np.minimum(lengths, settings.longest)
        step = settings.weights[: settings.parents] @ steps[: settings.parents]
        margin = _OUTSIDE * sigma * np.sqrt(np.maximum(np.diagonal(self._covariance), 0.0))
        margin = np.minimum(margin, _BEYOND)
        self.mean = np.minimum(np.maximum(mean + sigma * step, -margin), 1.0 + margin)  # (42)
        rate = settings.sigma_rate
        self._sigma_path *= 1.0 - rate
        self._sigma_path += settings.sigma_gain * (self._inverse_root @ step)  # (43)
        length = float(np.sqrt(self._sigma_path @ self._sigma_path))
        self.updates += 1
        self._adapt_covariance(steps, lengths, step, length)
        growth = rate / settings.damping * (length / settings.expected_length - 1.0)
        self.sigma = min(sigma * float(np.exp(min(growth, 1.0))), 1.0)  # (44)
        self._judge(losses[order])

    def _unclipped(self, points: Array) -> Array:
        """Return points (n, d) with genes on the border moved to where they are expected outside it.

        The expectation is conditional on the other genes. It needs no random numbers, so that ranks with the same
        results have the same distribution.
        """
        clipped = (points == 0.0) | (points == 1.0)
        rows = np.flatnonzero(clipped.any(axis=1))
        if not len(rows):
            return points
        precision = self._inverse_root @ self._inverse_root
        drawn = points.copy()
        for row in rows:
            out = clipped[row]
            steps = (points[row, ~out] - self.mean[~out]) / self.sigma
            inner = precision[np.ix_(out, out)]
            pull = np.linalg.solve(inner, precision[np.ix_(out, ~out)] @ steps)
            spread = self.sigma / np.sqrt(np.diagonal(inner))
            side = np.where(points[row, out] == 0.0, -1.0, 1.0)
            border = side * (points[row, out] - self.mean[out] + self.sigma * pull) / spread
            drawn[row, out] += side * np.minimum(spread * _excess(border), _BEYOND)
        return drawn

    def _adapt_covariance(self, steps: Array, lengths: Array, step: Array, length: float) -> None:
        """Update the covariance matrix.

        Args:
            steps: The steps from the mean in units of sigma, best first, shape (population, d).
            lengths: Their Mahalanobis lengths, shape (population,).
            step: The step of the mean, shape (d,).
            length: The length of the path of sigma.
        """
        settings, dimension = self._settings, len(self.mean)
        settled = 1.0 - (1.0 - settings.sigma_rate) ** (2 * self.updates)
        slow = length / settled**0.5 < (1.4 + 2.0 / (dimension + 1.0)) * settings.expected_length
        rate, rank_one, rank_many = settings.path_rate, settings.rank_one, settings.rank_many
        self._covariance_path *= 1.0 - rate
        if slow:
            self._covariance_path += settings.path_gain * step  # (45)
        weights = settings.weights.copy()
        worse = slice(settings.parents, None)
        weights[worse] *= dimension / np.maximum(np.square(lengths[worse]), 1e-300)  # (46)
        missing = 0.0 if slow else rank_one * rate * (2.0 - rate)
        self._covariance *= 1.0 + missing - rank_one - rank_many * settings.total_weight
        self._covariance += rank_one * np.outer(self._covariance_path, self._covariance_path)
        self._covariance += (rank_many * steps.T * weights) @ steps  # (47)
        self._stale += 1

    def _decompose(self) -> None:
        """Compute the axes and scales of the covariance matrix: C = B D^2 B'."""
        self._stale = 0
        self._covariance = (self._covariance + self._covariance.T) / 2.0
        sound = bool(np.isfinite(self._covariance).all())
        values, self._axes = np.linalg.eigh(self._covariance if sound else np.eye(len(self.mean)))
        largest = min(max(float(values[-1]), _SMALLEST), 1.0 / _SMALLEST)
        if not sound or values[-1] != largest or not values[0] > largest / _WORST_CONDITION:
            self.ended = "condition"
            values = np.clip(values, largest / _WORST_CONDITION, largest)
        self._scales = np.sqrt(values)
        self._root = self._axes * self._scales
        self._inverse_root = (self._axes / self._scales) @ self._axes.T

    def _judge(self, ranked: Array) -> None:
        """Set `ended` where there is no more progress.

        The criteria are those of Hansen 2009, Benchmarking a BI-population CMA-ES.

        Args:
            ranked: The losses of the update, best first, shape (population,).
        """
        best = float(ranked[0])
        history = self._history
        history.append(best)
        kept = 10 + (30 * len(self.mean)) // self.population
        if len(history) > kept:
            del history[0]
            low, high = min(history), max(history)
            span = max(high, float(ranked[len(ranked) // 2])) - low
            if not span > _FLATTEST * max(abs(low), abs(high), 1e-300):
                self.ended = "flat"
        if self.sigma * float(self._scales[-1]) < _NARROWEST:
            self.ended = "narrow"


def _excess(border: Array) -> Array:
    """Return the expected excess of a standard normal variable over `border`, given that it exceeds it."""
    near = np.clip(border, -_FAR, _FAR)
    excess = np.exp(-0.5 * np.square(near) - log_ndtr(-near)) / _ROOT - near
    return np.where(border > _FAR, 1.0 / np.maximum(border, _FAR), np.maximum(excess, near - border))


def _clipped(point: Array) -> Array:
    """Return the nearest point of the unit cube."""
    clipped: Array = np.minimum(np.maximum(point, 0.0), 1.0)
    return clipped


class _Settings(NamedTuple):
    """The weights and rates of an update, with the tutorial's symbols.

    Attributes:
        weights: w_i, best first, shape (population,).
        parents: mu.
        total_weight: The sum of all weights.
        sigma_rate: c_sigma.
        sigma_gain: The square root of c_sigma (2 - c_sigma) mu_eff.
        damping: d_sigma.
        expected_length: The expected length of a standard normal vector.
        path_rate: c_c.
        path_gain: The square root of c_c (2 - c_c) mu_eff.
        rank_one: c_1.
        rank_many: c_mu.
        longest: The length to which steps are shortened.
        decomposed_every: The number of updates between two decompositions.
    """

    weights: Array
    parents: int
    total_weight: float
    sigma_rate: float
    sigma_gain: float
    damping: float
    expected_length: float
    path_rate: float
    path_gain: float
    rank_one: float
    rank_many: float
    longest: float
    decomposed_every: float


def usual_population(dimension: int) -> int:
    """Return the usual number of results per update (48)."""
    return 4 + int(3 * np.log(dimension))


@lru_cache
def _settings(dimension: int, population: int) -> _Settings:
    """Return the weights and rates (49 to 58)."""
    n, parents = dimension, population // 2
    raw = np.log((population + 1) / 2) - np.log(np.arange(1, population + 1))
    better, worse = raw[:parents], raw[parents:]
    mass = float(better.sum() ** 2 / np.square(better).sum())
    worse_mass = float(worse.sum() ** 2 / max(np.square(worse).sum(), 1e-300))
    rank_one = 2.0 / ((n + 1.3) ** 2 + mass)
    rank_many = min(1.0 - rank_one, 2.0 * (0.25 + mass + 1.0 / mass - 2.0) / ((n + 2.0) ** 2 + mass))
    limit = min(
        1.0 + rank_one / rank_many,
        1.0 + 2.0 * worse_mass / (mass + 2.0),
        (1.0 - rank_one - rank_many) / (n * rank_many),
    )
    negative = float(-worse[worse < 0].sum())
    weights = np.concatenate([better / better.sum(), worse * (limit / max(negative, 1e-300))])
    sigma_rate = (mass + 2.0) / (n + mass + 5.0)
    path_rate = (4.0 + mass / n) / (n + 4.0 + 2.0 * mass / n)
    return _Settings(
        weights=weights,
        parents=parents,
        total_weight=float(weights.sum()),
        sigma_rate=sigma_rate,
        sigma_gain=float(np.sqrt(sigma_rate * (2.0 - sigma_rate) * mass)),
        damping=1.0 + 2.0 * max(0.0, float(np.sqrt((mass - 1.0) / (n + 1.0))) - 1.0) + sigma_rate,
        expected_length=float(np.sqrt(n)) * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n * n)),
        path_rate=path_rate,
        path_gain=float(np.sqrt(path_rate * (2.0 - path_rate) * mass)),
        rank_one=rank_one,
        rank_many=rank_many,
        longest=float(np.sqrt(n)) + 2.0 * n / (n + 2.0),
        decomposed_every=max(1.0, 1.0 / (10.0 * n * (rank_one + rank_many))),
    )
