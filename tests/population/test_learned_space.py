"""The space of a define-by-run objective is learned from what its evaluations asked for."""

from random import Random

import pytest
from conftest import make_individual

from propulate_like import Choice, Float, Id, Int, Ordinal, Space, Status
from propulate_like.population.learned_space import LearnedSpace


class Asking:
    """What a define-by-run objective suggests from: draws each value, and remembers what was asked for."""

    def __init__(self, generator):
        self.generator, self.parameters, self.genome = generator, {}, []

    def __call__(self, name, parameter):
        if name not in self.parameters:
            self.parameters[name] = parameter
            self.genome.append(self.generator.random())
        return parameter.decode(self.genome[list(self.parameters).index(name)])


def evaluated(objective, serial, generator=None, status=Status.OK):
    asking = Asking(generator or Random(serial))
    objective(asking)
    space = Space(asking.parameters, asked_for=True)
    return make_individual(Id(0, 0, serial), tuple(asking.genome), space, status=status, loss=0.0)


def learned(objective, evaluations=300):
    known = LearnedSpace()
    for serial in range(evaluations):
        known.add(evaluated(objective, serial))
    return known


def conditions(known):
    return {name: parameter.when for name, parameter in known.space.items() if parameter.when}


def told(objective, **values):
    """Return an evaluated individual in which these parameters had these values."""

    class Telling(Asking):
        def __call__(self, name, parameter):
            self.parameters[name] = parameter
            self.genome.append(parameter.encode(values[name]))
            return values[name]

    asking = Telling(None)
    objective(asking)
    return make_individual(
        Id(0, 0, 0), asking.genome, Space(asking.parameters, asked_for=True), status=Status.OK, loss=0.0
    )


def nested(ask):
    if ask("model", Choice("svm", "forest", "network")) == "svm":
        ask("C", Float(1e-3, 1e3, log=True))
    elif ask("kind", Choice("wide", "deep")) == "deep":
        for layer in range(ask("layers", Int(1, 4))):
            ask(f"units_{layer}", Int(8, 512, log=True))
        if ask("optimizer", Choice("adam", "sgd", "rmsprop")) != "adam":
            ask("momentum", Float(0.0, 1.0))
    ask("rate", Float(0.0, 1.0))


def test_nested_branches_and_loops_become_conditions_on_one_parent_each():
    known = learned(nested)
    others = ("forest", "network")
    assert conditions(known) == {
        "C": {"model": ("svm",)},
        "kind": {"model": others},
        "layers": {"kind": ("deep",)},
        "optimizer": {"kind": ("deep",)},
        "units_0": {"kind": ("deep",)},
        "units_1": {"layers": (2, 3, 4)},
        "units_2": {"layers": (3, 4)},
        "units_3": {"layers": (4,)},
        "momentum": {"optimizer": ("sgd", "rmsprop")},
    }


def test_every_evaluation_is_a_point_of_what_was_learned():
    known = learned(nested)
    for serial in range(300):
        individual = evaluated(nested, serial)
        assert known.adapt(individual).params == individual.params


def test_order_does_not_depend_on_who_came_first():
    known, backwards = LearnedSpace(), LearnedSpace()
    individuals = [evaluated(nested, serial) for serial in range(300)]
    for individual in individuals:
        known.add(individual)
    for individual in reversed(individuals):
        backwards.add(individual)
    assert known.space == backwards.space
    assert list(known.space.items()) == list(backwards.space.items())


def test_a_value_that_was_never_seen_may_have_a_parameter():
    def objective(ask):
        if ask("kind", Choice("a", "b", "c")) != "a":
            ask("x", Float(0.0, 1.0))

    known = LearnedSpace()
    known.add(told(objective, kind="b", x=0.5))
    assert conditions(known) == {}
    assert known.add(told(objective, kind="a"))
    assert conditions(known) == {"x": {"kind": ("b", "c")}}


