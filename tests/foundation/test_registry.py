"""Registries: a name for each class, and metadata read only for a name that nobody knows."""

import subprocess
import sys

import pytest

from propulate_like.foundation.registry import Registry, snake_case


class Red:
    def __init__(self, depth: int = 1) -> None:
        self.depth = depth


class Blue:
    pass


@pytest.fixture
def colors():
    registry = Registry("color", "propulate_like.colors", example="a color such as red")
    registry.register("red", Red)
    return registry


def test_names_are_in_snake_case():
    assert [snake_case(name) for name in ("SelectBest", "Ring", "CMAES")] == ["select_best", "ring", "c_m_a_e_s"]


def test_name_cannot_be_taken_twice_but_a_class_may_be_defined_anew(colors):
    with pytest.raises(ValueError, match=r"the color name 'red' is taken by test_registry\.Red"):
        colors.register("red", Blue)
    again = type("Red", (), {"__module__": Red.__module__, "__qualname__": Red.__qualname__})
    colors.register("red", again)
    assert colors["red"] is again


def test_part_is_built_of_its_name_and_arguments(colors):
    assert colors.read("red").depth == 1
    assert colors.read({"red": 3}).depth == 3
    assert colors.read({"red": {"depth": 4}}).depth == 4


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (3, "3 must be a color such as red"),
        ({"red": 1, "blue": 2}, "must be a color such as red"),
        ("rde", r"unknown color 'rde'; did you mean 'red'\?"),
        ({"red": {"death": 2}}, "red: unknown key 'death'; did you mean 'depth'"),
        ({"red": [1, 2]}, "red: .* has 2 values"),
    ],
)
def test_what_is_no_part_is_refused(colors, form, message):
    with pytest.raises(ValueError, match=message):
        colors.read(form)


def test_registry_lists_its_names_in_order(colors):
    colors.register("blue", Blue)
    assert list(colors) == ["blue", "red"]
    assert "blue" in colors
    assert "green" not in colors


@pytest.mark.process
@pytest.mark.parametrize(
    ("form", "read"), [("[select_best: 2, select_random: {count: 1}]", False), ("[select_bets: 2]", True)]
)
def test_metadata_of_what_is_installed_is_read_for_an_unknown_name_only(form, read):
    code = f"""
import sys
from propulate_like.foundation import strict_yaml
from propulate_like.propagators.from_yaml import read
try:
    read(strict_yaml.load({form.encode()!r}))
except ValueError:
    pass
print("importlib.metadata" in sys.modules)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == f"{read}\n"
