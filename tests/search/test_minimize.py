"""minimize and maximize in one process."""

import io
import json
import math
import sys

import pytest

import propulate_like as pl
from propulate_like import Choice, Float, Space


@pl.objective(x=Float(-5.12, 5.12), y=Float(-5.12, 5.12))
def sphere(x, y):
    return x * x + y * y


def failing_every_third():
    calls = iter(range(10**9))

    def loss(x, y):
        if next(calls) % 3 == 2:
            message = "no third call"
            raise ArithmeticError(message)
        return x * x + y * y

    return loss


SPACE = Space({"x": Float(-5.12, 5.12), "y": Float(-5.12, 5.12)})


def test_decorated_function_is_searched_and_stays_a_function():
    assert sphere(3, 4) == 25
    result = pl.minimize(sphere, evaluations=2000, seed=0)
    assert result.best.loss == sphere(**result.best.params) < 1e-6
    assert result.evaluations == len(result.individuals) == 2000


def test_function_of_one_argument_gets_a_mapping_as_propulate_passes_it():
    def loss(params):
        return params["x"] ** 2 + abs(params["n"] - 3)

    result = pl.minimize(loss, {"x": (-1.0, 1.0), "n": (1, 8), "c": ("a", "b")}, evaluations=500, seed=0)
    assert result.best.params["n"] == 3


def test_function_of_one_argument_that_is_a_parameter_gets_it_by_name():
    assert pl.minimize(lambda x: x * x, {"x": (-1.0, 1.0)}, evaluations=10, seed=0).evaluations == 10


def test_maximize_finds_the_highest_value_and_gives_it_as_returned():
    result = pl.maximize(lambda x: 5 - (x - 0.5) ** 2, {"x": (0.0, 1.0)}, evaluations=500, seed=0)
    assert result.value == pytest.approx(5.0, abs=1e-4)
    assert result.best.loss == -result.value


@pytest.mark.parametrize("evaluations", [1, 2, 7, 100])
def test_evaluations_means_exactly_so_many_calls(evaluations):
    calls = []
    result = pl.minimize(lambda x: calls.append(x) or 1.0, {"x": (0.0, 1.0)}, evaluations=evaluations)
    assert len(calls) == result.evaluations == evaluations
    assert result.reason == "evaluations"


def test_target_ends_the_search_when_it_is_reached():
    result = pl.minimize(sphere, evaluations=100_000, target=1e-3, seed=0)
    assert result.reason == "target"
    assert result.best.loss <= 1e-3
    assert sum(individual.loss <= 1e-3 for individual in result.individuals) == 1


def test_seconds_end_the_search():
    result = pl.minimize(sphere, seconds=0.3, seed=0)
    assert result.reason == "seconds"
    assert result.seconds > 0.29


def test_local_searches_repeat_to_the_bit():
    genomes = [[i.genome for i in pl.minimize(sphere, evaluations=500, seed=s).individuals] for s in (7, 7, 8)]
    assert genomes[0] == genomes[1]
    assert genomes[0] != genomes[2]


def test_failures_are_counted_with_their_cause_and_never_bred_from():
    result = pl.minimize(failing_every_third(), SPACE, evaluations=600, seed=0)
    assert result.statuses == {"ok": 400, "error": 200}
    assert "ArithmeticError: no third call" in result.failure.cause
    assert "propulate_like" not in result.failure.cause
    failed = {individual.id for individual in result.individuals if individual.failed}
    assert not any(parent in failed for individual in result.individuals for parent in individual.parents)


@pytest.mark.parametrize(
    ("value", "status"),
    [(math.nan, "nan"), (math.inf, "infinite"), ("0.1", "invalid"), (None, "invalid"), ({"los": 1}, "invalid")],
)
def test_value_that_is_no_finite_number_is_a_failure(value, status):
    calls = iter(range(10**9))
    result = pl.minimize(lambda x: value if next(calls) % 2 else x, {"x": (0.0, 1.0)}, evaluations=50, seed=0)
    assert result.statuses == {"ok": 25, status: 25}


