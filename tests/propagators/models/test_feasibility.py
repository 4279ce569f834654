"""Models of constraints: what they expect to be feasible, and the steps that they allow."""

import numpy as np
import pytest

from propulate_like.population.individual import Candidate, Id, Individual
from propulate_like.population.outcome import Outcome, Status
from propulate_like.population.training_data import TrainingData
from propulate_like.problem.parameters import Float
from propulate_like.problem.space import Space
from propulate_like.propagators.models import quadratic
from propulate_like.propagators.models.feasibility import ConstraintProcesses, Known
from propulate_like.propagators.models.gaussian_process import GaussianProcess, Prior
from propulate_like.propagators.models.trust_region import TrustRegionSearch

SPACE = Space({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)})


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def data(points, loss, constraints):
    """Return the training data of points with these losses and constraints."""
    found = TrainingData(1000)
    for number, point in enumerate(points):
        outcome = Outcome.of({"loss": loss(point), "constraints": constraints(point)})
        candidate = Candidate(Id(0, 0, number), tuple(point.tolist()), SPACE)
        found.add(Individual(candidate).evaluated(outcome))
    return found


def far(point):
    """Return the loss, lowest in a corner that is not feasible."""
    return float(point.sum())


def disc(point):
    """Return the constraints of a disc in the middle, on a large scale, and one that always holds."""
    return [1e6 * (float(((point - 0.5) ** 2).sum()) - 0.04), -1.0]


LOWEST = 1.0 - 0.2 * 2**0.5


def test_merits_put_infeasible_points_after_feasible_ones_by_their_violation(generator):
    found = data(generator.random((60, 2)), far, disc)
    found.add(Individual(Candidate(Id(0, 1, 0), (0.5, 0.5), SPACE)).evaluated(Outcome.failure(Status.ERROR)))
    known = Known.of(found)
    violation = np.where(known.constraints > 0.0, known.constraints, 0.0).sum(axis=1)
    feasible = violation[:-1] == 0.0
    assert np.isnan(known.merits[-1])
    merits, losses = known.merits[:-1], known.losses[:-1]
    assert 0 < feasible.sum() < 30
    assert (merits[feasible] == losses[feasible]).all()
    assert merits[~feasible].min() > losses[feasible].max()
    assert (np.argsort(merits[~feasible]) == np.argsort(violation[:-1][~feasible])).all()


def test_processes_tell_what_is_feasible(generator):
    known = Known.of(data(generator.random((50, 2)), far, disc))
    processes = ConstraintProcesses(lambda: GaussianProcess(np.arange(2), Prior((-0.7, 1.0))))
    processes.learn(known.points, known.constraints, known.points[0], fit=True)
    processes.draw(generator)
    tested = generator.random((300, 2))
    inside = ((tested - 0.5) ** 2).sum(axis=1) < 0.04
    assert ((processes.violation(tested) == 0.0) == inside).mean() > 0.95


@pytest.mark.parametrize("model", ["quadratic", "trust_region"])
def test_the_border_of_what_is_feasible_is_reached(generator, model):
    points = generator.random((20, 2))
    region = TrustRegionSearch(2)
    for _ in range(30):
        known = Known.of(data(points, far, disc))
        point = quadratic.propose(known, generator) if model == "quadratic" else region.propose(known, 1, generator)
        assert ((point >= 0.0) & (point <= 1.0)).all()
        points = np.vstack([points, point])
    reached = min(far(point) for point in points if max(disc(point)) <= 0.0)
    assert LOWEST <= reached < LOWEST + 0.02


@pytest.mark.parametrize("model", ["quadratic", "trust_region"])
def test_a_search_that_begins_infeasible_becomes_feasible(generator, model):
    points = 0.2 * generator.random((12, 2))
    region = TrustRegionSearch(2)
    for _ in range(25):
        known = Known.of(data(points, far, disc))
        point = quadratic.propose(known, generator) if model == "quadratic" else region.propose(known, 1, generator)
        points = np.vstack([points, point])
    assert any(max(disc(point)) <= 0.0 for point in points)
