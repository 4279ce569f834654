"""One specification of a search: what Python and YAML build alike, and what ranks compare before they begin."""

import inspect
import typing

import pytest

import propulate_like as pl
from propulate_like.problem.budget import Budget
from propulate_like.search.config import Config
from propulate_like.search.minimize import SearchOptions
from propulate_like.search.specification import SearchSpecification, SpecificationError, disagreement
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


class TestDigest:
    @pytest.mark.parametrize(
        ("options", "key"),
        [
            ({"budget": Budget(21)}, "budget"),
            ({"budget": Budget(20, target=0.5)}, "budget"),
            ({"space": {"y": pl.Int(1, 8), "x": pl.Float(0.0, 1.0)}}, "space"),
            ({"space": {"x": pl.Float(0.0, 1.0), "y": pl.Int(1, 9)}}, "space"),
            ({"maximize": True}, "maximize"),
            ({"directions": ["minimize", "minimize"]}, "directions"),
            ({"islands": 2}, "islands"),
            ({"propagator": pl.UniformInitialization()}, "propagator"),
            ({"pruner": "median"}, "pruner"),
            ({"fidelity": {"name": "epochs", "rungs": [1, 3]}}, "fidelity"),
            ({"evaluation": {"metric": "size"}}, "evaluation.metric"),
            ({"evaluation": {"ranks_per_worker": 2}}, "evaluation.ranks_per_worker"),
        ],
    )
    def test_names_what_must_be_the_same_on_all_ranks(self, options, key):
        digests = [read().digest(), read(**options).digest()]
        assert disagreement(digests) == (
            f"rank 1 was given another {key} than rank 0: every rank must make the same call, so draw what is random "
            "from a seed that all of them have"
        )

    def test_leaves_out_what_may_differ(self, tmp_path):
        other = SearchSpecification.read(
            lambda x, y: x,
            SPACE,
            budget=Budget(20, 60.5),
            seed=1,
            run=tmp_path / "run",
            fork=tmp_path / "fork",
            warm_start=tmp_path / "old",
            evaluation={"isolate": True, "memory": "4 GiB", "gpus": [1], "grace": 1},
        )
        assert disagreement([read().digest(), other.digest()]) == ""

    def test_takes_objects_without_a_text_of_their_own_by_their_class(self):
        class _Drawn(pl.Propagator):
            takes = (0, None)

            def __init__(self, source):
                self.source = source

        digests = [read(propagator=_Drawn(object())).digest() for _ in range(2)]
        assert disagreement(digests) == ""
        assert "propagator" in disagreement([*digests, read(propagator=_Drawn({1})).digest()])

    @pytest.mark.parametrize(
        ("others", "words"),
        [
            ([1], "rank 1 was given another budget and islands than"),
            ([2, 5], "ranks 2 and 5 were given another budget and islands than"),
            ([1, 2, 3], "ranks 1, 2 and 3 were"),
            ([1, 2, 3, 4, 5], "ranks 1, 2, 3 and 2 more were"),
        ],
    )
    def test_says_which_ranks_differ(self, others, words):
        same, other = read().digest(), read(islands=2, budget=Budget(5)).digest()
        assert disagreement([other if rank in others else same for rank in range(6)]).startswith(words)
        assert disagreement([same] * 6) == ""


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("drawn", "key"),
    [
        ("evaluations=random.randint(1, 10**9)", "budget"),
        ("evaluations=50, islands=1 + (rank == 2)", "islands"),
        ("evaluations=50, evaluation={'metric': 'a' if rank else None}", "evaluation.metric"),
        (
            "evaluations=50, evaluation={'isolate': False, 'ranks_per_worker': 1 + 2 * (rank == 1)}",
            "evaluation.ranks_per_worker",
        ),
    ],
)
def test_ranks_that_were_given_different_searches_end_with_one_line(drawn, key, script, pooled, reports, tmp_path):
    path = script(f"""
        import random, propulate_like as pl
        from propulate_like.parallel.transport import launched
        rank = launched()[0]
        try:
            pl.minimize(lambda x: x, {{"x": (0.0, 1.0)}}, run="run", {drawn})
        except ValueError as error:
            report(error)
    """)
    pooled(path, ranks=3)
    lines = [" ".join(line) for line in reports()]
    assert len(lines) == 3
    assert len(set(lines)) == 1
    assert f" another {key} than rank 0: every rank must make the same call" in lines[0]
    assert not (tmp_path / "run").exists()


@pytest.mark.mpi
def test_ranks_may_differ_in_folders_seeds_times_and_the_names_of_their_functions(script, pooled, reports, tmp_path):
    path = script("""
        import os, time, propulate_like as pl
        from propulate_like.parallel.transport import launched
        began, rank = time.time(), launched()[0]
        os.makedirs(f"place-{rank}", exist_ok=True)
        run = os.path.abspath("run")
        os.chdir(f"place-{rank}")
        def named(x):
            return x
        loss = named if rank else (lambda x: x)
        result = pl.minimize(
            loss, {"x": (0.0, 1.0)}, evaluations=100, seconds=60 - (time.time() - began), seed=rank,
            run=run if rank else os.path.relpath(run), warm_start=None if rank else [{"x": 0.5, "loss": 0.5}],
            evaluation={"grace": 1 + rank},
        )
        os.chdir("..")
        report(result.evaluations, result.best.id)
    """)
    pooled(path, ranks=3)
    assert len(reports()) == 3
    assert len({tuple(line) for line in reports()}) == 1
    assert Run(tmp_path / "run").config["seed"] == 0
