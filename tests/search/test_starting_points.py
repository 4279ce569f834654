"""Starting points in searches: evaluated before all else, each once, also where a run continues."""

import signal
import subprocess
import sys
import time

import psutil
import pytest

import propulate_like as pl
from propulate_like.parallel.launching.mpiexec import Mpiexec, rank_environment
from propulate_like.population.outcome import Status
from propulate_like.search.starting_points import add_points
from propulate_like.storage.run import ResumeSnapshot

POINT = "point"


@pl.objective(x=pl.Float(-5.0, 5.0), n=pl.Int(1, 8))
def loss(x, n):
    return x * x + n


def search(points, evaluations, run=None, objective=loss, **options):
    return pl.minimize(objective, evaluations=evaluations, points=points, run=run, seed=0, progress=False, **options)


def points_in(run):
    return [one for one in in_order(run) if one.origin == POINT]


def in_order(run):
    return sorted(pl.Run(run).individuals(), key=lambda one: (one.ended, one.id))


def test_points_are_evaluated_first_in_their_order():
    result = search([{"x": 1.0, "n": 2}, {"x": -3.0}, {"n": 8}], 20)
    first = sorted(result.individuals, key=lambda one: one.ended)[:3]
    assert [one.origin for one in first] == [POINT] * 3
    assert first[0].params == {"x": 1.0, "n": 2}
    assert (first[1].params["x"], first[2].params["n"]) == (-3.0, 8)
    assert sum(one.origin == POINT for one in result.individuals) == 3
    assert len({one.id for one in result.individuals}) == 20


def test_points_are_bred_from():
    result = search([{"x": 0.001, "n": 1}], 40, propagator=pl.Chain(pl.SelectBest(1), pl.GaussianMutation(0.001)))
    (point,) = (one for one in result.individuals if one.origin == POINT)
    assert any(point.id in one.parents for one in result.individuals)


def test_a_search_with_points_repeats():
    first, second = (search([{"x": 1.0}], 30) for _ in range(2))
    assert [one.params for one in first.individuals] == [one.params for one in second.individuals]


def test_a_point_that_was_evaluated_is_not_evaluated_again(tmp_path):
    run, points = tmp_path / "run", [{"x": 1.0, "n": 2}, {"x": -3.0}]
    search(points, 5, run)
    search(points, 10, run)
    search(None, 12, run)
    assert len(points_in(run)) == 2
    assert len(in_order(run)) == 12


def test_points_beyond_the_budget_come_first_once_there_is_more(tmp_path):
    run = tmp_path / "run"
    search([{"n": number} for number in range(1, 9)], 3, run)
    assert [one.params["n"] for one in in_order(run)] == [1, 2, 3]
    search(None, 10, run)
    assert [one.params["n"] for one in in_order(run)[:8]] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [one.origin for one in in_order(run)[8:]].count(POINT) == 0


def test_other_points_are_added_where_a_run_continues(tmp_path):
    run = tmp_path / "run"
    search([{"x": 1.0}, {"x": 2.0}], 4, run)
    search([{"x": 2.0}, {"x": 3.0}, {"x": 2.0}], 8, run)
    assert [one.params["x"] for one in in_order(run)[4:6]] == [3.0, 2.0], "the second {x: 2} is one more"
    assert len(points_in(run)) == 4


def test_a_point_that_gives_less_stands_back_for_one_that_gives_more(tmp_path):
    run = tmp_path / "run"
    search([{"x": 1.0, "n": 2}], 1, run)
    search([{"x": 1.0}, {"x": 1.0, "n": 2}], 2, run)
    assert [one.params["x"] for one in points_in(run)] == [1.0, 1.0]


def test_the_config_of_a_run_names_its_points(tmp_path, capfd):
    run = tmp_path / "run"
    search([{"x": 1.0}], 2, run)
    assert pl.Run(run).config["points"] == [{"x": 1.0}]
    pl.minimize(loss, evaluations=3, run=run, progress=True)
    assert "points" not in capfd.readouterr().err
    assert pl.Run(run).config["points"] == [{"x": 1.0}]
    search([{"x": float(number) / 50} for number in range(200)], 3, run)
    assert pl.Run(run).config["points"] == "200 points"


def test_a_copy_of_a_run_has_had_its_points(tmp_path):
    search([{"x": 1.0}], 5, tmp_path / "old")
    search([{"x": 1.0}, {"x": 2.0}], 10, tmp_path / "old", fork=tmp_path / "new")
    assert [one.params["x"] for one in points_in(tmp_path / "new")] == [1.0, 2.0]


