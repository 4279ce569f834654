"""The journal: one append-only file of JSON lines for each rank, which holds all that was ever evaluated."""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from propulate_like.appending import Log
from propulate_like.files import LARGEST_LINE, lines
from propulate_like.individual import BRED, OK, STOPPED, Count, Id, Individual, Status
from propulate_like.space import Space

FORMAT = 1
FLUSH_SECONDS = 0.01
"""How long an evaluation that has ended may wait in memory; one that took longer is written at once."""
LOOK_SECONDS = 4.0
"""How often a rank looks, before it writes, whether the run is still its own."""
SYNC_SECONDS = 1.0
"""An evaluation that took this long is forced to the disk itself (fsync), not only to the operating system."""
_LONGEST_CAUSE = 10_000  # of an outcome that is too large for a line
_RANK_FILE = re.compile(r"rank-([0-9]{5,10})\.jsonl")

# What a line may say. Whatever else stands in one is no event, however well formed it is.
Time = Annotated[float, Meta(ge=0, lt=1e11)]
Gene = Annotated[float, Meta(ge=0, le=1)]
Rung = Annotated[int, Meta(ge=0, lt=1 << 8)]
Step = Annotated[int, Meta(ge=0, lt=1 << 62)]


class Session(msgspec.Struct, tag_field="type", tag="session", frozen=True):
    """A rank began: the first line it writes whenever a run starts or continues. It leads a team of `team` ranks.

    `island` is the number of its island, of so many `islands` (0: not known).
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
    format: int = FORMAT


class Started(msgspec.Struct, tag_field="type", tag="started", frozen=True, omit_defaults=True, gc=False):
    """A long evaluation began at `began` (Unix time)."""

    id: Id
    began: Time
    genome: tuple[Gene, ...]
    parents: tuple[Id, ...] = ()
    origin: str = ""
    traits: tuple[float, ...] = ()
    rung: Rung = 0
    continues: Id | None = None
    deaths: int = 0
    """How many ranks have died while they evaluated it."""

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
        )

    def individual(self, space: Space) -> Individual:
        """Give the individual back, not evaluated."""
        return Individual(
            self.id,
            self.genome,
            space,
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
    metrics: dict[str, bool | int | float | str | None] = {}
    cause: str = ""
    curve: tuple[tuple[Step, float], ...] = ()
    attempts: Count = 1
    rung: Rung = 0
    continues: Id | None = None
    moves: Count = 0

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
        )

    def individual(self, space: Space) -> Individual:
        """Give the individual back."""
        return Individual(
            self.id,
            self.genome,
            space,
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

    rank: int
    noted: float
    host: str = ""
    pid: int = 0
    id: Id | None = None

    def __str__(self) -> str:
        where = f" (process {self.pid} on {self.host})" if self.host else ""
        return f"rank {self.rank}{where} died" + ("" if self.id is None else f" while it evaluated {self.id}")


Event = Session | Started | Evaluated | Moved | Closed | Died
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Event)
_MIGRATION = b'"type":"moved"', b'"type":"session"'
_EVALUATED = b'"type":"evaluated"'


class TakenOver(RuntimeError):  # noqa: N818 (it says what happened)
    """Another run has taken over the run's folder."""