def test_exit_from_the_loss_ends_that_evaluation_alone():
    calls = iter(range(10**9))
    result = pl.minimize(
        lambda x: sys.exit("enough") if next(calls) == 5 else x, {"x": (0.0, 1.0)}, evaluations=50, seed=0
    )
    assert result.statuses == {"ok": 49, "error": 1}
    assert "SystemExit: enough" in result.failure.cause


def test_search_in_which_everything_fails_ends_early_with_the_first_traceback():
    calls = []

    def loss(x):
        calls.append(x)
        return 1 / (len(calls) - 1) if len(calls) == 1 else {}["missing"]

    with pytest.raises(pl.SearchFailed, match=r"(?s)all 20 evaluations failed.*ZeroDivisionError"):
        pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=10_000, seed=0)
    assert len(calls) == 20


def test_metrics_are_recorded_beside_the_loss(tmp_path):
    result = pl.minimize(
        lambda x: {"loss": x, "accuracy": 1 - x, "epochs": 3}, {"x": (0.0, 1.0)}, evaluations=20, run=tmp_path / "r"
    )
    assert result.best.metrics == {"accuracy": 1 - result.best.loss, "epochs": 3}
    assert all(individual.metrics["epochs"] == 3 for individual in result.individuals)


def test_result_tells_its_story(tmp_path):
    result = pl.minimize(sphere, evaluations=300, seed=0, run=tmp_path / "run")
    losses = [improvement.loss for improvement in result.trace]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == result.best.loss
    assert [i.ended for i in result.individuals] == sorted(i.ended for i in result.individuals)
    assert result.idle_share == 0.0
    assert result.seconds >= sum(individual.seconds for individual in result.individuals) > 0
    table = result.to_dataframe()
    assert list(table.columns[:5]) == ["id", "value", "status", "loss", "params.x"]
    assert len(table) == 300
    assert table["loss"].min() == result.best.loss


