"""Propagators breed the trials of Optuna's studies."""

import copy
import math
import pickle
import subprocess
import sys
from collections import Counter

import pytest

import propulate_like as pl

optuna = pytest.importorskip("optuna")
samplers = pytest.importorskip("optuna.testing.pytest_samplers", reason="Optuna's own cases come with Optuna 5")
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution  # noqa: E402
from optuna.trial import TrialState, create_trial  # noqa: E402

CHAIN = pl.Chain(
    pl.SelectBest(8),
    pl.SelectRandom(2),
    pl.UniformCrossover(0.7),
    pl.PointMutation(1),
    pl.GaussianMutation(0.05),
    pl.RandomRestart(0.1),
)


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    yield
    optuna.logging.set_verbosity(optuna.logging.INFO)


class Default:
    @pytest.fixture
    def sampler(self):
        return pl.PropagatorSampler


class ByHand:
    @pytest.fixture
    def sampler(self):
        return lambda: pl.PropagatorSampler(CHAIN)


class TestBasic(Default, samplers.BasicSamplerTestCase):
    pass


class TestRelative(Default, samplers.RelativeSamplerTestCase):
    pass


class TestSeveralObjectives(Default, samplers.MultiObjectiveSamplerTestCase):
    pass


class TestBasicOfAChain(ByHand, samplers.BasicSamplerTestCase):
    pass


class TestRelativeOfAChain(ByHand, samplers.RelativeSamplerTestCase):
    pass


class TestSeveralObjectivesOfAChain(ByHand, samplers.MultiObjectiveSamplerTestCase):
    pass


def quadratic(trial):
    return sum((trial.suggest_float(f"x{i}", -5.0, 5.0) - 1.0) ** 2 for i in range(4))


def nested(trial):
    if trial.suggest_categorical("model", ["forest", "network"]) == "forest":
        return 20.0 + abs(trial.suggest_int("trees", 1, 100) - 40) / 100
    layers = trial.suggest_int("layers", 1, 3)
    loss = sum((trial.suggest_float(f"units_{layer}", 1.0, 8.0) - 3.0) ** 2 for layer in range(layers))
    return loss + abs(math.log10(trial.suggest_float("rate", 1e-4, 1.0, log=True)) + 2)


def searched(objective, trials, sampler, **options):
    study = optuna.create_study(sampler=sampler, **options)
    study.optimize(objective, n_trials=trials)
    return study


def params(study):
    return [trial.params for trial in study.trials]


@pytest.mark.parametrize("propagator", ["auto", CHAIN, pl.CMAES()])
def test_it_searches(propagator):
    bred = [searched(quadratic, 300, pl.PropagatorSampler(propagator, seed=seed)).best_value for seed in range(3)]
    drawn = [searched(quadratic, 300, optuna.samplers.RandomSampler(seed=seed)).best_value for seed in range(3)]
    assert max(bred) < min(drawn) / 2


def test_it_maximizes():
    study = searched(lambda trial: -quadratic(trial), 100, pl.PropagatorSampler(seed=0), direction="maximize")
    assert study.best_value > -0.1


@pytest.mark.parametrize("propagator", ["auto", CHAIN])
def test_it_finds_the_best_of_nested_branches(propagator):
    study = searched(nested, 200, pl.PropagatorSampler(propagator, seed=0))
    assert study.best_params["model"] == "network"
    assert study.best_value < 1.0
    asked = Counter(tuple(trial.params) for trial in study.trials)
    assert len(asked) == 4


