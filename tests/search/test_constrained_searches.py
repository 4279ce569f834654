"""Constraints in searches: their status, what is best, and where they are told and shown."""

import json
import math

import pytest

import propulate_like as pl
from propulate_like.cli.show import as_json, best, nested_rows, rows_of, status, status_text
from propulate_like.storage.run import Run

SPACE = {"x": pl.Float(0, 1), "y": pl.Float(0, 1)}


def bounded(x, y):
    return {"loss": x + y, "constraints": [0.5 - x, 0.25 - y], "sum": x + y}


def far(x, y):
    return {"loss": -x, "constraints": {"distance": abs(x - 0.7) + abs(y - 0.2) + 1.0}}


@pytest.fixture
def search(tmp_path):
    def run(loss, **options):
        default = {"space": SPACE, "evaluations": 150, "seed": 0, "run": tmp_path / "run", "progress": False}
        return pl.minimize(loss, **{**default, **options})

    return run


def test_the_best_violates_no_constraint_and_infeasible_evaluations_are_no_failures(search):
    result = search(bounded)
    assert 0.75 <= result.value < 0.85
    assert result.best is result.least_violating
    assert set(result.statuses) == {"ok", "infeasible"}
    assert sum(result.statuses.values()) == 150
    assert result.failure is None
    for each in result.individuals:
        x, y = each.params.values()
        assert each.constraints == (0.5 - x, 0.25 - y)
        assert each.feasible is (each.status == "ok") is (x >= 0.5 and y >= 0.25)
        assert each.loss == x + y
    assert [each.loss for each in result.trace] == sorted((each.loss for each in result.trace), reverse=True)
    assert result.trace[-1].loss == result.best.loss


def test_where_nothing_is_feasible_the_least_violating_one_is_at_hand(search, tmp_path):
    result = search(far)
    assert (result.best, result.succeeded, result.trace) == (None, False, [])
    assert 1.0 <= result.least_violating.violation < 1.1
    assert result.statuses == {"infeasible": 150}
    with pytest.raises(LookupError, match=r"no evaluation is feasible, the least violation is 1"):
        _ = result.value
    assert "nothing feasible, violation 1" in repr(result)
    known = status(Run(tmp_path / "run"))
    assert (known["best"], known["least_violation"]) == (None, result.least_violating.violation)
    assert "nothing is feasible; the violation is 1" in status_text(known)
    shown = rows_of(best(Run(tmp_path / "run"), 2), Run(tmp_path / "run"))
    assert shown[0]["violation"] == shown[0]["constraints.0"] == result.least_violating.violation


def test_several_losses_have_a_front_of_feasible_ones(search):
    def loss(x, y):
        return {"loss": (x, y), "constraints": 0.5 - x - y}

    result = search(loss, directions=["minimize", "minimize"])
    assert len(result.front) > 3
    assert all(each.feasible for each in result.front)
    assert all(0.5 <= sum(each.losses) < 0.8 for each in result.front)


def test_generators_and_what_is_stopped_have_constraints(search):
    def loss(x, y):
        for epoch in range(5):
            yield {"loss": x + y + 1 / (1 + epoch), "constraints": [0.5 - x]}

    result = search(loss, pruner="median")
    assert result.statuses[pl.Status.STOPPED] > 10
    assert result.best.params["x"] >= 0.5
    stopped = [each for each in result.individuals if each.status == "stopped"]
    assert all(each.constraints == (0.5 - each.params["x"],) for each in stopped)
    assert any(not each.feasible for each in stopped)


def test_a_target_is_met_by_what_is_feasible_only(search):
    result = search(bounded, target=0.8)
    assert result.reason == "target"
    assert 0.75 <= result.value <= 0.8


def test_another_number_of_constraints_is_invalid_with_its_cause_also_when_continued(search):
    counts = iter([2] * 10 + [3] + [2] * 9 + [0] * 20)

    def loss(x, y):
        return {"loss": x + y, "constraints": [-1.0] * next(counts)}

    first = search(loss, evaluations=20)
    (wrong,) = [each for each in first.individuals if each.failed]
    assert wrong.status == "invalid"
    assert wrong.cause == "3 constraints, where evaluations before had 2: all must have as many"
    assert first.statuses == {"ok": 19, "invalid": 1}
    again = search(loss, evaluations=30)
    assert again.statuses == {"ok": 19, "invalid": 11}
    assert again.failure.cause.startswith(("3 constraints", "0 constraints"))


def test_a_continued_search_knows_constraints(search):
    search(bounded, evaluations=60)
    result = search(bounded, evaluations=150)
    assert 0.75 <= result.value < 0.85
    assert len([each for each in result.individuals if each.constraints]) == 150


def test_a_child_tells_constraints(search, script):
    path = script("""
        import math

        def loss(x, y):
            return {"loss": x + y, "constraints": [0.5 - x, -math.inf]}
    """)
    result = search(f"{path}:loss", evaluations=20, evaluation={"isolate": True})
    assert all(each.constraints == (0.5 - each.params["x"], -math.inf) for each in result.individuals)
    assert set(result.statuses) == {"ok", "infeasible"}


def test_a_command_prints_constraints(search):
    printed = 'BEGIN {printf "{\\"loss\\": %.17g, \\"constraints\\": [%.17g]}\\n", x + y, 0.5 - x}'
    result = search(pl.Command(["awk", "-v", "x={x}", "-v", "y={y}", printed]), evaluations=15)
    assert all(each.constraints == (0.5 - each.params["x"],) for each in result.individuals)


