"""Several losses: their directions, the front, and where it is shown."""

import json
import math
from itertools import pairwise

import pytest

import propulate_like as pl
from propulate_like.cli.simulate import Assumptions, forecast
from propulate_like.population.pareto import dominates, front
from propulate_like.problem.directions import directions_of, signs_of
from propulate_like.search.config import Config
from propulate_like.storage.run import Run


@pytest.fixture
def search(tmp_path):
    def run(loss, **options):
        default = {"directions": ["minimize", "maximize"], "evaluations": 150, "seed": 0, "run": tmp_path / "run"}
        return pl.minimize(loss, progress=False, **{**default, **options})

    return run


@pytest.fixture
def binh_korn():
    """Binh and Korn 1997, with the second loss negated, so that it is maximized."""

    @pl.objective(x=(0.0, 5.0), y=(0.0, 3.0))
    def loss(x, y):
        return 4 * x**2 + 4 * y**2, -((x - 5) ** 2 + (y - 5) ** 2)

    return loss


def test_the_front_holds_what_nothing_is_better_than(search, binh_korn):
    result = search(binh_korn)
    values = [each.values for each in result.front]
    everyone = [each.values for each in result.individuals]
    for cost, gain in values:
        assert not any(c <= cost and g >= gain and (c, g) != (cost, gain) for c, g in everyone)
    for cost, gain in set(everyone) - set(values):
        assert any(c <= cost and g >= gain for c, g in values)
    assert values == [binh_korn(**each.params) for each in result.front]
    assert values == sorted(values)
    assert len(values) > 30
    with pytest.raises(LookupError, match="of 2 losses none is the best: see `front`"):
        _ = result.best


@pytest.mark.parametrize("losses", [2, 3])
def test_the_same_penalty_for_all_first_ones_ends_no_search(search, losses):
    def loss(x, y):
        return (1e6,) * losses if x + y > 0.3 else (x, y, 1.0)[:losses]

    for seed in range(10):
        space, directions = {"x": pl.Float(0, 1), "y": pl.Float(0, 1)}, ["minimize"] * losses
        result = search(loss, space=space, directions=directions, seed=seed, run=None)
        assert result.statuses == {pl.Status.OK: 150}
        assert max(result.front[0].losses) <= 1.0


def test_a_run_continues_with_its_losses(search, binh_korn):
    before = [each.losses for each in search(binh_korn).individuals]
    result = search(binh_korn, evaluations=250)
    assert result.evaluations == len(result.individuals) == 250
    assert all(len(each.losses) == 2 and each.loss == each.losses[0] for each in result.individuals)
    assert [each.losses for each in result.individuals[:150]] == before
    with pytest.raises(ValueError, match=r"directions: was .*, is"):
        search(binh_korn, directions=["minimize", "minimize"])


def test_the_front_of_a_hard_problem_is_reached(search):
    def zdt1(x):  # Zitzler, Deb and Thiele 2000
        spread = 1 + 9 * sum(list(x.values())[1:]) / 4
        return x["a"], spread * (1 - math.sqrt(x["a"] / spread))

    result = search(
        zdt1, space=dict.fromkeys("abcde", (0.0, 1.0)), directions=["minimize"] * 2, evaluations=1500, run=None
    )
    gaps = [second - (1 - math.sqrt(first)) for first, second in (each.losses for each in result.front)]
    assert max(gaps) < 0.1
    firsts = sorted(each.losses[0] for each in result.front)
    assert max(b - a for a, b in pairwise(firsts)) < 0.15
    assert firsts[0] < 0.05
    assert firsts[-1] > 0.9


def test_evaluations_in_children_and_by_commands_have_several_losses(search, tmp_path):
    (tmp_path / "losses.py").write_text("def loss(x):\n    return x, {True: 1.0}.get(x < 0.5, -x)\n")
    (tmp_path / "print.py").write_text("import sys\nx = float(sys.argv[1])\nprint([x, 1 - x])\n")
    space = {"x": (0.0, 1.0)}
    isolated = search(str(tmp_path / "losses.py:loss"), space=space, evaluation={"isolate": True}, run=None)
    assert all(
        each.losses == (each.params["x"], -1.0 if each.params["x"] < 0.5 else each.params["x"])
        for each in isolated.individuals
    )
    command = pl.Command(["python", "print.py", "{x}"], folder=str(tmp_path))
    commanded = search(command, space=space, evaluations=10, run=None)
    assert all(each.losses == (each.params["x"], each.params["x"] - 1) for each in commanded.individuals)


@pytest.mark.parametrize(
    ("loss", "directions", "cause"),
    [
        (lambda x: (x, x), None, 'returned 2 losses, where one was declared: give directions=["minimize", "minimize"]'),
        (lambda x: x, ["minimize", "maximize"], "returned one loss, where 2 were declared: give no directions"),
        (lambda x: (x, math.nan), ["minimize"] * 2, "loss 2 of 2: the loss returned NaN"),
        (lambda x: (x, "1"), ["minimize"] * 2, "loss 2 of 2: the loss returned '1'"),
        (lambda x: (x, (1, 2)), ["minimize"] * 2, "which are no losses"),
    ],
)
def test_losses_that_are_not_those_declared_are_failures_that_say_so(search, loss, directions, cause):
    with pytest.raises(pl.SearchFailed) as raised:
        search(loss, space={"x": (0.0, 1.0)}, directions=directions)
    assert cause in str(raised.value)


