"""The journal: one append-only file of JSON lines for each rank, which holds all that was ever evaluated."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from propulate_like.foundation.append_log import Log
from propulate_like.foundation.files import LARGEST_LINE, Tail, lines
from propulate_like.population.individual import Individual
from propulate_like.storage import journal_lines
from propulate_like.storage.events import Evaluated, Event, Moved, Session, Started
from propulate_like.storage.journal_lines import Shape, decode

FLUSH_SECONDS = 0.01
"""How long an evaluation that has ended may wait in memory; one that took longer is written at once."""
LOOK_SECONDS = 4.0
"""How often a rank looks, before it writes, whether the run is still its own."""
SYNC_SECONDS = 1.0
"""An evaluation that took this long is forced to the disk itself (fsync), not only to the operating system."""
_LONGEST_CAUSE = 10_000  # of an outcome that is too large for a line
_RANK_FILE = re.compile(r"rank-([0-9]{5,10})\.jsonl")

_MIGRATION = b'"type":"moved"', b'"type":"session"'
_EVALUATED = b'"type":"evaluated"'


class TakenOver(RuntimeError):  # noqa: N818 (it says what happened)
    """Another run has taken over the run's folder."""


class Journal:
    """One rank's events: appended to a file, or kept in memory where there is none.

    A fault of the disk ends nothing. It is said once for each kind, what could not be written waits in memory, and is
    tried again every RETRY_SECONDS.
    """

    def __init__(self, path: Path | None, ours: Callable[[], bool] = lambda: True, shape: Shape | None = None) -> None:
        """Open the file for appending; a torn last line in it is closed off, and so ignored from then on.

        `ours` says whether the run's folder is this run's still: without that, nothing is appended. `shape` is what the
        run's individuals look like.
        """
        self._history: list[Individual] = []
        self._path = path
        self._waiting: list[Event] = []
        self._flushed = time.monotonic()
        self._log = None if path is None else Log(path)
        self._ours, self._looked = ours, time.monotonic()
        self._shape = shape

    @property
    def lasts(self) -> bool:
        """Whether it is on disk."""
        return self._log is not None

    @property
    def history(self) -> list[Individual]:
        """The outcomes that stand in no file: all where there is none, else what could not be written to it."""
        if self._log is None:
            return self._history
        self.flush()
        self._log.retry()
        found = decode(self._log.unsaved, self._shape)
        return [event.individual for event in found if isinstance(event, Evaluated)]

    def start(self, individual: Individual, deaths: int = 0) -> None:
        """Write at once that an evaluation begins, so that a run that is cut off knows what was under way."""
        if self._log is not None:
            self.write(Started.now(individual, deaths))

    def end(self, individual: Individual) -> None:
        """Note an outcome; it is written within FLUSH_SECONDS, at once where it took longer than that."""
        if self._log is None:
            self._history.append(individual)
            return
        self._waiting.append(Evaluated(individual))
        seconds = individual.outcome.seconds
        if seconds >= FLUSH_SECONDS:
            self.flush()
            if seconds >= SYNC_SECONDS:
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
            block = journal_lines.encode(self._waiting)
            if len(block) > LARGEST_LINE:
                block = b"".join(map(_line, self._waiting))
            self._waiting.clear()
            self._log.append(block.splitlines(keepends=True))
        self._flushed = time.monotonic()

    def close(self) -> None:
        """Write what is left and close the file; say what never got there."""
        if self._log is not None:
            self.flush()
            self._log.close()


def _line(event: Event) -> bytes:
    line = journal_lines.encode([event])
    if len(line) > LARGEST_LINE and isinstance(event, Evaluated):
        individual = event.individual
        cause = f"{individual.cause[:_LONGEST_CAUSE]}\n(metrics and curve left out: {len(line):,} bytes in all)"
        line = journal_lines.encode([Evaluated(individual.with_outcome(metrics={}, curve=(), cause=cause))])
    return line


def journal_path(folder: Path, rank: int) -> Path:
    """Return where a rank's journal lies in a run's folder."""
    return folder / "journal" / f"rank-{rank:05d}.jsonl"


def read(folder: Path, shape: Shape | None = None) -> Iterator[tuple[int, Event]]:
    """Return every whole event of every rank as (rank, event), in the order written; other lines are passed over.

    ValueError where a file cannot be read, or a newer version wrote it.
    """
    for rank, path in _files(folder):
        for event in decode(lines(path), shape, path):
            yield rank, event


class Follower:
    """Reads the journals of a run that goes on, each time what was written since."""

    def __init__(self, folder: Path, shape: Shape | None = None) -> None:
        self._folder, self._shape = folder, shape
        self._tails: dict[Path, Tail] = {}

    def read(self) -> Iterator[tuple[int, Event]]:
        """Return what is new, as the function `read` does; a line that lacks its end comes again."""
        for rank, path in _files(self._folder):
            tail = self._tails.setdefault(path, Tail(path))
            for event in decode(tail.lines(), self._shape, path):
                yield rank, event


def count_evaluated(folder: Path) -> int:
    """Count the evaluations in a run's folder, fast and roughly: torn lines count."""
    return sum(_EVALUATED in line for _, path in _files(folder) for line in lines(path))


def migrations(folder: Path) -> Iterator[tuple[int, Moved]]:
    """Return every word of a migration, with the number of islands that there were."""
    for _, path in _files(folder):
        islands = 0
        for event in decode(line for line in lines(path) if any(kind in line for kind in _MIGRATION)):
            if isinstance(event, Session):
                islands = event.islands
            elif isinstance(event, Moved):
                yield islands, event


def _files(folder: Path) -> Iterator[tuple[int, Path]]:
    """Return the journals of a run's folder, each with its rank."""
    for path in sorted((folder / "journal").glob("rank-*.jsonl")):
        digits = _RANK_FILE.fullmatch(path.name)
        if digits and path == journal_path(folder, int(digits[1])):
            yield int(digits[1]), path
