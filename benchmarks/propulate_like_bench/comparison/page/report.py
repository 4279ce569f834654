"""All that a page is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from propulate_like_bench.comparison.page.section import Section


class Chapter(msgspec.Struct, frozen=True):
    """A comparison: what it says, how it is repeated, and how much of it was measured.

    `missing` are the reasons why cells have no result.
    """

    name: str
    title: str
    section: Section
    config: str
    command: str
    quick: bool
    cells: int
    measured: int
    seconds: float
    ended: str
    missing: Sequence[str]


class Report(msgspec.Struct, frozen=True):
    """The page: its chapters, what it was measured with and on, and the command that makes all of it."""

    chapters: Sequence[Chapter]
    surroundings: Mapping[str, str]
    command: str
