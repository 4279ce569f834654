"""Fidelity: cheap evaluations first; who is promoted continues from its own directory, and children from a parent's."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import make_individual

import propulate_like as pl
from propulate_like.problem.budget import Budget
from propulate_like.search.islands.archipelago import Archipelago
from propulate_like.search.specification import SearchSpecification
from propulate_like.storage.run import Run

SPACE = {"x": (0.0, 1.0)}
RUNGS = [1, 3, 9]


def train(x: float, epochs: int, evaluation: pl.Evaluation) -> dict[str, Any]:
    """Train from where the directory stands to `epochs`; the loss falls with each."""
    saved = Path(evaluation.directory, "epochs")
    done = int(saved.read_text()) if saved.exists() else 0
    saved.write_text(str(epochs))
    return {"loss": x + 1 / epochs, "trained": epochs - done, "epochs": epochs}


def search(evaluations: int = 120, **settings: Any) -> pl.Result:
    fidelity = pl.Fidelity("epochs", RUNGS)
    return pl.minimize(train, SPACE, evaluations=evaluations, fidelity=fidelity, **{"seed": 0, **settings})


@pytest.mark.parametrize("isolate", [False, True])
def test_the_best_third_of_each_rung_is_promoted_and_continues(isolate: bool, tmp_path: Path) -> None:
    result = search(run=tmp_path / "run", evaluation={"isolate": isolate}, propagator=pl.UniformInitialization())
    known = {individual.id: individual for individual in result.individuals}
    rungs = Counter(individual.rung for individual in result.individuals)
    assert sorted(rungs) == [0, 1, 2]
    assert 0.2 < rungs[1] / rungs[0] < 0.45
    assert 0.2 < rungs[2] / rungs[1] < 0.55
    for individual in result.individuals:
        assert individual.metrics["epochs"] == RUNGS[individual.rung]
        if individual.rung:
            before = known[individual.continues]
            assert before.rung == individual.rung - 1
            assert before.params == individual.params
            assert individual.metrics["trained"] == RUNGS[individual.rung] - RUNGS[before.rung]
        else:
            assert individual.metrics["trained"] == 1
    continued = [individual.continues for individual in result.individuals if individual.rung]
    assert len(set(continued)) == len(continued), "nobody is promoted twice"
    first = [individual.loss for individual in result.individuals if individual.rung == 0]
    promoted = [known[ident].loss for ident in continued if known[ident].rung == 0]
    assert max(promoted) < sorted(first)[len(first) // 2]


def test_the_best_is_of_the_highest_rung() -> None:
    def loss(x: float, epochs: int) -> float:
        return x + epochs  # which rises, as losses on more data may

    result = pl.minimize(loss, SPACE, evaluations=100, fidelity={"name": "epochs", "rungs": [1, 10]}, seed=0)
    assert result.best.rung == 1
    assert result.best.loss == min(i.loss for i in result.individuals if i.rung == 1)
    assert any(i.loss < result.best.loss for i in result.individuals)


def test_a_search_continues_with_its_rungs(tmp_path: Path) -> None:
    for evaluations in (40, 41, 90):
        result = search(evaluations, run=tmp_path / "run")
    continued = [individual.continues for individual in result.individuals if individual.rung]
    assert len(set(continued)) == len(continued)
    known = {individual.id: individual for individual in result.individuals}
    for individual in result.individuals:
        before = RUNGS[known[individual.continues].rung] if individual.rung else 0
        assert individual.metrics["trained"] == RUNGS[individual.rung] - before


def test_nobody_is_promoted_again_after_a_promotion_failed_or_was_cut_off(tmp_path: Path) -> None:
    def loss(x: float, epochs: int) -> float:
        if epochs > 1:
            message = "only the first epoch works"
            raise RuntimeError(message)
        return x

    for evaluations in (20, 40, 60):
        fidelity = pl.Fidelity("epochs", RUNGS)
        result = pl.minimize(loss, SPACE, evaluations=evaluations, fidelity=fidelity, seed=0, run=tmp_path / "run")
    continued = [individual.continues for individual in result.individuals if individual.rung]
    assert len(continued) > 5
    assert len(set(continued)) == len(continued)


def test_equal_losses_are_promoted_by_the_share_as_well() -> None:
    result = pl.minimize(lambda x, epochs: 1.0, SPACE, evaluations=120, fidelity=pl.Fidelity("epochs", [1, 9]), seed=0)
    rungs = Counter(individual.rung for individual in result.individuals)
    assert 0.2 < rungs[1] / rungs[0] < 0.4


def test_a_pruner_compares_within_a_rung() -> None:
    """Each rung's report begins at step 1 again, and is lower by far than the rungs' below."""

    def loss(x: float, epochs: int) -> Any:
        for step in range(1, 7):
            yield x + 1000 / epochs + 1 / step

    result = pl.minimize(
        loss,
        SPACE,
        evaluations=200,
        fidelity=pl.Fidelity("epochs", RUNGS),
        seed=0,
        pruner=pl.MedianPruner(),
        propagator=pl.UniformInitialization(),
    )
    counts = Counter((individual.rung, individual.status) for individual in result.individuals)
    for rung in (0, 1):
        assert counts[rung, pl.Status.OK] > 0.25 * counts[rung, pl.Status.STOPPED] > 0, counts


def test_children_may_start_from_their_parents_weights(tmp_path: Path) -> None:
    """Population-based training: each evaluation is one step from the first parent's state, and they get far."""

    def step(rate: float, evaluation: pl.Evaluation) -> float:
        position = 10.0
        if evaluation.parents:
            position = float((evaluation.parents[0].directory / "state").read_text())
        position -= rate * position
        (evaluation.directory / "state").write_text(repr(position))
        return abs(position)

    result = pl.minimize(step, {"rate": (0.0, 0.5)}, evaluations=300, seed=0, run=tmp_path / "run")
    assert result.best.loss < 10 * 0.5**8, "no single evaluation halves it more than once"


