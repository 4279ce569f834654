"""Optuna's samplers breed as steps of this package, on every rank, from what that rank knows."""

import copy
import importlib.util
import json
import math
import sys
from pathlib import Path
from random import Random

import jsonschema
import pytest
from conftest import make_individual

import propulate_like as pl
from propulate_like.foundation import declarations
from propulate_like.population.outcome import Outcome
from propulate_like.propagators import BreedingContext, from_yaml
from propulate_like.search.schema import schema

optuna = pytest.importorskip("optuna")
from optuna.trial import TrialState  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent.parent / "propagators"))
from searching import cube, every_kind, lowest, search  # noqa: E402

GOOD = {"layers": 13, "width": 64, "kind": "b", "momentum": 0.7}
NEEDS_TORCH = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="Optuna's GPSampler needs torch")
SPACE, LOSS = every_kind()


def valley(one):
    return sum(math.fabs(gene - 0.3) ** 2 for gene in one.genome)


def trials(propagator):
    return propagator._study._study.trials


def optimizer(propagator, space=None, **settings):
    return pl.Optimizer(space or cube(2), propagator=propagator, seed=0, **settings)


@pytest.mark.parametrize(
    ("sampler", "arguments", "bound"),
    [
        ("TPESampler", {"multivariate": True, "constant_liar": True}, 0.004),
        ("CmaEsSampler", {}, 0.002),
        ("NSGAIISampler", {"population_size": 12, "crossover": {"BLXAlphaCrossover": {"alpha": 0.4}}}, 0.008),
    ],
)
def test_four_ranks_find_what_one_does_and_random_points_do_not(sampler, arguments, bound):
    for propagator in (
        pl.OptunaPropagator(sampler, arguments),
        pl.Chain(pl.OptunaPropagator(sampler, arguments), pl.GaussianMutation(0.01)),
    ):
        assert lowest(search(propagator, valley, cube(4), 200, 4)) < bound
    assert lowest(search(pl.UniformInitialization(), valley, cube(4), 200, 4)) > 2 * bound


@pytest.mark.parametrize(
    "make",
    [
        lambda: pl.OptunaPropagator("RandomSampler"),
        lambda: pl.OptunaPropagator(optuna.samplers.TPESampler(n_startup_trials=5)),
        lambda: pl.OptunaPropagator("CmaEsSampler", {"independent_sampler": "RandomSampler"}),
        lambda: pl.OptunaPropagator("NSGAIIISampler", {"population_size": 10}),
        lambda: pl.OptunaPropagator(
            "PartialFixedSampler", {"fixed_params": {"kind": "b"}, "base_sampler": "TPESampler"}
        ),
        lambda: pl.OptunaPropagator("GridSampler", {"search_space": {name: [value] for name, value in GOOD.items()}}),
        pytest.param(lambda: pl.OptunaPropagator("GPSampler", {"n_startup_trials": 8}), marks=NEEDS_TORCH),
    ],
)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_seed_repeats_a_search_of_any_sampler_and_ranks_draw_apart(make):
    once, again = (search(make(), LOSS, SPACE, 12, 2, seed=4) for _ in range(2))
    assert [one.genome for one in once] == [one.genome for one in again]
    first = [next(one.genome for one in once if one.id.rank == rank) for rank in range(2)]
    assert first[0] != first[1] or "Grid" in repr(make())
    other = search(make(), LOSS, SPACE, 12, 2, seed=5)
    assert [one.genome for one in once] != [one.genome for one in other] or "Grid" in repr(make())


def test_a_samplers_own_seed_decides_on_each_rank():
    def points(seed, search_seed, rank):
        one = pl.Optimizer(
            cube(2), propagator=pl.OptunaPropagator("TPESampler", {"seed": seed}), seed=search_seed, rank=rank
        )
        return [one.ask().genome for _ in range(3)]

    assert points(3, 0, 0) == points(3, 1, 0)
    assert points(3, 0, 0) != points(3, 0, 1)
    assert points(3, 0, 0) != points(4, 0, 0)


