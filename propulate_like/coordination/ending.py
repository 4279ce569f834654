"""The ending: each rank's last words, gathered up a tree, and what they come to, handed down it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from propulate_like import messages
from propulate_like.coordination import overlay
from propulate_like.individual import Status
from propulate_like.journal import Evaluated
from propulate_like.transport import Transport


class Farewell(msgspec.Struct, frozen=True):
    """A rank's last words, with its clock's readings as Unix time.

    `idle` holds the intervals in which it waited for work, `batches` counts what it sent, `volume` in
    bytes, and `records` how many of individuals.
    """

    reason: str
    statuses: dict[Status, int]
    began: float
    last_start: float
    ended: float
    idle: list[tuple[float, float]]
    batches: int
    volume: int
    records: int
    best: Evaluated | None
    failure: Evaluated | None
    history: list[Evaluated]


class Ending(msgspec.Struct, frozen=True):
    """What all ranks' last words come to; rank 0 says it, and the others repeat it.

    `seconds` is how long the session took, `idle_share` the part of the ranks' time until the last evaluation began in
    which they waited for work, and `tail_share` the part of all their time that lies after that moment and in which
    they did.
    """

    reason: str
    statuses: dict[Status, int]
    seconds: float
    idle_share: float
    tail_share: float
    batches: int
    volume: int
    records: int
    best: Evaluated | None
    failure: Evaluated | None
    history: list[Evaluated]

    @classmethod
    def of(cls, words: Sequence[Farewell]) -> Ending:
        """Put the words of the ranks together, in whatever order they came."""
        statuses: Counter[Status] = Counter()
        for word in words:
            statuses.update(word.statuses)
        began, ended = min(word.began for word in words), max(word.ended for word in words)
        until = max(word.last_start for word in words)
        bests = [word.best for word in words if word.best is not None]
        failures = [word.failure for word in words if word.failure is not None]
        idle = sum(max(min(end, until) - begin, 0.0) for word in words for begin, end in word.idle)
        late = sum(max(end - max(begin, until), 0.0) for word in words for begin, end in word.idle)
        return cls(
            reason=min(words, key=lambda word: word.ended).reason,
            statuses=dict(statuses),
            seconds=ended - began,
            idle_share=idle / (len(words) * (until - began)) if until > began else 0.0,
            tail_share=late / (len(words) * (ended - began)) if ended > began else 0.0,
            batches=sum(word.batches for word in words),
            volume=sum(word.volume for word in words),
            records=sum(word.records for word in words),
            best=min(bests, key=lambda found: (found.order, found.ended, found.id), default=None),
            failure=min(failures, key=lambda found: (found.ended, found.id), default=None),
            history=[event for word in words for event in word.history],
        )


_farewells = msgspec.json.Decoder(list[Farewell])
_ending = msgspec.json.Decoder(Ending)


class Gathering:
    """One rank's part in it: hears the ranks below, speaks to the one above, and repeats what rank 0 says."""

    def __init__(self, transport: Transport) -> None:
        self.ending: Ending | None = None
        self._transport = transport
        self._below = overlay.below(transport.rank, transport.size)
        self._heard: dict[int, bytes] = {}

    @property
    def complete(self) -> bool:
        """Whether all ranks below have given their last words."""
        return len(self._heard) == len(self._below)

    def handle(self, peer: int, kind: bytes, content: bytes) -> None:
        """Take the words of a rank below and all below that one, or the ending."""
        if kind == messages.FAREWELLS:
            self._heard[peer] = content
        elif kind == messages.ENDING:
            self.ending = _ending.decode(content)
            self._tell_those_below(content)

    def report(self, word: Farewell) -> None:
        """Give this rank's last words, with those heard; they are not read on their way to rank 0."""
        words = b",".join([msgspec.json.encode(word), *self._heard.values()])
        if self._transport.rank:
            self._transport.send(overlay.above(self._transport.rank), messages.FAREWELLS + words)
            return
        self.ending = Ending.of(_farewells.decode(b"[" + words + b"]"))
        self._tell_those_below(msgspec.json.encode(self.ending))

    def _tell_those_below(self, content: bytes) -> None:
        for peer in self._below:
            self._transport.send(peer, messages.ENDING + content)
