"""Optuna's callbacks are called as Optuna calls them, and may stop the search."""

import optuna
import pytest
from optuna.study import MaxTrialsCallback
from optuna.terminator import BestValueStagnationEvaluator, StaticErrorEvaluator, Terminator, TerminatorCallback
from optuna.trial import TrialState

import propulate_like as pl

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]


def objective(trial):
    x = trial.suggest_float("x", 0, 1)
    if x > 0.95:
        raise RuntimeError
    return x


def slow(trial):
    import time

    time.sleep(0.02)
    return objective(trial)


def search(loss, callbacks, **options):
    options = {"evaluations": 1000, "seed": 0, "progress": False, **options}
    return pl.maximize(loss, callbacks=callbacks, **options)


def stagnation():
    evaluators = BestValueStagnationEvaluator(max_stagnation_trials=5), StaticErrorEvaluator(0)
    return TerminatorCallback(Terminator(*evaluators, min_n_trials=10))


@pytest.mark.parametrize(
    "callbacks",
    [
        MaxTrialsCallback(20),
        [pl.OptunaCallback(MaxTrialsCallback(20))],
        {"optuna": {"callback": "MaxTrialsCallback", "arguments": {"n_trials": 20}}},
    ],
)
def test_a_number_of_trials_ends_the_search(callbacks):
    result = search(slow, callbacks)
    assert result.reason == "callback"
    assert 20 <= result.statuses[pl.Status.OK] < 60


def test_the_terminator_ends_it():
    result = search(slow, stagnation())
    assert result.reason == "callback"
    assert 15 <= result.evaluations < 300


def test_a_function_is_told_of_each_trial_in_a_study_that_has_them_all(tmp_path):
    told = []

    def callback(study, trial):
        assert study.direction == optuna.study.StudyDirection.MAXIMIZE
        assert study.study_name == "run"
        told.append(trial)
        assert [each.number for each in study.trials] == list(range(len(study.trials)))
        assert study.trials[-1] == trial

    first = search(objective, pl.OptunaCallback(callback), evaluations=30, run=tmp_path / "run")
    again = search(objective, pl.OptunaCallback(callback), evaluations=40, run=tmp_path / "run")
    assert [trial.number for trial in told] == list(range(40))
    assert first.evaluations == 30
    for trial, individual in zip(told, again.individuals, strict=True):
        assert trial.state == (TrialState.FAIL if individual.failed else TrialState.COMPLETE)
        assert trial.values == (None if individual.failed else [individual.params["x"]])
        assert trial.params == individual.params


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: pl.OptunaCallback("MaxTrials"), "must be one of Optuna's; did you mean 'MaxTrialsCallback'"),
        (lambda: pl.OptunaCallback("MaxTrialsCallback"), "MaxTrialsCallback: .*missing 1 required positional argument"),
        (lambda: pl.OptunaCallback(3), "callback=3 must be a callback of Optuna's"),
        (lambda: pl.OptunaCallback(print, {}), "must be a callback of Optuna's, or the name of its class"),
        (lambda: search(objective, optuna.samplers.TPESampler()), "is no callback: it has none of on_start"),
    ],
)
def test_what_is_no_callback_of_optunas_is_refused_in_one_line(make, words):
    with pytest.raises(ValueError, match=words) as refused:
        make()
    assert "\n" not in str(refused.value)