def test_a_point_begins_at_the_lowest_rung_and_may_be_promoted(tmp_path):
    def train(x, n, epochs):
        return x * x + n / epochs

    run = tmp_path / "run"
    space = {"x": pl.Float(-5.0, 5.0), "n": pl.Int(1, 8)}
    pl.minimize(
        train,
        space,
        evaluations=40,
        points=[{"x": 0.0, "n": 1}],
        fidelity={"name": "epochs", "rungs": [1, 3, 9]},
        run=run,
        seed=0,
    )
    (point,) = points_in(run)
    assert point.rung == 0
    assert any(one.continues == point.id for one in pl.Run(run).individuals())


def test_points_of_a_space_that_can_be_listed_are_not_bred_again():
    space = {"n": pl.Int(1, 6), "k": pl.Choice("a", "b")}
    result = pl.minimize(lambda n, k: n, space, evaluations=12, points=[{"n": 6, "k": "b"}, {"n": 5, "k": "a"}], seed=0)
    assert len({tuple(one.params.items()) for one in result.individuals}) == 12


def test_points_hold_for_several_losses():
    result = pl.minimize(
        lambda x, n: (x * x, (x - 2) ** 2 + n),
        {"x": pl.Float(-5.0, 5.0), "n": pl.Int(1, 8)},
        directions=["minimize", "minimize"],
        evaluations=8,
        points=[{"x": 1.0, "n": 1}],
    )
    assert min(result.individuals, key=lambda one: one.ended).params == {"x": 1.0, "n": 1}


@pytest.mark.parametrize(("points", "ranks"), [(2, [0, 2]), (6, [0, 2, 1, 3, 4, 0])])
def test_points_are_dealt_to_the_islands_in_turn(points, ranks):
    layout = [range(2), range(2, 5)]
    start = ResumeSnapshot(seed=0, serials={0: 7})
    added = add_points(start, [{"x": 1.0}] * points, pl.Space.from_limits({"x": (0.0, 2.0)}), layout)
    assert [started.id.rank for started in added] == ranks
    assert [rank in layout[started.id.island] for rank, started in zip(ranks, added)] == [True] * points
    assert start.serials[0] == 7 + ranks.count(0)
    assert start.unfinished == added


