"""Starting points: what is read, and where a point lies."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import propulate_like as pl
from propulate_like.problem.points import check_points, placed, points_of
from propulate_like.problem.space import NOTHING

SPACE = pl.Space(
    {
        "x": pl.Float(-5.0, 5.0),
        "layers": pl.Int(1, 8),
        "optimizer": pl.Choice("adam", "sgd", "rmsprop"),
        "momentum": pl.Float(0.0, 1.0, when={"optimizer": ["sgd", "rmsprop"]}),
        "nesterov": pl.Choice(True, False, when={"optimizer": "sgd"}),
        "centred": pl.Choice(True, False, when={"optimizer": "rmsprop"}),
    }
)


def params_at(point, space=SPACE, seed=0):
    genome, own = placed(point, space, Random(seed))
    return own.decode(genome)


def test_one_mapping_is_one_point_and_its_values_are_those_of_python():
    assert points_of({"x": np.float64(0.5), "layers": np.int64(3)}) == ({"x": 0.5, "layers": 3},)
    (point,) = points_of([{"x": np.float64(0.5)}])
    assert type(point["x"]) is float


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (3, "points: 3 must be a list of mappings"),
        ("abc", "points: 'abc' must be a list of mappings"),
        ([{"x": 1.0}, 3], "points: point 2: 3 must be a mapping"),
        ([{1: 2.0}], "points: point 1: 1 is no parameter's name"),
    ],
)
def test_what_is_no_point_is_said(form, message):
    with pytest.raises(ValueError, match=message):
        points_of(form)


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({"x": 7.0}, r"point 2: x: 7.0 is not a value of Float\(-5.0, 5.0\)"),
        ({"x": float("nan")}, "x: nan is not a value"),
        ({"x": "1"}, "x: '1' is not a value"),
        ({"x": [1.0]}, r"x: \[1.0\] is not a value"),
        ({"layers": True}, "layers: True is not a value"),
        ({"layers": 2.5}, "layers: 2.5 is not a value"),
        ({"layer": 2}, "'layer' is no parameter of this space; did you mean 'layers'?"),
        ({"optimizer": "adam", "momentum": 0.5}, "momentum exists only where optimizer is 'sgd' or 'rmsprop'"),
        ({"nesterov": True, "centred": True}, "exists only where optimizer is .*, and others where not"),
    ],
)
def test_what_is_not_in_the_space_is_said_with_its_number(point, message):
    with pytest.raises(ValueError, match=message):
        check_points([{"x": 1.0}, point], SPACE)


def test_a_whole_number_may_be_given_as_a_float():
    assert params_at({"layers": 3.0})["layers"] == 3


def test_what_is_left_open_is_drawn_and_differs_from_point_to_point():
    drawn = [params_at({"x": 1.0}, seed=seed) for seed in range(50)]
    assert {params["x"] for params in drawn} == {1.0}
    assert {params["optimizer"] for params in drawn} == {"adam", "sgd", "rmsprop"}
    assert len({params["layers"] for params in drawn}) > 4


@pytest.mark.parametrize("name", ["momentum", "nesterov", "centred"])
def test_what_a_given_parameter_needs_to_exist_is_drawn_so_that_it_does(name):
    for seed in range(30):
        value = 0.25 if name == "momentum" else True
        assert params_at({name: value}, seed=seed)[name] == value


@given(st.integers(0, 2**32), st.sets(st.sampled_from(list(SPACE))))
def test_any_part_of_params_is_kept(seed, names):
    params = SPACE.decode(SPACE.sample(Random(seed)))
    point = {name: params[name] for name in names if name in params}
    placed_params = params_at(point, seed=seed + 1)
    assert {name: placed_params[name] for name in point} == pytest.approx(point)


def test_a_point_of_a_nested_space_may_be_nested_or_flat():
    space = pl.Space({"model": {"lr": pl.Float(0.0, 1.0), "depth": pl.Int(1, 8)}, "seed": pl.Int(0, 9)})
    for point in ({"model": {"lr": 0.5}, "seed": 3}, {"model.lr": 0.5, "seed": 3}):
        params = params_at(point, space)
        assert (params["model.lr"], params["seed"]) == (0.5, 3)
    with pytest.raises(ValueError, match=r"'model.lrr' is no parameter of this space; did you mean 'model.lr'"):
        check_points([{"model": {"lrr": 0.5}}], space)


def test_where_the_loss_asks_for_its_parameters_a_point_has_its_own_space():
    genome, space = placed({"x": 0.5, "kind": "a"}, NOTHING, Random(0))
    assert space.asked_for
    assert space.decode(genome) == {"x": 0.5, "kind": "a"}
    with pytest.raises(ValueError, match=r"x: .* must be a string, number"):
        check_points([{"x": object()}], NOTHING)
