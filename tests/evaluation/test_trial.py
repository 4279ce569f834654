"""A loss that asks a trial for its parameters, as Optuna's objectives do, is searched as it is."""

import json
import math
from collections import Counter

import numpy as np
import pytest

import propulate_like as pl
from propulate_like.evaluation.context import Evaluation, Task, never_stop
from propulate_like.evaluation.objective import takes_trial
from propulate_like.population.individual import Candidate, Id
from propulate_like.problem.space import NOTHING
from propulate_like.storage.journal import journal_path
from propulate_like.storage.run import Run


def search(objective, **options):
    return pl.minimize(objective, **{"evaluations": 60, "seed": 0, "progress": False, **options})


def branching(trial):
    kind = trial.suggest_categorical("kind", ["svm", "network"])
    if kind == "svm":
        return abs(math.log10(trial.suggest_float("svm/c", 1e-3, 1e3, log=True)))
    layers = trial.suggest_int("layers", 1, 3)
    return 1.0 + sum(abs(trial.suggest_int(f"units {i}", 4, 128, log=True) - 20) / 100 for i in range(layers))


def units(params):
    return sum(name.startswith("units") for name in params)


def test_choices_in_a_set_are_asked_for_in_the_same_order_everywhere(script, python, monkeypatch):
    path = script("""
        import propulate_like as pl
        def loss(trial):
            return len(trial.suggest_categorical("x", {"adam", "sgd", "rmsprop", "lamb"}))
        print([i.params["x"] for i in pl.minimize(loss, evaluations=20, seed=0, progress=False).individuals])
    """)
    said = set()
    for seed in "123":
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        said.add(python(path).stdout)
    assert len(said) == 1


def test_each_individual_has_exactly_what_its_evaluation_asked_for():
    result = search(branching, evaluations=150)
    kinds = {each.params["kind"] for each in result.individuals}
    assert kinds == {"svm", "network"}
    for each in result.individuals:
        if each.params["kind"] == "svm":
            assert each.params.keys() == {"kind", "svm/c"}
        else:
            assert units(each.params) == each.params["layers"] == len(each.params) - 2
    assert result.best.params["kind"] == "svm"
    assert result.best.loss < 0.1


def test_a_run_is_read_and_continued_as_it_was_asked_for(tmp_path):
    first = search(branching, run=tmp_path / "run")
    before = [each.params for each in first.individuals]
    again = search(branching, run=tmp_path / "run", evaluations=90)
    assert again.evaluations == 90
    assert [each.params for each in again.individuals[:60]] == before
    assert again.best.loss <= first.best.loss
    assert Run(tmp_path / "run").config["space"] == {}


def test_lines_whose_space_cannot_be_are_passed_over(tmp_path):
    search(branching, run=tmp_path / "run")
    path = journal_path(tmp_path / "run", 0)
    lines = path.read_text().splitlines()
    whole = next(json.loads(line) for line in lines if '"evaluated"' in line)
    odd = '{"x": {"choice": ["a"], "options": 1}}'
    for space in ("", "[]", "{", '{"x": 1}', '{"x": {"float": [0, 1]}}', odd, "[" * 5000):
        lines.append(json.dumps({**whole, "id": [0, 0, 999], "space": space}))
    path.write_text("\n".join(lines) + "\n")
    assert len(list(Run(tmp_path / "run").individuals())) == 60


def test_seeds_repeat():
    """The propagator's choice is of no evaluation's time, which differs each time."""
    one, other = (search(branching, propagator=pl.UniformInitialization()) for _ in range(2))
    assert [each.params for each in one.individuals] == [each.params for each in other.individuals]


def test_an_evaluation_in_a_child_process_tells_what_it_asked_for(tmp_path):
    (tmp_path / "losses.py").write_text(
        "def objective(trial):\n"
        "    trial.set_user_attr('shape', [1, 2])\n"
        "    if trial.suggest_float('x', 0, 1) > 0.9:\n"
        "        raise RuntimeError('too high')\n"
        "    return trial.suggest_int('n', 1, 3)\n"
    )
    result = pl.minimize(
        str(tmp_path / "losses.py:objective"), evaluations=20, seed=1, progress=False, evaluation={"isolate": True}
    )
    for each in result.individuals:
        assert set(each.params) == ({"x"} if each.params["x"] > 0.9 else {"x", "n"})
        assert each.metrics == {"shape": [1, 2]}