def test_a_tuple_of_one_is_a_loss(search):
    assert search(lambda x: (x,), space={"x": (0.0, 1.0)}, directions=None).best.losses == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"directions": "minimize"}, "directions='minimize' must be a list such as"),
        ({"directions": []}, r"directions=\[\] must be a list such as"),
        ({"directions": ["minimise"]}, "directions: 'minimise' is not valid; did you mean 'minimize'"),
        ({"target": 1.0}, "target=1.0 needs one loss, and there are 2 directions"),
        ({"pruner": "median"}, "pruner='median' needs one loss"),
        ({"evaluation": {"metric": "joules"}}, "metric='joules' needs one loss"),
        ({"fidelity": {"name": "epochs", "low": 1, "high": 9}}, "fidelity=.* needs one loss"),
    ],
)
def test_what_judges_by_one_loss_is_refused(search, binh_korn, options, message):
    with pytest.raises(ValueError, match=message):
        search(binh_korn, **options)


def test_the_command_line_shows_a_front(tmp_path, command):
    (tmp_path / "losses.py").write_text("def loss(x):\n    return x, 1 - x\n")
    (tmp_path / "search.yaml").write_text(
        "objective: losses.py:loss\nspace: {x: {float: [0, 1]}}\ndirections: [maximize, minimize]\n"
        "budget: {evaluations: 40}\nseed: 1\nrun: run\n"
    )
    ended = command("run", "search.yaml", "-n", "1")
    assert ended.stdout.startswith("front")
    values = Run(tmp_path / "run").signs
    assert directions_of(values) == ["maximize", "minimize"]
    known = json.loads(command("status", "run", "--json").stdout)
    losses = [each.loss for each in Run(tmp_path / "run").individuals()]
    assert losses.count(best := min(losses)) > known["front"] == 1  # the same point is shown once
    row, *_ = json.loads(command("results", "run", "--format", "json").stdout)
    assert row["values"] == [-best, 1 + best]
    assert row["params"] == {"x": -best}
    wrong = (tmp_path / "search.yaml").read_text().replace("[maximize", "[up")
    (tmp_path / "wrong.yaml").write_text(wrong)
    refused = command("check", "wrong.yaml", check=False)
    assert refused.stderr == "wrong.yaml: directions: 'up' is not valid; valid: minimize, maximize\n"


@pytest.mark.parametrize("losses", ["objective", "random", "old"])
def test_a_simulation_has_as_many_losses(losses, tmp_path, monkeypatch, search):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "losses.py").write_text("def loss(x):\n    return x, 1 - x\n")
    (tmp_path / "search.yaml").write_text(
        "objective: losses.py:loss\nspace: {x: {float: [0, 1]}}\ndirections: [minimize, maximize]\n"
        "budget: {evaluations: 60}\n"
    )
    search(lambda x: (x, 1 - x), space={"x": (0.0, 1.0)}, evaluations=20, run=tmp_path / "old")
    found = forecast(Config.read("search.yaml"), 4, Assumptions("60", losses))
    assert found.summary.evaluations.statuses == {pl.Status.OK: 60}
    assert len(found.summary.evaluations.best.losses) == 2


@pytest.mark.mpi
def test_all_ranks_know_one_front(script, pooled, reports):
    path = script("""
        import propulate_like as pl
        loss = lambda x, y: (x * x + y * y, (x - 1) ** 2 + y * y)
        space = {"x": (0.0, 1.0), "y": (0.0, 1.0)}
        result = pl.minimize(
            loss, space, directions=["minimize"] * 2, evaluations=400, seed=0, islands=2, progress=False
        )
        distance = max(each.params["y"] for each in result.front)
        ids = "".join(str(each.id) for each in result.front)
        report(result.evaluations, len(result.front) > 20, distance < 0.2, ids)
    """)
    pooled(path, ranks=4)
    (first, *others) = reports()
    assert first[:3] == ["400", "True", "True"]
    assert others == [first] * 3


def test_dominance_is_better_somewhere_and_worse_nowhere():
    assert dominates((1.0, 2.0), (1.0, 3.0))
    assert not dominates((1.0, 2.0), (1.0, 2.0))
    assert not dominates((0.0, 3.0), (1.0, 2.0))
    assert front([]) == []
    assert signs_of(None, maximize=True) == (-1.0,)
    with pytest.raises(ValueError, match="leave out maximize"):
        signs_of(["minimize"], maximize=True)


@pytest.mark.parametrize("propagator", [pl.CMAES(), pl.Evolution(), pl.TrustRegion(), pl.SelectBest(1), pl.Auto()])
def test_what_goes_by_one_loss_is_refused(search, binh_korn, propagator):
    with pytest.raises(ValueError, match="goes by one loss, and there are 2: take auto, or a chain that begins with"):
        search(binh_korn, propagator=pl.Choose(propagator, pl.UniformInitialization()))