def test_a_value_of_many_has_a_parameter_only_where_that_was_seen():
    options = tuple(f"o{number}" for number in range(100))

    def objective(ask):
        if ask("kind", Choice(*options)) not in {"o0", "o1"}:
            ask("x", Float(0.0, 1.0))

    known = LearnedSpace()
    for kind in ("o0", "o7", "o5"):
        known.add(told(objective, kind=kind, x=0.5))
    assert conditions(known) == {"x": {"kind": ("o5", "o7")}}


def test_values_that_are_equal_in_python_are_told_apart():
    def objective(ask):
        if ask("kind", Choice(1, True, 2)) is True:
            ask("x", Float(0.0, 1.0))

    known = LearnedSpace()
    known.add(told(objective, kind=True, x=0.5))
    known.add(told(objective, kind=1))
    (possible,) = known.space["x"].when.values()
    assert [type(value) for value in possible] == [bool, int]
    assert possible == (True, 2)


def test_names_that_hardly_any_evaluation_asks_for_are_left_out():
    known = LearnedSpace()
    for number in range(600):
        asked = Space({"x": Float(0, 1), f"n{number}": Float(0, 1)}, asked_for=True)
        one = make_individual(Id(0, 0, number), (0.25, 0.5), asked, status=Status.OK, loss=0.0)
        known.add(one)
        if number < 100:
            assert known.adapt(one).space is known.space
    assert known.space.names == ("x",)
    assert known.adapt(one).params == {"x": 0.25}


def test_a_condition_is_revised_when_it_is_contradicted():
    def objective(ask):
        ask("first", Choice(0, 1))
        if ask("second", Choice(0, 1)):
            ask("x", Float(0.0, 1.0))

    known = LearnedSpace()
    known.add(told(objective, first=1, second=1, x=0.5))
    known.add(told(objective, first=0, second=0))
    assert conditions(known) == {"x": {"first": (1,)}}
    assert known.add(told(objective, first=0, second=1, x=0.5))
    assert conditions(known) == {"x": {"second": (1,)}}


def test_what_no_single_parent_explains_has_no_condition():
    def objective(ask):
        if ask("one", Choice(0, 1)) + ask("other", Choice(0, 1)) == 1:
            ask("x", Float(0.0, 1.0))

    known = learned(objective)
    assert set(known.space) == {"one", "other", "x"}
    assert conditions(known) == {}


def test_a_value_asked_for_later_is_no_condition():
    def objective(ask):
        if ask.generator.random() < 0.5:
            ask("x", Float(0.0, 1.0))
            ask.parameters["after"], ask.genome[1:] = Choice("with", "without"), [0.25]
        else:
            ask.parameters["after"], ask.genome[:] = Choice("with", "without"), [0.75]

    assert conditions(learned(objective)) == {}


@pytest.mark.parametrize("status", [Status.CRASHED, Status.TIMEOUT, Status.MEMORY])
def test_what_was_bred_for_an_evaluation_that_was_killed_says_nothing(status):
    def bred(ask):
        ask("kind", Choice("a", "b"))
        ask("x", Float(0.0, 1.0))

    def without(ask):
        ask("kind", Choice("a", "b"))

    known = LearnedSpace()
    known.add(told(bred, kind="a", x=0.5))
    killed = evaluated(bred, 0, Random(2), status)
    assert killed.params["kind"] == "b"
    assert not known.add(killed)
    assert known.adapt(killed).params == killed.params
    known.add(told(without, kind="b"))
    assert conditions(known) == {"x": {"kind": ("a",)}}


@pytest.mark.parametrize("status", [Status.ERROR, Status.STOPPED])
def test_an_evaluation_that_ended_early_does_not_say_what_it_might_have_asked_for(status):
    def early(ask):
        ask("kind", Choice("a", "b"))

    def whole(ask):
        early(ask)
        ask("x", Float(0.0, 1.0))

    known = LearnedSpace()
    known.add(told(whole, kind="a", x=0.5))
    known.add(evaluated(early, 0, Random(2), status))
    assert evaluated(early, 0, Random(2)).params == {"kind": "b"}
    assert conditions(known) == {}


