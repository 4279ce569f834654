"""Messages between ranks; nothing is pickled.

Individuals of a declared space are records of fixed size, with constraints behind them. Individuals of a learned space,
reports and reassigned evaluations are MessagePack (see `population.codec`). All else is a few numbers.
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
_count = struct.Struct("<QQBdIqd")
CountFields = tuple[int, int, int, float, int, int, float]
request = struct.Struct("<QB")
"""Tickets that the sender has left, and whether it is idle."""
tickets = struct.Struct("<Q")
"""Tickets that the sender hands over."""

curve = struct.Struct("<IIQBQdB")
"""An id, its rung, a step and the intermediate loss there, and one of RUNNING, COMPLETED, CUT (or failed), RESTARTED.

Of an evaluation that is COMPLETED it is the loss itself.
"""
RUNNING, COMPLETED, CUT, RESTARTED = range(4)

_retired = struct.Struct("<IIQIdBd")


def pack_count(counts: CountFields, dead: tuple[int, ...]) -> bytes:
    """Return the counts (see `census`) of the sender and all ranks below it, and the dead that it knows of."""
    return _count.pack(*counts) + array("I", dead).tobytes()


def unpack_count(content: bytes) -> tuple[tuple[int, ...], CountFields]:
    """Return the dead that the sender of counts knew of, and the counts."""
    dead = array("I", content[_count.size :])
    return tuple(dead), _count.unpack_from(content)


def pack_retired(individual: Individual, moves: int) -> bytes:
    """Return the message that an individual has left its island, with its moves until then."""
    ident = individual.id
    violation, loss = individual.violation, individual.loss
    return _retired.pack(ident.island, ident.rank, ident.serial, moves, violation, individual.rung, loss)


def unpack_retired(content: bytes) -> tuple[Id, Key, int]:
    """Return who left: its identity, its key in the population and its moves."""
    island, rank, serial, moves, violation, rung, loss = _retired.unpack(content)
    return Id(island, rank, serial), (violation, -rung, loss, -serial, rank, island), moves


class IndividualRecords(Protocol):
    """Individuals as binary records."""

    def pack(self, individual: Individual) -> bytes:
        """Return the record of an evaluated individual that has a loss."""
        ...

    def unpack(self, records: bytes) -> Iterable[tuple[Individual, bytes]]:
        """Return the individuals of records that lie one behind the other, each with its record."""
        ...


_HEADER = 14  # the fields of a record before the genome
_constraint_count = struct.Struct("<H")  # the first field
_NUMBER = 8  # bytes


class Records:
    """Individuals as binary records: of the same length in one run, but for constraints, which come last."""

    def __init__(self, space: Space, traits: int, losses: int = 1) -> None:
        """Lay out records of this space, with this number of strategy parameters and of losses."""
        self._space = space
        self._dimension, self._traits, self._losses = len(space), traits, losses if losses > 1 else 0
        self._layout = struct.Struct(f"<HIIQIBBBIIQ{3 + self._dimension + traits + self._losses}d")

    def pack(self, individual: Individual) -> bytes:
        """Return the record of an evaluated individual that has a loss."""
        candidate, outcome = individual.candidate, individual.outcome
        ident, traits = candidate.id, candidate.traits[: self._traits]  # others bred when the run was begun, maybe
        before = candidate.continues
        padding = (0.0,) * (self._traits - len(traits))
        constraints = outcome.constraints
        record = self._layout.pack(
            len(constraints),
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
        return record + struct.pack(f"<{len(constraints)}d", *constraints) if constraints else record

    def unpack(self, records: bytes) -> Iterable[tuple[Individual, bytes]]:
        """Return the individuals of records that lie one behind the other, each with its record."""
        size = self._layout.size
        if len(records) == size:
            return [(self.individual(records), records)]
        parts, begin = [], 0
        while begin < len(records):
            end = begin + size + _NUMBER * _constraint_count.unpack_from(records, begin)[0]
            parts.append(records[begin:end])
            begin = end
        return [(self.individual(part), part) for part in parts]

    def individual(self, record: bytes) -> Individual:
        """Return the individual of a record."""
        values = self._layout.unpack_from(record)
        constrained, island, rank, serial, moves, traits, stopped, rung, *before, loss, seconds, ended = values[
            :_HEADER
        ]
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
        outcome = Outcome(STOPPED if stopped else OK, loss, seconds, ended, losses=losses)
        if constrained:
            outcome = outcome.constrained(struct.unpack_from(f"<{constrained}d", record, self._layout.size))
        return Individual(candidate, outcome, moves)


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
