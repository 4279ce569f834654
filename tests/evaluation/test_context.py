"""What a loss may know and do beside its parameters, in the rank and in its child process alike."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import losses
import numpy as np
import pytest

import propulate_like as pl

SPACE = {"x": (0.0, 1.0)}
STOPPED, OK = pl.Status.STOPPED, pl.Status.OK


@pytest.fixture(params=[False, True], ids=["in the rank", "isolated"])
def isolate(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def search(loss: Any, evaluations: int = 40, *, isolate: bool = False, **settings: Any) -> pl.Result:
    settings = {"seed": 0, "evaluation": {"isolate": isolate}, **settings}
    return pl.minimize(loss, SPACE, evaluations=evaluations, **settings)


def test_an_evaluation_knows_itself_and_its_parents(isolate: bool, tmp_path: Path) -> None:
    chain = pl.Chain(pl.SelectBest(4), pl.SelectRandom(2), pl.UniformCrossover(), pl.GaussianMutation(0.1))
    result = search(losses.describes, isolate=isolate, run=tmp_path / "run", propagator=chain)
    known = {str(individual.id): individual for individual in result.individuals}
    for individual in result.individuals:
        seen = individual.metrics
        assert seen["id"] == str(individual.id)
        assert Path(str(seen["directory"])) == tmp_path / "run/trials" / str(individual.id)
        assert Path(str(seen["directory"]), "saved").read_text() == str(individual.params["x"])
        assert seen["parents"] == " ".join(map(str, individual.parents))
        if individual.parents:
            parent = known[str(individual.parents[0])]
            assert seen["parent_saved"] == str(parent.params["x"])
    assert any(individual.parents for individual in result.individuals)


def test_the_generator_is_the_same_for_the_same_seed_and_differs_between_individuals(isolate: bool) -> None:
    first, again, other = (search(losses.draws, isolate=isolate, seed=seed) for seed in (1, 1, 2))
    draws = [[individual.metrics["drawn"] for individual in result.individuals] for result in (first, again, other)]
    assert draws[0] == draws[1]
    assert len(set(draws[0] + draws[2])) == 80


def test_without_a_run_directories_are_temporary_and_only_made_where_asked_for(isolate: bool) -> None:
    result = search(losses.describes, 3, isolate=isolate)
    for individual in result.individuals:
        assert Path(str(individual.metrics["directory"])) == result.trials / str(individual.id)
        assert (result.trials / str(individual.id)).is_dir()
    assert pl.minimize(lambda x: x, SPACE, evaluations=3, seed=0).trials is None


@pytest.mark.parametrize("loss", [losses.falling, losses.yielding, losses.yielding_pairs])
def test_reports_and_yields_are_curves_and_may_be_stopped(loss: Any, isolate: bool) -> None:
    plain = search(loss, isolate=isolate)
    assert plain.statuses == {OK: 40}
    pruned = search(loss, isolate=isolate, pruner=pl.MedianPruner())
    assert pruned.statuses[STOPPED] >= 5
    for individual in (*plain.individuals, *pruned.individuals):
        x = individual.params["x"]
        steps = range(1, len(individual.curve) + 1)
        assert individual.curve == tuple((step, x + 1 / step) for step in steps)
        if individual.status is STOPPED:
            assert len(individual.curve) < 20
            assert individual.loss == individual.curve[-1][1]
        else:
            assert len(individual.curve) == 20


def test_what_a_stopped_loss_returns_counts_and_a_curve_is_of_scores_where_they_are_maximized() -> None:
    def loss(x: float, evaluation: pl.Evaluation) -> float:
        for step in range(1, 21):
            if evaluation.report(x - 1 / step):
                assert evaluation.should_stop
                return x - 2
        return x

    result = pl.maximize(loss, SPACE, evaluations=40, pruner=pl.MedianPruner(), seed=0)
    stopped = [individual for individual in result.individuals if individual.status is STOPPED]
    assert stopped
    for individual in stopped:
        assert individual.loss == 2 - individual.params["x"]
        assert individual.curve[0] == (1, 1 - individual.params["x"])
    assert result.value > 0.9


def test_stopped_ones_are_bred_from_by_what_they_had_reached() -> None:
    result = search(losses.falling, 200, pruner=pl.MedianPruner())
    status = {individual.id: individual.status for individual in result.individuals}
    parents = {status[parent] for individual in result.individuals for parent in individual.parents}
    assert parents == {OK, STOPPED}


def test_metrics_may_be_yielded_and_stand_for_what_is_stopped() -> None:
    def loss(x: float) -> Iterator[dict[str, float]]:
        for step in range(1, 21):
            yield {"loss": x + 1 / step, "epochs": step}

    result = search(loss, pruner="median", propagator=pl.UniformInitialization())
    assert result.statuses[STOPPED] > 5
    for individual in result.individuals:
        assert individual.metrics == {"epochs": len(individual.curve)}
        assert individual.loss == individual.curve[-1][1]


def test_each_of_optunas_rules_may_stop_an_isolated_loss() -> None:
    for name in ("MedianPruner", "SuccessiveHalvingPruner", "PercentilePruner"):
        arguments = {"percentile": 25.0} if name == "PercentilePruner" else {}
        rule = {"optuna": {"pruner": name, "arguments": arguments}}
        assert search(losses.falling, 30, isolate=True, pruner=rule).statuses[STOPPED] > 0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_an_intermediate_loss_that_is_not_finite_ends_no_generator(value: float) -> None:
    steps = []

    def loss(x: float) -> Iterator[float]:
        for step in range(5):
            steps.append(step)
            yield value if step == 2 else x

    result = search(loss, 20, pruner=pl.PatiencePruner(10))
    assert result.statuses == {pl.Status.OK: 20}
    assert steps == 20 * [0, 1, 2, 3, 4]


def test_a_generator_is_closed_when_it_is_stopped() -> None:
    closed = []

    def loss(x: float) -> Iterator[float]:
        try:
            for step in range(1, 21):
                yield x + 1 / step
        finally:
            closed.append(x)

    search(loss, pruner=pl.MedianPruner())
    assert len(closed) == 40


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (lambda evaluation: evaluation.report("low"), "the intermediate loss 'low' is no number"),
        (lambda evaluation: [evaluation.report(1.0, 3), evaluation.report(1.0, 3)], "step=3 must be a whole number"),
        (lambda evaluation: evaluation.report(1.0, 0.5), "step=0.5 must be a whole number of at least 0"),
    ],
)
def test_a_report_that_cannot_be_fails_that_evaluation(report: Any, message: str) -> None:
    def loss(x: float, evaluation: pl.Evaluation) -> float:
        report(evaluation)
        return x

    with pytest.raises(pl.SearchFailed, match=re.escape(message)):
        search(loss, 1)


def test_a_search_continues_with_its_curves_and_what_was_stopped(tmp_path: Path) -> None:
    for evaluations in (30, 60):
        result = search(losses.falling, evaluations, pruner=pl.MedianPruner(), run=tmp_path / "run")
    assert sum(result.statuses.values()) == 60
    first_after = [individual for individual in result.individuals if individual.id.serial >= 30]
    assert any(individual.status is STOPPED for individual in first_after[:10]), "the curves before were known"
    again = pl.minimize(
        losses.falling, SPACE, evaluations=60, seed=0, run=tmp_path / "run", pruner=pl.PatiencePruner(3)
    )
    assert [individual.curve for individual in again.individuals] == [i.curve for i in result.individuals]


def test_an_attempt_begins_its_curve_anew_for_the_rule_as_well() -> None:
    seen = []

    class WatchingPruner(pl.Pruner):
        def stops(self, ident: pl.Id, curves: Any) -> bool:
            seen.append([point.loss for point in curves[ident]])
            return False

    attempts = []

    def loss(x: float) -> Iterator[float]:
        attempts.append(x)
        for step in range(3):
            yield step + 10.0 * len(attempts)
            if len(attempts) == 1 and step == 1:
                message = "the first attempt"
                raise RuntimeError(message)

    settings = {"retries": 1, "retry_on": ["error"]}
    result = pl.minimize(loss, SPACE, evaluations=1, pruner=WatchingPruner(), evaluation=settings)
    assert seen == [[10], [10, 11], [20], [20, 21], [20, 21, 22]]
    assert result.best.curve == ((1, 20), (2, 21), (3, 22))


class RulePruner(pl.Pruner):
    def __init__(self, verdict: Any) -> None:
        self._verdict = verdict

    def stops(self, *_: object) -> Any:
        return self._verdict()

    def __repr__(self) -> str:
        return "RulePruner(this)"


@pytest.mark.parametrize("isolate", [False, True])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (lambda: 1 / 0, r"raised ZeroDivisionError: division by zero \(.*test_context.py, line \d+\)"),
        (lambda: None, "returned None, and not whether to stop, which is True or False"),
        (lambda: math.nan, "returned nan"),
        (lambda: 1, "returned 1"),
        (lambda: "no", "returned 'no'"),
    ],
)
def test_a_broken_rule_ends_the_search_with_its_name(verdict: Any, words: str, isolate: bool, nested: bool) -> None:
    rule: pl.Pruner = RulePruner(verdict)
    with pytest.raises(pl.PartError, match=rf"^RulePruner\(this\) {words}"):
        search(losses.falling, isolate=isolate, pruner=pl.AnyPruner(pl.MedianPruner(), rule) if nested else rule)


def test_a_rule_may_return_a_truth_of_numpys() -> None:
    search(losses.falling, pruner=RulePruner(lambda: np.bool_(False)))


@pytest.mark.mpi
def test_ranks_know_each_others_curves(script: Any, python: Any, reports: Any) -> None:
    path = script("""
        import propulate_like as pl
        from propulate_like.search import session
        workers = []
        class Worker(session.Worker):
            def __init__(self, *arguments, **settings):
                workers.append(self)
                super().__init__(*arguments, **settings)
        session.Worker = Worker
        def loss(x):
            for step in range(1, 21):
                yield x + 1 / step
        result = pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=300, seed=0, pruner=pl.MedianPruner())
        known = workers[0].curve_sharing.pruner_state.curves[0]
        ended = sum(curve.ended for curve in known.values())
        whole = all([tuple(p) for p in known[i.id].points] == list(i.curve) for i in result.individuals)
        report(len(known), ended, whole, result.statuses[pl.Status.STOPPED] > 50)
    """)
    python(path, ranks=3)
    assert reports() == [["300", "300", "True", "True"]] * 3


def test_a_metric_takes_the_losss_place() -> None:
    def loss(x: float) -> dict[str, float]:
        return {"loss": x, "cost": 1 - x}

    result = search(loss, 100, evaluation={"metric": "cost"})
    assert result.best.params["x"] > 0.9
    assert result.best.metrics["loss"] == result.best.params["x"]
    with pytest.raises(ValueError, match="metric: 'cost' cannot be minimized with a pruner"):
        search(loss, 1, evaluation={"metric": "cost"}, pruner=pl.MedianPruner())
    with pytest.raises(pl.SearchFailed, match="there is no metric 'price'; there are: cost"):
        search(loss, 1, evaluation={"metric": "price"})


def test_a_parameter_may_be_named_evaluation() -> None:
    result = pl.minimize(lambda evaluation: evaluation * 1.0, {"evaluation": (1, 9)}, evaluations=20, seed=0)
    assert result.best.params["evaluation"] == 1