class Journal:
    """One rank's events: appended to a file, or kept in memory where there is none.

    A fault of the disk ends nothing. It is said once for each kind, what could not be written waits in memory, and is
    tried again every RETRY_SECONDS.
    """

    def __init__(self, path: Path | None, ours: Callable[[], bool] = lambda: True) -> None:
        """Open the file for appending; a torn last line in it is closed off, and so ignored from then on.

        `ours` says whether the run's folder is this run's still: without that, nothing is appended.
        """
        self._history: list[Evaluated] = []
        self._path = path
        self._waiting: list[Event] = []
        self._flushed = time.monotonic()
        self._log = None if path is None else Log(path)
        self._ours, self._looked = ours, time.monotonic()

    @property
    def history(self) -> list[Evaluated]:
        """The outcomes that stand in no file: all where there is none, else what could not be written to it."""
        if self._log is None:
            return self._history
        self.flush()
        self._log.retry()
        return [event for event in decode(self._log.unsaved) if isinstance(event, Evaluated)]

    def start(self, individual: Individual, deaths: int = 0) -> None:
        """Write at once that an evaluation begins, so that a run that is cut off knows what was under way."""
        if self._log is not None:
            self.write(Started.of(individual, deaths))

    def end(self, individual: Individual) -> None:
        """Note an outcome; it is written within FLUSH_SECONDS, at once where it took longer than that."""
        event = Evaluated.of(individual)
        if self._log is None:
            self._history.append(event)
            return
        self._waiting.append(event)
        if individual.seconds >= FLUSH_SECONDS:
            self.flush()
            if individual.seconds >= SYNC_SECONDS:
                self._log.sync()

    def note(self, event: Event) -> None:
        """Append an event, which is written with what comes next, within FLUSH_SECONDS."""
        if self._log is not None:
            self._waiting.append(event)

    def flush_if_due(self) -> None:
        """Write what has waited for FLUSH_SECONDS."""
        if self._log is not None and time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self.flush()

    def write(self, event: Event) -> None:
        """Append an event and write at once."""
        if self._log is not None:
            self._waiting.append(event)
            self.flush()

    def flush(self) -> None:
        """Hand everything to the operating system, where it survives the end of this process.

        TakenOver where another run has taken over, which may have begun with what this file held then.
        """
        if self._log is not None:
            if time.monotonic() - self._looked > LOOK_SECONDS:
                if not self._ours():
                    message = f"{self._path}: another run has taken over the folder, so this one ends"
                    raise TakenOver(message)
                self._looked = time.monotonic()
            lines = [_line(event) for event in self._waiting]
            self._waiting.clear()
            self._log.append(lines)
        self._flushed = time.monotonic()

    def close(self) -> None:
        """Write what is left and close the file; say what never got there."""
        if self._log is not None:
            self.flush()
            self._log.close()


def _line(event: Event) -> bytes:
    line = _encoder.encode(event) + b"\n"
    if len(line) > LARGEST_LINE and isinstance(event, Evaluated):
        cause = f"{event.cause[:_LONGEST_CAUSE]}\n(metrics and curve left out: {len(line):,} bytes in all)"
        line = _encoder.encode(msgspec.structs.replace(event, metrics={}, curve=(), cause=cause)) + b"\n"
    return line


def journal_path(folder: Path, rank: int) -> Path:
    """Say where a rank's journal lies in a run's folder."""
    return folder / "journal" / f"rank-{rank:05d}.jsonl"


class Shape(msgspec.Struct, frozen=True):
    """What the individuals of a run look like: so many genes, and rungs that they may be on."""

    dimension: int
    rungs: int = 1

    def fits(self, event: Started | Evaluated) -> bool:
        """Say whether an event can be of such an individual."""
        return len(event.genome) == self.dimension and event.rung < self.rungs


def read(folder: Path, shape: Shape | None = None) -> Iterator[tuple[int, Event]]:
    """Give every whole event of every rank as (rank, event), in the order written; other lines are passed over.

    ValueError where a file cannot be read, or a newer version wrote it.
    """
    for rank, path in _files(folder):
        for event in decode(lines(path), shape, path):
            yield rank, event


class Remains(msgspec.Struct):
    """What a rank's journal tells of its newest session."""

    session: Session | None = None
    statuses: dict[Status, int] = {}
    best: Evaluated | None = None
    failure: Evaluated | None = None
    ended: float = 0.0
    unfinished: Started | None = None
    died: list[Died] = []

    @property
    def finished(self) -> int:
        """How many evaluations ended."""
        return sum(self.statuses.values())

    @classmethod
    def read(cls, path: Path) -> Remains:
        """Read a journal from the beginning of its newest session on; nothing where there is no such file."""
        remains = cls()
        with suppress(FileNotFoundError):
            for event in decode(lines(path), source=path):
                if isinstance(event, Session):
                    remains = cls(event)
                else:
                    remains.take(event)
        return remains

    def take(self, event: Event) -> None:
        """Take in the next event."""
        match event:
            case Started():
                self.unfinished = event
            case Evaluated():
                self._count(event)
            case Died():
                self.died.append(event)

    def death(self, rank: int) -> Died:
        """Note that the rank died in that session."""
        host, pid = ("", 0) if self.session is None else (self.session.host, self.session.pid)
        return Died(rank, time.time(), host, pid, None if self.unfinished is None else self.unfinished.id)

    def _count(self, event: Evaluated) -> None:
        self.statuses[event.status] = self.statuses.get(event.status, 0) + 1
        self.ended = event.ended
        if self.unfinished is not None and self.unfinished.id == event.id:
            self.unfinished = None
        if event.loss is None:
            self.failure = self.failure or event
        elif self.best is None or event.order < self.best.order:
            self.best = event