def test_the_same_seed_gives_the_same_trials_and_another_seed_others():
    runs = [params(searched(nested, 40, pl.PropagatorSampler(CHAIN, seed=seed))) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def constrained(trial):
    values = [trial.suggest_float(f"x{i}", -2.0, 2.0) for i in range(4)]
    trial.set_user_attr("violation", 1.0 - sum(values))
    return sum(value**2 for value in values)


def violation(trial):
    return (trial.user_attrs["violation"],)


def test_enqueued_trials_come_first_and_are_bred_from():
    study = optuna.create_study(sampler=pl.PropagatorSampler(CHAIN, seed=0))
    study.enqueue_trial({"x": 0.25, "y": 1.0})
    study.enqueue_trial({"y": -2.0})
    study.optimize(lambda trial: trial.suggest_float("x", -5, 5) ** 2 + trial.suggest_float("y", -5, 5) ** 2, 40)
    first, second, *others = study.trials
    assert first.params == {"x": 0.25, "y": 1.0}
    assert second.params["y"] == -2.0
    assert min(trial.value for trial in others) < first.value


@pytest.mark.parametrize("propagator", ["auto", CHAIN])
def test_the_best_that_meets_its_constraints_is_found_and_shown(propagator):
    sampler = pl.PropagatorSampler(propagator, seed=0, constraints_func=violation)
    study = searched(constrained, 200, sampler)
    assert 0.25 <= study.best_value < 0.8
    assert study.best_trial.constraints["0"] <= 0.0
    assert all(trial.constraints == {"0": trial.user_attrs["violation"]} for trial in study.trials)


def test_violation_is_what_is_minimized_while_nothing_is_feasible():
    def far_away(trial):
        x, y = trial.suggest_float("x", 0.0, 1.0), trial.suggest_float("y", 0.0, 1.0)
        trial.set_user_attr("violation", abs(x - 0.7) + abs(y - 0.2) - 0.01)
        return -1000.0 * x

    study = searched(far_away, 80, pl.PropagatorSampler(seed=0, constraints_func=violation))
    assert violation(study.best_trial)[0] <= 0.0


def test_what_violates_constraints_is_told_as_worse_than_all_that_does_not():
    from propulate_like.integrations.optuna.following import Following

    study = optuna.create_study()
    following = Following(study, lambda _losses: pl.Optimizer(propagator=pl.SelectWorst(1), seed=0))
    feasible = [(5.0, -1.0), (7.0, 0.0), (1e6, -2.0), (-3.0, 0.0)]
    for value, constraint in [(0.0, 3.0), (-9.0, 1.0), *feasible, (-1e9, 2.0), (1.0, 1e-9)]:
        distributions = {"x": FloatDistribution(0.0, 1.0)}
        study.add_trial(
            create_trial(params={"x": 0.5}, distributions=distributions, value=value, constraints={"c": constraint})
        )
        following.read(study.get_trials(deepcopy=False))
    numbers = [one.id.serial for one in following.optimizer.population]
    assert numbers == [5, 2, 3, 4, 7, 1, 6, 0]


def test_several_objectives_are_searched_in_their_directions():
    def two(trial):
        x, y = trial.suggest_float("x", -2.0, 2.0), trial.suggest_float("y", -2.0, 2.0)
        return x**2 + y**2, -((x - 1.0) ** 2) - y**2

    def reached(sampler):
        study = searched(two, 300, sampler, directions=["minimize", "maximize"])
        return sum(abs(trial.params["y"]) < 0.1 and -0.1 < trial.params["x"] < 1.1 for trial in study.trials)

    assert reached(pl.PropagatorSampler(seed=0, evaluations=300)) > 5 * reached(optuna.samplers.RandomSampler(seed=0))


def test_several_objectives_with_constraints_have_feasible_best_trials():
    def two(trial):
        x, y = trial.suggest_float("x", 0.0, 1.0), trial.suggest_float("y", 0.0, 1.0)
        trial.set_user_attr("violation", 0.9 - x)
        return x, y

    directions = ["minimize", "minimize"]
    sampler = pl.PropagatorSampler(seed=0, constraints_func=violation, evaluations=200)
    study = searched(two, 200, sampler, directions=directions)
    feasible = [trial for trial in study.trials if violation(trial)[0] <= 0.0]
    assert len(feasible) > 40
    assert study.best_trials
    assert all(violation(trial)[0] <= 0.0 for trial in study.best_trials)


def test_constraints_that_are_no_numbers_are_refused():
    study = optuna.create_study(sampler=pl.PropagatorSampler(constraints_func=lambda _trial: (math.nan,)))
    with pytest.raises(ValueError, match=r"trial 0: constraints must be numbers, not \(nan,\)"):
        study.optimize(quadratic, n_trials=1)


def test_threads_share_a_sampler():
    study = optuna.create_study(sampler=pl.PropagatorSampler(seed=0))
    study.optimize(nested, n_trials=80, n_jobs=4)
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials)
    assert len({tuple(trial.params.values()) for trial in study.trials}) > 75
    assert study.best_value < 5.0