def test_most_individuals_teach_nothing_new():
    known = learned(nested)
    before = known.space
    assert not any(known.add(evaluated(nested, serial)) for serial in range(300, 600))
    assert known.space is before


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        (Float(0.0, 1.0), Float(-2.0, 0.5), Float(-2.0, 1.0)),
        (Float(0.1, 1.0, log=True), Float(1.0, 10.0), Float(0.1, 10.0, log=True)),
        (Float(0.1, 1.0, log=True), Float(-1.0, 0.5), Float(-1.0, 1.0)),
        (Float(0.0, 1.0, step=0.25), Float(0.5, 2.0, step=0.25), Float(0.0, 2.0, step=0.25)),
        (Float(0.0, 1.0, step=0.25), Float(0.1, 1.1, step=0.25), Float(0.0, 1.1)),
        (Int(1, 8), Int(4, 16), Int(1, 16)),
        (Int(0, 8, step=4), Int(2, 22, step=4), Int(0, 22, step=2)),
        (Int(0, 3), Float(0.5, 2.5), Float(0.0, 3.0)),
        (Choice("a", "b"), Choice("c", "a"), Choice("a", "b", "c")),
        (Ordinal(1, 2), Choice(4, 2), Choice(1, 2, 4)),
        (Ordinal(1, 2), Ordinal(4, 2), Ordinal(1, 2, 4)),
        (Float(0.0, 1.0), Choice("a", "b"), Float(0.0, 1.0)),
        (Choice("a", "b"), Int(0, 1), Choice("a", "b")),
        (Float(-1e308, 0.0), Float(0.0, 1e308), Float(-1e308, 0.0)),
    ],
)
def test_what_is_asked_for_in_different_ways_is_joined(first, second, both):
    known = LearnedSpace()
    known.add(evaluated(lambda ask: ask("x", first), 0))
    known.add(evaluated(lambda ask: ask("x", second), 1))
    assert known.space["x"] == both
    assert not known.add(evaluated(lambda ask: ask("x", first), 2))
    individual = evaluated(lambda ask: ask("x", second), 3)
    value, adapted = individual.params["x"], known.adapt(individual).params["x"]
    if both.contains(value):
        assert adapted == (pytest.approx(value) if isinstance(value, float) else value)
    assert both.contains(adapted)


def test_an_individual_of_an_older_space_keeps_its_genes_by_name():
    known = LearnedSpace()
    known.add(told(lambda ask: ask("b", Float(0.0, 1.0)), b=0.25))
    older = known.adapt(told(lambda ask: ask("b", Float(0.0, 1.0)), b=0.75))
    known.add(told(lambda ask: (ask("a", Float(0.0, 1.0)), ask("b", Float(0.0, 1.0))), a=0.5, b=0.5))
    known.add(told(lambda ask: ask("b", Float(0.0, 2.0)), b=2.0))
    assert known.space.names == ("a", "b")
    assert known.adapt(older).params == {"a": 0.5, "b": 0.75}


def test_inactive_parameters_of_a_declared_space_count_as_not_asked_for():
    declared = Space({"kind": Choice("a", "b"), "x": Float(0.0, 1.0, when={"kind": "b"})})
    known = LearnedSpace()
    for gene in (0.75, 0.25):
        known.add(make_individual(Id(0, 0, 0), (gene, 0.5), declared, status=Status.OK, loss=0.0))
    assert known.space == declared


def test_an_evaluation_that_asks_for_nothing_is_a_point_of_an_empty_space():
    known = LearnedSpace()
    nothing = evaluated(lambda _ask: None, 0)
    assert not known.add(nothing)
    assert known.adapt(nothing).params == {}
    assert len(known.space) == 0
