"""Events: the entries of a run's journals, in the order in which they occurred on each rank."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from propulate_like.foundation.clock import unix_time
from propulate_like.population.individual import Candidate, Count, Id, Individual

FORMAT = 1
Time = Annotated[float, Meta(ge=0, lt=1e11)]
"""A duration in seconds, in the range that a journal line may contain."""
Moment = Annotated[float, Meta(gt=-1e11, lt=1e11)]
"""A Unix time in that range: a clock may be wrong, and before 1970."""


class Session(msgspec.Struct, tag_field="type", tag="session", frozen=True):
    """The start of a rank: the first line that it writes whenever a run starts or continues.

    Attributes:
        rank: The rank's number, below `ranks`.
        ranks: The number of ranks in the session.
        began: The start, in Unix time.
        host: The host's name.
        pid: The process id on that host.
        devices: The devices that the rank uses.
        team: The number of ranks in the team that it leads, itself included.
        island: The number of its island.
        islands: The number of islands, or 0 where it is not known.
        token: The token of the lease by which the run held its folder.
        run: The run's identity, or "" where it has none.
        format: The version of the journal's format.
    """

    rank: Count
    ranks: Count
    began: Moment
    host: str = ""
    pid: int = 0
    devices: tuple[str, ...] = ()
    team: Count = 1
    island: Count = 0
    islands: Count = 0
    token: str = ""
    run: str = ""
    format: int = FORMAT


class Started(msgspec.Struct, frozen=True, gc=False):
    """The start of a long evaluation, or of one that is to start: a starting point's, or a dead rank's.

    Attributes:
        candidate: The candidate that is evaluated.
        began: The start in Unix time, or 0 where this rank has yet to start it: a starting point's, or one that it
            took over.
        deaths: The number of ranks that died while they evaluated the candidate.
    """

    candidate: Candidate
    began: Moment
    deaths: Count = 0

    @classmethod
    def now(cls, individual: Individual, deaths: int = 0) -> Started:
        """Return the event that the evaluation of an individual starts now."""
        return cls(individual.candidate, unix_time(), deaths)

    @property
    def id(self) -> Id:
        """The individual's identity."""
        return self.candidate.id


class Evaluated(msgspec.Struct, frozen=True, gc=False):
    """The end of an evaluation."""

    individual: Individual

    @property
    def id(self) -> Id:
        """The individual's identity."""
        return self.individual.candidate.id


class Closed(msgspec.Struct, tag_field="type", tag="closed", frozen=True):
    """The orderly end of a rank.

    Attributes:
        ended: The end, in Unix time.
        idle: The seconds for which the rank waited for work.
        reason: Why the search ended.
    """

    ended: Moment
    idle: Time
    reason: str


class Moved(msgspec.Struct, tag_field="type", tag="moved", frozen=True, omit_defaults=True, gc=False):
    """A migration of an individual or of its copy to another island, or its replacement there.

    Attributes:
        id: The individual's identity.
        moves: The number of its migrations, this one included.
        island: The island that it moved to, or, where it was `replaced`, the island that it no longer lives on.
        copied: Whether a copy moved, and the individual stayed.
        replaced: Whether a copy that arrived on `island` took its place there.
    """

    id: Id
    moves: Count
    island: Count
    copied: bool = False
    replaced: bool = False


class Died(msgspec.Struct, tag_field="type", tag="died", frozen=True, omit_defaults=True):
    """The death of a rank, as another rank records it.

    Attributes:
        rank: The dead rank's number.
        noted: When the death was recorded, in Unix time.
        host: The host that it ran on, or nothing where that is not known.
        pid: Its process id on that host.
        id: The individual that it was evaluating, or None.
    """

    rank: Count
    noted: Moment
    host: str = ""
    pid: int = 0
    id: Id | None = None

    def __str__(self) -> str:
        where = f" (process {self.pid} on {self.host})" if self.host else ""
        return f"rank {self.rank}{where} died" + ("" if self.id is None else f" while it evaluated {self.id}")


Event = Session | Started | Evaluated | Moved | Closed | Died