PROGRAM = """
import sys
import optuna
import propulate_like as pl
from optuna.storages.journal import JournalFileBackend

optuna.logging.set_verbosity(optuna.logging.ERROR)
kind, path = sys.argv[1:]
storage = path if kind == "sqlite" else optuna.storages.JournalStorage(JournalFileBackend(path))
study = optuna.load_study(study_name="shared", storage=storage, sampler=pl.PropagatorSampler(seed=0))
study.optimize(lambda t: sum((t.suggest_float(name, -5, 5) - 1) ** 2 for name in "xy"), n_trials=10)
print(len(study.sampler._latest._known))
"""


@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_processes_learn_of_each_other_by_the_storage(kind, tmp_path):
    path = f"sqlite:///{tmp_path}/study.db" if kind == "sqlite" else str(tmp_path / "study.log")
    storage = path
    if kind == "journal":
        storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(path))
    study = optuna.create_study(study_name="shared", storage=storage)
    command = [sys.executable, "-c", PROGRAM, kind, path]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    learnt = []
    for worker in workers:
        printed, errors = worker.communicate(timeout=120)
        assert worker.returncode == 0, errors
        learnt.append(int(printed))
    assert sum(learnt) > 20
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 20


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda sampler: pickle.loads(pickle.dumps(sampler))])
def test_a_copy_goes_on_from_what_the_study_holds(copied):
    study = searched(nested, 50, pl.PropagatorSampler(CHAIN, seed=0))
    other = optuna.create_study(sampler=copied(study.sampler))
    other.add_trials(study.trials)
    other.optimize(nested, n_trials=100)
    assert other.best_value <= study.best_value
    assert params(other)[:50] == params(study)
    assert len(Counter(map(str, params(other)))) == 150


def test_a_study_of_another_sampler_is_continued():
    study = searched(quadratic, 100, optuna.samplers.RandomSampler(seed=0))
    before = study.best_value
    study.sampler = pl.PropagatorSampler(seed=0)
    study.optimize(quadratic, n_trials=30)
    assert study.best_value < before / 10


def test_one_sampler_serves_studies_in_turn():
    sampler = pl.PropagatorSampler(CHAIN, seed=0)
    first = searched(quadratic, 30, sampler)
    second = searched(nested, 30, sampler)
    first.optimize(quadratic, n_trials=30)
    assert {tuple(each) for each in params(first)} == {("x0", "x1", "x2", "x3")}
    assert all("x0" not in each for each in params(second))


def test_trials_that_failed_or_were_pruned_are_no_hindrance():
    def hostile(trial):
        x = trial.suggest_float("x", -5.0, 5.0)
        if trial.number % 5 == 1:
            raise RuntimeError
        if trial.number % 5 == 2:
            return math.nan
        if trial.number % 5 == 3:
            trial.report(x**2 + 1.0, 1)
            raise optuna.TrialPruned
        if trial.number % 5 == 4:
            raise optuna.TrialPruned
        return x**2 if trial.number else math.inf

    study = optuna.create_study(sampler=pl.PropagatorSampler(seed=0))
    study.optimize(hostile, n_trials=200, catch=RuntimeError)
    assert Counter(trial.state for trial in study.trials) == {
        TrialState.COMPLETE: 40,
        TrialState.FAIL: 80,
        TrialState.PRUNED: 80,
    }
    assert study.best_value < 0.01
    population = study.sampler._latest.optimizer.population
    assert Counter(one.status for one in population) == {pl.Status.OK: 39, pl.Status.STOPPED: 40}


