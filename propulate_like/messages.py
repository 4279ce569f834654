"""Messages between ranks: records of fixed size for individuals, a few numbers for the rest; nothing is pickled."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

from propulate_like.individual import OK, STOPPED, Id, Individual, Status
from propulate_like.journal import Evaluated
from propulate_like.space import Space

RECORDS, COUNT, REQUEST, TICKETS, STOP, FAREWELL, CURVE = (bytes([kind]) for kind in range(7))

count = struct.Struct("<QQ")
"""Evaluations that the sender finished, and how many of them failed."""
request = struct.Struct("<QB")
"""Tickets that the sender has left, and whether it is idle."""
tickets = struct.Struct("<Q")
"""Tickets that the sender hands over."""

curve = struct.Struct("<IIQBQdB")
"""An id, its rung, a step and the intermediate loss there, and one of RUNNING, COMPLETED and CUT (or failed)."""
RUNNING, COMPLETED, CUT = range(3)


class Farewell(msgspec.Struct, frozen=True):
    """A rank's last message. `idle` holds the intervals (Unix time) in which it waited for work."""

    reason: str
    statuses: dict[Status, int]
    began: float
    last_start: float
    ended: float
    idle: list[tuple[float, float]]
    batches: int
    best: Evaluated | None
    failure: Evaluated | None
    history: list[Evaluated]


farewell_decoder = msgspec.json.Decoder(Farewell)


class Records:
    """Individuals as binary records, all of the same length in one run."""

    def __init__(self, space: Space, traits: int) -> None:
        """Lay out records of this space, with so many strategy parameters each."""
        self._space = space
        self._dimension, self._traits = len(space), traits
        self._layout = struct.Struct(f"<IIQBBBIQ{3 + self._dimension + traits}d")

    def pack(self, individual: Individual) -> bytes:
        """Give the record of an evaluated individual that has a loss."""
        ident, traits = individual.id, individual.traits
        before = individual.continues
        padding = (0.0,) * (self._traits - len(traits))
        return self._layout.pack(
            ident.island,
            ident.rank,
            ident.serial,
            len(traits),
            individual.status is STOPPED,
            individual.rung,
            *((0, 0) if before is None else (before.rank, before.serial)),
            individual.loss,
            individual.seconds,
            individual.ended,
            *individual.genome,
            *traits,
            *padding,
        )

    def unpack(self, records: bytes) -> Iterator[Individual]:
        """Give the individuals of records that lie one behind the other."""
        first = 11
        genes_end = first + self._dimension
        for values in self._layout.iter_unpack(records):
            island, rank, serial, traits, stopped, rung, rank_before, before, loss, seconds, ended = values[:first]
            yield Individual(
                Id(island, rank, serial),
                values[first:genes_end],
                self._space,
                traits=values[genes_end : genes_end + traits],
                status=STOPPED if stopped else OK,
                loss=loss,
                seconds=seconds,
                ended=ended,
                rung=rung,
                continues=Id(island, rank_before, before) if rung else None,
            )
