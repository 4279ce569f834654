"""Grids of steps have n levels, are exact at both ends, and round trip exactly, whatever floats make of the step."""

import math
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from value_strategies import EXAMPLES

from propulate_like import Float, Int, Optimizer, Space
from propulate_like.evaluation.context import Evaluation, Task, never_stop
from propulate_like.evaluation.trial import Trial
from propulate_like.population.individual import Candidate, Id
from propulate_like.problem.space import NOTHING

BOUNDS = st.floats(-1e6, 1e6) | st.decimals(-100, 100, places=2).map(float)
COUNTS = st.integers(1, 10**9)


@st.composite
def divided(draw):
    """Return bounds, a number of steps, and the step that a user computes of them."""
    low, high = sorted((draw(BOUNDS), draw(BOUNDS)))
    count = draw(COUNTS)
    step = (high - low) / count
    assume(step > max(64 * math.ulp(max(abs(low), abs(high))), 1e-290))
    return low, high, count, step


def values_of(grid):
    """Return some of a grid's values: all, or those at both ends and around the middle."""
    last = grid.levels - 1
    levels = {*range(min(3, last + 1)), last // 2, last // 3, *range(max(last - 3, 0), last + 1)}
    return [grid.decode(grid.gene(level)) for level in sorted(levels)]


@EXAMPLES
@given(divided())
def test_range_divided_by_a_number_has_as_many_steps(case):
    low, high, count, step = case
    grid = Float(low, high, step=step)
    values = values_of(grid)
    assert grid.levels == count + 1
    assert (grid.decode(0.0), grid.decode(1.0)) == (values[0], values[-1]) == (low, high)
    assert all(below < above for below, above in pairwise(values))
    for value in values:
        assert type(value) is float
        assert grid.decode(grid.encode(value)) == value
    assert grid.meant(repr(value)) == value


@EXAMPLES
@given(BOUNDS, st.integers(1, 1000), st.floats(1e-3, 10.0))
def test_range_of_a_number_of_steps_has_as_many(low, count, step):
    grid = Float(low, low + count * step, step=step)
    assert grid.levels == count + 1
    assert grid.decode(1.0) == low + count * step


@EXAMPLES
@given(st.integers(-1000, 1000), st.integers(1, 1000), st.integers(1, 60), st.integers(0, 6))
def test_decimal_grid_has_the_values_that_it_always_had(low, step, count, places):
    ten = Decimal(10) ** places
    grid = Float(float(low / ten), float((low + count * step) / ten), step=float(step / ten))
    digits = max(-Decimal(str(number)).as_tuple().exponent for number in (grid.low, grid.step))
    expected = [round(grid.low + level * grid.step, digits) for level in range(count + 1)]
    assert [grid.decode(grid.gene(level)) for level in range(count + 1)] == expected
    assert expected[-1] == grid.high


@EXAMPLES
@given(divided(), st.floats(0.0, 1.0))
def test_trial_asks_for_the_same_grid(case, gene):
    low, high, _, step = case
    space = Space({"x": Float(low, high, step=step)}, asked_for=True)
    value = suggested(low, high, step, space, gene)
    assert value == space["x"].decode(gene)
    assert low <= value <= high


@EXAMPLES
@given(BOUNDS, st.floats(1e-3, 10.0), st.floats(0.0, 1000.0))
def test_trial_rounds_the_highest_value_down_to_the_grid(low, step, width):
    grid = trial_of(NOTHING, ()).ranged("x", low, low + width, step)
    assert low + width - step <= grid.high + 1e-9
    assert grid.high <= low + width


def trial_of(space, genome):
    class Asking(Trial):
        def ranged(self, name, low, high, step):
            self.suggest_float(name, low, high, step=step)
            return self._space[name]

    task = Task(Candidate(Id(0, 0, 0), genome, space), 0, "")
    return Asking(task, Evaluation(task, never_stop))


def suggested(low, high, step, space, gene):
    return trial_of(space, (gene,)).suggest_float("x", low, high, step=step)


def test_a_seventh_is_a_step_of_the_unit_interval():
    grid = Float(0, 1, step=1 / 7)
    assert [grid.decode(grid.gene(level)) for level in range(8)] == [level / 7 for level in range(8)]


def test_nearest_grid_that_is_proposed_is_accepted():
    with pytest.raises(ValueError, match=r"the nearest below is 0\.9900000000000001") as refused:
        Float(0, 1, step=0.11000000000000001)
    proposed = float(str(refused.value).rpartition(" ")[2])
    assert Float(0, proposed, step=0.11000000000000001).levels == 10


def test_lowest_value_is_the_bound_that_was_given():
    low = -(2.0**-24)  # which lies between two decimal fractions
    assert Float(low, 0.0, step=-low).decode(0.0) == low


def test_middle_of_a_symmetric_grid_is_zero():
    for count in range(2, 300, 2):
        middle = Float(-0.7, 0.7, step=1.4 / count).decode(0.5)
        assert (middle, math.copysign(1.0, middle)) == (0.0, 1.0)


@pytest.mark.parametrize("grid", [lambda: Float(0, 1, step=1e-17), lambda: Float(1e16, 1e16 + 10, step=0.5)])
def test_steps_finer_than_floats_are_refused(grid):
    with pytest.raises(ValueError, match="too fine"):
        grid()


def test_whole_numbers_are_counted_as_such():
    assert Int(1, 2**49 - 1, step=2**48 - 1).levels == 3
    with pytest.raises(ValueError, match="nearest below is 7"):
        Int(1, 8, step=2)
    with pytest.raises(ValueError, match="step=0 must be above 0"):
        Int(1, 8, step=0)


def test_ranges_with_the_same_step_are_joined_on_their_grid():
    joined = Float(0, 3 / 7, step=1 / 7).joined(Float(2 / 7, 1, step=1 / 7))
    assert joined == Float(0, 1, step=1 / 7)


def test_search_on_sevenths_meets_all_eight():
    optimizer = Optimizer(Space({"x": Float(0, 1, step=1 / 7)}), seed=1)
    met = set()
    for _ in range(8):
        individual = optimizer.ask()
        met.add(individual.params["x"])
        optimizer.tell(individual, individual.params["x"], 1.0)
    assert met == {level / 7 for level in range(8)}


def test_optuna_draws_every_value_of_a_grid_that_it_could_not_have(optuna):
    grid = Float(0, 1, step=1 / 49)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    values = {grid.decode(grid.suggested(study.ask(), "x")) for _ in range(600)}
    assert values <= {grid.decode(grid.gene(level)) for level in range(50)}
    assert max(values) == 1.0
    assert grid.distribution(exact=True)._contains(1.0)


@pytest.mark.parametrize(
    ("low", "high", "count"), [(-7434377342901864.0, -7434377342851544.0, 629), (1e15, 1e15 + 9, 7)]
)
def test_range_far_from_zero_is_divided_as_one_at_zero(low, high, count):
    grid = Float(low, high, step=(high - low) / count)
    assert grid.levels == count + 1
    assert (grid.decode(0.0), grid.decode(1.0)) == (low, high)
