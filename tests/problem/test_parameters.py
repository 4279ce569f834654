"""Parameters map genes to values and back, bounds included."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propulate_like import Choice, Float, Int, Optimizer, Ordinal, Space
from propulate_like.problem.parameters import KINDS, Parameter

GENES = st.floats(0.0, 1.0)
PARAMETERS = [
    Float(-5.12, 5.12),
    Float(0.1, 0.7),
    Float(1e-5, 1e-1, log=True),
    Float(3e-300, 1e-10, log=True),
    Float(0.0, 1.0, step=0.1),
    Float(0.1, 0.7, step=0.2),
    Float(0.1, 12.1, step=0.5, log=True),
    Float(2.5, 2.5),
    Int(1, 8),
    Int(-3, 3),
    Int(1, 1024, log=True),
    Int(1, 7, step=2),
    Int(4, 64, step=4, log=True),
    Int(5, 5),
    Int(0, 2**49),
    Int(-(2**49), 2**49),
    Int(1, 2**49, log=True),
    Choice("relu", "gelu", None, True, 1, 2.5),
    Ordinal(16, 32, 64, 128),
]


@pytest.mark.parametrize("parameter", PARAMETERS, ids=repr)
class TestEveryParameter:
    @given(gene=GENES)
    def test_value_from_a_gene_round_trips_exactly(self, parameter, gene):
        value = parameter.decode(gene)
        assert parameter.contains(value)
        gene_again = parameter.encode(value)
        assert 0.0 <= gene_again <= 1.0
        assert parameter.decode(gene_again) == value

    def test_ends_of_the_unit_interval_are_the_ends_of_the_range(self, parameter):
        first, last = parameter.decode(0.0), parameter.decode(1.0)
        if isinstance(parameter, Float | Int):
            assert (first, last) == (parameter.low, parameter.high)
        else:
            assert (first, last) == (parameter.options[0], parameter.options[-1])

    def test_strange_value_is_not_contained_and_not_encoded(self, parameter):
        for value in ("nothing", math.nan, math.inf, [], object()):
            assert not parameter.contains(value)
            with pytest.raises(ValueError, match="is not a value of"):
                parameter.encode(value)

    def test_repr_rebuilds_the_parameter(self, parameter):
        names = {"Float": Float, "Int": Int, "Choice": Choice, "Ordinal": Ordinal}
        assert eval(repr(parameter), names) == parameter


@pytest.mark.parametrize("parameter", [p for p in PARAMETERS if p.levels is not None and p.levels < 2000], ids=repr)
def test_every_level_is_reached(parameter):
    values = {repr(parameter.decode(i / 100_000)) for i in range(100_001)}
    assert len(values) == parameter.levels


@pytest.mark.parametrize("parameter", [Int(1, 8), Choice("a", "b", "c"), Ordinal(1, 2, 4), Float(0, 1, step=0.25)])
def test_levels_have_equal_shares_on_a_linear_scale(parameter):
    count = 1200 * parameter.levels
    values = [parameter.decode((i + 0.5) / count) for i in range(count)]
    assert {values.count(value) for value in set(values)} == {1200}


def test_grid_of_decimal_steps_has_decimal_values():
    assert [Float(0.1, 0.5, step=0.1).decode(i / 5 + 0.1) for i in range(5)] == [0.1, 0.2, 0.3, 0.4, 0.5]


def test_log_scale_gives_each_decade_the_same_share():
    parameter = Float(1e-4, 1.0, log=True)
    assert [parameter.decode(i / 4) for i in range(5)] == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1.0])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Float(1, 0), "lies above"),
        (lambda: Float(0, 1, log=True), "above 0 on a logarithmic scale"),
        (lambda: Float(0, math.inf), "must be finite"),
        (lambda: Float(0, math.nan), "must be finite"),
        (lambda: Float("a", 1), "low='a' must be a number"),
        (lambda: Float(True, 2), "must be a number"),
        (lambda: Float(0, 1, step=0.3), "nearest below is 0.9"),
        (lambda: Float(0, 1, step=0), "step=0.0 must be above 0"),
        (lambda: Float(0, 1, log="yes"), "must be true or false"),
        (lambda: Int(1, 2.5), "whole number"),
        (lambda: Int(1, 8, step=2), "nearest below is 7"),
        (lambda: Int(0, 8, log=True), "above 0"),
        (lambda: Int(0, 2**60), "within 2\\*\\*49"),
        (Choice, "at least one value"),
        (lambda: Choice("a", "a"), "'a' is given twice"),
        (lambda: Choice(print), "look up what it stands for"),
        (lambda: Ordinal(1, math.nan), "nan must be"),
        (lambda: Float(0, 1, when="sgd"), "must map parameter names"),
        (lambda: Float(0, 1, when={"optimizer": []}), "allows no value"),
    ],
)
def test_impossible_parameter_is_refused_with_the_reason(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.fixture
def define():
    """Define kinds of parameters for one test."""
    before = dict(KINDS)
    yield type
    KINDS.clear()
    KINDS.update(before)


def colour(define, name="NamedColour", module=__name__):
    """Return a kind that has no more than the contract asks for: red or blue, by a mixture of them."""

    def init(self, red, blue, *, when=None):
        Parameter.__init__(self, when)
        self.ends = red, blue
        self.levels = 2

    members = {
        "__init__": init,
        "__module__": module,
        "__doc__": "One of two colours.",
        "decode": lambda self, gene: self.ends[gene >= 0.5],
        "contains": lambda self, value: value in self.ends,
        "encode": lambda self, value: 0.25 + 0.5 * self.ends.index(value),
        "declaration": lambda self: {self.kind: list(self.ends), **self._conditions()},
    }
    return define(name, (Parameter,), members)


def test_a_kind_registers_itself_and_has_a_form_in_yaml_and_a_schema(define):
    kind = colour(define)
    assert KINDS["named_colour"] is kind
    space = Space.from_declaration(
        {"hue": {"named_colour": ["red", "blue"]}, "x": {"float": [0, 1], "when": {"hue": "red"}}}
    )
    assert (space.decode([0.1, 0.5]), space.decode([0.9, 0.5])) == ({"hue": "red", "x": 0.5}, {"hue": "blue"})
    assert Space.from_declaration(space.declaration()) == space
    assert repr(space["hue"]) == "NamedColour('red', 'blue')"
    form = kind.schema()
    assert form["properties"].keys() == {"named_colour", "when"}
    assert form["required"] == ["named_colour"]
    with pytest.raises(ValueError, match="Float, Int, Choice, Ordinal or NamedColour"):
        Space({"x": 3})


def test_a_kind_is_searched_by_what_the_contract_provides(define):
    space = Space({"hue": colour(define)("red", "blue"), "x": Float(0, 1)})
    optimizer = Optimizer(space, seed=0)
    for _ in range(60):
        individual = optimizer.ask()
        optimizer.tell(individual, individual.params["x"] + (individual.params["hue"] == "red"), 1.0)
    assert optimizer.best.params["hue"] == "blue"
    assert optimizer.best.loss < 0.1


def test_what_a_kind_does_not_provide_has_a_default(define):
    parameter = colour(define)("red", "blue", when={"x": 1})
    assert parameter.meant("green") == "green"
    assert (parameter.nearest_gene("blue"), parameter.nearest_gene("green")) == (0.75, 0.5)
    assert parameter.joined(Float(0, 1)) is parameter
    assert not parameter.decides
    assert not parameter.conditioned({}).when
    assert Parameter.of_distribution({}) is None
    for refused in (parameter.distribution, lambda: parameter.suggested(None, "x")):
        with pytest.raises(ValueError, match=r"no distribution with the values of NamedColour\('red', 'blue', when="):
            refused()


def test_a_name_is_taken_once_and_only_by_another_kind(define):
    colour(define)
    colour(define)  # a module that is loaded anew defines its kinds again
    with pytest.raises(ValueError, match=r"the parameter name 'named_colour' is taken by .*NamedColour"):
        colour(define, module="elsewhere")


def test_what_kinds_share_is_no_kind():
    assert set(KINDS) == {"float", "int", "choice", "ordinal"}