def test_pruners_that_divide_a_study_do_not_divide_what_is_known():
    def steps(trial):
        x = trial.suggest_float("x", -5.0, 5.0)
        for step in range(9):
            trial.report(x**2 + 1.0 / (step + 1), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return x**2

    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9)
    study = optuna.create_study(sampler=pl.PropagatorSampler(seed=0), pruner=pruner)
    study.optimize(steps, n_trials=60)
    assert study.best_value < 0.01
    assert len(study.sampler._latest.optimizer._learner._evaluated) == 59


def test_enqueued_trials_are_run_as_they_are_and_learnt_from():
    study = optuna.create_study(sampler=pl.PropagatorSampler(seed=0))
    study.enqueue_trial({f"x{i}": 1.01 for i in range(4)})
    study.enqueue_trial({"x0": 3.0})
    study.optimize(quadratic, n_trials=20)
    assert study.trials[0].params == {f"x{i}": 1.01 for i in range(4)}
    assert study.trials[1].params["x0"] == 3.0
    assert study.best_value < 4e-4


def test_fixed_parameters_stay_and_the_others_are_searched():
    sampler = pl.PropagatorSampler(seed=0)
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        fixed = optuna.samplers.PartialFixedSampler({"x0": -2.0}, sampler)
    study = searched(quadratic, 80, fixed)
    assert {trial.params["x0"] for trial in study.trials} == {-2.0}
    assert study.best_value == pytest.approx(9.0, abs=0.05)


def test_ranges_and_kinds_of_choices_that_genes_cannot_tell_are_drawn():
    def odd(trial):
        layers = trial.suggest_categorical("layers", [(64,), (64, 64), None])
        trial.suggest_int("seed", 0, 2**60)
        trial.suggest_float("wide", 1e-300, 1e300, log=True)
        return 0.0 if layers == (64, 64) else 1.0

    with pytest.warns(UserWarning, match="Choices for a categorical"):
        study = searched(odd, 40, pl.PropagatorSampler(CHAIN, seed=0))
    assert study.best_params["layers"] == (64, 64)
    assert len({trial.params["seed"] for trial in study.trials}) == 40
    assert 1e-300 <= min(trial.params["wide"] for trial in study.trials) < 1e-50


def test_trials_with_other_distributions_are_learnt_from():
    study = optuna.create_study(sampler=pl.PropagatorSampler(seed=0))
    for low in (0, 3):
        distributions = {"n": IntDistribution(low, low + 5), "kind": CategoricalDistribution(["a", "b"])}
        params = {"n": low + 1, "kind": "a"}
        study.add_trial(create_trial(params=params, distributions=distributions, value=float(low)))
    study.optimize(lambda t: abs(t.suggest_int("n", 2, 40) - 17) + (t.suggest_float("new", 0, 1)), n_trials=60)
    assert study.best_params["n"] in (1, 17)
    assert study.trials[-1].distributions["n"] == IntDistribution(2, 40)
    assert min(trial.value for trial in study.trials[2:]) < 0.5


def test_a_propagator_that_cannot_breed_is_refused():
    with pytest.raises(ValueError, match="must be 'auto' or a propagator"):
        pl.PropagatorSampler("tpe")
    with pytest.raises(ValueError, match="seed=-1 must be a whole number"):
        pl.PropagatorSampler(seed=-1)


def test_no_rank_loads_optuna():
    code = "import sys; from propulate_like import *; print('optuna' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "False\n"
