"""Models of the loss: what they predict, and the steps that they propose."""

import numpy as np
import pytest

from propulate_like.propagators.models import quadratic
from propulate_like.propagators.models.basins import Basins
from propulate_like.propagators.models.feasibility import Known
from propulate_like.propagators.models.gaussian_process import GaussianProcess, Prior, noisy_targets, warped
from propulate_like.propagators.models.region import Region
from propulate_like.propagators.models.trust_region import TrustRegionSearch


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def rotated(dimension, condition):
    axes, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((dimension, dimension)))
    return (axes * np.logspace(0, np.log10(condition), dimension)) @ axes.T


def bowl(points, curvature, center=0.4):
    return np.einsum("ij,jk,ik->i", points - center, curvature, points - center)


def known(points, losses):
    """Return points without constraints."""
    return Known(points, losses, np.empty((len(points), 0)), losses)


class TestGaussianProcess:
    def process(self, dimension, **options):
        return GaussianProcess(np.arange(dimension), Prior((np.log(0.5), 1.0)), **options)

    def test_rows_that_are_alike_have_a_model_still(self):
        process = GaussianProcess(np.arange(2), Prior((5.0, 0.01), noise=(-40.0, 0.01)))
        points = np.repeat([[0.1, 0.5], [0.9, 0.5]], 200, axis=0)
        process.condition(points, np.repeat([1.0, -1.0], 200), points[-1])
        means, deviations = process.predict(np.array([[0.1, 0.5], [0.9, 0.5]]))
        assert means[0] > 0.9
        assert means[1] < -0.9
        assert np.all(np.isfinite(deviations))

    def test_gradient_is_that_of_the_objective(self, generator):
        points = generator.random((40, 3))
        targets, process = warped(bowl(points, np.eye(3)), 0.4), self.process(3)
        at = process.parameters + 0.3 * generator.standard_normal(5)

        def value(parameters):
            return process._objective(parameters, points, targets, points[0])[0]

        gradient = process._objective(at, points, targets, points[0])[1]
        steps = 1e-5 * np.eye(5)
        assert gradient == pytest.approx([(value(at + s) - value(at - s)) / 2e-5 for s in steps], rel=1e-4, abs=1e-5)

    @pytest.mark.parametrize("trend", [True, False])
    def test_predicts_a_smooth_loss_between_its_points_and_is_surer_near_them(self, generator, trend):
        points, others = generator.random((60, 2)), generator.random((200, 2))

        def loss(x):
            return np.sin(5 * x[:, 0]) + x[:, 1] ** 2

        process = self.process(2, trend=trend)
        process.fit(points, loss(points), points[0])
        means, deviations = process.predict(others)
        assert np.abs(means - loss(others)).max() < 0.1
        assert process.predict(points)[1].max() < deviations.max()

    def test_a_parameter_without_influence_gets_a_long_length(self, generator):
        points = generator.random((60, 2))
        process = self.process(2, trend=False)
        process.fit(points, np.sin(8 * points[:, 0]), points[0])
        assert process.lengths[1] > 3 * process.lengths[0]

    def test_coordinates_of_one_group_share_a_length(self, generator):
        process = GaussianProcess(np.array([0, 1, 1]), Prior((0.0, 1.0)))
        points = generator.random((30, 3))
        process.fit(points, points[:, 1], points[0])
        assert process.lengths[1] == process.lengths[2] != process.lengths[0]

    @pytest.mark.parametrize("optimism", [0.0, 1.0])
    def test_descends_to_where_the_loss_may_be_lowest(self, generator, optimism):
        points, others = generator.random((40, 3)), generator.random((2000, 3))
        process = self.process(3)
        process.fit(points, bowl(points, rotated(3, 10.0)), points[0])
        low, high = np.full(3, 0.1), np.full(3, 0.9)
        index, _ = process.lowest(np.clip(others, low, high), optimism)
        began = np.clip(others, low, high)[index]
        ended = process.descend(began, low, high, optimism)
        means, deviations = process.predict(np.array([began, ended]))
        before, after = means - optimism * deviations
        assert after < before
        assert ((ended >= low) & (ended <= high)).all()

    def test_learns_a_bowl_in_many_dimensions_from_few_points(self, generator):
        points, others = generator.random((40, 20)), generator.random((100, 20))
        process = GaussianProcess(np.arange(20), Prior((0.0, 0.5)))
        process.fit(points, bowl(points, np.eye(20)), points[0])
        errors = process.predict(others)[0] - bowl(others, np.eye(20))
        assert errors.std() < 0.7 * bowl(others, np.eye(20)).std()  # 0.94 where all quadratics are equally likely

    def test_equal_rows_far_from_the_center_are_learnt_from(self, generator):
        process = self.process(10)
        process.parameters[:] = np.log([0.05] * 10 + [1e3, 1e-7])
        points = np.vstack([generator.random((20, 10)), np.ones((20, 10))])
        process.condition(points, points[:, 0], np.zeros(10))
        means, deviations = process.predict(points)
        assert means == pytest.approx(points[:, 0], abs=0.1)
        assert np.isfinite(deviations).all()

    def test_high_losses_get_noise_in_proportion(self):
        targets, noise = noisy_targets(np.array([0.0, 1.0, 2.0, 3.0, 100.0, 1e300]), 0.4)
        assert np.isfinite(targets).all()
        assert (np.diff(targets) > 0).all()
        assert (noise[:3] == 0).all()
        assert (np.diff(noise[2:]) > 0).all()

    @pytest.mark.parametrize("losses", [[1.0, 1.0, 1.0], [0.0, 1e-300, 1e300], [5.0, -3.0, 2.0]])
    def test_targets_are_finite_and_keep_the_order(self, losses):
        for targets in (warped(np.array(losses), 0.4), noisy_targets(np.array(losses), 0.4)[0]):
            assert np.isfinite(targets).all()
            assert all(np.diff(targets[np.argsort(losses)]) >= 0)


