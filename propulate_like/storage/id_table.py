"""Tables of individuals' ids, which take a few bytes for each."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

from propulate_like.population.individual import Id
from propulate_like.storage.events import Evaluated, Event, Started

NUMBERS = 65_535
"""The numbers that an id can have: those below this one."""
_BLOCK = 512  # ids whose numbers are kept together


class IdTable:
    """A mapping of ids to numbers from 0 on, below `NUMBERS`.

    A rank counts its individuals, so that ids are dense, and their numbers lie in blocks of consecutive ids.
    """

    def __init__(self) -> None:
        self._blocks: dict[tuple[int, int, int], array[int]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def get(self, ident: Id) -> int | None:
        """Return the number of an id, or None where it has none."""
        block = self._blocks.get((ident.island, ident.rank, ident.serial // _BLOCK))
        return block[ident.serial % _BLOCK] - 1 if block is not None and block[ident.serial % _BLOCK] else None

    def add(self, ident: Id, number: int = 0) -> bool:
        """Set the number of an id that has none, and return whether that was so."""
        key = ident.island, ident.rank, ident.serial // _BLOCK
        block = self._blocks.get(key)
        if block is None:
            block = self._blocks[key] = array("H", bytes(2 * _BLOCK))
        place = ident.serial % _BLOCK
        if block[place]:
            return False
        block[place] = number + 1
        self._count += 1
        return True


def each_once(events: Iterable[tuple[int, Event]], seen: IdTable) -> Iterator[tuple[int, Event]]:
    """Yield the events of ranks, without the starts and ends of evaluations of individuals evaluated before.

    Args:
        events: The events, each as (rank, event).
        seen: The individuals that were evaluated before, to which those that are yielded are added, each with its
            rank modulo `NUMBERS`.
    """
    for rank, event in events:
        match event:
            case Evaluated() if not seen.add(event.individual.candidate.id, rank % NUMBERS):
                continue
            case Started() if seen.get(event.candidate.id) is not None:
                continue
        yield rank, event
