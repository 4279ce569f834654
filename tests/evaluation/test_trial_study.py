"""A trial has what integrations ask of Optuna's study and storage; what it has not is refused at once."""

import json

import numpy as np
import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta, upload_artifact
from optuna.study import StudyDirection
from optuna.trial import TrialState

import propulate_like as pl
from propulate_like.evaluation.context import Evaluation, Task, never_stop
from propulate_like.population.individual import Candidate, Id
from propulate_like.problem.space import NOTHING

ISOLATED = pytest.mark.parametrize("isolate", [False, pytest.param(True, marks=pytest.mark.process)])


def search(objective, **options):
    return pl.minimize(objective, **{"evaluations": 30, "seed": 0, "progress": False, **options})


def trial(signs=(1.0,), environment=None):
    task = Task(Candidate(Id(0, 0, 3), (), NOTHING), seed=3, environment=environment or {}, number=3)
    return pl.Trial(task, Evaluation(task, never_stop, signs))


@ISOLATED
def test_the_study_tells_the_best_of_the_evaluations_before(tmp_path, isolate):
    (tmp_path / "best_losses.py").write_text(
        "def objective(trial):\n"
        "    x = trial.suggest_float('x', 0, 1)\n"
        "    if trial.number:\n"
        "        best = trial.study.best_trial\n"
        "        assert best.params == trial.study.best_params and best.value == trial.study.best_value\n"
        "        trial.set_user_attr('best', [best.number, best.value, best.params['x'], best.user_attrs['own']])\n"
        "    trial.set_user_attr('own', trial.number)\n"
        "    return x\n"
    )
    options = {"evaluations": 30, "seed": 0, "progress": False, "run": tmp_path / "run"}
    result = pl.maximize(f"{tmp_path / 'best_losses.py'}:objective", **options, evaluation={"isolate": isolate})
    assert result.statuses == {pl.Status.OK: 30}, result.failure.cause
    values = [each.value for each in result.individuals]
    for number, each in enumerate(result.individuals[1:], 1):
        best = max(values[:number])
        assert each.metrics["best"] == [values.index(best), best, best, values.index(best)]


def test_before_anything_has_succeeded_the_study_says_so_as_optunas_does():
    with pytest.raises(ValueError, match="No trials are completed yet"):
        _ = trial().study.best_value


def test_directions_are_optunas():
    study = trial((1.0, -1.0)).study
    assert study.directions == [StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE]
    assert trial((-1.0,)).study.direction == StudyDirection.MAXIMIZE
    for name in ("direction", "best_trial", "best_value", "best_params"):
        with pytest.raises(RuntimeError, match=f"trial.study.{name} is not there, as there are 2 losses"):
            getattr(study, name)


def test_members_of_a_team_are_told_of_no_best_of_which_they_may_know_different_ones():
    with pytest.raises(RuntimeError, match="not there in a team"):
        _ = trial(environment={"WORLD_SIZE": "2"}).study.best_value


def test_a_study_has_the_name_of_its_runs_folder(tmp_path):
    names = set()

    def objective(trial):
        names.add(trial.study.study_name)
        return trial.suggest_float("x", 0, 1)

    search(objective, evaluations=3, run=tmp_path / "mine")
    search(objective, evaluations=3)
    assert names == {"mine", "propulate-like"}


@ISOLATED
def test_an_evaluation_that_stops_the_study_is_the_last_one(tmp_path, isolate):
    (tmp_path / "stopping_losses.py").write_text(
        "def objective(trial):\n"
        "    x = trial.suggest_float('x', 0, 1)\n"
        "    if trial.number == 12:\n"
        "        trial.study.stop()\n"
        "        raise RuntimeError('a failure stops it as well')\n"
        "    return x\n"
    )
    result = search(f"{tmp_path / 'stopping_losses.py'}:objective", evaluations=50, evaluation={"isolate": isolate})
    assert (result.evaluations, result.reason) == (13, "callback")
    assert result.individuals[12].failed