def count_evaluated(folder: Path) -> int:
    """Count the evaluations in a run's folder, fast and roughly: torn lines count."""
    return sum(_EVALUATED in line for _, path in _files(folder) for line in lines(path))


def migrations(folder: Path) -> Iterator[tuple[int, Moved]]:
    """Give every word of a migration, with the number of islands that there were."""
    for _, path in _files(folder):
        islands = 0
        for event in decode(line for line in lines(path) if any(kind in line for kind in _MIGRATION)):
            if isinstance(event, Session):
                islands = event.islands
            elif isinstance(event, Moved):
                yield islands, event


def decode(written: Iterable[bytes], shape: Shape | None = None, source: Path | None = None) -> Iterator[Event]:
    """Give the events of those lines that are whole and make sense."""
    for line in written:
        try:
            event = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if b'"format"' in line:
                _refuse_newer(line, source)
            continue
        kind = type(event)
        if kind is Evaluated:
            if event.status is BRED or (event.loss is None) is (event.status is OK or event.status is STOPPED):
                continue
            if shape is not None and not shape.fits(event):
                continue
        elif kind is Started:
            if shape is not None and not shape.fits(event):
                continue
        elif kind is Session and event.format > FORMAT:
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


def _files(folder: Path) -> Iterator[tuple[int, Path]]:
    """Give the journals of a run's folder, each with its rank."""
    for path in sorted((folder / "journal").glob("rank-*.jsonl")):
        digits = _RANK_FILE.fullmatch(path.name)
        if digits and path == journal_path(folder, int(digits[1])):
            yield int(digits[1]), path


class Recovery:
    """What the journals of a run tell: every outcome so far, what had not ended, and where each rank's count stood."""

    def __init__(self, folder: Path, space: Space, rungs: int = 1) -> None:
        """Read nothing yet: `individuals` does, and the rest is known once it has given them all."""
        self.serials: dict[int, int] = {}
        self.statuses: dict[Status, int] = {}
        self._folder, self._space, self._shape = folder, space, Shape(len(space), rungs)
        self._elapsed: dict[int, float] = {}
        self._started: dict[Id, Started] = {}
        self._deaths: Counter[Id] = Counter()
        self._buried: set[tuple[str, int]] = set()
        self._ended: set[Id] = set()  # of those whose start was noted, or that another rank evaluated

    def individuals(self) -> Iterator[Individual]:
        """Read on, giving each individual that was evaluated, failures included."""
        began: dict[int, float] = {}
        for rank, event in read(self._folder, self._shape):
            match event:
                case Session():
                    began[rank] = event.began
                    self._elapsed[rank] = before = self._elapsed.get(rank, 0.0)
                case Closed() if rank in began:
                    self._elapsed[rank] = max(self._elapsed[rank], before + event.ended - began[rank])
                case Started():
                    self._count(event.id)
                    if event.id not in self._ended:
                        self._started[event.id] = event
                case Evaluated():
                    self._count(event.id)
                    if self._started.pop(event.id, None) is not None or event.id.rank != rank:
                        self._ended.add(event.id)
                    self.statuses[event.status] = self.statuses.get(event.status, 0) + 1
                    if rank in began:
                        self._elapsed[rank] = max(self._elapsed[rank], before + event.ended - began[rank])
                    yield event.individual(self._space)
                case Died():
                    self._buried.add((event.host, event.pid))
                    if event.id is not None:
                        self._deaths[event.id] += 1

    def died(self, ranks: Iterable[int]) -> list[Died]:
        """Note the deaths of ranks in the newest session, but for those that others had noted before they ended too."""
        found = []
        for rank in ranks:
            remains = Remains.read(journal_path(self._folder, rank))
            if remains.session is not None and (remains.session.host, remains.session.pid) not in self._buried:
                found.append(remains.death(rank))
        self._deaths.update(death.id for death in found if death.id is not None)
        return found

    def unfinished(self) -> list[Started]:
        """Give what had started and not ended."""
        return [msgspec.structs.replace(event, deaths=self._deaths[event.id]) for event in self._started.values()]

    @property
    def seconds(self) -> float:
        """How long the run has taken so far, over all its sessions."""
        return max(self._elapsed.values(), default=0.0)

    def _count(self, ident: Id) -> None:
        self.serials[ident.rank] = max(self.serials.get(ident.rank, 0), ident.serial + 1)