def test_a_table_of_a_search_begins_another_one(search, tmp_path):
    pytest.importorskip("pandas")
    first = search(bounded)
    frame = first.to_dataframe()
    assert {"violation", "constraints.0", "constraints.1"} <= set(frame.columns)
    known = pl.WarmStart(frame).read(pl.Space(SPACE))
    assert [each.outcome.constraints for each in known] == [each.constraints for each in first.individuals]
    assert [each.status for each in known] == [each.status for each in first.individuals]
    frame.to_csv(tmp_path / "table.csv", index=False)
    second = search(bounded, warm_start=tmp_path / "table.csv", evaluations=30, run=None)
    assert second.value < 0.78


@pytest.mark.parametrize("seconds", [1e-6, 60.0])
@pytest.mark.parametrize("kind", ["continuous", "mixed"])
def test_ask_and_tell_find_the_way_from_an_infeasible_start(seconds, kind):
    space = {"x": pl.Float(0, 1), "y": pl.Float(0, 1)}
    if kind == "mixed":
        space["z"] = pl.Choice("a", "b", "c")
    optimizer = pl.Optimizer(space, seed=1)
    for _ in range(60 if seconds > 1.0 else 400):
        asked = optimizer.ask()
        x, y = asked.params["x"], asked.params["y"]
        worse = 0.1 * (asked.params.get("z", "b") != "b")
        distance = (x - 0.83) ** 2 + (y - 0.17) ** 2 + worse
        optimizer.tell(asked, {"loss": -1000.0 * x, "constraints": [distance - 0.003, y - 2.0]}, seconds=seconds)
    assert optimizer.best is not None
    assert -1000.0 * 0.885 < optimizer.best.loss < -1000.0 * 0.86


@pytest.mark.mpi
def test_ranks_tell_each_other_constraints(script, pooled, reports):
    path = script("""
        import propulate_like as pl

        def loss(x, y):
            return {"loss": x + y, "constraints": [0.5 - x, 0.25 - y]}

        if __name__ == "__main__":
            space = {"x": pl.Float(0, 1), "y": pl.Float(0, 1)}
            result = pl.minimize(loss, space, evaluations=300, seed=0, progress=False)
            wrong = [each for each in result.individuals if len(each.constraints) != 2]
            report(result.value, len(wrong), result.best.feasible, *sorted(result.statuses))
    """)
    pooled(path, ranks=3)
    told = reports()
    assert len(told) == 3
    assert all(words == told[0] for words in told)
    assert 0.75 <= float(told[0][0]) < 0.8
    assert told[0][1:] == ["0", "True", "infeasible", "ok"]


@pytest.mark.parametrize("kind", ["log", "sqlite"])
def test_optuna_gets_and_gives_constraints(search, tmp_path, optuna, kind):
    from propulate_like.cli.export import Form, export

    result = search(bounded, evaluations=30)
    target = storage = f"sqlite:///{tmp_path}/study.db" if kind == "sqlite" else str(tmp_path / "study.log")
    export(Run(tmp_path / "run"), Form.OPTUNA, target, None, live=False)
    if kind == "log":
        storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(target))
    study = optuna.load_study(study_name="run", storage=storage)
    assert [tuple(trial.constraints.values()) for trial in study.trials] == [
        each.constraints for each in result.individuals
    ]
    assert {trial.state.name for trial in study.trials} == {"COMPLETE"}
    assert study.best_value == result.value
    known = pl.WarmStart(study).read(pl.Space(SPACE))
    assert [each.outcome.constraints for each in known] == [each.constraints for each in result.individuals]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_export_has_a_column_for_each_constraint(search, tmp_path, form):
    from propulate_like.cli.export import Form, export

    result = search(bounded, evaluations=20)
    path = tmp_path / f"table.{form}"
    if form == "parquet":
        pytest.importorskip("pyarrow")
    export(Run(tmp_path / "run"), Form(form), str(path), None, live=False)
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(path) if form == "csv" else pandas.read_parquet(path)
    assert frame["constraints.1"].tolist() == pytest.approx([each.constraints[1] for each in result.individuals])
    assert frame["violation"].tolist() == pytest.approx([each.violation for each in result.individuals])


def test_the_command_line_tells_that_nothing_is_feasible(command, tmp_path):
    (tmp_path / "loss.py").write_text('def loss(x):\n    return {"loss": x, "constraints": [x + 1.0]}\n')
    (tmp_path / "search.yaml").write_text(
        "objective: loss.py:loss\nspace: {x: {float: [0, 1]}}\nbudget: {evaluations: 25}\nrun: found\nseed: 0\n"
    )
    ended = command("run", "search.yaml")
    assert "nothing is feasible; the violation is 1" in ended.stdout
    assert "25 evaluations (25 infeasible)" in ended.stdout
    assert "nothing feasible yet, violation 1" in ended.stderr
    rows = json.loads(command("results", "found", "--format", "json").stdout)
    assert rows[0]["violation"] == 1.0 + rows[0]["params"]["x"]


def test_callbacks_are_told_of_the_best_that_is_feasible(search):
    told = []

    class Best:
        def on_best(self, _search, individual):
            told.append(individual)

    result = search(bounded, callbacks=[Best()])
    assert told
    assert all(each.feasible for each in told)
    assert told[-1].loss == result.best.loss


def test_what_results_prints_as_json_begins_another_search(search, tmp_path):
    first = search(bounded, evaluations=30)
    run = Run(tmp_path / "run")
    written = json.loads(as_json(nested_rows(first.individuals, run)))
    known = pl.WarmStart(written).read(pl.Space(SPACE))
    assert [each.outcome.constraints for each in known] == [each.constraints for each in first.individuals]
    assert [each.status for each in known] == [each.status for each in first.individuals]
