"""What losses and commands get: parameters of any name, nested as they were given, or the value of the only one."""

import functools
import math
import shlex
import subprocess

import numpy as np
import pytest
from hypothesis import given
from value_strategies import EXAMPLES, points, typed

import propulate_like as pl
from propulate_like.evaluation.calling import Call
from propulate_like.evaluation.command import OWN, Command, word_of
from propulate_like.evaluation.context import Task, never_stop
from propulate_like.population.individual import Candidate, Id
from propulate_like.problem.names import nested
from propulate_like.problem.space import Space

PROGRAM = """
import json, sys
lr, other, rate, its, *depth, params, literal = sys.argv[1:]
params = json.loads(params)
said = [params["model"]["lr"], params["lambda"], params["learning rate"], params["it's"]]
said += [params["model"][key] for key in params["model"] if key == "depth"]
print(float(said == [float(lr), float(other), float(rate), its, *map(int, depth)] and literal == "{print $1}"))
"""
NESTED = {
    "model": {"lr": pl.Float(0, 1), "kind": pl.Choice("a", "b"), "depth": pl.Int(1, 4, when={"model.kind": "a"})},
    "batch": pl.Int(1, 8),
}
ODD = {"model.lr": (0.0, 1.0), "lambda": (0.0, 1.0), "learning rate": (0.0, 1.0)}


def called(loss, space, genome, **options):
    return Call(loss, space, **options)(
        space.decode(genome), Task(Candidate(Id(0, 0, 0), genome, space), 0, ""), never_stop
    )


@EXAMPLES
@given(points())
def test_mapping_and_keywords_are_the_params_nested_as_the_space_is(point):
    space, genome = point
    got = []

    def mapping(params):
        got.append(params)
        return 1.0

    def keywords(**params):
        return mapping(params)

    params = space.decode(genome)
    paths = [path for path, name in zip(space._paths, space.names, strict=True) if name in params]
    for loss in (mapping, keywords):
        assert called(loss, space, genome).loss == 1.0
        assert typed(space.flat(got[-1])) == typed(params)
        assert typed(_without_empty(got[-1])) == typed(nested(zip(paths, params.values(), strict=True)))
        assert [*got[-1]] == [name for name in space.arguments if name in got[-1]]
    assert space.encode(got[-1]) == space.encode(params)


def _without_empty(params):
    if not isinstance(params, dict):
        return params
    members = {name: _without_empty(member) for name, member in params.items()}
    return {name: member for name, member in members.items() if member != {}}


@EXAMPLES
@given(points())
def test_command_gets_each_value_at_its_placeholder(point):
    space, genome = point
    params = space.decode(genome)
    names = [name for name in params if name not in OWN and not {*name} & {*"{}"}]
    values = {name: f"<{name}>" for name in params}
    words = [f"--{number}={{{name}}}" for number, name in enumerate(names)]
    command = Command(["train", "awk '{print $1}'", *words])
    listed = [getattr(each, "options", ()) for each in space.values()]
    told_apart = all(len({*map(word_of, options)}) == len(options) for options in listed)
    if told_apart and not any("\0" in str(option) for options in listed for option in options):
        command.check(space)
        Command("train " + " ".join(words), shell=True).check(space)
    told = [f"--{number}=<{name}>" for number, name in enumerate(names)]
    assert command.filled(values, list(space)) == ["train", "awk '{print $1}'", *told]
    (text,) = Command("train " + " ".join(words), shell=True).filled(values, list(space))
    assert shlex.split(text) == ["train", *told]


@pytest.mark.parametrize(
    "loss",
    [
        lambda model, batch: model["lr"] + batch + model.get("depth", 0),
        lambda params: params["model"]["lr"] + params["batch"] + params["model"].get("depth", 0),
        lambda **params: params["model"]["lr"] + params["batch"] + params["model"].get("depth", 0),
    ],
    ids=["names", "mapping", "keywords"],
)
def test_search_of_nested_parameters_finds_the_best_ones(loss):
    result = pl.minimize(loss, NESTED, evaluations=2e2, seed=0, progress=False)
    assert result.best.loss < 1.1
    assert result.best.params.keys() >= {"model.lr", "model.kind", "batch"}
    assert result.best.nested_params["model"]["lr"] == result.best.params["model.lr"]


def test_mapping_of_inactive_parameters_is_there_and_empty():
    space = {"kind": pl.Choice("a", "b"), "deep": {"depth": pl.Int(1, 4, when={"kind": "a"})}}
    result = pl.minimize(lambda kind, deep: len(deep) if kind == "a" else -1.0, space, evaluations=20, seed=0)
    assert result.best.loss == -1.0
    assert result.statuses == {"ok": 20}
    assert {str(each.nested_params["deep"]) for each in result.individuals if each.params["kind"] == "b"} == {"{}"}


def test_decorator_takes_a_mapping_of_any_names_and_nested_ones():
    for declare in (
        pl.objective(ODD),
        pl.objective(**ODD),
        pl.objective({"model.lr": (0.0, 1.0)}, **{**ODD, "x": (0, 1)}),
    ):
        loss = declare(lambda params: params["model.lr"] + params["lambda"] + params["learning rate"])
        assert pl.minimize(loss, evaluations=5, progress=False).statuses == {"ok": 5}
    loss = pl.objective(NESTED)(lambda model, batch: model["lr"] + batch)
    assert pl.minimize(loss, evaluations=5, progress=False).statuses == {"ok": 5}
    with pytest.raises(ValueError, match=r"takes its parameters by name, and .model\.lr. cannot"):
        pl.objective(ODD | {"x": (0.0, 1.0)})(lambda x: x)
    with pytest.raises(ValueError, match=r"objective\(5\): give parameters by their names"):
        pl.objective(5)