def test_trials_hold_what_became_of_every_individual_and_nothing_twice():
    mine, theirs = (optimizer(pl.OptunaPropagator("TPESampler"), workers=2, rank=rank) for rank in range(2))
    told, failed, pending = mine.ask(), mine.ask(), mine.ask()
    mine.tell(told, 1.5)
    mine.tell(failed, math.nan)
    other = theirs.tell(theirs.ask(), 2.5)
    for _ in range(2):
        mine.absorb(other)
        mine.ask()
    states = [trial.state for trial in trials(mine.propagator)]
    assert states == [
        TrialState.COMPLETE,
        TrialState.FAIL,
        TrialState.RUNNING,
        TrialState.COMPLETE,
        *[TrialState.RUNNING] * 2,
    ]
    known = trials(mine.propagator)
    assert [known[0].value, known[3].value] == [1.5, 2.5]
    assert known[0].params == told.params
    assert known[2].params == pending.params
    assert known[3].params == other.params


def test_a_child_that_was_changed_counts_as_it_was_evaluated():
    chain = pl.Chain(pl.OptunaPropagator("TPESampler"), pl.GaussianMutation(0.1, 1.0))
    one = optimizer(chain)
    child = one.tell(one.ask(), 1.0)
    one.ask()
    asked, bred, last = trials(one.propagator.steps[0])
    assert (asked.state, bred.state, last.state) == (TrialState.FAIL, TrialState.COMPLETE, TrialState.RUNNING)
    assert bred.params == child.params != asked.params


def test_a_child_that_was_bred_again_leaves_nothing_running():
    grid = pl.Space({"x": pl.Int(0, 3), "y": pl.Int(0, 3)})
    one = optimizer(pl.OptunaPropagator("TPESampler"), grid)
    for _ in range(16):
        one.tell(one.ask(), 1.0)
    one.ask()
    assert sum(trial.state is TrialState.RUNNING for trial in trials(one.propagator)) == 1
    assert sum(trial.state is TrialState.COMPLETE for trial in trials(one.propagator)) == 16


def test_stopped_evaluations_are_pruned_trials_with_their_curves():
    mine, theirs = (optimizer(pl.OptunaPropagator("TPESampler"), workers=2, rank=rank) for rank in range(2))
    curve = ((1, 0.9), (3, 0.5))
    for individual in (mine.ask(), theirs.ask()):
        mine.absorb(individual.evaluated(Outcome(pl.Status.STOPPED, 0.5, curve=curve)))
    mine.ask()
    for trial in trials(mine.propagator)[:2]:
        assert (trial.state, trial.value, trial.intermediate_values) == (TrialState.PRUNED, 0.5, dict(curve))


def test_of_a_fidelity_the_lowest_rungs_losses_are_told():
    one = optimizer(pl.OptunaPropagator("TPESampler"), fidelity=pl.Fidelity("epochs", [1, 3]))
    for turn in range(20):
        one.tell(one.ask(), 100.0 * turn)
    bred = {individual.loss for individual in one.population if not individual.rung}
    assert len(bred) < 20
    one.propagator(one.population, BreedingContext(one.space, Random(0), pl.Id(0, 0, 99)))
    told = [trial.value for trial in trials(one.propagator) if trial.state is TrialState.COMPLETE]
    assert len(told) == len(set(told))
    assert bred <= set(told)


def test_conditional_parameters_are_asked_for_where_they_are_active():
    one = optimizer(pl.OptunaPropagator("TPESampler"), SPACE)
    for _ in range(30):
        one.tell(one.ask(), 1.0)
    one.ask()
    known = trials(one.propagator)
    assert {trial.params["kind"] for trial in known} == {"a", "b", "c"}
    for trial in known:
        assert ("momentum" in trial.params) == (trial.params["kind"] == "b")


