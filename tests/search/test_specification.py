"""One specification of a search, which Python and YAML build alike."""

import inspect
import typing

import pytest

import propulate_like as pl
from propulate_like.problem.budget import Budget
from propulate_like.search.config import Config
from propulate_like.search.minimize import SearchOptions
from propulate_like.search.specification import SearchSpecification, SpecificationError
from propulate_like.storage.run import Run

SPACE = {"x": pl.Float(0.0, 1.0), "y": pl.Int(1, 8)}
YAML = """
objective: loss.py:loss
space: {x: {float: [0, 1]}, y: {int: [1, 8]}}
budget: {evaluations: 20, seconds: 30, hours: 1}
islands: {count: 2, topology: full}
propagator: [{select_best: 8}, {select_random: 2}, {uniform_crossover: 0.5}, {gaussian_mutation: 0.1}]
pruner: {median: {startup: 3}}
fidelity: {name: epochs, rungs: [1, 3]}
evaluation: {retries: 1}
maximize: true
seed: 3
warm_start: old.csv
"""


def loss(x, y, epochs=1):
    return x * y / epochs


def read(**options):
    budget = options.pop("budget", Budget(20))
    return SearchSpecification.read(loss, options.pop("space", SPACE), budget=budget, **options)


def test_python_and_yaml_build_the_same_specification(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "search.yaml").write_text(YAML, encoding="utf-8")
    of_yaml = Config.read("search.yaml").specification.declaration()
    of_python = read(
        budget=Budget(20, 3630.0),
        maximize=True,
        islands=2,
        migration={"topology": "full"},
        propagator=pl.Chain(pl.SelectBest(8), pl.SelectRandom(2), pl.UniformCrossover(0.5), pl.GaussianMutation(0.1)),
        pruner=pl.MedianPruner(startup=3),
        fidelity=pl.Fidelity("epochs", [1, 3]),
        evaluation=pl.EvaluationSettings(retries=1),
        seed=3,
        warm_start="old.csv",
    ).declaration()
    assert of_yaml.pop("objective") == "loss.py:loss"
    assert of_python.pop("objective").endswith("test_specification:loss")
    assert of_yaml == of_python


def test_a_run_keeps_what_its_specification_declares(tmp_path):
    pl.maximize(loss, SPACE, evaluations=5, seed=0, islands=None, pruner="median", run=tmp_path / "run")
    declared = read(budget=Budget(5), maximize=True, pruner="median", seed=0).declaration()
    assert Run(tmp_path / "run").config == {key: value for key, value in declared.items() if value is not None}


def test_numbers_of_losses_and_rungs_follow_from_its_parts():
    several = read(directions=["minimize", "maximize"])
    assert (several.losses, several.maximize, several.rungs) == (2, False, 1)
    thorough = read(maximize=True, fidelity={"name": "epochs", "rungs": [1, 3, 9]}, budget=Budget(target=4.0))
    assert (thorough.losses, thorough.maximize, thorough.rungs, thorough.lowest_loss) == (1, True, 3, -4.0)


@pytest.mark.parametrize(
    ("options", "place", "message"),
    [
        ({"islands": 0}, "islands", "count=0 must be a whole number of at least 1"),
        ({"pruner": "mediam"}, "pruner", "unknown pruner 'mediam'; did you mean 'median'?"),
        ({"fidelity": {"name": "x", "rungs": [1, 3]}}, "fidelity", "'x' is the name of a parameter"),
        ({"directions": ["up"]}, "directions", "'up' is not valid; valid: minimize, maximize"),
        ({"propagator": pl.SelectBest(2)}, "propagator", "SelectBest(2) gives 2 individuals"),
        ({"evaluation": {"timeout": 5}}, "evaluation", "timeout: 5.0 needs isolate: true"),
        ({"evaluation": {"timeot": 5}}, "evaluation", "unknown key 'timeot'; did you mean 'timeout'?"),
    ],
)
def test_what_cannot_work_is_said_with_its_place(options, place, message):
    with pytest.raises(SpecificationError) as caught:
        read(**options)
    assert caught.value.place == place
    assert caught.value.inside.startswith(message)


def test_a_command_needs_a_space():
    with pytest.raises(ValueError, match="space: missing: a command has none of its own"):
        pl.minimize(pl.Command(["echo", "1"]), evaluations=1)


def test_a_wrong_keyword_is_an_error():
    for search in (pl.minimize, pl.maximize):
        with pytest.raises(TypeError, match="unexpected keyword argument 'evaluatons'"):
            search(loss, SPACE, evaluatons=5)
    with pytest.raises(TypeError, match="directions"):
        pl.maximize(loss, SPACE, evaluations=5, directions=["maximize"])


def test_both_functions_show_the_same_keywords():
    shown = dict(inspect.signature(pl.minimize).parameters)
    del shown["directions"]
    assert dict(inspect.signature(pl.maximize).parameters) == shown
    keywords = {name: each.annotation for name, each in shown.items() if each.kind is each.KEYWORD_ONLY}
    told = {name: hint.__forward_arg__ for name, hint in SearchOptions.__annotations__.items()}
    assert told == keywords
    assert typing.get_type_hints(pl.maximize)["return"] is pl.Result
