"""Scalars of NumPy, enums and fractions are taken as the Python values that they are, wherever a value is given."""

import enum
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from value_strategies import EXAMPLES, scalars, spaces, typed

import propulate_like as pl
from propulate_like import Choice, Fidelity, Float, Int, Islands, Ordinal, Space
from propulate_like.evaluation.context import Evaluation, Task, never_stop
from propulate_like.evaluation.settings import settings_of
from propulate_like.evaluation.trial import Trial
from propulate_like.foundation import strict_yaml
from propulate_like.foundation.values import plain, tree
from propulate_like.population.individual import Candidate, Id
from propulate_like.problem.budget import Budget
from propulate_like.problem.directions import signs_of
from propulate_like.problem.names import nested
from propulate_like.problem.space import NOTHING
from propulate_like.propagators import Chain, PointMutation, SelectTournament, UniformCrossover
from propulate_like.search.islands.topologies import Given, RandomRegular, Topology
from propulate_like.search.specification import SearchSpecification


class Optimizer(enum.StrEnum):
    ADAM = "adam"
    SGD = "sgd"


class Width(enum.IntEnum):
    NARROW = 16
    WIDE = 64


class Plain(enum.Enum):
    RED = "red"


class Word(str, enum.Enum):  # noqa: UP042 (as code for Python 3.10 has it)
    RED = "red"


@st.composite
def disguised(draw, value):
    """Draw a form in which libraries have a Python value."""
    if value is None or (isinstance(value, str) and (not value or value[-1] == "\0")):  # which NumPy cuts off
        return value
    forms = [value]
    if isinstance(value, str):
        forms += [np.str_(value), enum.StrEnum("Name", {"MEMBER": value}).MEMBER]
    elif isinstance(value, bool):
        forms += [np.bool_(value), np.array(value)]
    elif isinstance(value, float):
        forms += [np.float64(value), np.array(value), np.longdouble(value)]
    else:
        forms += [enum.IntEnum("Name", {"MEMBER": value}).MEMBER]
        forms += [np.int64(value), np.array(value)] if -(2**63) <= value < 2**63 else [np.array(value, dtype=object)]
    return draw(st.sampled_from(forms))


@EXAMPLES
@given(st.data(), scalars)
def test_every_form_of_a_scalar_is_that_scalar(data, value):
    given_form = data.draw(disguised(value))
    assert typed(plain(given_form)) == typed(value)
    assert typed(tree({"a": [given_form, (given_form,)]})) == typed({"a": [value, [value]]})
    assert Choice(given_form) == Choice(value)
    assert Choice(given_form).options == (value,)


@EXAMPLES
@given(st.data(), spaces())
def test_space_of_disguised_values_is_the_same_space(data, space):
    parameters = {}
    for name, parameter in space.items():
        (_, arguments), *settings = parameter.declaration().items()
        arguments = [data.draw(disguised(argument)) for argument in arguments]
        when = {
            np.str_(parent): [data.draw(disguised(value)) for value in needed]
            for parent, needed in parameter.when.items()
        }
        others = {key: data.draw(disguised(value)) for key, value in settings if key != "when"}
        parameters[name] = type(parameter)(*arguments, **others, when=when or None)
    given_space = Space(nested(zip(space._paths, parameters.values(), strict=True)))
    assert given_space == space
    assert typed(given_space.declaration()) == typed(space.declaration())
    assert strict_yaml.load(strict_yaml.dump(given_space.declaration()).encode()) == space.declaration()


def trial():
    task = Task(Candidate(Id(0, 0, 0), (), NOTHING), 0, "")
    return Trial(task, Evaluation(task, never_stop))


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (lambda: Float(np.float32(0.5), Decimal("1.5"), step=Fraction(1, 4)), Float(0.5, 1.5, step=0.25)),
        (lambda: Float(0, 1, log=np.bool_(False)), Float(0, 1)),
        (lambda: Int(np.uint8(1), np.int64(8), step=np.int32(7)), Int(1, 8, step=7)),
        (lambda: Int(Width.NARROW, Width.WIDE), Int(16, 64)),
        (lambda: Choice(*np.linspace(0, 1, 3)), Choice(0.0, 0.5, 1.0)),
        (lambda: Choice(*np.array(["a", "b"])), Choice("a", "b")),
        (lambda: Choice(*Optimizer), Choice("adam", "sgd")),
        (lambda: Choice(Word.RED), Choice("red")),
        (lambda: Ordinal(*Width), Ordinal(16, 64)),
        (lambda: Space.of({"x": np.array([0.0, 1.0])})["x"], Float(0, 1)),
        (lambda: Space.of({"x": (np.int64(1), np.int64(8))})["x"], Int(1, 8)),
        (lambda: Space.of({"x": tuple(Optimizer)})["x"], Choice("adam", "sgd")),
    ],
)
def test_parameter_is_made_of_the_values_that_scalars_are(made, expected):
    assert repr(made()) == repr(expected)


