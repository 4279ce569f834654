"""The tuning tasks train real models at whatever point they are given."""

import math
import random

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from propulate_like_bench.quality import tuning


@pytest.mark.parametrize("name", tuning.names())
def test_a_point_has_one_finite_loss_and_instances_differ(name):
    problem, other = tuning.problem(name, 0, 1), tuning.problem(name, 0, 2)
    generator = random.Random(1)
    points = [problem.space.decode(problem.space.sample(generator)) for _ in range(8)]
    losses = [problem.loss(point) for point in points]
    assert all(map(math.isfinite, losses))
    assert losses[0] == problem.loss(points[0])
    assert losses != [other.loss(point) for point in points]
