"""The pruning callbacks of optuna-integration work as they do in Optuna, where their libraries are installed."""

import warnings

import numpy as np
import optuna
import pytest

import propulate_like as pl

pytest.importorskip("optuna_integration", reason="pip install optuna-integration")

DRAW = np.random.default_rng(0)
FEATURES = DRAW.normal(size=(200, 5))
LABELS = (FEATURES[:, 0] + 0.5 * DRAW.normal(size=200) > 0).astype(int)


def lightgbm(trial):
    lightgbm = pytest.importorskip("lightgbm")
    from optuna_integration import LightGBMPruningCallback

    param = {"objective": "binary", "metric": "auc", "verbosity": -1, "num_threads": 1}
    param["learning_rate"] = trial.suggest_float("rate", 1e-5, 1.0, log=True)
    param["num_leaves"] = trial.suggest_int("leaves", 2, 31)
    train, valid = (lightgbm.Dataset(FEATURES[some], label=LABELS[some]) for some in (slice(100), slice(100, 200)))
    callback = LightGBMPruningCallback(trial, "auc")
    model = lightgbm.train(param, train, 20, valid_sets=[valid], callbacks=[callback])
    return model.best_score["valid_0"]["auc"]


def xgboost(trial):
    xgboost = pytest.importorskip("xgboost")
    from optuna_integration import XGBoostPruningCallback

    param = {"objective": "binary:logistic", "eval_metric": "auc", "nthread": 1}
    param["eta"] = trial.suggest_float("rate", 1e-5, 1.0, log=True)
    param["max_depth"] = trial.suggest_int("depth", 1, 6)
    train, valid = (xgboost.DMatrix(FEATURES[some], label=LABELS[some]) for some in (slice(100), slice(100, 200)))
    seen = {}
    callback = XGBoostPruningCallback(trial, "validation-auc")
    evals = [(valid, "validation")]
    xgboost.train(param, train, 20, evals=evals, callbacks=[callback], verbose_eval=False, evals_result=seen)
    return seen["validation"]["auc"][-1]


def catboost(trial):
    catboost = pytest.importorskip("catboost")
    from optuna_integration import CatBoostPruningCallback

    rate = trial.suggest_float("rate", 1e-4, 1.0, log=True)
    depth = trial.suggest_int("depth", 1, 5)
    model = catboost.CatBoostClassifier(
        iterations=20, learning_rate=rate, depth=depth, eval_metric="AUC", thread_count=1, allow_writing_files=False
    )
    callback = CatBoostPruningCallback(trial, "AUC")
    model.fit(FEATURES[:100], LABELS[:100], eval_set=(FEATURES[100:], LABELS[100:]), verbose=0, callbacks=[callback])
    callback.check_pruned()
    return model.best_score_["validation"]["AUC"]


@pytest.mark.parametrize("objective", [lightgbm, xgboost, catboost])
def test_an_objective_with_a_pruning_callback_is_stopped(objective):
    pytest.importorskip(objective.__name__)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        result = pl.maximize(
            objective, evaluations=25, seed=0, pruner="median", progress=False, propagator=pl.UniformInitialization()
        )
    assert set(result.statuses) == {pl.Status.OK, pl.Status.STOPPED}, result.failure.cause
    assert {len(each.curve) for each in result.individuals if each.status is pl.Status.OK} == {20}
    assert min(len(each.curve) for each in result.individuals) < 20
    assert result.value > 0.8


def test_a_callback_that_asks_for_the_other_direction_says_so():
    pytest.importorskip("lightgbm")
    with pytest.raises(pl.SearchFailed, match="inconsistent with the objective values in terms of study directions"):
        pl.minimize(lightgbm, evaluations=3, seed=0, progress=False)
