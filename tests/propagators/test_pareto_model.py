"""Bayesian optimization of several losses."""

import random

import pytest

import propulate_like as pl


def told(space, loss, propagator, evaluations, seconds=60.0):
    optimizer = pl.Optimizer(space, propagator=propagator, losses=2, seed=0, evaluations=evaluations)
    found = []
    for _ in range(evaluations):
        asked = optimizer.ask()
        found.append(optimizer.tell(asked, loss(asked.params), seconds=seconds))
    return found


def two(params):
    """Return two losses whose front is the line from (0, 0) to (1, 1), and worse with another option than b."""
    x, y = params["x"], params["y"]
    worse = (x - y) ** 2 + 0.1 * (params.get("z", "b") != "b")
    return x**2 + worse, (1.0 - x) ** 2 + worse


def near(found):
    """Return the share of individuals near the front, and how many tenths of it have some."""
    close = [each for each in found if sum(loss**0.5 for loss in each.losses) < 1.05]
    return len(close) / len(found), len({int(10 * each.losses[0] ** 0.5) for each in close})


@pytest.mark.parametrize("extra", [{}, {"z": pl.Choice("a", "b", "c")}])
def test_it_covers_the_front_with_few_evaluations(extra):
    space = {"x": pl.Float(0, 1), "y": pl.Float(0, 1), **extra}
    share, tenths = near(told(space, two, pl.ParetoGaussianProcess(rows=40), 50))
    assert share > 0.4
    assert tenths >= 8


def test_auto_uses_it_where_evaluations_are_expensive_only():
    space = {"x": pl.Float(0, 1), "y": pl.Float(0, 1)}
    expensive, cheap = told(space, two, "auto", 60), told(space, two, "auto", 60, seconds=1e-4)
    assert sum(each.origin == "pareto_gaussian_process" for each in expensive) > 30
    assert any(each.origin.startswith("uniform_crossover") for each in expensive)
    assert not any(each.origin == "pareto_gaussian_process" for each in cheap[20:])


def test_failures_and_constraints_do_not_stop_it():
    draw = random.Random(0)

    def loss(params):
        if draw.random() < 0.3:
            return float("nan"), 1.0
        return {"loss": two(params), "constraints": [0.5 - params["x"]]}

    found = told({"x": pl.Float(0, 1), "y": pl.Float(0, 1)}, loss, pl.ParetoGaussianProcess(), 60)
    feasible = [each for each in found if each.feasible]
    assert len(feasible) > 20
    assert any(each.status == "infeasible" for each in found)
    assert near(feasible)[1] >= 4


def test_arguments_are_checked():
    for wrong in ({"rows": 3}, {"boldness": -1.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            pl.ParetoGaussianProcess(**wrong)
