"""Termination: each rank's final report goes up the tree of living ranks, and the summary of all comes back down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from propulate_like.parallel import wire
from propulate_like.parallel.coordination.dispatch import Handler
from propulate_like.parallel.coordination.membership import Membership
from propulate_like.parallel.transport import Transport
from propulate_like.population.codec import Codec
from propulate_like.population.individual import Individual
from propulate_like.population.summary import Summary
from propulate_like.storage.events import Died


class _Report(msgspec.Struct, frozen=True, kw_only=True):
    """What is reported of one rank, and of all.

    `batches` of messages and `records` of individuals were sent, `volume` bytes in all.
    """

    reason: str
    """Why the search ended; empty for a dead rank."""
    evaluations: Summary
    """What the evaluations came to."""
    batches: int = 0
    volume: int = 0
    records: int = 0
    history: list[Individual] = []
    died: list[Died] = []
    """The deaths of ranks, as far as this rank found out what they left."""


class FinalReport(_Report, frozen=True, kw_only=True):
    """What one rank reports at its end; times are Unix times.

    `idle` holds the intervals in which it waited for work.
    """

    began: float
    last_start: float
    ended: float
    idle: list[tuple[float, float]] = []


class SessionSummary(_Report, frozen=True, kw_only=True):
    """The sum of all ranks' final reports; the leader makes it, and it is the same on every rank.

    The session took `seconds`. `idle_share` is the share of the ranks' time until the last evaluation began in which
    they waited for work, and `tail_share` the share of their whole time in which they waited after that moment.
    """

    seconds: float
    idle_share: float
    tail_share: float
    dead: tuple[int, ...] = ()
    """The dead ranks that the leader knew of: the summary goes down the tree of all others."""

    @classmethod
    def of(cls, reports: Sequence[FinalReport], dead: tuple[int, ...] = ()) -> SessionSummary:
        """Return the summary of final reports, in whatever order they came."""
        evaluations = Summary.of(report.evaluations for report in reports)
        began, ended = min(report.began for report in reports), max(report.ended for report in reports)
        until = max(report.last_start for report in reports)
        idle = sum(max(min(end, until) - begin, 0.0) for report in reports for begin, end in report.idle)
        late = sum(max(end - max(begin, until), 0.0) for report in reports for begin, end in report.idle)
        return cls(
            reason=min((report for report in reports if report.reason), key=lambda report: report.ended).reason,
            evaluations=evaluations,
            seconds=ended - began,
            idle_share=idle / (len(reports) * (until - began)) if until > began else 0.0,
            tail_share=late / (len(reports) * (ended - began)) if ended > began else 0.0,
            batches=sum(report.batches for report in reports),
            volume=sum(report.volume for report in reports),
            records=sum(report.records for report in reports),
            history=[event for report in reports for event in report.history],
            died=[event for report in reports for event in report.died],
            dead=dead,
        )


_reports = msgspec.msgpack.Decoder(dict[int, bytes])


class Termination:
    """One rank's part in the termination.

    It collects the reports of its subtree and sends them to its parent. The leader sends the summary to its children,
    and every rank forwards it to its own. A rank may leave once all its descendants have acknowledged the summary: if
    a child dies first, the children of that one are sent the summary instead.
    """

    def __init__(self, transport: Transport, membership: Membership, codec: Codec) -> None:
        self.summary: SessionSummary | None = None
        self._transport, self._membership, self._codec = transport, membership, codec
        self._reports: dict[int, bytes] = {}
        self._sent = False
        self._unacknowledged: set[int] = set()
        """The ranks that were sent the summary, and have not acknowledged it."""
        self._senders: set[int] = set()
        """The ranks that sent the summary, and have not been sent an acknowledgement."""

    @property
    def handlers(self) -> Mapping[bytes, Handler]:
        """The handlers of the messages of other ranks."""
        return {
            wire.FINAL_REPORTS: self._receive_reports,
            wire.SUMMARY: self._receive_summary,
            wire.ACKNOWLEDGED: self._receive_acknowledgement,
        }

    @property
    def complete(self) -> bool:
        """Whether the reports of all descendants are here."""
        return self._membership.descendants <= self._reports.keys()

    @property
    def over(self) -> bool:
        """Whether the summary is here, and all descendants have acknowledged it."""
        return self.summary is not None and not self._unacknowledged

    def add(self, report: FinalReport) -> None:
        """Add this rank's own report."""
        self._reports[self._membership.rank] = self._codec.encode(report)

    def rebuild(self) -> None:
        """Follow the new tree after deaths.

        Send the reports again, to the rank that is the parent now, and the summary to the children of dead ranks.
        """
        self._sent = False
        if self.summary is None:
            return
        while dead := self._unacknowledged & set(self._membership.dead):
            for rank in dead:
                self._unacknowledged.discard(rank)
                self._send_summary(self.summary, self._children(rank, self.summary))
        self._acknowledge()

    def exchange(self, proxy_reports: dict[int, FinalReport], *, wait: bool) -> None:
        """Send the reports to the parent, once; on the leader, make the summary of them, and send it to the children.

        Args:
            proxy_reports: The leader's reports for dead ranks.
            wait: Whether to do so only when the reports are complete.
        """
        if self._sent or self.summary is not None or (wait and not self.complete):
            return
        self._sent = True
        if self._membership.parent is not None:  # no rank but the leader decodes the reports
            self._transport.send(self._membership.parent, wire.FINAL_REPORTS + msgspec.msgpack.encode(self._reports))
        else:
            reports = proxy_reports | {
                rank: self._codec.decode(report, FinalReport) for rank, report in self._reports.items()
            }
            self.summary = SessionSummary.of(list(reports.values()), self._membership.dead)
            self._send_summary(self.summary, self._children(self._membership.rank, self.summary))

    def _receive_reports(self, peer: int, content: bytes, _origin: int | None) -> None:
        """Add the reports of a subtree; a rank that sends them after the summary did not receive that."""
        self._reports.update(_reports.decode(content))
        if self.summary is not None:
            self._send_summary(self.summary, [peer])

    def _receive_summary(self, peer: int, content: bytes, _origin: int | None) -> None:
        self._senders.add(peer)
        if self.summary is None:
            self.summary = self._codec.decode(content, SessionSummary)
            self._send_summary(self.summary, self._children(self._membership.rank, self.summary))
        self._acknowledge()

    def _receive_acknowledgement(self, peer: int, _content: bytes, _origin: int | None) -> None:
        self._unacknowledged.discard(peer)
        self._acknowledge()

    def _children(self, rank: int, summary: SessionSummary) -> list[int]:
        """Return a rank's children in the tree of the leader that made the summary, so that all use the same one."""
        return Membership(rank, self._membership.size, summary.dead).children

    def _send_summary(self, summary: SessionSummary, ranks: Sequence[int]) -> None:
        content = wire.SUMMARY + self._codec.encode(summary)
        for rank in ranks:
            self._unacknowledged.add(rank)
            self._transport.send(rank, content)

    def _acknowledge(self) -> None:
        if self.over:
            for sender in self._senders:
                self._transport.send(sender, wire.ACKNOWLEDGED)
            self._senders.clear()
