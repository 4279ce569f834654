"""Changes reach keys with dots, blanks and quotes, as they stand in the file or in quotes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from value_strategies import EXAMPLES, NAMES

from propulate_like.search.config import Config, ConfigError
from propulate_like.search.config_places import keys_of, split_change

HEAD = b"objective: train.py:train\nbudget: {evaluations: 5}\n"


def read(text, *changes):
    return Config.parse(HEAD + text.encode(), "search.yaml", changes)


def space(text, *changes):
    return read(text, *changes).specification.known_space.declaration()


def test_key_with_a_dot_is_the_one_that_the_file_has():
    flat = "space: {model.lr: {float: [0, 1]}, model: {depth: {int: [1, 2]}}}\n"
    changed = space(flat, "space.model.lr.float=[1, 2]", "space.model.depth.int=[1, 1e1]")
    assert changed == {"model.lr": {"float": [1.0, 2.0]}, "model": {"depth": {"int": [1, 10]}}}


def test_new_key_with_dots_is_nested_unless_it_is_in_quotes():
    text = "space: {x: {float: [0, 1]}}\n"
    assert space(text, "space.model.lr.float=[0, 1]")["model"] == {"lr": {"float": [0.0, 1.0]}}
    for quote in ("'", '"'):
        assert space(text, f"space.{quote}model.lr{quote}.float=[0, 1]")["model.lr"] == {"float": [0.0, 1.0]}
    assert space(text, "space.learning rate={float: [0, 1]}")["learning rate"] == {"float": [0.0, 1.0]}
    assert space(text, "space.'a=b'={choice: ['c=d']}")["a=b"] == {"choice": ["c=d"]}


@EXAMPLES
@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3), st.sampled_from(NAMES))
def test_any_key_is_reached_in_quotes(names, value):
    quoted = [f"'{name}'" if '"' in name else f'"{name}"' for name in names]
    assert split_change(f"space.{'.'.join(quoted)} = {value}") == (["space", *names], f" {value}")
    assert keys_of({}, ["space", *names]) == ["space", *names]
    inside = 1
    for name in reversed(names):
        inside = {name: inside}
    parts = [part for name in names for part in name.split(".")]
    assert keys_of(inside, parts) == names


@pytest.mark.parametrize(
    ("change", "value"), [("budget.evaluations=1e3", 1000), ("budget.evaluations=2.0", 2), ("seed=1e1", 10)]
)
def test_whole_number_may_be_written_as_a_float(change, value):
    specification = read("space: {x: {float: [0, 1]}}\n", change).specification
    found = specification.budget.evaluations if "budget" in change else specification.seed
    assert (found, type(found)) == (value, int)


def test_seconds_may_be_written_with_units():
    text = "space: {x: {float: [0, 1]}}\nevaluation: {isolate: true, timeout: 1.5h, grace: 90s}\n"
    specification = read(text, "budget.seconds=1d12h").specification
    assert (specification.evaluation.timeout, specification.evaluation.grace) == (5400.0, 90.0)
    assert specification.budget.seconds == 129600.0
    assert read(text, "evaluation.timeout=10m").specification.evaluation.timeout == 600.0


def test_outermost_keys_that_begin_with_x_hold_anchors_and_are_not_read():
    text = "x-rate: &rate {float: [0, 1]}\nspace: {x: *rate, y: {<<: *rate, log: false}}\n"
    assert space(text) == {"x": {"float": [0.0, 1.0]}, "y": {"float": [0.0, 1.0]}}
    with pytest.raises(ConfigError, match="unknown key 'defaults'"):
        read("space: {x: {float: [0, 1]}}\ndefaults: 5\n")


def test_a_change_concerns_no_other_use_of_an_anchor():
    changed = space("space: {x: &x {float: [0, 1]}, y: *x}\n", "space.x.float=[2, 3]")
    assert changed == {"x": {"float": [2.0, 3.0]}, "y": {"float": [0.0, 1.0]}}


def test_errors_within_keys_with_dots_are_in_the_order_of_the_file():
    text = "space: {b.c: {int: [2, 1]}, a: {z.y: {int: [3, 1]}}, learning rate: {int: [4, 1]}}\nseed: x\n"
    with pytest.raises(ConfigError) as caught:
        read(text)
    places = ["space.b.c: low=2", "space.a.z.y: low=3", "space.learning rate: low=4", "seed: 'x'"]
    for line, place in zip(str(caught.value).splitlines(), places, strict=True):
        assert line.startswith(f"search.yaml: {place}")