class TestContinuing:
    def test_same_call_again_evaluates_nothing_more(self, tmp_path):
        first = pl.minimize(sphere, evaluations=100, seed=0, run=tmp_path / "run")
        again = pl.minimize(failing_every_third(), SPACE, evaluations=100, seed=0, run=tmp_path / "run")
        assert repr(again.best) == repr(first.best)
        assert again.evaluations == len(again.individuals) == 100

    def test_larger_budget_goes_on_with_what_was_learnt(self, tmp_path):
        pl.minimize(sphere, evaluations=100, seed=0, run=tmp_path / "run")
        result = pl.minimize(sphere, evaluations=150, seed=0, run=tmp_path / "run")
        assert result.evaluations == len({i.id for i in result.individuals}) == 150
        assert len({i.genome for i in result.individuals}) > 140  # a design would repeat itself
        newest = max(result.individuals, key=lambda individual: individual.id)
        assert newest.id.serial == 149

    def test_seed_may_be_left_out_and_stays_the_same(self, tmp_path):
        pl.minimize(sphere, evaluations=10, run=tmp_path / "run")
        assert pl.minimize(sphere, evaluations=20, run=tmp_path / "run").evaluations == 20

    def test_seconds_count_over_all_sessions(self, tmp_path):
        pl.minimize(sphere, seconds=0.2, run=tmp_path / "run")
        before = pl.minimize(sphere, seconds=0.2, run=tmp_path / "run").evaluations
        assert pl.minimize(sphere, seconds=0.2, run=tmp_path / "run").evaluations == before

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"space": {"x": Float(-5.12, 5.12), "y": Float(0, 1)}}, r"space.y.float: was .*, is"),
            ({"seed": 1}, "seed: was 0, is 1"),
            ({"propagator": pl.UniformInitialization()}, "propagator: was auto, is"),
        ],
    )
    def test_another_search_in_the_same_folder_is_refused(self, change, words, tmp_path):
        pl.minimize(sphere, evaluations=10, seed=0, run=tmp_path / "run")
        with pytest.raises(ValueError, match=words):
            pl.minimize(sphere, **({"evaluations": 20, "seed": 0, "run": tmp_path / "run"} | change))

    def test_maximizing_what_was_minimized_is_refused(self, tmp_path):
        pl.minimize(sphere, evaluations=10, seed=0, run=tmp_path / "run")
        with pytest.raises(ValueError, match="maximize: was left to its default, is True"):
            pl.maximize(sphere, evaluations=10, seed=0, run=tmp_path / "run")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "no budget"),
        ({"evaluations": 0}, "evaluations=0"),
        ({"evaluations": 1.5}, "evaluations=1.5"),
        ({"seconds": -1}, "seconds=-1"),
        ({"target": "low", "evaluations": 5}, "target='low'"),
        ({"evaluations": 5, "propagator": "cmaes"}, "must be 'auto' or a propagator"),
        ({"evaluations": 5, "space": {"x": (0.0, 1.0)}}, "needs 'y', which the space does not have"),
        ({"evaluations": 5, "space": {"x": (0.0, 1.0), "y": (0, 1), "z": (0, 1)}}, "has no parameter 'z'"),
        ({"evaluations": 5, "space": {"x": (0.0, 1.0), "y": 5}}, "y"),
        ({"evaluations": 5, "space": [1]}, "must map names to parameters"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_evaluated(arguments, words):
    with pytest.raises(ValueError, match=words):
        pl.minimize(sphere, **arguments)


def test_conditional_parameter_needs_a_default_in_the_function():
    with pytest.raises(ValueError, match="needs a default for 'y'"):
        pl.objective(x=Choice("a", "b"), y=Float(0, 1, when={"x": "a"}))(lambda x, y: 0)
    declared = pl.objective(x=Choice("a", "b"), y=Float(0, 1, when={"x": "a"}))(lambda x, y=None: float(y is None))
    result = pl.minimize(declared, evaluations=100, seed=0)
    assert {i.loss for i in result.individuals if i.params["x"] == "b"} == {1.0}


def test_loss_without_a_space_is_refused():
    with pytest.raises(ValueError, match=r"decorate it with @objective"):
        pl.minimize(lambda x: x, evaluations=5)


def test_folder_that_cannot_be_used_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match="cannot be used"):
        pl.minimize(sphere, evaluations=5, run=tmp_path / "file" / "run")


def test_run_folder_holds_the_config_and_a_line_for_every_evaluation(tmp_path):
    pl.minimize(sphere, evaluations=25, seed=3, run=tmp_path / "run")
    lines = (tmp_path / "run/journal/rank-00000.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line)["type"] for line in lines]
    assert (events[0], events.count("evaluated"), events[-1]) == ("session", 25, "closed")
    assert "seed: 3" in (tmp_path / "run/config.yaml").read_text(encoding="utf-8")


def test_progress_is_shown_in_an_editors_window_too(monkeypatch):
    class Window(io.StringIO):
        def isatty(self):
            return True

    window = Window()
    monkeypatch.setattr(sys, "stderr", window)
    pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=5)
    assert "5/5" in window.getvalue()


@pytest.mark.parametrize("reports", [True, False])
def test_pruner_of_a_loss_that_reports_nothing_is_said_to_have_stopped_nothing(reports, capsys):
    def loss(x, y, evaluation):
        if reports:
            evaluation.report(x, 1)
        return x + y

    pl.minimize(loss, SPACE, evaluations=5, pruner="median", progress=True)
    assert ("the pruner stopped nothing, as the loss neither reports" in capsys.readouterr().err) is not reports


def test_temporary_folder_in_which_no_evaluation_left_a_file_is_removed(tmp_path):
    def loss(x, y, evaluation):
        if evaluation.id.serial == keeps:
            (evaluation.directory / "notes").touch()
        return x + y

    keeps = -1
    pl.minimize(loss, SPACE, evaluations=5)
    assert [*tmp_path.iterdir()] == []
    keeps = 2
    result = pl.minimize(loss, SPACE, evaluations=5)
    assert [*tmp_path.iterdir()] == [result.trials]
    assert [path.name for path in result.trials.rglob("notes")] == ["notes"]
