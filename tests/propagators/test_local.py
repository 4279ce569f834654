"""Local search by models, and what `auto` chooses."""

import math

import numpy as np
import pytest
from conftest import make_individual
from searching import cube
from threadpoolctl import threadpool_info, threadpool_limits

from propulate_like import (
    Choice,
    Choose,
    Float,
    Int,
    Optimizer,
    QuadraticModel,
    Space,
    TrustRegion,
)
from propulate_like.population.outcome import Outcome
from propulate_like.population.population import Requirements
from propulate_like.propagators.from_yaml import read

AXES, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((4, 4)))
CURVATURE = (AXES * [1.0, 10.0, 100.0, 1000.0]) @ AXES.T


def ellipsoid(params):
    x = np.array(list(params.values())) - 0.37
    return float(x @ CURVATURE @ x)


def search(space, loss, evaluations, propagator, seed=0, seconds=60.0):
    optimizer = Optimizer(space, propagator=propagator, evaluations=evaluations, seed=seed)
    told = []
    for _ in range(evaluations):
        individual = optimizer.ask()
        told.append(individual.evaluated(Outcome.of(loss(individual.params)).timed(seconds)))
        optimizer.absorb(told[-1])
    return optimizer, told


@pytest.mark.parametrize(("propagator", "bound"), [(TrustRegion(), 0.1), (QuadraticModel(), 1e-6), ("auto", 1e-6)])
def test_gets_near_the_optimum_of_a_rotated_ellipsoid_in_120_evaluations(propagator, bound):
    reached = [search(cube(4), ellipsoid, 120, propagator, seed)[0].best.loss for seed in range(3)]
    assert max(reached) < bound, reached  # the best of as many random points has 0.4 to 3


def test_a_mixture_of_models_is_read_from_yaml():
    mixture = read({"choose": ["trust_region", "quadratic_model"]})
    assert isinstance(mixture, Choose)
    assert search(cube(4), ellipsoid, 120, mixture)[0].best.loss < 1e-2


@pytest.mark.parametrize("propagator", [TrustRegion(), QuadraticModel(), "auto"])
def test_the_same_seed_gives_the_same_individuals(propagator):
    one, other = (search(cube(3), sum_of_squares, 40, propagator, seed=5)[1] for _ in range(2))
    assert [individual.genome for individual in one] == [individual.genome for individual in other]


def sum_of_squares(params):
    return sum((value - 0.3) ** 2 for value in params.values())


@pytest.mark.parametrize("propagator", [TrustRegion(), QuadraticModel(), "auto"])
@pytest.mark.parametrize(
    "loss",
    [
        lambda _: 1.0,
        lambda params: sum_of_squares(params) if params["x0"] < 0.5 else math.nan,
        lambda _: math.nan,
        lambda params: 1e300 * sum_of_squares(params),
        lambda params: 1.7e308 * (2.0 * params["x0"] - 1.0),
    ],
    ids=["constant", "half of all fail", "all fail", "huge", "huge of both signs"],
)
def test_odd_losses_are_searched_on(propagator, loss):
    _, told = search(cube(3), loss, 150, propagator)
    assert all(0.0 <= gene <= 1.0 for individual in told for gene in individual.genome)
    if loss({"x0": 0.1, "x1": 0.1, "x2": 0.1}) < 1.0:
        assert min(individual.loss for individual in told if individual.has_loss) < 1e-2


def test_the_other_one_of_two_basins_is_searched_once_one_is_done():
    def two(params):
        x = np.array(list(params.values()))
        return min(0.1 + float(np.sum((x - 0.3) ** 2)), 5.0 * float(np.sum((x - 0.85) ** 2)))

    optimizer, _ = search(cube(2), two, 400, "auto")
    assert optimizer.best.loss < 1e-3


@pytest.mark.parametrize("propagator", [TrustRegion(), QuadraticModel(), "auto"])
def test_optimum_in_a_corner_is_evaluated_once_and_others_looked_for(propagator):
    _, told = search(cube(3), lambda params: sum(params.values()), 150, propagator)
    assert min(one.loss for one in told) == 0.0
    assert len({one.genome for one in told}) > 140


def test_failures_count_as_the_worst_loss_known_also_those_before_the_first_model():
    optimizer, told = search(
        cube(2), lambda params: math.nan if params["x0"] > 0.3 else params["x0"], 60, TrustRegion()
    )
    failed = [one.genome for one in told if not one.has_loss]
    rows = optimizer.population.training_data
    assert len(rows) == 60
    assert np.isnan(rows.losses).sum() == len(failed)
    assert sum(one.genome[0] <= 0.3 for one in told[-20:]) > 10


def test_search_goes_on_where_the_newest_points_have_all_failed():
    class Forgetful(TrustRegion):
        requirements = Requirements(best=20, training_data=20)

    optimizer = Optimizer(cube(2), propagator=Forgetful(), seed=0)
    for number in range(60):
        optimizer.tell(optimizer.ask(), math.nan if number > 10 else float(number))
    assert all(0.0 <= gene <= 1.0 for gene in optimizer.ask().genome)


