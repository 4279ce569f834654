"""Names are texts, as Python has them: other things are made text or refused, and two spellings are one name."""

import csv
import enum
import io
import unicodedata

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from value_strategies import EXAMPLES

import propulate_like as pl
from propulate_like import Choice, Fidelity, Float, Space, objective
from propulate_like.cli import show
from propulate_like.evaluation.command import Command
from propulate_like.evaluation.context import Evaluation, Task, never_stop
from propulate_like.evaluation.trial import Trial
from propulate_like.foundation import strict_yaml
from propulate_like.foundation.values import identifier
from propulate_like.population.individual import Candidate, Id
from propulate_like.population.outcome import Outcome
from propulate_like.problem.space import NOTHING
from propulate_like.storage.trial_table import read_rows

MICRO, MU = "\N{MICRO SIGN}", "\N{GREEK SMALL LETTER MU}"
NO_NAMES = [None, b"x", 1.5, True, np.bool_(True), ("x",), object(), enum.Enum("Name", "X").X]


class Name(enum.StrEnum):
    RATE = "rate"


def trial():
    task = Task(Candidate(Id(0, 0, 0), (), NOTHING), 0, "")
    return Trial(task, Evaluation(task, never_stop))


def suggestions(asked, name):
    return [
        lambda: asked.suggest_float(name, 0, 1),
        lambda: asked.suggest_int(name, 0, 1),
        lambda: asked.suggest_categorical(name, [0, 1]),
        lambda: asked.suggest_uniform(name, 0, 1),
        lambda: asked.suggest_loguniform(name, 1, 2),
        lambda: asked.suggest_discrete_uniform(name, 0, 1, 0.5),
    ]


@pytest.mark.parametrize(
    ("name", "text"), [(0, "0"), (-3, "-3"), (np.int64(7), "7"), (Name.RATE, "rate"), (np.str_("a"), "a")]
)
def test_number_or_enum_is_made_the_text_that_it_is(name, text):
    for number in range(6):
        asked = trial()
        suggestions(asked, name)[number]()
        assert list(asked.params) == [text]
        assert type(next(iter(asked.params))) is str
        assert list(asked._space) == [text]


@pytest.mark.parametrize("name", NO_NAMES, ids=map(str, range(len(NO_NAMES))))
def test_what_is_no_text_is_refused_as_a_name(name):
    for suggest in suggestions(trial(), name):
        with pytest.raises(ValueError, match="a parameter's name must be a text, not"):
            suggest()
    with pytest.raises(ValueError, match="cannot be a parameter's name"):
        Space({name: Float(0, 1)})
    with pytest.raises(ValueError, match="which is no parameter"):
        Space({"x": Float(0, 1, when={name: 1})})


def test_search_by_numbered_names_is_as_good_as_by_texts():
    def search(name):
        def asking(trial):
            return sum((trial.suggest_float(name(i), 0, 1) - 0.3) ** 2 for i in range(3))

        return pl.minimize(asking, evaluations=60, seed=1, progress=False)

    numbered, texts = search(int), search(str)
    assert [individual.params for individual in numbered.individuals] == [each.params for each in texts.individuals]
    assert numbered.best.params.keys() == {"0", "1", "2"}


identifiers = st.text(min_size=1, max_size=4).filter(str.isidentifier)


@EXAMPLES
@given(identifiers)
def test_names_are_those_that_python_has_in_code(name):
    assume(name not in ("None", "True", "False") and unicodedata.normalize("NFKC", name).isidentifier())
    space = {}
    try:
        exec(f"def f({name}): return {name}", space)
    except SyntaxError:
        return
    parameter = Float(0, 1)
    made = Space({name: parameter, "other_": Choice("a")})
    params = made.decode((0.25, 0.5))
    params.pop("other_")
    assert space["f"](**params) == 0.25
    read = Space.from_declaration(strict_yaml.load(strict_yaml.dump(made.declaration()).encode()))
    assert read == made
    assert made.contains({name: 0.5, "other_": "a"})


@EXAMPLES
@given(st.lists(st.text(max_size=5), min_size=1, max_size=3, unique=True))
def test_any_text_is_a_name_everywhere_or_refused_in_one_line(names):
    space, refusals = {}, []
    for name in names:
        try:
            Space({name: Float(0, 1)})
        except ValueError as error:
            refusals.append(str(error))
        else:
            space[name] = Float(0, 1)
    assert all("cannot be a parameter's name" in refusal and "\n" not in refusal for refusal in refusals)
    assume(space and len({*map(identifier, space)}) == len(space))
    made = Space({"within": space, **space})
    assert Space.from_declaration(strict_yaml.load(strict_yaml.dump(made.declaration()).encode())) == made
    params = made.decode([0.25] * len(made))
    assert made.nested(params) == {
        "within": dict.fromkeys(map(identifier, space), 0.25),
        **dict.fromkeys(map(identifier, space), 0.25),
    }
    rows = [{f"params.{name}": value for name, value in params.items()} | {"loss": 1.0}]
    (found,) = read_rows(list(csv.DictReader(io.StringIO(show.as_csv(rows), newline=""))), made, (1.0,), as_text=True)
    assert made.decode(found.genome(made)) == params
    for name in made:
        assert Command(["train", f"--x={{{name}}}"]).filled({name: "1"}, []) == ["train", "--x=1"] or {*name} & {*"{}"}


def test_two_spellings_of_a_name_are_one():
    with pytest.raises(ValueError, match="are both 'μ' in Python: rename one"):
        Space({MICRO: Float(0, 1), MU: Float(0, 1)})
    space = Space({MICRO: Choice("a", "b"), "x": Float(0, 1, when={MICRO: "a"})})
    assert list(space) == [MU, "x"]
    assert space.decode((0.1, 0.5)) == {MU: "a", "x": 0.5}
    assert Fidelity(MICRO, [1, 2]).name == MU
    (row,) = read_rows([{f"params.{MICRO}": "b", "loss": 1.0}], space, (1.0,))
    assert space.decode(row.genome(space)) == {MU: "b"}
    command = Command(["train", f"--mu={{{MICRO}}}"])
    command.check(space)
    assert command.filled({MU: "b"}, []) == ["train", "--mu=b"]


def test_loss_gets_its_parameter_by_either_spelling():
    scope = {"objective": objective, "Float": Float}
    exec(f"def f({MICRO}): return {MICRO}\n@objective({MICRO}=Float(0, 1))\ndef g({MU}): return {MU}", scope)
    for loss, space in ((scope["f"], {MICRO: Float(0, 1)}), (scope["f"], {MU: (0.0, 1.0)}), (scope["g"], None)):
        assert pl.minimize(loss, space, evaluations=3, progress=False).statuses == {pl.Status.OK: 3}


def test_metrics_and_attributes_have_texts_as_names():
    class Silent:
        def __str__(self):
            raise ValueError

        __repr__ = __str__

    metrics = Outcome.of({"loss": 1.0, 1: 1, None: 2, Name.RATE: 3, Silent(): 4, "nested": {2: 5}}).metrics
    assert metrics == {"1": 1, "None": 2, "rate": 3, "something": 4, "nested": {"2": 5}}
    asked = trial()
    asked.set_user_attr(1, "a")
    asked.set_constraint(Name.RATE, -1.0)
    assert (asked.user_attrs, asked.constraints) == ({"1": "a"}, {"rate": -1.0})
