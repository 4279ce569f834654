"""The journal: one append-only file of JSON lines per rank, which together hold every evaluation of a run."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from propulate_like.foundation.append_log import Log
from propulate_like.foundation.files import LARGEST_LINE, Tail, lines
from propulate_like.population.individual import Individual
from propulate_like.storage import journal_lines
from propulate_like.storage.events import Evaluated, Event, Moved, Session, Started
from propulate_like.storage.id_table import IdTable, each_once
from propulate_like.storage.journal_lines import Shape, decode

# docs/decisions.md, "Flushed within 10 ms and synced from 1 s"
FLUSH_SECONDS = 0.01
"""The time for which a finished evaluation may wait in memory; one that took longer is written at once."""
# docs/decisions.md, "A run folder is leased"
LOOK_SECONDS = 4.0
"""The time between two checks, made before a write, that the run still owns its folder."""
# docs/decisions.md, "Flushed within 10 ms and synced from 1 s"
SYNC_SECONDS = 1.0
"""An evaluation that took at least this long is forced to the disk (fsync), not only to the operating system."""
_LONGEST_CAUSE = 10_000  # characters that are kept of an outcome too large for a line
_RANK_FILE = re.compile(r"rank-([0-9]{5,10})\.jsonl")

_MIGRATION = b'"type":"moved"', b'"type":"session"'
_EVALUATED = b'"type":"evaluated"'


class TakenOver(RuntimeError):  # noqa: N818 (it says what happened)
    """The error that another run has taken over the run's folder."""


class Journal:
    """The events of one rank, appended to a file, or kept in memory where there is no file.

    A disk fault does not end the search. Each kind of fault is reported once, and lines that could not be written wait
    in memory and are retried every `append_log.RETRY_SECONDS`.
    """

    def __init__(
        self,
        path: Path | None,
        ours: Callable[[], bool] = lambda: True,
        shape: Shape | None = None,
        *,
        lasts: bool = True,
    ) -> None:
        """Open the file for appending. A torn last line is ended, so that readers skip it.

        Args:
            path: The file, or None to keep outcomes in memory.
            ours: Returns whether this run still owns its folder; where not, nothing is appended.
            shape: The shape of the run's individuals, by which lines that are still in memory are read.
            lasts: Whether the file outlives the search. Where not, outcomes are kept in memory too.
        """
        self._history: list[Individual] = []
        self._path = path
        self._waiting: list[Event] = []
        self._flushed = time.monotonic()
        self._log = None if path is None else Log(path)
        self.lasts = path is not None and lasts
        """Whether the journal stays on disk."""
        self._ours, self._looked = ours, time.monotonic()
        self._shape = shape

    @property
    def history(self) -> list[Individual]:
        """The evaluated individuals that are in no lasting file: all without one, otherwise those not yet written."""
        if self._log is None or not self.lasts:
            return self._history
        self.flush()
        self._log.retry()
        found = decode(self._log.unsaved, self._shape)
        return [event.individual for event in found if isinstance(event, Evaluated)]

    def start(self, individual: Individual, deaths: int = 0) -> None:
        """Write at once that an evaluation starts, so that a run that was cut off can repeat it.

        Args:
            individual: The individual to be evaluated.
            deaths: The number of ranks that died while they evaluated it.
        """
        if self._log is not None:
            self.write(Started.now(individual, deaths))

    def end(self, individual: Individual) -> None:
        """Append an evaluated individual.

        It is written within `FLUSH_SECONDS`; at once where its evaluation took longer, and with an fsync where it took
        at least `SYNC_SECONDS`.

        Raises:
            TakenOver: Another run has taken over the folder.
        """
        if not self.lasts:
            self._history.append(individual)
        if self._log is None:
            return
        self._waiting.append(Evaluated(individual))
        seconds = individual.outcome.seconds
        if seconds >= FLUSH_SECONDS:
            self.flush()
            if seconds >= SYNC_SECONDS:
                self._log.sync()

    def note(self, event: Event) -> None:
        """Append an event, which is written with the next ones, within `FLUSH_SECONDS`."""
        if self._log is not None:
            self._waiting.append(event)

    def flush_if_due(self) -> None:
        """Write the waiting events, where the last write is at least `FLUSH_SECONDS` ago.

        Raises:
            TakenOver: Another run has taken over the folder.
        """
        if self._log is not None and time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self.flush()

    def write(self, event: Event) -> None:
        """Append an event and write it at once.

        Raises:
            TakenOver: Another run has taken over the folder.
        """
        if self._log is not None:
            self._waiting.append(event)
            self.flush()

    def flush(self) -> None:
        """Write the waiting events to the operating system, where they survive the end of this process.

        Raises:
            TakenOver: Another run has taken over the folder. It may have started from what this file held then.
        """
        if self._log is not None:
            if time.monotonic() - self._looked > LOOK_SECONDS:
                if not self._ours():
                    message = f"{self._path}: another run has taken over the folder, so this one ends"
                    raise TakenOver(message)
                self._looked = time.monotonic()
            block = journal_lines.encode(self._waiting)
            if len(block) > LARGEST_LINE:
                block = b"".join(map(_line, self._waiting))
            self._waiting.clear()
            self._log.append(block.splitlines(keepends=True))
        self._flushed = time.monotonic()

    def close(self) -> None:
        """Write the waiting events and close the file; report how many could not be written.

        Raises:
            TakenOver: Another run has taken over the folder.
        """
        if self._log is not None:
            self.flush()
            self._log.close()