@pytest.mark.mpi
def test_it_is_stopped_on_all_ranks(script, pooled, reports):
    path = script("""
        import time
        import propulate_like as pl
        def objective(trial):
            x = trial.suggest_float("x", 0, 1)
            time.sleep(0.01)
            if trial.number > 50:
                trial.study.stop()
            return x
        result = pl.minimize(objective, evaluations=10**6, seconds=120, seed=0, progress=False)
        report(result.reason, 17 <= result.evaluations < 2000)
    """)
    pooled(path, ranks=3)
    assert reports() == [["callback", "True"]] * 3


def test_what_is_set_for_the_study_is_known_to_the_evaluations_after_and_kept_with_the_individual():
    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        trial.set_user_attr("seen", trial.study.user_attrs.get("last"))
        trial.study.set_user_attr("last", trial.number)
        return x

    individuals = search(objective).individuals
    assert [each.metrics["seen"] for each in individuals] == [None, *range(29)]
    assert [each.metrics["study_attrs"] for each in individuals] == [{"last": number} for number in range(30)]


def test_system_attributes_are_kept_and_exported_as_such(tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = FileSystemArtifactStore(tmp_path)
    (tmp_path / "plot.txt").write_text("a plot")

    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        assert isinstance(trial, optuna.trial.Trial)
        upload_artifact(artifact_store=store, file_path="plot.txt", study_or_trial=trial)
        trial.storage.set_trial_system_attr(trial._trial_id, "scores", np.array([x, 2.0]))
        assert trial.storage.get_trial_system_attrs(trial._trial_id) == trial.system_attrs
        return x

    result = search(objective, run="run", evaluations=5)
    assert result.statuses == {pl.Status.OK: 5}, result.failure.cause
    for target in ("sqlite:///study.db", "study.log"):
        command("export", "run", "--to", "optuna", target)
    journal = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend("study.log"))
    for storage in (optuna.storages.RDBStorage("sqlite:///study.db"), journal):
        trials = optuna.load_study(study_name="run", storage=storage).trials
        for each, individual in zip(trials, result.individuals, strict=True):
            assert each.system_attrs == individual.metrics["system_attrs"]
            assert each.system_attrs["scores"] == [each.params["x"], 2.0]
            assert "system_attrs" not in each.user_attrs
            (artifact,) = get_all_artifact_meta(each, storage=storage)
            assert (artifact.filename, (tmp_path / artifact.artifact_id).read_text()) == ("plot.txt", "a plot")
    row = json.loads(command("results", "run", "--top", "1", "--format", "json").stdout)[0]
    assert row["metrics"]["system_attrs"] == result.best.metrics["system_attrs"]


def test_values_bred_for_an_evaluation_are_its_relative_params():
    bred = []

    def objective(trial):
        bred.append((trial.relative_params, trial.suggest_float("x", 0, 1)))
        return bred[-1][1]

    search(objective)
    assert bred[0][0] == {}
    assert [relative for relative, _ in bred[10:]] == [{"x": x} for _, x in bred[10:]]


def uses_trials(trial):
    return len(trial.study.trials)


def names_the_study(trial):
    study = trial.study
    if trial.suggest_int("n", 0, 1):
        return 0.0
    return study.best_trials[0].values


def adds_trials(trial):
    trial.study.enqueue_trial({"x": 1})


def reads_the_storage(trial):
    return trial.study._storage.get_all_trials(0)