def test_a_decorated_loss_may_name_the_fidelity() -> None:
    @pl.objective(x=pl.Float(0, 1))
    def loss(x: float, epochs: int) -> float:
        return x + 1 / epochs

    assert pl.minimize(loss, evaluations=30, fidelity=pl.Fidelity("epochs", RUNGS), seed=0).best.rung == 2
    with pytest.raises(ValueError, match="needs 'epochs', which the space does not have"):
        pl.minimize(loss, evaluations=30)


def test_without_a_parameter_for_it_the_fidelity_is_in_the_context() -> None:
    seen = []

    def loss(x: float, evaluation: pl.Evaluation) -> float:
        seen.append(evaluation.fidelity)
        return x

    pl.minimize(loss, SPACE, evaluations=60, fidelity={"name": "share", "rungs": [0.1, 0.5, 1.0]}, seed=0)
    assert set(seen) == {0.1, 0.5, 1.0}


@pytest.mark.parametrize(
    ("fidelity", "message"),
    [
        ({"name": "epochs", "rungs": [3]}, r"rungs=\[3\] must be at least two rising numbers"),
        ({"name": "epochs", "rungs": [3, 1]}, r"rungs=\[3, 1\] must be at least two rising numbers"),
        ({"name": "epochs", "rung": [1, 3]}, "unknown key 'rung'; did you mean 'rungs'"),
        ({"name": "x", "rungs": [1, 3]}, "the fidelity 'x' has the name of a parameter"),
        ({"name": "epochs", "rungs": [1, 3], "reduction": 1}, "reduction=1 must be a number above 1"),
        ("epochs", "'epochs' must be a mapping such as"),
    ],
)
def test_what_cannot_work_is_refused(fidelity: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pl.minimize(lambda x: x, SPACE, evaluations=1, fidelity=fidelity)


@pytest.mark.mpi
def test_each_rank_promotes_its_own_and_knows_of_all(script: Any, pooled: Any, reports: Any) -> None:
    path = script("""
        import propulate_like as pl
        from collections import Counter
        def loss(x, epochs):
            return x + 1 / epochs
        result = pl.minimize(
            loss, {"x": (0.0, 1.0)}, evaluations=400, fidelity=pl.Fidelity("epochs", [1, 3, 9]), seed=0,
            propagator=pl.UniformInitialization(),
        )
        rungs = Counter(i.rung for i in result.individuals)
        own = all(i.continues.rank == i.id.rank for i in result.individuals if i.rung)
        continued = [i.continues for i in result.individuals if i.rung]
        report(own, len(set(continued)) == len(continued), 0.2 < rungs[1] / rungs[0] < 0.45, result.best.rung)
    """)
    pooled(path, ranks=3)
    assert reports() == [["True", "True", "True", "2"]] * 3


@pytest.mark.mpi
def test_a_promotion_that_was_cut_off_is_evaluated_once_whichever_rank_goes_on_with_it(
    script: Any, pooled: Any, tmp_path: Path
) -> None:
    path = script("""
        import sys, time, propulate_like as pl
        def loss(x, epochs, evaluation):
            time.sleep(0.03)
            return x
        pl.minimize(
            loss, {"x": (0.0, 1.0)}, evaluations=int(sys.argv[1]), seed=0, run="run",
            propagator=pl.UniformInitialization(), fidelity={"name": "epochs", "rungs": [1, 3, 9]},
        )
    """)
    pooled(path, 24, ranks=2)
    journal = tmp_path / "run/journal/rank-00001.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    last = max(number for number, line in enumerate(lines) if '"started"' in line and "continues" in line)
    journal.write_text("".join(lines[: last + 1]))
    for evaluations, ranks in ((50, 2), (60, 1), (90, 3)):
        pooled(path, evaluations, ranks=ranks)
        individuals = list(Run(tmp_path / "run").individuals())
        assert len(individuals) == evaluations
        continued = [individual.continues for individual in individuals if individual.rung]
        assert len(set(continued)) == len(continued)


@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 6, 8])
def test_run_that_goes_on_with_other_ranks_promotes_everyone_of_every_island_once(ranks):
    """Eight ranks on two islands began it."""
    space = pl.Space({"x": pl.Float(0, 1)})
    fidelity = pl.Fidelity("epochs", [1, 3], reduction=1.5)
    specification = SearchSpecification(
        objective=train, space=space, budget=Budget(seconds=1.0), islands=pl.Islands(2), fidelity=fidelity
    )
    archipelago = Archipelago(specification, ranks)
    before = [
        make_individual(pl.Id(rank // 4, rank, serial), (0.5,), space, status=pl.Status.OK, loss=rank + serial / 10)
        for rank in range(8)
        for serial in range(3)
    ]
    promoted = Counter()
    for rank in range(ranks):
        optimizer = archipelago.optimizer(rank, 0)
        for individual in before:
            if individual.id.island % len(archipelago.layout) == optimizer.island:
                optimizer.absorb(individual)
        promoted.update(asked.continues for asked in (optimizer.ask() for _ in range(30)) if asked.continues)
    assert set(promoted.values()) == {1}
    assert {pl.Id(0, 0, 0), pl.Id(1, 4, 0)} <= set(promoted) or len(archipelago.layout) == 1
    assert len(promoted) >= 10


def _by_name(x: float, epochs: int) -> float:  # noqa: ARG001
    return epochs


def _by_keywords(**params: Any) -> float:
    return params["epochs"]


def _by_mapping(params: dict[str, Any]) -> float:
    return params["epochs"]


def _by_context(x: float, evaluation: pl.Evaluation) -> float:  # noqa: ARG001
    return evaluation.fidelity or 0.0


@pytest.mark.parametrize("loss", [_by_name, _by_keywords, _by_mapping, _by_context])
def test_a_loss_is_told_the_fidelity_in_each_way_in_which_it_can_be(loss: Any) -> None:
    result = pl.minimize(loss, SPACE, evaluations=20, fidelity={"name": "epochs", "rungs": [2, 4]}, seed=0)
    assert {individual.loss for individual in result.individuals} == {2.0, 4.0}


def _untold(x: float) -> float:
    return x


def _untold_trial(trial: pl.Trial) -> float:
    return trial.suggest_float("x", 0, 1)


@pytest.mark.parametrize(("loss", "space"), [(_untold, SPACE), (_untold_trial, None)])
@pytest.mark.parametrize("isolate", [False, True])
def test_a_loss_that_cannot_be_told_the_fidelity_is_refused(loss: Any, space: Any, isolate: bool) -> None:
    message = rf"{loss.__name__}\(\) has no parameter 'epochs', by which it would be told the fidelity"
    with pytest.raises(ValueError, match=message):
        pl.minimize(loss, space, evaluations=5, fidelity=pl.Fidelity("epochs", RUNGS), evaluation={"isolate": isolate})


def test_a_command_that_is_not_told_the_fidelity_is_refused() -> None:
    with pytest.raises(ValueError, match=r"command: it is not told the fidelity: add \{epochs\} to it"):
        pl.minimize(pl.Command(["echo", "{x}"]), SPACE, evaluations=5, fidelity=pl.Fidelity("epochs", RUNGS))


@pytest.mark.parametrize("words", [("check",), ("run",), ("run", "--check")])
def test_a_file_whose_loss_cannot_be_told_the_fidelity_is_refused(words: Any, command: Any, tmp_path: Path) -> None:
    (tmp_path / "loss.py").write_text("def loss(x):\n    return x\n")
    (tmp_path / "c.yaml").write_text(
        "objective: loss.py:loss\nspace: {x: {float: [0, 1]}}\nbudget: {evaluations: 9}\n"
        "fidelity: {name: epochs, rungs: [1, 3]}\n"
    )
    ended = command(*words, "c.yaml", check=False)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "c.yaml: objective: loss() has no parameter 'epochs'" in ended.stderr
    assert not (tmp_path / "runs").exists()