class TestAuto:
    def origins(self, space, seconds, evaluations=80):
        return {
            individual.origin.split("+")[0]
            for individual in search(space, lambda _: 0.0, evaluations, "auto", seconds=seconds)[1][2:]
        }

    def test_models_breed_where_evaluations_are_dear_and_none_where_they_are_cheap(self):
        assert {"trust_region", "quadratic_model"} <= self.origins(cube(3), 60.0)
        assert not {"trust_region", "quadratic_model", "mixed_gaussian_process"} & self.origins(cube(3), 1e-6)

    def test_a_quadratic_model_breeds_without_a_gaussian_process_in_between(self):
        origins = self.origins(cube(3), 0.007)
        assert "quadratic_model" in origins
        assert "trust_region" not in origins

    def test_other_kinds_of_parameters_have_a_model_of_their_own(self):
        space = Space({"x": Float(0.0, 1.0), "n": Int(1, 5), "c": Choice("a", "b")})
        assert "mixed_gaussian_process" in self.origins(space, 60.0)

    def test_a_population_shrinks_once_evaluations_turn_out_to_be_cheap_and_grows_where_they_do_not(self):
        optimizer, _ = search(cube(3), sum_of_squares, 200, "auto", seconds=1e-6)
        assert len(optimizer.population) <= 40
        optimizer, _ = search(cube(3), sum_of_squares, 200, "auto", seconds=60.0)
        assert len(optimizer.population) == 200

    def test_experts_change_where_the_cost_changes_meanwhile(self):
        optimizer, told = Optimizer(cube(3), evaluations=300, seed=0), []
        for number in range(300):
            individual = optimizer.ask()
            seconds = 1e-6 if number // 100 == 1 else 60.0
            told.append(individual.evaluated(Outcome.of(sum_of_squares(individual.params)).timed(seconds)))
            optimizer.absorb(told[-1])
        modeled = [one.origin.split("+")[0] in {"trust_region", "quadratic_model"} for one in told]
        assert sum(modeled[5:100]) > 70
        assert sum(modeled[130:200]) == 0
        assert sum(modeled[230:]) > 40

    @pytest.mark.parametrize("more", ["quadratic_model", "trust_region"])
    def test_expert_that_bred_the_best_breeds_more(self, more):
        optimizer, generator = Optimizer(cube(4), seed=0), np.random.default_rng(0)
        for number in range(40):
            individual = optimizer.ask()
            bred = more if number >= 20 else "uniform_initialization"
            known = make_individual(individual.id, generator.random(4), individual.space, origin=bred)
            optimizer.absorb(known.evaluated(Outcome.of(-float(number)).timed(60.0)))
        origins = [optimizer.ask().origin.partition("+")[0] for _ in range(200)]
        assert {"quadratic_model", "trust_region"} <= set(origins)
        assert 0.6 < origins.count(more) / len(origins) < 0.9

    def test_quadratic_model_is_afforded_where_many_parameters_leave_it_no_mixed_terms(self):
        assert "quadratic_model" in self.origins(cube(60), 5.0, 160)

    def test_choices_of_many_options_cost_their_model_more(self):
        wide = Space({f"c{number}": Choice(*range(500)) for number in range(4)})
        narrow = Space({f"c{number}": Choice(*range(5)) for number in range(4)})
        assert "mixed_gaussian_process" not in self.origins(wide, 0.1, 40)
        assert "mixed_gaussian_process" in self.origins(narrow, 0.1, 40)

    def test_one_rank_of_many_begins_elsewhere_than_the_others(self):
        first = {Optimizer(cube(3), workers=16, rank=rank, seed=0).ask().genome for rank in range(16)}
        assert len(first) == 16
        assert (0.5, 0.5, 0.5) in first

    def test_cheap_search_is_that_of_evolution(self):
        told = search(cube(3), sum_of_squares, 400, "auto", seconds=1e-6)[1]
        ways = {"uniform_crossover", "mean_crossover", "differential_evolution", "random_restart"}
        assert ways <= {one.origin.split("+")[0] for one in told}


class Threads(TrustRegion):
    """Take down how many threads linear algebra has while a model computes."""

    def proposer(self, size, workers):
        propose, self.found = super().proposer(size, workers), set()

        def watched(*known):
            self.found |= threads()
            return propose(*known)

        return watched


def threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_models_compute_on_one_thread_and_leave_the_objective_its_own():
    optimizer = Optimizer(cube(2), propagator=Threads(), seed=0)
    with threadpool_limits(2):
        for number in range(12):
            optimizer.tell(optimizer.ask(), float(number))
        assert threads() == {2}
    assert optimizer.propagator.found == {1}
