"""Events: what stands in a run's journals, and reading it from lines that anybody may have written."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from propulate_like.population.individual import BRED, OK, STOPPED, Count, Id, Individual, Status
from propulate_like.problem.space import Space

FORMAT = 1

# What a line may say. Whatever else stands in one is no event, however well formed it is.
Time = Annotated[float, Meta(ge=0, lt=1e11)]
Gene = Annotated[float, Meta(ge=0, le=1)]
Rung = Annotated[int, Meta(ge=0, lt=1 << 8)]
Step = Annotated[int, Meta(ge=0, lt=1 << 62)]


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


class Started(msgspec.Struct, tag_field="type", tag="started", frozen=True, omit_defaults=True, gc=False):
    """A long evaluation began at `began` (Unix time), or is to begin on this rank (0), as a dead one did not end it."""

    id: Id
    began: Time
    genome: tuple[Gene, ...]
    parents: tuple[Id, ...] = ()
    origin: str = ""
    traits: tuple[float, ...] = ()
    rung: Rung = 0
    continues: Id | None = None
    deaths: Count = 0
    """How many ranks have died while they evaluated it."""
    space: str = ""
    """The space that the genome is of, where the loss asks for its parameters by name; otherwise it is the run's."""

    @classmethod
    def of(cls, individual: Individual, deaths: int = 0) -> Started:
        """Note that the evaluation of an individual begins now."""
        return cls(
            individual.id,
            time.time(),
            individual.genome,
            individual.parents,
            individual.origin,
            individual.traits,
            individual.rung,
            individual.continues,
            deaths,
            individual.space.written if individual.space.asked_for else "",
        )

    def individual(self, space: Space) -> Individual:
        """Return the individual back, not evaluated."""
        return Individual(
            self.id,
            self.genome,
            Space.read(self.space) if self.space else space,
            self.parents,
            self.origin,
            self.traits,
            rung=self.rung,
            continues=self.continues,
        )


class Evaluated(msgspec.Struct, tag_field="type", tag="evaluated", frozen=True, omit_defaults=True, gc=False):
    """An evaluation ended; the fields are the individual's. `loss` is left out where it failed."""

    id: Id
    loss: float | None
    genome: tuple[Gene, ...]
    parents: tuple[Id, ...]
    origin: str
    seconds: Time
    ended: Time
    traits: tuple[float, ...] = ()
    status: Status = Status.OK
    metrics: dict[str, Any] = {}
    cause: str = ""
    curve: tuple[tuple[Step, float], ...] = ()
    attempts: Count = 1
    rung: Rung = 0
    continues: Id | None = None
    moves: Count = 0
    losses: tuple[float, ...] = ()
    space: str = ""
    """As in `Started`."""

    @property
    def order(self) -> tuple[int, float]:
        """What those with a loss are compared by, as individuals are; without one, the last of its rung."""
        return -self.rung, math.inf if self.loss is None else self.loss

    @classmethod
    def of(cls, individual: Individual) -> Evaluated:
        """Note an individual that was evaluated."""
        return cls(
            individual.id,
            individual.loss if individual.loss == individual.loss else None,
            individual.genome,
            individual.parents,
            individual.origin,
            individual.seconds,
            individual.ended,
            individual.traits,
            individual.status,
            individual.metrics,
            individual.cause,
            individual.curve,
            individual.attempts,
            individual.rung,
            individual.continues,
            individual.moves,
            individual.losses,
            individual.space.written if individual.space.asked_for else "",
        )

    def individual(self, space: Space) -> Individual:
        """Return the individual back."""
        return Individual(
            self.id,
            self.genome,
            Space.read(self.space) if self.space else space,
            self.parents,
            self.origin,
            self.traits,
            self.status,
            math.nan if self.loss is None else self.loss,
            self.seconds,
            self.ended,
            self.metrics,
            self.cause,
            self.curve,
            self.attempts,
            self.rung,
            self.continues,
            self.moves,
            self.losses,
        )


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
_decoder = msgspec.json.Decoder(Event)


class Shape(msgspec.Struct, frozen=True):
    """What a run's individuals look like: so many genes (None: each has a space of its own), rungs and losses."""

    dimension: int | None
    rungs: int = 1
    losses: int = 1

    @classmethod
    def of(cls, space: Space, rungs: int = 1, losses: int = 1) -> Shape:
        """Return the shape of a run's individuals, whose space is empty where the loss asks for its parameters."""
        return cls(None if space.asked_for else len(space), rungs, losses)

    def fits(self, event: Started | Evaluated) -> bool:
        """Return whether an event can be of such an individual."""
        if event.rung >= self.rungs:
            return False
        if isinstance(event, Evaluated) and event.loss is not None and (len(event.losses) or 1) != self.losses:
            return False
        if self.dimension is not None:
            return not event.space and len(event.genome) == self.dimension
        try:
            return bool(event.space) and len(event.genome) == len(Space.read(event.space))
        except (ValueError, RecursionError):
            return False


def decode(written: Iterable[bytes], shape: Shape | None = None, source: Path | None = None) -> Iterator[Event]:
    """Return the events of those lines that are whole and make sense."""
    for line in written:
        try:
            event = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if b'"format"' in line:
                _refuse_newer(line, source)
            continue
        if isinstance(event, Evaluated):
            if event.status is BRED or (event.loss is None) is (event.status is OK or event.status is STOPPED):
                continue
            if shape is not None and not shape.fits(event):
                continue
        elif isinstance(event, Started):
            if shape is not None and not shape.fits(event):
                continue
        elif isinstance(event, Session) and event.format > FORMAT:
            _refuse_newer(line, source)
        yield event


class _Version(msgspec.Struct):
    format: int


def _refuse_newer(line: bytes, source: Path | None) -> None:
    try:
        version = msgspec.json.decode(line, type=_Version).format
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    if version > FORMAT:
        message = f"{source}: a newer version wrote it: its format is {version}, and this version reads up to {FORMAT}"
        raise ValueError(message)
