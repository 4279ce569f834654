"""Durations in texts are seconds, and other texts are none."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from value_strategies import EXAMPLES

from propulate_like.foundation.durations import PATTERN, seconds_in


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("2h", 7200),
        ("1d", 86400),
        ("1d12h", 129600),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("0s", 0),
        ("0.5s", 0.5),
        ("12:00:00", 43200),
        ("1-12:00:00", 129600),
    ],
)
def test_text_with_units_is_seconds(text, seconds):
    import re

    assert seconds_in(text) == seconds
    assert re.search(PATTERN, text)


@pytest.mark.parametrize(
    "text", ["", "10", "10x", "m", "-5m", "10 m", "1m1h", "1h1h", "1e3s", "soon", "10:00", "٣m", "10m\n", ".5h"]
)
def test_any_other_text_is_refused(text):
    with pytest.raises(ValueError, match="must be such as 90s, 10m, 2h or 1d12h"):
        seconds_in(text)


@EXAMPLES
@given(*[st.integers(0, 10_000)] * 4)
def test_units_add_up(days, hours, minutes, seconds):
    expected = days * 86400 + hours * 3600 + minutes * 60 + seconds
    assert math.isclose(seconds_in(f"{days}d{hours}h{minutes}m{seconds}s"), expected)