def test_files_of_one_name_are_told_apart_in_child_processes(tmp_path):
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        path = tmp_path / str(number) / "same_name.py"
        path.write_text(f"def objective(trial):\n    return {number} + trial.suggest_float('x', 0, 0.5)\n")
        result = pl.minimize(f"{path}:objective", evaluations=3, seed=1, progress=False, evaluation={"isolate": True})
        assert {int(each.loss) for each in result.individuals} == {number}


def test_an_evaluation_that_kills_its_process_keeps_what_was_bred(tmp_path):
    (tmp_path / "aborting.py").write_text(
        "import os\n"
        "def objective(trial):\n"
        "    if trial.suggest_categorical('kind', 'abcd') == 'd':\n"
        "        os.abort()\n"
        "    return trial.suggest_float('x', 0, 1)\n"
    )
    result = pl.minimize(
        str(tmp_path / "aborting.py:objective"), evaluations=40, seed=1, progress=False, evaluation={"isolate": True}
    )
    assert result.evaluations == 40
    assert result.statuses[pl.Status.OK] + result.statuses[pl.Status.CRASHED] == 40
    assert all(each.params["kind"] != "d" for each in result.individuals if each.has_loss)


Pruned = type("TrialPruned", (Exception,), {"__module__": "optuna.exceptions"})


def test_what_a_loss_prunes_is_stopped_with_its_last_value():
    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        for step in range(3):
            trial.report(x + step, step)
            trial.report(100.0, step)  # a step again: passed over
            if x > 0.5:
                raise Pruned
        return x

    for each in search(objective).individuals:
        x = each.params["x"]
        assert each.status == (pl.Status.STOPPED if x > 0.5 else pl.Status.OK)
        assert each.loss == x
        assert each.curve == tuple((step, x + step) for step in range(1 if x > 0.5 else 3))


@pytest.mark.parametrize("pruner", [None, "median", {"optuna": "WilcoxonPruner"}, {"optuna": "HyperbandPruner"}])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning", "ignore:WilcoxonPruner finds steps")
def test_steps_are_reported_in_any_order_and_a_retry_reports_anew(pruner, tmp_path):
    attempts = Counter()

    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        attempts[trial.number] += 1
        if trial.number % 3 == 0 and attempts[trial.number] == 1:
            for step in (7, 3):
                trial.report(9.0, step)
            raise RuntimeError
        for step in (5, 1, 5, 4):
            trial.report(x + step, step)
        return x

    evaluation = {"retries": 1, "retry_on": ["error"]}
    result = search(objective, pruner=pruner, evaluation=evaluation, run=tmp_path / "run")
    assert result.statuses[pl.Status.OK] + result.statuses.get(pl.Status.STOPPED, 0) == 60
    for each in [*result.individuals, *Run(tmp_path / "run").individuals()]:
        assert each.curve == tuple((step, each.params["x"] + step) for step in (1, 4, 5))
    again = search(objective, pruner=pruner, evaluation=evaluation, run=tmp_path / "run", evaluations=70)
    assert again.evaluations == 70


def test_a_pruner_stops_trials_and_one_pruned_before_any_report_is_a_failure():
    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        if x > 0.9:
            raise Pruned
        for step in range(10):
            trial.report(x, step)
            if trial.should_prune():
                raise Pruned
        return x

    result = search(objective, pruner="median", propagator=pl.UniformInitialization())
    assert result.statuses[pl.Status.STOPPED] > 5
    failed = [each for each in result.individuals if each.failed]
    assert failed
    assert all(each.params["x"] > 0.9 and "pruned before" in each.cause for each in failed)