class TestQuadraticModel:
    @pytest.mark.parametrize("condition", [1.0, 1e6])
    def test_finds_the_minimum_of_a_bowl(self, generator, condition):
        curvature = rotated(4, condition)
        points = generator.random((100, 4))
        losses = bowl(points, curvature)
        for _ in range(60):
            point = quadratic.propose(known(points, losses), generator)
            points, losses = np.vstack([points, point]), np.append(losses, bowl(point[None], curvature))
        assert losses.min() < 1e-8 * losses[:100].min()

    def test_stays_in_the_unit_cube_where_the_minimum_lies_outside(self, generator):
        points = generator.random((60, 3))
        losses = bowl(points, np.eye(3), center=1.5)
        for _ in range(60):
            point = quadratic.propose(known(points, losses), generator)
            assert ((point >= 0.0) & (point <= 1.0)).all()
            points, losses = np.vstack([points, point]), np.append(losses, bowl(point[None], np.eye(3), center=1.5))
        assert points[losses.argmin()] == pytest.approx([1.0, 1.0, 1.0], abs=1e-3)

    def test_copes_with_equal_points_and_equal_losses(self, generator):
        assert quadratic.propose(known(np.full((9, 2), 0.5), np.zeros(9)), generator) == pytest.approx([0.5, 0.5])
        assert np.isfinite(quadratic.propose(known(generator.random((9, 2)), np.zeros(9)), generator)).all()

    @pytest.mark.parametrize("values", [[1.0, 2.0, 3.0], [-1.0, 2.0, 3.0], [0.0, 0.0, 1.0]])
    @pytest.mark.parametrize("slope", [[1.0, 1.0, 1.0], [0.0, 1.0, 0.0]])
    def test_trust_region_step_is_the_best_of_its_ball(self, generator, values, slope):
        axes, _ = np.linalg.qr(generator.standard_normal((3, 3)))
        curvature, gradient = (axes * values) @ axes.T, axes @ np.array(slope)
        step = quadratic.trust_region_step(gradient, curvature, 0.5)
        others = generator.standard_normal((20_000, 3))
        others *= 0.5 * generator.random((20_000, 1)) ** (1 / 3) / np.linalg.norm(others, axis=1, keepdims=True)

        def model(steps):
            return steps @ gradient + 0.5 * np.einsum("ij,jk,ik->i", steps, curvature, steps)

        assert np.linalg.norm(step) <= 0.5 + 1e-6
        assert model(step[None])[0] <= model(others).min() + 1e-3


class TestTrustRegion:
    def test_grows_after_two_improvements_and_shrinks_after_as_many_failures_as_workers(self):
        region = Region(4, widest=1.6, narrowest=1e-8, jitter=0.3)
        first = region.width
        region.update([3.0, 2.0])
        grown = region.width
        region.update([5.0] * 4)
        assert grown > first > region.width > 0.0

    def test_proposes_better_points_than_it_knows(self, generator):
        curvature = rotated(5, 100.0)
        points = generator.random((40, 5))
        losses = bowl(points, curvature)
        region = TrustRegionSearch(5)
        for _ in range(40):
            point = region.propose(known(points, losses), 1, generator)
            assert ((point >= 0.0) & (point <= 1.0)).all()
            points, losses = np.vstack([points, point]), np.append(losses, bowl(point[None], curvature))
        assert losses.min() < 5e-2 * losses[:40].min()


class TestBasins:
    def look(self, basins, points, losses):
        return basins.look(points, losses, len(losses))

    def test_a_basin_that_gains_nothing_any_more_is_left_and_its_points_with_it(self, generator):
        basins, here = Basins(2, 1), np.array([0.2, 0.2])
        points = np.vstack([generator.random((60, 2)), here + 1e-3 * generator.standard_normal((60, 2))])
        losses = np.append(1.0 + generator.random(60), 0.5 + 1e-3 * generator.random(60))
        losses[60] = 0.49
        rows, begun = self.look(basins, points, losses)
        assert begun
        assert not rows[60:].any()
        assert rows[:60].sum() > 50
        rows, begun = self.look(basins, np.vstack([points, here]), np.append(losses, 0.1))
        assert not begun
        assert not rows[-1]

    def test_a_basin_that_gains_is_searched_on(self):
        basins, steps = Basins(2, 1), np.arange(180.0)
        points = 0.5 + 0.4 * 0.95 ** steps[:, None] * np.array([1.0, -1.0])
        for count in range(1, 181):
            rows, begun = self.look(basins, points[:count], 0.95 ** (2 * steps[:count]))
            assert not begun
            assert rows.all()
