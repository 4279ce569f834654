"""A run is in a study what it is here."""

import re
from collections import Counter
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

import propulate_like as pl
from propulate_like.cli.tables import ExportTable
from propulate_like.storage.run import Run

optuna = pytest.importorskip("optuna")
from exporting import STORAGES, export, search, storage, study_of  # noqa: E402
from optuna.trial import TrialState  # noqa: E402

from propulate_like.integrations.optuna.finished import Trials  # noqa: E402
from propulate_like.integrations.optuna.storing import Study  # noqa: E402


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def written(trial):
    """Tell values that are equal, but of different types, from each other."""
    return {
        name: repr(sorted(field.items()) if isinstance(field, dict) else field) for name, field in vars(trial).items()
    }


@pytest.mark.parametrize("target", STORAGES)
def test_trials_are_those_that_optuna_would_have_stored(target):
    result = search("mixed")
    assert export("mixed", target) == 60
    trials = Trials(Run("mixed").signs, Run("mixed").shape.rungs)
    reference = optuna.create_study(direction="maximize", storage=storage(target.replace("study", "reference")))
    for individual in result.individuals:
        told = trials.trial(individual)
        given = {
            name: getattr(told, name)
            for name in ("state", "values", "params", "distributions", "user_attrs", "intermediate_values")
        }
        made = optuna.trial.create_trial(**given)
        made.datetime_start, made.datetime_complete = told.datetime_start, told.datetime_complete
        reference.add_trial(made)
    stored = study_of(target, "mixed").trials
    assert stored == reference.trials
    assert list(map(written, stored)) == list(map(written, reference.trials))
    assert {trial.state for trial in stored} == {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}


def test_storages_that_are_not_known_are_left_to_optuna():
    search("mixed", 20)
    trials = list(map(Trials(Run("mixed").signs, 1).trial, Run("mixed").individuals()))
    kept = optuna.storages.InMemoryStorage()
    study = Study(kept, kept.create_new_study([optuna.study.StudyDirection.MAXIMIZE], "mixed"))
    study.add(trials)
    found = optuna.load_study(study_name="mixed", storage=kept).trials
    assert [trial.user_attrs for trial in found] == [trial.user_attrs for trial in trials]
    assert None not in set(study.sources())


def test_what_a_study_tells_is_what_the_run_does(command):
    result = search("mixed")
    command("export", "mixed", "--to", "optuna", STORAGES[0])
    study = study_of(STORAGES[0], "mixed")
    assert study.direction.name == "MAXIMIZE"
    assert (study.best_value, study.best_params) == (result.value, result.best.params)
    assert study.user_attrs["propulate_like:seed"] == 1
    assert study.user_attrs["propulate_like:objective"].endswith("score")
    assert study.user_attrs["propulate_like:ranks"] == 1
    for number, (trial, individual) in enumerate(zip(study.trials, result.individuals, strict=True)):
        told = trial.user_attrs
        assert (trial.number, trial.params) == (number, individual.params)
        assert trial.intermediate_values == {step: -loss for step, loss in individual.curve}
        assert trial.datetime_complete.timestamp() == pytest.approx(individual.ended, abs=1e-5)
        assert trial.duration.total_seconds() == pytest.approx(individual.seconds, abs=1e-5)
        assert told["propulate_like:id"] == str(individual.id)
        assert told.get("propulate_like:parents", "") == " ".join(map(str, individual.parents))
        assert individual.metrics.items() <= told.items()
        if individual.failed:
            assert (trial.state, trial.values) == (TrialState.FAIL, None)
            assert told["propulate_like:cause"] == individual.cause
        else:
            assert trial.state is (TrialState.COMPLETE if individual.status == "ok" else TrialState.PRUNED)
            assert trial.value == -individual.loss
            assert trial.state is TrialState.COMPLETE or trial.value == list(trial.intermediate_values.values())[-1]
    assert "momentum" not in next(trial for trial in study.trials if trial.params["optimizer"] == "adam").params


@pytest.mark.parametrize("target", STORAGES)
def test_exporting_again_adds_only_what_is_new(target):
    search("mixed", 20)
    assert export("mixed", target) == 20
    assert export("mixed", target) == 0
    result = search("mixed", 50)
    assert export("mixed", target) == 30
    trials = study_of(target, "mixed").trials
    assert [trial.user_attrs["propulate_like:id"] for trial in trials] == [str(one.id) for one in result.individuals]
    assert [trial.number for trial in trials] == list(range(50))


@pytest.mark.parametrize("target", STORAGES)
def test_individuals_are_known_again_from_an_hour_that_clocks_repeat(target, command, monkeypatch):
    first = datetime(2026, 11, 1, 5, 30, tzinfo=UTC).timestamp()  # half past one in New York, where it then was again
    pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=4, seed=1, run="autumn", progress=False)
    (journal,) = Path("autumn/journal").iterdir()
    ends = count(first, 1800.0)
    lines = [
        re.sub(r'"ended":[0-9.e+]+', lambda _: f'"ended":{next(ends)}', line)
        for line in journal.read_text().splitlines(keepends=True)
    ]
    journal.write_text("".join(lines))
    monkeypatch.setenv("TZ", "America/New_York")
    assert command("export", "autumn", "--to", "optuna", target).stdout.startswith("4 evaluations added")
    assert command("export", "autumn", "--to", "optuna", target).stdout.startswith("0 evaluations added")