def test_steps_and_scales_of_every_kind_decode_to_what_the_sampler_gave():
    space = pl.Space(
        {
            "x": pl.Float(-1.0, 1.1, step=0.3),
            "rate": pl.Float(1e-7, 1e-1, log=True),
            "size": pl.Int(1, 1000, log=True),
            "even": pl.Int(-10, 10, step=2),
            "level": pl.Ordinal(True, 2.5, 3),
        }
    )
    one = optimizer(pl.OptunaPropagator("RandomSampler"), space)
    asked = [one.ask() for _ in range(50)]
    for individual, trial in zip(asked, trials(one.propagator), strict=True):
        assert individual.params == pytest.approx(trial.params, rel=1e-12)


def test_cma_es_learns_from_the_individuals_of_other_ranks():
    def best(sharing):
        propagator, ranks = pl.OptunaPropagator("CmaEsSampler"), 4
        optimizers = [pl.Optimizer(cube(5), propagator=propagator, seed=0, rank=rank) for rank in range(ranks)]
        losses = []
        for turn in range(400):
            mine = optimizers[turn % ranks]
            individual = mine.ask()
            told = mine.tell(individual, valley(individual))
            losses.append(told.loss)
            for other in optimizers if sharing else ():
                if other is not mine:
                    other.absorb(told)
        return min(losses)

    assert 20 * best(sharing=True) < best(sharing=False)


def test_cma_es_is_not_led_astray_by_better_points_far_from_where_it_looks():
    one = optimizer(pl.OptunaPropagator("CmaEsSampler"), cube(3), workers=2)
    for turn in range(260):
        individual = one.ask()
        one.tell(individual, valley(individual))
        if turn >= 200:
            assert valley(individual) < 0.05
            better = make_individual(pl.Id(0, 1, turn), (0.9, 0.9, 0.9), one.space, status=pl.Status.OK, loss=-1.0)
            one.absorb(better)


def test_a_copy_goes_on_by_itself():
    propagator = pl.OptunaPropagator("CmaEsSampler")
    one = optimizer(propagator)
    assert propagator._study is None, "an optimizer has its own"
    for _ in range(5):
        one.tell(one.ask(), 1.0)
    twin = copy.deepcopy(one)
    assert one.ask().genome == twin.ask().genome
    assert len(trials(one.propagator)) == len(trials(twin.propagator)) == 6