def test_a_bad_point_begins_nothing(tmp_path):
    with pytest.raises(ValueError, match="points: point 2: x: 9 is not a value"):
        search([{"x": 1}, {"x": 9}], 5, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def asking(trial):
    x = trial.suggest_float("x", 0, 1)
    if trial.suggest_categorical("kind", ["a", "b"]) == "a":
        return x
    return x * trial.suggest_float("scale", 0.1, 10, log=True)


def test_a_trial_gets_the_values_of_a_point_for_what_it_asks(tmp_path):
    run = tmp_path / "run"
    points = [{"x": 0.25, "kind": "b", "scale": 1}, {"kind": "a", "scale": 3, "other": 5}, {"x": 0.5}]
    search(points, 6, run, asking)
    search(points, 9, run, asking)
    first, second, third = points_in(run)
    assert first.params == pytest.approx({"x": 0.25, "kind": "b", "scale": 1.0})
    assert second.params["kind"] == "a"
    assert "other" not in second.params
    assert third.params["x"] == 0.5


@pytest.mark.parametrize("given", [(3, 4), [3, 4], (1, 2), [1, 2]])
def test_a_trial_s_point_may_have_a_list_among_its_values(given):
    def loss(trial):
        return sum(trial.suggest_categorical("sizes", [(1, 2), [3, 4]]))

    result = search([{"sizes": given}], 1, objective=loss)
    assert list(result.best.params["sizes"]) == list(given)


def test_a_trial_that_asks_for_another_range_fails_with_its_cause():
    result = search([{"x": 3}], 4, objective=asking)
    (point,) = (one for one in result.individuals if one.origin == POINT)
    assert point.status is Status.ERROR
    assert "x of a starting point: 3 is not a value of Float(0.0, 1.0)" in point.cause


def test_an_optimizer_asks_for_its_points_first():
    optimizer = pl.Optimizer({"x": (0.0, 1.0), "y": (0.0, 1.0)}, points=[{"x": 0.5, "y": 0.25}, {"y": 0.75}], seed=0)
    first, second, third = (optimizer.ask() for _ in range(3))
    assert first.params == {"x": 0.5, "y": 0.25}
    assert second.params["y"] == 0.75
    assert third.origin != POINT
    optimizer.tell(first, 1.0)
    assert optimizer.best.params == first.params
    with pytest.raises(ValueError, match="point 1: 'z'"):
        pl.Optimizer({"x": (0.0, 1.0)}, points={"z": 1})
    with pytest.raises(ValueError, match="points need a space"):
        pl.Optimizer(points={"z": 1})


YAML = """\
objective: loss.py:loss
space: {x: {float: [-5, 5]}, n: {int: [1, 8]}}
points: [{x: 0.5, n: 1}, {x: -0.5}]
budget: {evaluations: 4}
"""


def test_yaml_has_points_too(tmp_path, command):
    (tmp_path / "s.yaml").write_text(YAML, encoding="utf-8")
    (tmp_path / "loss.py").write_text("def loss(x, n):\n    return x * x + n\n", encoding="utf-8")
    command("run", "s.yaml")
    assert [one.params["x"] for one in points_in(tmp_path / "runs/s")] == [0.5, -0.5]
    ended = command("check", "s.yaml", "--set", "points=[{x: 0.5}, {y: 1}]", check=False)
    assert ended.returncode != 0
    assert ended.stderr.strip() == "s.yaml: points: point 2: 'y' is no parameter of this space; valid: x, n"


def test_a_simulation_evaluates_points_first(tmp_path, command):
    (tmp_path / "s.yaml").write_text(YAML, encoding="utf-8")
    (tmp_path / "loss.py").write_text("def loss(x, n):\n    return x * x + n\n", encoding="utf-8")
    told = command("simulate", "s.yaml", "--ranks", "3", "--set", "points=[{x: 0.0, n: 1}]")
    assert told.stdout.split()[-1] == "1", told.stdout


LONG = """
    import sys, time
    import propulate_like as pl
    def loss(x, n):
        time.sleep({seconds})
        return x * x + n
    if __name__ == "__main__":
        points = [{{"x": number / 10, "n": 1 + number % 8}} for number in range(40)]
        pl.minimize(loss, {{"x": pl.Float(-5, 5), "n": pl.Int(1, 8)}}, evaluations={evaluations}, run="run",
                    points=points if "points" in sys.argv else None, islands={islands}, seed=0, progress=False,
                    evaluation={{"ranks_per_worker": {team}}})
"""


@pytest.mark.mpi
@pytest.mark.parametrize(("islands", "team", "ranks"), [(1, 1, 3), (2, 1, 3), (1, 2, 4)])
def test_ranks_share_points_out_and_evaluate_each_once(islands, team, ranks, script, python, tmp_path):
    path = script(LONG.format(evaluations=50, islands=islands, team=team, seconds=0.02))
    python(path, "points", ranks=ranks)
    everyone = in_order(tmp_path / "run")
    points = [one for one in everyone if one.origin == POINT]
    assert sorted(one.params["x"] for one in points) == pytest.approx([number / 10 for number in range(40)])
    assert len(everyone) == len({one.id for one in everyone}) == 50
    assert {one.id.rank for one in points} == set(range(ranks // team))
    begins = {one.id: one.ended - one.seconds for one in everyone}
    for rank in range(ranks // team):
        own = [one for one in everyone if one.id.rank == rank]
        others = [begins[one.id] for one in own if one.origin != POINT]
        assert all(begins[one.id] <= start for one in own if one.origin == POINT for start in others)


@pytest.mark.mpi
@pytest.mark.parametrize("again", [("points",), ()])
def test_points_outlast_a_run_that_was_killed(again, script, python, tmp_path):
    path = script(LONG.format(evaluations=50, islands=1, team=1, seconds=0.2))
    command = [*Mpiexec().command(3), sys.executable, str(path), "points"]
    job = subprocess.Popen(command, cwd=tmp_path, env=rank_environment(3), start_new_session=True)
    run = tmp_path / "run"
    deadline = time.monotonic() + 60
    while not (run / "config.yaml").exists() or len(points_in(run)) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    kill_all(job)
    assert len(in_order(run)) < 40
    python(path, *again, ranks=2)
    everyone = in_order(run)
    assert sorted(one.params["x"] for one in everyone if one.origin == POINT) == pytest.approx(
        [number / 10 for number in range(40)]
    )
    assert len(everyone) == 50


def kill_all(job):
    family = [psutil.Process(job.pid), *psutil.Process(job.pid).children(recursive=True)]
    for process in family:
        process.send_signal(signal.SIGKILL)
    job.wait()