def test_a_violated_constraint_makes_an_infeasible_evaluation_and_the_best_violates_none():
    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        trial.set_constraint("half", 0.5 - x)
        return x

    result = search(objective)
    for each in result.individuals:
        assert each.metrics["constraint.half"] == each.constraints[0] == 0.5 - each.params["x"]
        assert each.loss == each.params["x"]
        assert each.status == ("infeasible" if each.params["x"] < 0.5 else "ok")
    assert 0.5 <= result.best.params["x"] < 0.52


def test_numbers_tell_evaluations_apart_and_names_stand_for_one_value():
    numbers = []

    def objective(trial):
        numbers.append(trial.number)
        x = trial.suggest_float("x", 0, 1)
        assert trial.suggest_float("x", 0, 1) == x == trial.params["x"]
        assert trial.suggest_float("x", 2, 3) == x
        with pytest.raises(ValueError, match="x was asked for already, as Float"):
            trial.suggest_int("x", 0, 1)
        with pytest.raises(ValueError, match="step=-1 must be a whole number of at least 0"):
            trial.report(x, -1)
        return x

    search(objective)
    assert numbers == list(range(60))


def test_ranges_may_move_between_evaluations():
    seen = []

    def objective(trial):
        top = trial.suggest_int("top", 1, 4)
        x = trial.suggest_float("x", 0, top)
        assert 0 <= x <= top
        seen.append(x)
        return -x

    result = search(objective, evaluations=100)
    assert max(seen) > 3.5
    assert not any(each.failed for each in result.individuals)


def test_a_loss_of_a_trial_is_told_its_fidelity_and_its_evaluation():
    def objective(trial, evaluation, *, epochs):
        assert evaluation.fidelity == epochs
        return trial.suggest_float("x", 0.0, 1.0) + 1.0 / epochs

    result = search(objective, fidelity={"name": "epochs", "rungs": [1, 3, 9]})
    promoted = [each for each in result.individuals if each.rung]
    assert promoted
    for each in result.individuals:
        assert each.loss == each.params["x"] + 1.0 / [1, 3, 9][each.rung]


def test_texts_that_no_file_can_hold_end_no_search(tmp_path):
    def objective(trial):
        trial.set_user_attr("\udcff", "\udcff")
        trial.set_constraint("\udcff", -1.0)
        return float(trial.suggest_categorical("kind", ["\udcff", "other"]) == "other")

    result = search(objective, evaluations=8, run=tmp_path / "run")
    assert result.statuses == {pl.Status.OK: 8}
    assert result.best.params == {"kind": "\udcff"}
    assert result.best.metrics == {"\\udcff": "\\udcff", "constraint.\\udcff": -1.0}


def asked(ask):
    task = Task(Candidate(Id(0, 0, 0), (), NOTHING), seed=3)
    return ask(pl.Trial(task, Evaluation(task, never_stop)))