@pytest.mark.parametrize("target", STORAGES)
def test_many_are_added_in_the_order_in_which_they_ended(target):
    result = pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=4500, seed=1, run="many", progress=False)
    assert export("many", target, "others") == 4500
    trials = study_of(target, "others").trials
    assert [trial.number for trial in trials] == list(range(4500))
    assert [trial.params for trial in trials] == [individual.params for individual in result.individuals]


def test_one_storage_holds_several_studies_and_optuna_goes_on_with_them():
    for folder in ("first", "second"):
        search(folder, 30)
        export(folder, STORAGES[0])
    study = study_of(STORAGES[0], "first")
    study.optimize(lambda trial: trial.suggest_float("rate", 1e-5, 1e-1, log=True), n_trials=3)
    assert [trial.number for trial in study.trials] == list(range(33))
    assert len(study_of(STORAGES[0], "second").trials) == 30
    search("first", 40)
    assert export("first", STORAGES[0]) == 10
    assert [trial.number for trial in study.trials] == list(range(43))


@pytest.mark.parametrize("target", STORAGES)
@pytest.mark.parametrize("kind", ["of Optuna's own", "of another run", "with another direction"])
def test_a_foreign_study_is_refused_and_left_as_it_is(target, kind):
    search("mixed", 10)
    if kind == "of another run":
        search("another", 10)
        export("another", target, "mixed")
    else:
        direction = "minimize" if kind == "with another direction" else "maximize"
        study = optuna.create_study(direction=direction, study_name="mixed", storage=storage(target))
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    before = study_of(target, "mixed")
    trials, attributes = before.trials, before.user_attrs
    with pytest.raises(ValueError, match=rf"^{target}.* study 'mixed' .* not of this run"):
        export("mixed", target)
    after = study_of(target, "mixed")
    assert (after.trials, after.user_attrs) == (trials, attributes)


def test_only_the_highest_rung_is_complete():
    fidelity = pl.Fidelity("epochs", [1, 3, 9])
    result = pl.minimize(
        lambda x, epochs: (x - 0.3) ** 2 - 1 / epochs,  # cheap evaluations promise too much
        {"x": (0.0, 1.0)},
        evaluations=60,
        fidelity=fidelity,
        seed=1,
        run="rungs",
        progress=False,
    )
    export("rungs", STORAGES[0])
    study = study_of(STORAGES[0], "rungs")
    assert (study.best_value, study.best_params) == (result.value, result.best.params)
    rungs = Counter((trial.state.name, trial.user_attrs["propulate_like:rung"]) for trial in study.trials)
    assert rungs.keys() == {("PRUNED", 0), ("PRUNED", 1), ("COMPLETE", 2)}


def test_several_losses_have_their_signs_and_directions():
    def losses(x, y):
        return x**2 + y, -((x - 2) ** 2)

    result = pl.minimize(
        losses,
        {"x": (0.0, 3.0), "y": (0.0, 1.0)},
        directions=["minimize", "maximize"],
        evaluations=60,
        seed=1,
        run="several",
        progress=False,
    )
    export("several", STORAGES[0])
    study = study_of(STORAGES[0], "several")
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MAXIMIZE"]
    assert [tuple(trial.values) for trial in study.trials] == [losses(**each.params) for each in result.individuals]
    best = {trial.user_attrs["propulate_like:id"]: tuple(trial.values) for trial in study.best_trials}
    assert {str(individual.id) for individual in result.front} <= set(best), "which has all of several equal ones"
    assert {individual.values for individual in result.front} == set(best.values())
    rows = list(ExportTable(Run("several")).rows())
    assert [(row["value.0"], row["value.1"]) for row in rows] == [tuple(trial.values) for trial in study.trials]


def test_each_trial_has_the_parameters_that_its_evaluation_asked_for():
    def asking(trial):
        kind = trial.suggest_categorical("model/kind", ["linear", "tree"])
        if kind == "tree":
            return trial.suggest_int("tree depth", 1, 9) / 10
        return trial.suggest_float("linear/l2", 1e-4, 1.0, log=True)

    result = pl.minimize(asking, evaluations=40, seed=1, run="asking", progress=False)
    export("asking", STORAGES[0])
    study = study_of(STORAGES[0], "asking")
    assert [trial.params for trial in study.trials] == [individual.params for individual in result.individuals]
    assert {frozenset(trial.params) for trial in study.trials} == {
        frozenset({"model/kind", "tree depth"}),
        frozenset({"model/kind", "linear/l2"}),
    }
    assert study.best_params == result.best.params
