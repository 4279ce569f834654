"""Messages between ranks; nothing is pickled.

Individuals of a declared space are records of fixed size. Individuals of a learned space, reports and reassigned
evaluations are MessagePack (see `population.codec`). All else is a few numbers.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable
from typing import Protocol

import msgspec

from propulate_like.population.codec import Codec
from propulate_like.population.individual import Candidate, Id, Individual
from propulate_like.population.outcome import OK, STOPPED, Outcome
from propulate_like.population.population import Key
from propulate_like.problem.space import NOTHING, Space

(
    RECORDS,
    RETIRED,
    MIGRANT,
    CURVE,
    PASS_ON,
    COUNT,
    REQUEST,
    TICKETS,
    STOP,
    FINAL_REPORTS,
    SUMMARY,
    ACKNOWLEDGED,
    REASSIGN,
) = (bytes([kind]) for kind in range(13))

origin = struct.Struct("<I")
"""In front of what is to be passed on: the place on the island where it began."""
_count = struct.Struct("<QQBdIq")
request = struct.Struct("<QB")
"""Tickets that the sender has left, and whether it is idle."""
tickets = struct.Struct("<Q")
"""Tickets that the sender hands over."""

curve = struct.Struct("<IIQBQdB")
"""An id, its rung, a step and the intermediate loss there, and one of RUNNING, COMPLETED, CUT (or failed), RESTARTED.

Of an evaluation that is COMPLETED it is the loss itself.
"""
RUNNING, COMPLETED, CUT, RESTARTED = range(4)

_retired = struct.Struct("<IIQIBd")


def pack_count(counts: tuple[int, int, int, float, int, int], dead: tuple[int, ...]) -> bytes:
    """Return the counts (see `census`) of the sender and all ranks below it, and the dead that it knows of."""
    return _count.pack(*counts) + array("I", dead).tobytes()


def unpack_count(content: bytes) -> tuple[tuple[int, ...], tuple[int, int, int, float, int, int]]:
    """Return the dead that the sender of counts knew of, and the counts."""
    dead = array("I", content[_count.size :])
    return tuple(dead), _count.unpack_from(content)


def pack_retired(individual: Individual, moves: int) -> bytes:
    """Return the message that an individual has left its island, with its moves until then."""
    ident = individual.id
    return _retired.pack(ident.island, ident.rank, ident.serial, moves, individual.rung, individual.loss)


def unpack_retired(content: bytes) -> tuple[Id, Key, int]:
    """Return who left: its identity, its key in the population and its moves."""
    island, rank, serial, moves, rung, loss = _retired.unpack(content)
    return Id(island, rank, serial), (-rung, loss, -serial, rank, island), moves


class IndividualRecords(Protocol):
    """Individuals as binary records."""

    def pack(self, individual: Individual) -> bytes:
        """Return the record of an evaluated individual that has a loss."""
        ...

    def unpack(self, records: bytes) -> Iterable[tuple[Individual, bytes]]:
        """Return the individuals of records that lie one behind the other, each with its record."""
        ...


_HEADER = 13  # the fields of a record before the genome


class Records:
    """Individuals as binary records, all of the same length in one run."""

    def __init__(self, space: Space, traits: int, losses: int = 1) -> None:
        """Lay out records of this space, with this number of strategy parameters and of losses."""
        self._space = space
        self._dimension, self._traits, self._losses = len(space), traits, losses if losses > 1 else 0
        self._layout = struct.Struct(f"<IIQIBBBIIQ{3 + self._dimension + traits + self._losses}d")

    def pack(self, individual: Individual) -> bytes:
        """Return the record of an evaluated individual that has a loss."""
        candidate, outcome = individual.candidate, individual.outcome
        ident, traits = candidate.id, candidate.traits[: self._traits]  # others bred when the run was begun, maybe
        before = candidate.continues
        padding = (0.0,) * (self._traits - len(traits))
        return self._layout.pack(
            ident.island,
            ident.rank,
            ident.serial,
            individual.moves,
            len(traits),
            outcome.status is STOPPED,
            candidate.rung,
            *((0, 0, 0) if before is None else (before.island, before.rank, before.serial)),
            outcome.loss,
            outcome.seconds,
            outcome.ended,
            *candidate.genome,
            *traits,
            *padding,
            *outcome.losses,
        )

    def unpack(self, records: bytes) -> Iterable[tuple[Individual, bytes]]:
        """Return the individuals of records that lie one behind the other, each with its record."""
        size = self._layout.size
        if len(records) == size:
            return [(self.individual(records), records)]
        parts = [records[begin : begin + size] for begin in range(0, len(records), size)]
        return [(self.individual(part), part) for part in parts]

    def individual(self, record: bytes) -> Individual:
        """Return the individual of a record."""
        values = self._layout.unpack(record)
        island, rank, serial, moves, traits, stopped, rung, *before, loss, seconds, ended = values[:_HEADER]
        genes_end = _HEADER + self._dimension
        candidate = Candidate(
            Id(island, rank, serial),
            values[_HEADER:genes_end],
            self._space,
            traits=values[genes_end : genes_end + traits],
            rung=rung,
            continues=Id(*before) if rung else None,
        )
        losses = values[genes_end + self._traits :]
        return Individual(candidate, Outcome(STOPPED if stopped else OK, loss, seconds, ended, losses=losses), moves)


_length = struct.Struct("<I")
_codec = Codec(NOTHING)


class AskedRecords:
    """Individuals of losses that ask for their parameters, as binary records: of any length, each with its space."""

    def pack(self, individual: Individual) -> bytes:
        """Return the record of an evaluated individual that has a loss."""
        candidate = msgspec.structs.replace(individual.candidate, parents=(), origin="")
        outcome = msgspec.structs.replace(individual.outcome, metrics={}, cause="", curve=())
        content = _codec.encode(Individual(candidate, outcome, individual.moves))
        return _length.pack(len(content)) + content

    def unpack(self, records: bytes) -> Iterable[tuple[Individual, bytes]]:
        """Return the individuals of records that lie one behind the other, each with its record."""
        begin = 0
        while begin < len(records):
            end = begin + _length.size + _length.unpack_from(records, begin)[0]
            yield _codec.decode(records[begin + _length.size : end], Individual), records[begin:end]
            begin = end