@pytest.mark.parametrize("name", ["lambda", "learning rate", "model.lr", "1st", "None"])
def test_name_that_python_has_not_is_refused_where_the_loss_takes_names_and_told_what_works(name):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        pl.minimize(lambda x, y=1: x, {"x": (0.0, 1.0), name: (0.0, 1.0)}, evaluations=1)
    assert str(caught.value) == (
        f"<lambda>() takes its parameters by name, and {name!r} cannot be the name of one in Python: take all of "
        "them as one mapping, with def loss(params), or with def loss(**params)"
    )
    assert pl.minimize(lambda x, **others: x + others[name], {"x": (0.0, 1.0), name: (0.0, 1.0)}, evaluations=3)


@pytest.mark.parametrize(
    "loss",
    [abs, math.sqrt, math.log1p, math.log, float, np.square, np.abs, lambda x, /: x, functools.partial(max, 0.5)],
    ids=["abs", "sqrt", "log1p", "log", "float", "square", "ufunc abs", "own", "partial"],
)
@pytest.mark.parametrize("name", ["x", "learning rate", "lambda"])
def test_only_parameter_of_a_function_without_names_gets_the_value_of_the_only_one(loss, name):
    result = pl.minimize(loss, {name: (0.5, 1.0)}, evaluations=4, progress=False)
    assert [each.loss for each in result.individuals] == [loss(each.params[name]) for each in result.individuals]


@pytest.mark.parametrize(
    "loss", [abs, math.sqrt, math.pow, math.hypot, max, np.square, np.add, int], ids=lambda loss: loss.__name__
)
def test_function_without_names_is_refused_where_there_are_several_parameters(loss):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        pl.minimize(loss, {"a": (0.0, 1.0), "b": (0.0, 1.0)}, evaluations=1)
    assert str(caught.value) == (
        f"{loss.__name__}() takes values without names: write a function that takes the parameters, and calls it"
    )


def test_loss_of_one_value_may_take_the_context_and_the_fidelity():
    def loss(x, /, epochs, evaluation):
        return x + epochs + evaluation.fidelity

    fidelity = {"name": "epochs", "rungs": [1, 3]}
    result = pl.minimize(loss, {"lr": (0.0, 1.0)}, evaluations=8, fidelity=fidelity, progress=False)
    assert {each.loss - each.params["lr"] > 1.9 for each in result.individuals} == {True}


def test_fidelity_with_the_name_of_a_nested_mapping_is_refused():
    fidelity = {"name": "model", "rungs": [1, 3]}
    with pytest.raises(ValueError, match="the fidelity 'model' has the name of a parameter"):
        pl.minimize(lambda model, batch: 1.0, NESTED, evaluations=8, fidelity=fidelity)


@pytest.mark.process
class TestCommand:
    def test_gets_odd_names_and_nested_params(self, tmp_path):
        space = ODD | NESTED | {"it's": pl.Choice("a b", "c")}
        words = ["{model.lr}", "{lambda}", "{learning rate}", "{it's}", "{model.depth}", "{params}", "{print $1}"]
        del space["model.lr"]
        program = tmp_path / "program.py"
        program.write_text(PROGRAM)
        result = pl.minimize(
            pl.Command(["python3", str(program), *words]), space, evaluations=6, seed=0, progress=False
        )
        assert [each.loss for each in result.individuals] == [1.0] * 6

    def test_shell_has_nothing_in_place_of_an_inactive_parameter(self):
        space = {"kind": pl.Choice("a", "b"), "n": pl.Int(1, 3, when={"kind": "a"})}
        command = pl.Command("n={n}; echo ${n:-7}", shell=True)
        result = pl.minimize(command, space, evaluations=6, seed=0, progress=False)
        assert [each.loss for each in result.individuals] == [each.params.get("n", 7) for each in result.individuals]

    def test_name_that_is_nearly_one_is_refused(self):
        with pytest.raises(ValueError, match=r"a placeholder has no format: write \{learning rate\}"):
            Command(["train", "{learning rate:.3f}"]).check(Space.of(ODD))
        for word in ("{learning rat}", "{Learning Rate}"):
            with pytest.raises(ValueError, match=r"there is no parameter '.*; did you mean 'learning rate'"):
                Command(["train", word]).check(Space.of(ODD))
        Command(["train", '{"rate": 1}', "{ }"]).check(Space.of(ODD))

    def test_quotes_in_a_name_are_none_of_the_shells_text(self):
        space = Space.of({"it's": ("$(touch stolen)", "x"), "# no": ("a", "b")})
        command = Command("printf '%s|' {it's} {# no}; echo '{'", shell=True)
        command.check(space)
        (text,) = command.filled({"it's": "$(touch stolen)", "# no": "a"}, [])
        printed = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True).stdout
        assert printed == "$(touch stolen)|a|{\n"
        for text in ('echo "{it\'s}"', "echo '{# no}'", "echo `{it's}`"):
            with pytest.raises(ValueError, match="where the shell may run parts of its value"):
                Command(text, shell=True).check(space)
