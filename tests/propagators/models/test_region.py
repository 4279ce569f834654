"""The size of a trust region follows successes and failures, and begins anew."""

import math

import pytest

from propulate_like.propagators.models.region import Region


def region(**options):
    return Region(**{"patience": 4, "widest": 1.0, "narrowest": 0.1, "jitter": 0.0} | options)


def test_two_improvements_in_a_row_widen_it_up_to_its_widest():
    one = region()
    one.update([5.0, 4.0])
    assert one.width == pytest.approx(0.96)
    one.update([3.0, 3.5, 2.0])
    assert one.width == pytest.approx(0.96)
    one.update([1.0])
    assert one.width == 1.0


def test_failures_in_a_row_halve_it_until_it_begins_anew():
    one = region(least=0.0)
    one.update([1.0, math.nan, 1.0])
    assert one.width == 0.6
    one.update([math.nan])
    assert one.width == pytest.approx(0.3)
    one.update([1.0] * 4)
    assert one.width == pytest.approx(0.15)
    one.update([1.0] * 4)
    assert one.width == 0.6
