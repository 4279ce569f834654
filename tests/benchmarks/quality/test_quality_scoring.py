"""Scores of known searches."""

import math

import numpy as np
import pytest
from propulate_like_bench.quality import scoring, summary
from propulate_like_bench.quality.suites import Problem
from propulate_like_bench.quality.workers import Course

from propulate_like.problem.parameters import Float
from propulate_like.problem.space import Space

GAIN = scoring.decades(typical=1010.0, optimum=10.0)
PROBLEM = Problem(Space({"x": Float(0.0, 1.0)}), lambda params: params["x"], GAIN)


@pytest.mark.parametrize(
    ("loss", "gain"),
    [(1010.0, 0.0), (1e9, 0.0), (110.0, 1 / 8), (11.0, 3 / 8), (10.0 + 1e-8, 1.0), (10.0, 1.0), (math.inf, 0.0)],
)
def test_gain_counts_orders_of_magnitude_over_a_typical_point(loss, gain):
    assert GAIN(loss) == pytest.approx(gain, abs=1e-6)


@pytest.mark.parametrize(("budget", "first"), [(100, 5), (500, 10), (2500, 50), (38_912, 778), (4, 4)])
def test_moments_run_from_a_fiftieth_of_the_budget_to_its_end(budget, first):
    moments = scoring.moments(budget)
    assert (moments[0], moments[-1]) == (first, budget)
    assert moments == sorted(moments)
    middle = math.sqrt(first * budget)
    assert moments[len(moments) // 2] == pytest.approx(middle, abs=0.5, rel=1e-3)


def test_a_lowest_loss_holds_until_the_next():
    course = [(3, 9.0), (7, 4.0), (50, 1.0)]
    assert [scoring.lowest(course, n) for n in (1, 2, 3, 6, 7, 49, 50, 1000)] == [math.inf] * 2 + [9.0] * 2 + [
        4.0, 4.0, 1.0, 1.0
    ]  # fmt: skip


def course_of(loss, at=1):
    return Course([(at, loss)], [(1, 0.001), (100, 0.2)])


def standing(**losses):
    units = {("f1", 1): PROBLEM, ("f2", 1): PROBLEM}
    courses = {
        name: {unit: [course_of(loss)] for unit, loss in zip(units, pair, strict=True)} for name, pair in losses.items()
    }
    return summary.Standing(units, courses, 100)


def test_a_standing_has_scores_ranks_and_gains_beside_the_best_peers():
    rows = {
        row["contestant"]: row
        for row in standing(auto=(11.0, 11.0), random=(1010.0, 110.0), tpe=(110.0, 110.0)).rows(
            "auto", ["random", "tpe"]
        )
    }
    assert {name: row["score"] for name, row in rows.items()} == pytest.approx(
        {"auto": 3 / 8, "tpe": 1 / 8, "random": 1 / 16}
    )
    assert rows["auto"]["gain_ratio"] == pytest.approx((3 / 8 - 1 / 16) / (1 / 8 - 1 / 16))
    assert [rows[name]["mean_rank"] for name in ("auto", "tpe", "random")] == [1.0, 2.25, 2.75]
    assert rows["tpe"]["difference"] == pytest.approx(-2 / 8)
    assert rows["tpe"]["difference_interval"] == pytest.approx((-2 / 8, -2 / 8))
    assert rows["auto"]["ask_milliseconds"] == pytest.approx(2.0)


def test_without_gains_contestants_are_compared_by_rank():
    problem = Problem(PROBLEM.space, PROBLEM.loss)
    courses = {"a": {("f1", 1): [course_of(1.0)]}, "b": {("f1", 1): [course_of(0.5)]}}
    of_ranks = summary.Standing({("f1", 1): problem}, courses, 100)
    rows = of_ranks.rows("a", [])
    assert [(row["contestant"], row["mean_rank"]) for row in rows] == [("b", 1.0), ("a", 2.0)]
    assert "score" not in summary.table(of_ranks, "a", [])


def test_a_search_that_is_better_at_first_only_is_ranked_moment_by_moment():
    late = Course([(1, 5.0), (32, 0.0)], [(100, 0.1)])
    courses = {"early": {("f1", 1): [course_of(1.0)]}, "late": {("f1", 1): [late]}}
    curves = summary.Standing({("f1", 1): PROBLEM}, courses, 100).rank_curves
    assert curves[:, 0].tolist() == [1.0, 2.0]
    assert curves[:, -1].tolist() == [2.0, 1.0]


def test_an_interval_holds_the_mean_about_as_often_as_it_says():
    generator = np.random.default_rng(5)
    held = 0
    for _ in range(100):
        low, high = scoring.interval(generator.normal(3.0, 1.0, 48))
        held += low <= 3.0 <= high
    assert 85 <= held <= 100
    assert scoring.interval(np.full(48, 2.0)) == pytest.approx((2.0, 2.0))