class Asking:
    def __call__(self, trial):
        return [trial.study.ask() for _ in range(3)]


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        (uses_trials, r"uses_trials\(\) uses trial.study.trials in line \d+, which is not there: no rank knows all"),
        (names_the_study, r"trial.study.best_trials in line \d+, which .*result.front"),
        (adds_trials, r"trial.study.enqueue_trial in line \d+, which is not there: an evaluation adds none"),
        (reads_the_storage, r"trial.storage.get_all_trials in line \d+, which is not there: there is no storage"),
        (Asking(), r"trial.study.ask in line \d+, which is not there: the search itself asks"),
        (lambda trial: trial.study.tell(trial, 0), r"<lambda>\(\) uses trial.study.tell"),
    ],
)
def test_what_is_not_there_is_refused_before_the_first_evaluation(objective, words):
    with pytest.raises(ValueError, match=words) as refused:
        search(objective)
    assert "\n" not in str(refused.value)


def test_the_line_that_is_named_is_the_line_of_the_file():
    with pytest.raises(ValueError, match=f"in line {uses_trials.__code__.co_firstlineno + 1},"):
        search(uses_trials)


def test_check_refuses_it_without_importing_the_file(tmp_path, command):
    (tmp_path / "mine.py").write_text(
        "raise RuntimeError\n\ndef objective(trial):\n    return trial.study.get_trials()[0].value\n"
    )
    (tmp_path / "search.yaml").write_text("objective: mine.py:objective\nbudget: {evaluations: 3}\nrun: run\n")
    ended = command("check", "search.yaml", check=False)
    assert "objective() uses trial.study.get_trials in line 4, which is not there: no rank knows" in ended.stderr
    assert ended.returncode == 2


@pytest.mark.parametrize("progress", [None, True])
def test_what_only_some_evaluations_may_come_to_is_said_and_not_refused(capsys, progress):
    def objective(trial):
        for number in trial.system_attrs.get("retry_history", []):
            trial.set_user_attr("before", trial.study.trials[number].value)
        return trial.suggest_float("x", 0, 1)

    assert search(objective, evaluations=3, progress=progress).statuses == {pl.Status.OK: 3}
    assert "objective() uses trial.study.trials in line" in capsys.readouterr().err


def guards(trial):
    try:
        best = trial.study.best_trials
    except AttributeError:
        best = []
    return trial.suggest_float("x", 0, 1) + len(best)


def looks_first(trial):
    return float(len(getattr(trial.study, "trials", [])))


def has_another_study(trial):
    def callback(study, trial):
        return study.trials, trial.study.trials

    study = optuna.create_study()
    return trial.suggest_float("x", 0, 1) + len(study.trials) + (callback is None)


def rebinds(trial):
    x = trial.suggest_float("x", 0, 1)
    for trial in optuna.create_study().trials:  # noqa: PLR1704 (as some do)
        return trial.study.trials
    return x


@pytest.mark.parametrize("objective", [guards, looks_first, has_another_study, rebinds])
def test_what_is_seen_to_or_is_of_another_study_is_not_refused(objective):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    assert search(objective, evaluations=3).statuses == {pl.Status.OK: 3}


def test_what_only_running_it_tells_fails_with_the_same_words():
    asked = trial()
    for read, words in (
        (lambda: getattr(asked.study, "trials"), "trial.study.trials is not there: no rank knows all evaluations"),  # noqa: B009
        (lambda: asked.study.best_vlaue, "trial.study.best_vlaue is not there: .* did you mean 'best_value'"),
        (lambda: asked.sugest_float, "trial.sugest_float is not there: .* did you mean 'suggest_float'"),
        (lambda: asked.storage.get_all_studies, "trial.storage.get_all_studies is not there: there is no storage"),
    ):
        with pytest.raises(AttributeError, match=words):
            read()
    with pytest.raises(KeyError, match="trial 7 is not there"):
        asked.storage.get_trial_system_attrs(7)


def test_a_trial_in_a_study_of_ones_own_is_finished_as_what_it_was():
    """The best trial can be added to a study of Optuna's."""

    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        if trial.number == 5:
            study = optuna.create_study()
            study.add_trial(trial.study.best_trial)
            assert study.best_trial.state == TrialState.COMPLETE
            assert study.best_params == trial.study.best_params
        return x

    assert search(objective, evaluations=8).statuses == {pl.Status.OK: 8}