def test_yaml_python_and_schema_say_the_same():
    form = {"optuna_propagator": {"sampler": "TPESampler", "arguments": {"multivariate": True}}}
    propagator = from_yaml.read([form, {"gaussian_mutation": 0.01}])
    assert repr(propagator.steps[0]) == "OptunaPropagator('TPESampler', arguments={'multivariate': True})"
    assert declarations.dump(propagator.steps[0]) == form
    assert declarations.dump(pl.OptunaPropagator(optuna.samplers.RandomSampler())) == {
        "optuna_propagator": {"sampler": "RandomSampler"}
    }
    settings = {"objective": "a.py:f", "budget": {"evaluations": 9}}
    for step in ({"optuna_propagator": "TPESampler"}, [form, {"gaussian_mutation": 0.01}]):
        jsonschema.validate({**settings, "propagator": step}, schema())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: pl.OptunaPropagator("TPSampler"),
            "sampler='TPSampler' must be one of Optuna's; did you mean 'TPESampler'",
        ),
        (
            lambda: pl.OptunaPropagator("TPESampler", {"multivariat": 1}),
            "TPESampler: unknown key 'multivariat'; did you",
        ),
        (lambda: pl.OptunaPropagator("TPESampler", [1]), r"arguments=\[1\] must be a mapping such as {seed: 1}"),
        (lambda: pl.OptunaPropagator("PartialFixedSampler", {}), "PartialFixedSampler: missing a required argument"),
        (lambda: pl.OptunaPropagator(optuna.samplers.TPESampler(), {"seed": 1}), "arguments=.* must be left out"),
        (lambda: pl.Chain(pl.SelectBest(1), pl.OptunaPropagator("TPESampler")), ".* must come first, not after"),
        (
            lambda: optimizer(pl.OptunaPropagator("TPESampler"), {"x": pl.Choice(1, True)}),
            r".*: x: Optuna cannot tell all options of Choice\(1, True\) apart",
        ),
        (
            lambda: optimizer(pl.OptunaPropagator("TPESampler"), {"x": pl.Int(1, 9, log=True, step=2)}),
            ".*: x: .* only accept step is 1",
        ),
        (
            lambda: optimizer(pl.Choose(pl.OptunaPropagator("GridSampler", {"search_space": {"x": [1]}}))),
            r"OptunaPropagator\('GridSampler'.*: The parameter name, x0, is not found in the given grid",
        ),
        (
            lambda: optimizer(pl.OptunaPropagator("CmaEsSampler"), losses=2),
            r"OptunaPropagator\('CmaEsSampler'\): If the study is being used for multi-objective optimization",
        ),
        (
            lambda: optimizer(pl.OptunaPropagator("QMCSampler"), workers=2),
            ".* the same points on each of 2 ranks: take Sobol",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_what_cannot_work_is_refused_in_one_line(make, message):
    with pytest.raises(ValueError, match=f"^{message}") as refused:
        make()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("hidden", "sampler", "message"),
    [
        ("optuna", "TPESampler", "sampler='TPESampler' needs Optuna: pip install optuna"),
        ("cmaes", "CmaEsSampler", "CmaEsSampler needs cmaes: pip install cmaes"),
        ("torch", "GPSampler", "GPSampler needs torch: pip install torch"),
    ],
)
def test_what_is_not_installed_is_named(hidden, sampler, message, script, python, reports):
    path = script(f"""
        import sys, propulate_like as pl
        class Without:
            def __init__(self, finder):
                self.finder = finder
            def find_spec(self, name, *arguments):
                return None if name == {hidden!r} else self.finder.find_spec(name, *arguments)
        sys.meta_path[:] = map(Without, sys.meta_path)
        try:
            pl.OptunaPropagator({sampler!r})
        except ValueError as error:
            report(error)
    """)
    python(path)
    assert [" ".join(words) for words in reports()] == [message]


@pytest.mark.parametrize(("sampler", "arguments"), [("TPESampler", {}), ("NSGAIISampler", {"population_size": 12})])
def test_several_losses_are_several_directions(sampler, arguments):

    def loss(x, y):
        return x * x + y * y, (x - 1) ** 2 + y * y

    def spread(propagator):
        result = pl.minimize(
            loss,
            {"x": (-4.0, 4.0), "y": (-4.0, 4.0)},
            evaluations=200,
            seed=0,
            directions=["minimize", "minimize"],
            propagator=propagator,
        )
        return sorted(sum(one.losses) for one in result.individuals)[40]

    assert 2 * spread(pl.OptunaPropagator(sampler, arguments)) < spread(pl.UniformInitialization())


def test_an_objective_that_asks_a_trial_is_searched_with_conditions_learned():
    def objective(trial):
        kind = trial.suggest_categorical("kind", ["a", "b"])
        if kind == "a":
            return 1.0 + trial.suggest_float("x", 0, 1)
        return (trial.suggest_float("rate", 1e-5, 1.0, log=True) - 0.01) ** 2

    result = pl.minimize(objective, evaluations=60, seed=0, propagator=pl.OptunaPropagator("TPESampler"))
    assert result.best.loss < 1e-5
    assert result.best.params.keys() == {"kind", "rate"}
    bred = [one for one in result.individuals if one.origin.startswith("optuna")]
    assert len(bred) > 40


def test_nothing_but_the_search_is_said(capfd):
    propagator = pl.OptunaPropagator("CmaEsSampler")
    pl.minimize(lambda **_: 1.0, SPACE, evaluations=20, seed=0, propagator=propagator, progress=False)
    assert capfd.readouterr() == ("", "")


