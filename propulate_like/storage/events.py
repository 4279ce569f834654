"""Events: what a run's journals tell, in the order in which each rank met it."""

from __future__ import annotations

import time
from typing import Annotated

import msgspec
from msgspec import Meta

from propulate_like.population.individual import Candidate, Count, Id, Individual

FORMAT = 1
Time = Annotated[float, Meta(ge=0, lt=1e11)]
"""Seconds, or Unix time: what a line of a journal may say."""


class Session(msgspec.Struct, tag_field="type", tag="session", frozen=True):
    """A rank began: the first line it writes whenever a run starts or continues. It leads a team of `team` ranks.

    `island` is the number of its island, of so many `islands` (0: not known), and the `token` is
    that by which the run held its folder.
    """

    rank: Count
    ranks: Count
    began: Time
    host: str = ""
    pid: int = 0
    devices: tuple[str, ...] = ()
    team: Count = 1
    island: Count = 0
    islands: Count = 0
    token: str = ""
    format: int = FORMAT


class Started(msgspec.Struct, frozen=True, gc=False):
    """A long evaluation began at `began` (Unix time), or is to begin on this rank (0), as a dead one did not end it.

    `deaths` ranks have died while they evaluated it.
    """

    candidate: Candidate
    began: Time
    deaths: Count = 0

    @classmethod
    def now(cls, individual: Individual, deaths: int = 0) -> Started:
        """Note that the evaluation of an individual begins now."""
        return cls(individual.candidate, time.time(), deaths)

    @property
    def id(self) -> Id:
        """The individual's identity."""
        return self.candidate.id


class Evaluated(msgspec.Struct, frozen=True, gc=False):
    """An evaluation ended."""

    individual: Individual

    @property
    def id(self) -> Id:
        """The individual's identity."""
        return self.individual.candidate.id


class Closed(msgspec.Struct, tag_field="type", tag="closed", frozen=True):
    """A rank ended in good order, at `ended` (Unix time), having waited `idle` seconds for work."""

    ended: Time
    idle: Time
    reason: str


class Moved(msgspec.Struct, tag_field="type", tag="moved", frozen=True, omit_defaults=True, gc=False):
    """An individual left for another island, its `moves` counted with this one, or a copy did; or it was `replaced`.

    Then `island` is the one on which it lives no more.
    """

    id: Id
    moves: Count
    island: Count
    copied: bool = False
    replaced: bool = False


class Died(msgspec.Struct, tag_field="type", tag="died", frozen=True, omit_defaults=True):
    """A rank died, as another one notes, perhaps while it was evaluating an individual."""

    rank: Count
    noted: Time
    host: str = ""
    pid: int = 0
    id: Id | None = None

    def __str__(self) -> str:
        where = f" (process {self.pid} on {self.host})" if self.host else ""
        return f"rank {self.rank}{where} died" + ("" if self.id is None else f" while it evaluated {self.id}")


Event = Session | Started | Evaluated | Moved | Closed | Died
