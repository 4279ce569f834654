"""What a page says of a comparison, whatever it is written in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

Better = Literal["ours", "theirs", "neither"]


class Table(msgspec.Struct, frozen=True):
    """Rows of text. Those whose first column is in `ours` are set off."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    ours: Sequence[str] = ()


class Point(msgspec.Struct, frozen=True):
    """A mean and its interval."""

    x: float
    y: float
    low: float
    high: float


class Series(msgspec.Struct, frozen=True):
    """A line of a chart; `ours` are drawn stronger. A name has the same color in all charts of a section."""

    name: str
    points: Sequence[Point]
    ours: bool = False


class Chart(msgspec.Struct, frozen=True):
    """Lines with intervals; or (`dots`) a row for each series, along which its y is drawn.

    `low_is_good`: the y axis points down, so that better is above.
    """

    caption: str
    x: str
    y: str
    series: Sequence[Series]
    kind: Literal["lines", "dots"] = "lines"
    log_x: bool = False
    log_y: bool = False
    low_is_good: bool = False


class Verdict(msgspec.Struct, frozen=True):
    """Who is better at something, as an interval says: `neither` where it does not tell."""

    better: Better
    text: str


class Section(msgspec.Struct, frozen=True):
    """A comparison, told: what is compared, why that is fair, how intervals are made, what came out."""

    compared: str
    fair: Sequence[str]
    intervals: str
    parts: Sequence[Table | Chart]
    verdicts: Sequence[Verdict]
    notes: Sequence[str] = ()
