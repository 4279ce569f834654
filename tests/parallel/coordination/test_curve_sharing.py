"""Ranks know each other's curves: in the order of steps, anew where one is started again, and with its loss."""

import math

import pytest
from conftest import make_individual

import propulate_like as pl
from propulate_like.evaluation.context import RESTARTED
from propulate_like.evaluation.pruning import PrunerState
from propulate_like.parallel.coordination.curve_sharing import CurveSharing

SPACE = pl.Space({"x": pl.Float(0, 1)})
ONE = make_individual(pl.Id(0, 0, 0), (0.5,), SPACE)


class Direct:
    """What publishes to the one other rank at once."""

    alone = False

    def __init__(self):
        self.other = None

    def publish(self, kind, content):
        self.other.handlers[kind](0, content, None)


@pytest.fixture
def ranks():
    ways = Direct(), Direct()
    first, second = (CurveSharing(PrunerState(pl.MedianPruner()), way) for way in ways)
    ways[0].other, ways[1].other = second, first
    return first, second


def known(rank):
    return list(rank.pruner_state.curves[0].get(ONE.id, ()))


def evaluated(**outcome):
    return make_individual(ONE.id, ONE.genome, SPACE, **{"status": pl.Status.OK, "loss": 0.5, **outcome})


def test_both_have_the_points_in_order_and_the_loss(ranks):
    for step in (5, 2, 9):
        ranks[0].report(ONE, step, float(step))
    assert ranks[0].end(evaluated()).curve == ((2, 2.0), (5, 5.0), (9, 9.0))
    for rank in ranks:
        assert known(rank) == [(2, 2.0), (5, 5.0), (9, 9.0)]
        curve = rank.pruner_state.curves[0][ONE.id]
        assert (curve.ended, curve.completed, curve.loss) == (True, True, 0.5)


def test_one_that_is_tried_again_begins_anew_on_both(ranks):
    for step in (5, 2):
        ranks[0].report(ONE, step, 1.0)
    ranks[0].report(ONE, RESTARTED, math.nan)
    for step in (1, 5):
        ranks[0].report(ONE, step, 2.0)
    assert ranks[0].end(evaluated(status=pl.Status.STOPPED)).curve == ((1, 2.0), (5, 2.0))
    for rank in ranks:
        assert known(rank) == [(1, 2.0), (5, 2.0)]
        assert not rank.pruner_state.curves[0][ONE.id].completed


def test_one_that_another_rank_had_begun_begins_anew_on_both(ranks):
    for step in (1, 2, 3):
        ranks[0].report(ONE, step, 1.0)
    ranks[1].report(ONE, 2, 4.0)
    assert known(ranks[0]) == known(ranks[1]) == [(2, 4.0)]
