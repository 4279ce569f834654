"""The space turns genomes into params, with conditions, and back."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propulate_like import Choice, Float, Int, Ordinal, Space, objective

SPACE = Space(
    {
        "momentum": Float(0.0, 0.99, when={"optimizer": "sgd"}),
        "nesterov": Choice(True, False, when={"momentum_on": True}),
        "momentum_on": Choice(True, False, when={"optimizer": ["sgd", "rmsprop"]}),
        "optimizer": Choice("adam", "sgd", "rmsprop"),
        "width": Ordinal(16, 32, 64),
        "deep": Float(0.0, 1.0, when={"layers": [3, 4], "width": 64}),
        "layers": Int(1, 4),
    }
)


@given(st.lists(st.floats(0.0, 1.0), min_size=len(SPACE), max_size=len(SPACE)))
def test_params_round_trip_exactly_whatever_is_active(genome):
    params = SPACE.decode(genome)
    assert SPACE.contains(params)
    assert SPACE.decode(SPACE.encode(params)) == params


@given(st.lists(st.floats(0.0, 1.0), min_size=len(SPACE), max_size=len(SPACE)))
def test_parameter_is_there_exactly_where_its_conditions_hold(genome):
    params = SPACE.decode(genome)
    assert ("momentum" in params) == (params["optimizer"] == "sgd")
    assert ("momentum_on" in params) == (params["optimizer"] in ("sgd", "rmsprop"))
    assert ("nesterov" in params) == (params.get("momentum_on") is True)
    assert ("deep" in params) == (params["layers"] >= 3 and params["width"] == 64)


def test_chain_of_conditions_is_followed_whatever_the_order_of_declaration():
    for names in (["a", "b", "c"], ["c", "b", "a"], ["b", "a", "c"]):
        parameters = {
            "a": Choice(0, 1),
            "b": Choice(0, 1, when={"a": 1}),
            "c": Choice(0, 1, when={"b": 1}),
        }
        space = Space({name: parameters[name] for name in names})
        genome = [0.25 if name == "a" else 0.75 for name in names]
        assert space.decode(genome) == {"a": 0}


def test_uniform_samples_are_uniform_and_within_bounds():
    space = Space({"x": Float(-1, 3), "c": Choice("a", "b", "c", "d")})
    generator = Random(1)
    params = [space.decode(space.sample(generator)) for _ in range(8000)]
    assert sum(p["x"] for p in params) / 8000 == pytest.approx(1.0, abs=0.05)
    assert all(-1 <= p["x"] <= 3 for p in params)
    assert Counter(p["c"] for p in params).most_common()[-1][1] > 1850


def test_params_that_do_not_fit_are_not_contained_and_the_reason_is_told():
    good = {"optimizer": "adam", "width": 16, "layers": 1}
    assert SPACE.contains(good)
    for bad, words in [
        (good | {"momentum": 0.5}, r"not active \['momentum'\]"),
        ({"optimizer": "adam", "width": 16}, r"missing \['layers'\]"),
        (good | {"layers": 9}, "layers: 9 is not a value"),
        (good | {"layer": 1}, "did you mean 'layers'"),
    ]:
        assert not SPACE.contains(bad)
        with pytest.raises(ValueError, match=words):
            SPACE.encode(bad)


def test_limits_as_propulate_writes_them_become_parameters():
    limits = {"x": (-5.12, 5.12), "n": (1, 8), "mixed": (0, 1.5), "activation": ("relu", "gelu"), "p": ("a", "b", "c")}
    assert Space.from_limits(limits) == Space(
        {
            "x": Float(-5.12, 5.12),
            "n": Int(1, 8),
            "mixed": Float(0, 1.5),
            "activation": Choice("relu", "gelu"),
            "p": Choice("a", "b", "c"),
        }
    )


def test_setting_a_choice_behind_other_genes_changes_that_choice_alone():
    space = Space.from_limits({"a": (0.0, 1.0), "b": (0.0, 1.0), "c": ("x", "y", "z"), "d": (1, 4)})
    params = space.decode((0.1, 0.2, 0.3, 0.4))
    changed = space.decode(space.encode(params | {"c": "z"}))
    assert changed == params | {"c": "z"}


def test_declaration_rebuilds_the_space():
    assert Space.from_declaration(SPACE.declaration()) == SPACE


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, "at least one parameter"),
        ({"": Float(0, 1)}, "'' cannot be a parameter's name"),
        ({" lr": Float(0, 1)}, "' lr' cannot be a parameter's name"),
        ({"l\nr": Float(0, 1)}, "cannot be a parameter's name"),
        ({"\udcff": Float(0, 1)}, "cannot be a parameter's name"),
        ({"model": {"": Float(0, 1)}}, "'' cannot be a parameter's name"),
        ({"model": {}}, "model: {} has no parameter"),
        ({"a.b": Float(0, 1), "a": {"b": Float(0, 1)}}, "'a.b' names two parameters"),
        ({"a.b": {"c": Float(0, 1)}, "a": {"b.c": Float(0, 1)}}, "'a.b.c' names two parameters"),
        ({"\N{MICRO SIGN}": {"a": Float(0, 1)}, "\N{GREEK SMALL LETTER MU}": {"b": Float(0, 1)}}, "are both"),
        ({"model": {"lr": 3}}, "model.lr=3 must be a Float, Int, Choice or Ordinal"),
        ({"lr": {"float": [0, 1]}}, "lr={'float': .*} must be a Float, Int, Choice or Ordinal"),
        ({"model": {"a": Choice(1), "b": Choice(1, when={"a": 1})}}, "model.b: when names 'a', which is no parameter"),
        ({"x": 3}, "must be a Float, Int, Choice or Ordinal"),
        ({"x": Float(0, 1, when={"optimiser": 1}), "optimizer": Choice(1, 2)}, "did you mean 'optimizer'"),
        ({"x": Float(0, 1, when={"y": 0.5}), "y": Float(0, 1)}, "needs a Choice, Ordinal or Int"),
        ({"x": Float(0, 1, when={"y": "sdg"}), "y": Choice("sgd", "adam")}, "did you mean 'sgd'"),
        ({"x": Choice(1, when={"y": 1}), "y": Choice(1, when={"x": 1})}, "run in a circle: (x -> y -> x|y -> x -> y)"),
        ({"x": Choice(1, when={"x": 1})}, "circle"),
    ],
)
def test_impossible_space_is_refused_with_the_reason(parameters, words):
    with pytest.raises(ValueError, match=words):
        Space(parameters)


@pytest.mark.parametrize("limit", [(1.0,), (1, 2, 3), (1.0, "a"), (), (2, 1)])
def test_impossible_limits_are_refused(limit):
    with pytest.raises(ValueError, match="x: "):
        Space.from_limits({"x": limit})


def test_limits_and_parameters_may_stand_side_by_side():
    assert Space.of({"a": (0.0, 1.0), "b": Int(1, 4)}) == Space({"a": Float(0.0, 1.0), "b": Int(1, 4)})
    assert objective(a=(0.0, 1.0))(lambda a: a)(0.5) == 0.5
