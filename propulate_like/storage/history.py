"""The history of a run: its evaluated individuals in the order in which they ended, however many there are."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from pathlib import Path

from propulate_like.foundation.files import lines_until
from propulate_like.population.individual import Id, Individual
from propulate_like.storage.events import Evaluated, Event
from propulate_like.storage.id_table import NUMBERS, IdTable, each_once
from propulate_like.storage.journal import journals
from propulate_like.storage.journal_lines import Shape, decode

_SMALLEST_BLOCK, _LARGEST_BLOCK, _BLOCKS = 1 << 14, 1 << 18, 1 << 25  # bytes: of one journal, and of all together


class History:
    """The evaluations that a run's journals hold now, which can be read several times.

    Individuals are read block by block. A rank evaluates one after the other, so that its journal is in order; one that
    is not, as a clock was set back, is sorted in memory.
    """

    def __init__(self, folder: Path, shape: Shape) -> None:
        """Find the journals and their present ends.

        Raises:
            ValueError: A journal cannot be read.
        """
        self._shape = shape
        self._ends = {path: path.stat().st_size for path in journals(folder)}
        self._block = min(max(_BLOCKS // max(len(self._ends), 1), _SMALLEST_BLOCK), _LARGEST_BLOCK)
        self._mixed: set[Path] = set()
        self._found_in = IdTable()  # the place of the journal in which each individual counts

    def events(self) -> Iterator[Event]:
        """Yield every event, each individual's end once, journal by journal.

        Raises:
            ValueError: A journal cannot be read, is of another run, or a newer version wrote it.
        """
        self._found_in = IdTable()
        for place, path in enumerate(self._ends):
            last = (float("-inf"), Id(0, 0, 0))
            for _, event in each_once(((place, event) for event in self._events(path)), self._found_in):
                if isinstance(event, Evaluated):
                    now = _moment(event.individual)
                    if now < last:
                        self._mixed.add(path)
                    last = now
                yield event

    def in_order(self) -> Iterator[Individual]:
        """Yield every individual once, in the order in which their evaluations ended; after `events` was read.

        Raises:
            ValueError: As for `events`.
        """
        yield from heapq.merge(*(self._sorted(place, path) for place, path in enumerate(self._ends)), key=_moment)

    def _sorted(self, place: int, path: Path) -> Iterable[Individual]:
        """Return the individuals that count in a journal, in the order in which their evaluations ended."""
        found = (
            event.individual
            for _, event in each_once(((place, event) for event in self._events(path)), IdTable())
            if isinstance(event, Evaluated) and self._found_in.get(event.id) == place % NUMBERS
        )
        return sorted(found, key=_moment) if path in self._mixed else found

    def _events(self, path: Path) -> Iterator[Event]:
        return decode(lines_until(path, self._ends[path], self._block), self._shape, path)


def _moment(individual: Individual) -> tuple[float, Id]:
    """Return when an evaluation ended; of two that ended at once, the one with the lower id was first."""
    return individual.outcome.ended, individual.candidate.id
