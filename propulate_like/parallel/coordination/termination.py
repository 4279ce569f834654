"""The ending: each rank's last words, gathered up the tree of the living, and what they come to, handed down it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

import msgspec

from propulate_like.parallel import wire
from propulate_like.parallel.coordination.membership import Membership
from propulate_like.parallel.transport import Transport
from propulate_like.population.codec import Codec
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import Status
from propulate_like.storage.events import Died


class Reason(StrEnum):
    """Why a search ended."""

    EVALUATIONS = "evaluations"
    SECONDS = "seconds"
    TARGET = "target"
    INTERRUPTED = "interrupted"
    FAILING = "failing"


class _Words(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of one rank, and of all. `batches` and `records` (of individuals) were sent, `volume` in bytes."""

    reason: str
    """Why the search ended; empty for a dead rank."""
    statuses: dict[Status, int]
    batches: int = 0
    volume: int = 0
    records: int = 0
    best: Individual | None = None
    failure: Individual | None = None
    history: list[Individual] = []
    died: list[Died] = []
    """The ranks that did, as far as this one found out what they left."""


class FinalReport(_Words, frozen=True, kw_only=True):
    """A rank's last words, with its clock's readings as Unix time.

    `idle` holds the intervals in which it waited for work.
    """

    began: float
    last_start: float
    ended: float
    idle: list[tuple[float, float]] = []


class SessionSummary(_Words, frozen=True, kw_only=True):
    """What all ranks' last words come to; the lowest living one says it, and the others repeat it.

    `seconds` is how long the session took, `idle_share` the part of the ranks' time until the last evaluation began in
    which they waited for work, and `tail_share` the part of all their time that lies after that moment and in which
    they did.
    """

    seconds: float
    idle_share: float
    tail_share: float
    dead: tuple[int, ...] = ()
    """Those that the rank which says this knows of: it is handed down the tree of all others."""

    @classmethod
    def of(cls, words: Sequence[FinalReport], dead: tuple[int, ...] = ()) -> SessionSummary:
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
            reason=min((word for word in words if word.reason), key=lambda word: word.ended).reason,
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
            died=[event for word in words for event in word.died],
            dead=dead,
        )


_words = msgspec.msgpack.Decoder(dict[int, bytes])


class Termination:
    """One rank's part in it: hears the ranks below, speaks to the one above, and repeats what the lowest one says.

    A rank leaves once all below it have heard the ending: if one dies first, those below that one are told instead.
    """

    def __init__(self, transport: Transport, membership: Membership, codec: Codec) -> None:
        self._codec = codec
        self.summary: SessionSummary | None = None
        self._transport, self._membership = transport, membership
        self._words: dict[int, bytes] = {}
        self._told = False
        self._unacknowledged: set[int] = set()  # to the ending, among those that this rank is to tell
        self._senders: set[int] = set()

    @property
    def complete(self) -> bool:
        """Whether all ranks below have given their last words."""
        return self._membership.all_below <= self._words.keys()

    @property
    def over(self) -> bool:
        """Whether all below have heard the ending; the rank that told this one has been sent word."""
        return self.summary is not None and not self._unacknowledged

    def handle(self, peer: int, kind: bytes, content: bytes) -> None:
        """Take the words of ranks below, or the ending; to one that did not hear the ending, it is repeated."""
        if kind == wire.FINAL_REPORTS:
            self._words.update(_words.decode(content))
            if self.summary is not None:
                self._hand_down(self.summary, [peer])
        elif kind == wire.ACKNOWLEDGED:
            self._unacknowledged.discard(peer)
            self._confirm()
        elif kind == wire.SUMMARY:
            self._senders.add(peer)
            if self.summary is None:
                self.summary = self._codec.decode(content, SessionSummary)
                self._hand_down(self.summary, self._below(self._membership.rank, self.summary))
            self._confirm()

    def speak(self, word: FinalReport) -> None:
        """Return this rank's last words."""
        self._words[self._membership.rank] = self._codec.encode(word)

    def rearrange(self) -> None:
        """Speak again, to the rank that is above this one now, and tell those that the dead may not have told."""
        self._told = False
        if self.summary is None:
            return
        while dead := self._unacknowledged & set(self._membership.dead):
            for rank in dead:
                self._unacknowledged.discard(rank)
                self._hand_down(self.summary, self._below(rank, self.summary))
        self._confirm()

    def exchange(self, proxy_reports: dict[int, FinalReport], *, patient: bool) -> None:
        """Pass reports on, complete or as they are; the lowest rank adds `proxy_reports` of the dead."""
        if self._told or self.summary is not None or (patient and not self.complete):
            return
        self._told = True
        if self._membership.above is not None:  # the words are not read on their way
            self._transport.send(self._membership.above, wire.FINAL_REPORTS + msgspec.msgpack.encode(self._words))
        else:
            words = proxy_reports | {rank: self._codec.decode(word, FinalReport) for rank, word in self._words.items()}
            self.summary = SessionSummary.of(list(words.values()), self._membership.dead)
            self._hand_down(self.summary, self._below(self._membership.rank, self.summary))

    def _below(self, rank: int, summary: SessionSummary) -> list[int]:
        """Return those whom a rank tells: by the list of the dead of the rank that said the ending, so by one tree."""
        return Membership(rank, self._membership.size, summary.dead).below

    def _hand_down(self, summary: SessionSummary, ranks: Sequence[int]) -> None:
        content = wire.SUMMARY + self._codec.encode(summary)
        for rank in ranks:
            self._unacknowledged.add(rank)
            self._transport.send(rank, content)

    def _confirm(self) -> None:
        if self.over:
            for sender in self._senders:
                self._transport.send(sender, wire.ACKNOWLEDGED)
            self._senders.clear()