SEARCH = """
    import time, propulate_like as pl
    from propulate_like.parallel.transport import launched
    used, breed = [], pl.OptunaPropagator.__call__
    def call(self, *arguments):
        used[:] = [self]
        return breed(self, *arguments)
    pl.OptunaPropagator.__call__ = call
    def loss(**point):
        time.sleep({pause})
        if point["x0"] > 0.7:
            raise ValueError("too large")
        return sum((value - 0.3) ** 2 for value in point.values())
    step = pl.OptunaPropagator("{sampler}")
    mix = pl.Sometimes(0.8, step, pl.UniformInitialization())
    ways = {{
        "alone": (step, None),
        "chain": (pl.Chain(step, pl.GaussianMutation(0.01)), None),
        "mix": (pl.Warmup(pl.LatinHypercubeInitialization(8), mix, 8), None),
        "islands": ("auto", pl.Islands(2, propagators=["auto", step], migration_probability=0.5)),
    }}
    for name, (propagator, islands) in ways.items():
        used.clear()
        result = pl.minimize(loss, {{f"x{{n}}": (0.0, 1.0) for n in range(4)}}, evaluations={evaluations}, seed=0,
                             propagator=propagator, islands=islands, progress=False)
        theirs = [one.loss for one in result.individuals if one.origin.startswith("optuna") and one.has_loss]
        best = result.best.loss if islands else min(theirs)  # how the islands share the evaluations is up to them
        for study in [one._study for one in used]:
            running = sum(trial.state.name == "RUNNING" for trial in study._study.trials)
            known = {{ident.island for ident in study._known}}
            report(launched()[0], name, result.evaluations, best, running, len(known))
"""


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("sampler", "evaluations", "pause", "bound"),
    [
        ("TPESampler", 120, 0.005, 0.02),
        ("CmaEsSampler", 120, 0.005, 0.02),
        pytest.param("GPSampler", 40, 0.02, 0.02, marks=NEEDS_TORCH),
    ],
)
def test_four_real_ranks_breed_with_it_alone_in_chains_and_beside_other_islands(
    sampler, evaluations, pause, bound, script, python, reports
):
    path = script(SEARCH.format(sampler=sampler, evaluations=evaluations, pause=pause))
    python(path, ranks=4)
    lines = {(int(rank), name): words for rank, name, *words in reports()}
    assert sorted(name for _, name in lines) == sorted(["alone", "chain"] * 4 + ["mix"] * 4 + ["islands"] * 2)
    for (_, name), (count, best, running, islands) in lines.items():
        assert int(count) == evaluations
        assert float(best) < bound
        assert int(running) <= 1, "failures and what was changed end their trials"
        assert int(islands) == (2 if name == "islands" else 1)


CONFIG = """
objective: losses.py:loss
space:
  x: {float: [0, 1]}
  y: {float: [0, 1], step: 0.1}
  kind: {choice: [a, b]}
  momentum: {float: [0, 1], when: {kind: b}}
budget: {evaluations: 60}
propagator:
  - optuna_propagator: {sampler: TPESampler, arguments: {multivariate: true}}
  - gaussian_mutation: 0.01
seed: 0
"""
OBJECTIVE = """
def loss(x, y, kind, momentum=0.0):
    return (x - 0.3) ** 2 + (y - 0.7) ** 2 + (kind != "b") + (momentum - 0.5) ** 2
"""


@pytest.mark.mpi
def test_yaml_runs_continues_and_is_simulated(tmp_path, command):
    (tmp_path / "losses.py").write_text(OBJECTIVE, encoding="utf-8")
    (tmp_path / "search.yaml").write_text(CONFIG, encoding="utf-8")
    command("run", "search.yaml", "-n", "2", "--run", "kept")
    command("run", "search.yaml", "-n", "2", "--run", "kept", "--set", "budget.evaluations=90")
    status = json.loads(command("status", "kept", "--json").stdout)
    assert status["bred_by"]["optuna:TPESampler+gaussian_mutation"]["evaluations"] == 90
    assert status["best"] < 0.1
    simulated = command("simulate", "search.yaml", "--ranks", "8", "--seconds-per-evaluation", "60").stdout
    assert simulated.splitlines()[-1].split()[:3] == ["8", "1", "60"]