def test_trial_takes_them_too():
    asked = trial()
    asked.suggest_float("a", np.float32(0), Decimal(1), step=Fraction(1, 2))
    asked.suggest_int("b", np.int64(1), np.int64(4))
    assert asked.suggest_categorical("c", np.array([2.5])) == 2.5
    assert type(asked.suggest_categorical("d", [Optimizer.ADAM])) is str
    assert asked._space.declaration() == {
        "a": {"float": [0.0, 1.0], "step": 0.5},
        "b": {"int": [1, 4]},
        "c": {"choice": [2.5]},
        "d": {"choice": ["adam"]},
    }


@pytest.mark.parametrize("value", [1j, np.complex128(1), Plain.RED, Fraction(1, 2), np.datetime64("2020-01-01"), b"a"])
def test_what_is_no_scalar_is_refused_when_it_is_given(value):
    with pytest.raises(ValueError, match="must be a string, number, true, false or null"):
        Choice("a", value)


@pytest.mark.parametrize("value", [1j, np.complex128(1), "1", True, np.bool_(True), None, np.array([1.0, 2.0])])
def test_what_is_no_number_is_no_bound(value):
    with pytest.raises(ValueError, match=r"a must be a number|must be a number|needs both bounds"):
        Float(0, value)
    with pytest.raises(ValueError, match="must be a whole number"):
        Int(0, value)
    with pytest.raises(ValueError, match=r"^x: .*must be a number"):
        trial().suggest_float("x", 0, value)


def test_budget_settings_islands_and_parts_take_them():
    budget = Budget(np.int64(5), np.float32(2.5), Decimal("0.5"))
    assert typed(budget.declaration()) == typed({"evaluations": 5, "seconds": 2.5, "target": 0.5})
    settings = settings_of({"retries": np.int64(2), "timeout": np.float32(3), "isolate": np.bool_(True)})
    assert typed([settings.retries, settings.timeout, settings.isolate]) == typed([2, 3.0, True])
    islands = Islands.of(np.array([1, 2]), {"topology": np.array([[0, 1], [1, 0]]), "pollination": np.bool_(False)})
    assert typed([islands.sizes, islands.topology.rows, islands.pollination]) == typed(
        [[1, 2], [[0, 1], [1, 0]], False]
    )
    assert typed(Given(np.array([[0, 1], [1, 0]])).rows) == typed([[0, 1], [1, 0]])
    assert typed(Topology.of({"random_regular": np.int64(2)}).degree) == typed(RandomRegular(np.int64(2)).degree)
    assert typed(Fidelity("epochs", np.array([1, 3, 9]), np.int64(3)).declaration()["rungs"]) == typed([1, 3, 9])
    assert signs_of(np.array(["minimize", "maximize"])) == (1.0, -1.0)
    chain = Chain(SelectTournament(np.int64(2)), UniformCrossover(np.float32(0.5)), PointMutation(np.int64(1)))
    assert repr(chain) == repr(Chain(SelectTournament(2), UniformCrossover(0.5), PointMutation(1)))


def test_run_of_disguised_values_is_written_and_continued(tmp_path):
    def search(evaluations):
        return pl.minimize(
            lambda x, kind: x,
            {"x": Float(np.float64(0), 1), "kind": Choice(*np.linspace(0, 1, 3), *Optimizer)},
            evaluations=evaluations,
            seed=np.int64(3),
            evaluation={"grace": np.float32(2)},
            run=tmp_path / "run",
            progress=False,
        )

    search(np.int64(5))
    assert search(np.uint8(8)).evaluations == 8


def test_part_that_no_file_can_hold_is_refused_before_the_search(tmp_path):
    class _Judged(pl.Pruner):
        def __init__(self, judge):
            self.judge = judge

        def stops(self, ident, curves):
            return self.judge(curves[ident])

    form = {"budget": Budget(3), "pruner": _Judged(len)}
    SearchSpecification.read(lambda x: x, {"x": Float(0, 1)}, **form)
    with pytest.raises(ValueError, match=r"^pruner: <built-in function len> cannot be written to a run's folder"):
        SearchSpecification.read(lambda x: x, {"x": Float(0, 1)}, run=tmp_path / "run", **form)