def _line(event: Event) -> bytes:
    """Return an event's line; without metrics and curve, and with a shortened cause, where it would be too long."""
    line = journal_lines.encode([event])
    if len(line) > LARGEST_LINE and isinstance(event, Evaluated):
        individual = event.individual
        cause = f"{individual.cause[:_LONGEST_CAUSE]}\n(metrics and curve left out: {len(line):,} bytes in all)"
        line = journal_lines.encode([Evaluated(individual.with_outcome(metrics={}, curve=(), cause=cause))])
    return line


def journal_path(folder: Path, rank: int) -> Path:
    """Return the path of a rank's journal in a run's folder."""
    return folder / "journal" / f"rank-{rank:05d}.jsonl"


def read(folder: Path, shape: Shape | None = None) -> Iterator[tuple[int, Event]]:
    """Yield every valid event of every rank as (rank, event), rank by rank in the order written.

    Lines that are torn or not valid are skipped, and so are evaluations of an individual after its first one.

    Args:
        folder: The run's folder.
        shape: The shape that individuals must have, or None to accept any.

    Raises:
        ValueError: A file cannot be read, is of another run, or a newer version wrote it.
    """
    events = ((rank, event) for rank, path in _files(folder) for event in decode(lines(path), shape, path))
    yield from each_once(events, IdTable())


class Follower:
    """A reader of the journals of a run in progress, which continues each time after the last complete line."""

    def __init__(self, folder: Path, shape: Shape | None = None) -> None:
        self._folder, self._shape = folder, shape
        self._tails: dict[Path, Tail] = {}
        self._seen = IdTable()

    def read(self) -> Iterator[tuple[int, Event]]:
        """Yield the new events, as the function `read` does.

        Raises:
            ValueError: A file cannot be read, or a newer version wrote it.
        """
        for rank, path in _files(self._folder):
            tail = self._tails.setdefault(path, Tail(path))
            events = ((rank, event) for event in decode(tail.lines(), self._shape, path))
            yield from each_once(events, self._seen)


def count_evaluated(folder: Path) -> int:
    """Count the finished evaluations in a run's folder fast and approximately: torn lines count too."""
    return sum(_EVALUATED in line for _, path in _files(folder) for line in lines(path))


def migrations(folder: Path) -> Iterator[tuple[int, Moved]]:
    """Yield every migration as (islands, event), where `islands` is the number of islands then (0: not known)."""
    for _, path in _files(folder):
        islands = 0
        for event in decode(line for line in lines(path) if any(kind in line for kind in _MIGRATION)):
            if isinstance(event, Session):
                islands = event.islands
            elif isinstance(event, Moved):
                yield islands, event


def journals(folder: Path) -> list[Path]:
    """Return the journals in a run's folder."""
    return [path for _, path in _files(folder)]


def _files(folder: Path) -> Iterator[tuple[int, Path]]:
    """Yield the journals of a run's folder as (rank, path).

    Raises:
        ValueError: The folder of journals is none.
    """
    inside = folder / "journal"
    if os.path.lexists(inside) and not inside.is_dir():
        message = f"{inside} is no folder"
        raise ValueError(message)
    for path in sorted(inside.glob("rank-*.jsonl")):
        digits = _RANK_FILE.fullmatch(path.name)
        if digits and path == journal_path(folder, int(digits[1])):
            yield int(digits[1]), path