@pytest.mark.parametrize(
    ("ask", "values"),
    [
        (lambda trial: trial.suggest_float("x", 0, 1, step=0.3), {0.0, 0.3, 0.6, 0.9}),
        (lambda trial: trial.suggest_int("x", 1, 10, step=4), {1, 5, 9}),
        (lambda trial: trial.suggest_discrete_uniform("x", 0, 1, 0.5), {0.0, 0.5, 1.0}),
        (lambda trial: trial.suggest_categorical("x", (1, True, None, "1")), {1, None, "1"}),
        (lambda trial: trial.suggest_categorical("x", np.arange(3)), {0, 1, 2}),
        (lambda trial: trial.suggest_categorical("x", [(64,), (np.int64(64), "a")]), {(64,), (64, "a")}),
        (lambda trial: trial.suggest_loguniform("x", 2.0, 2.0), {2.0}),
        (lambda trial: trial.suggest_uniform("x", 2, 2), {2.0}),
        (lambda trial: trial.suggest_float("x", np.float32(2), np.int64(2)), {2.0}),
        (lambda trial: trial.suggest_float("x", np.float32(1), np.int64(2), step=np.float32(1)), {1.0, 2.0}),
        (lambda trial: trial.suggest_float("x", np.float32(2), np.float32(2)), {2.0}),
        (lambda trial: trial.suggest_float("x", np.int64(0), np.float32(1), step=np.float32(0.5)), {0.0, 0.5, 1.0}),
    ],
)
def test_values_are_those_of_the_range_asked_for(ask, values):
    assert asked(ask) in values


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda trial: trial.suggest_float("x", 1, 0), r"x: low=1\.0 lies above high=0\.0"),
        (lambda trial: trial.suggest_float("x", 0, 1, log=True), "x: low=0.0 must be above 0 on a log"),
        (lambda trial: trial.suggest_float("x", 1, 2, log=True, step=0.1), "x: step=0.1 and log=True exclude"),
        (lambda trial: trial.suggest_int("x", 1, 9, log=True, step=2), "x: step=2 and log=True exclude"),
        (lambda trial: trial.suggest_int("x", 1, 9, step=0), "x: step=0 must be above 0"),
        (lambda trial: trial.suggest_categorical("x", []), "x: Choice.. needs at least one value"),
        (lambda trial: trial.suggest_categorical("x", [{1}]), r"x: \{1\} must be a string, number"),
        (lambda trial: trial.suggest_categorical("x", [("a", {1}), "b"]), r"x: \{1\} must be a string, number"),
        (lambda trial: trial.suggest_categorical("x", [(1,), (True,)]), r"x: \(True,\) is given twice"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_by_name(ask, message):
    with pytest.raises(ValueError, match=message):
        asked(ask)


def test_a_loss_of_a_trial_is_told_by_its_argument():
    class Objective:
        def __call__(self, trial):
            return trial.suggest_float("x", 0, 1)

    def annotated(t: pl.Trial, top=1):
        return t.suggest_float("x", 0, top)

    for objective in (Objective(), annotated, lambda trial: trial.suggest_float("x", 0, 1)):
        assert takes_trial(objective)
        assert search(objective, evaluations=30).best.loss < 0.1
    for other in (lambda x: x, lambda trial, _data: trial, lambda: 0):
        assert not takes_trial(other)
    with pytest.raises(ValueError, match=r"has no search space: .* or name its argument `trial`"):
        search(lambda x: x)


@pytest.mark.mpi
def test_ranks_learn_the_space_from_each_other(script, pooled, reports):
    path = script("""
        import propulate_like as pl
        from mpi4py import MPI
        def objective(trial):
            rank = MPI.COMM_WORLD.rank
            kind = trial.suggest_categorical("kind", ["shared", "own"])
            names = ["x", "y"] if kind == "shared" else [f"{rank}", "z"]
            return sum((trial.suggest_float(name, 0, 1) - 0.3) ** 2 for name in names)
        result = pl.minimize(objective, evaluations=400, seed=0, islands=2, run="run", progress=False)
        known = {name for each in result.individuals for name in each.params}
        report(result.evaluations, result.best.loss < 0.01, known > {"kind", "x", "y", "z"})
    """)
    pooled(path, ranks=4)
    assert reports() == [["400", "True", "True"]] * 4


@pytest.mark.mpi
def test_what_a_dead_rank_was_asked_is_evaluated_by_another(tmp_path, command):
    (tmp_path / "losses.py").write_text(
        "import os, time\n"
        "from pathlib import Path\n"
        "def objective(trial):\n"
        "    x = trial.suggest_float('x', 0, 1)\n"
        "    y = trial.suggest_float('y', 0, 1) if trial.suggest_categorical('kind', 'ab') == 'a' else 0\n"
        "    time.sleep(0.02)\n"
        "    if trial.number > 40 and not Path('died').exists():\n"
        "        Path('died').touch()\n"
        "        os.kill(os.getpid(), 9)\n"
        "    return x + y\n"
    )
    (tmp_path / "search.yaml").write_text("objective: losses.py:objective\nbudget: {evaluations: 100}\nrun: run\n")
    ended = command("run", "search.yaml", "-n", "3")
    run = Run(tmp_path / "run")
    assert len({each.id for each in run.individuals()}) == 100, ended.stderr
    assert (tmp_path / "died").exists()
