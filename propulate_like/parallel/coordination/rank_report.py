"""The tally: what one rank has done, which its last words tell."""

from __future__ import annotations

from collections import Counter

from propulate_like.parallel.coordination.termination import FinalReport
from propulate_like.parallel.transport import Transport
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import OK, STOPPED, Status
from propulate_like.storage.events import Died


class RankReport:
    """Counts one rank's evaluations, and keeps its times, by its own clock."""

    def __init__(self, began: float) -> None:
        self.began = self.last_start = began
        self.finished = self.failed = 0
        self.longest = 0.0
        """The seconds that its longest evaluation took."""
        self.best: Individual | None = None
        self.failure: Individual | None = None
        """The first one."""
        self.idle: list[tuple[float, float]] = []
        """When it waited for work."""
        self._statuses: Counter[Status] = Counter()  # but for OK, which is the most frequent

    def count(self, individual: Individual) -> None:
        """Take in an individual that was evaluated on this rank."""
        self.finished += 1
        outcome = individual.outcome
        self.longest = max(self.longest, outcome.seconds)
        status = outcome.status
        if status is not OK:
            self._statuses[status] += 1
            if status is not STOPPED:
                self.failed += 1
                self.failure = self.failure or individual
                return
        best = self.best
        if best is None or (
            (outcome.loss < best.outcome.loss or individual.candidate.rung) and individual.order < best.order
        ):
            self.best = individual

    def final_report(
        self,
        *,
        reason: str,
        ended: float,
        epoch: float,
        transport: Transport,
        records: int,
        history: list[Individual],
        died: list[Died],
        inherited_best: Individual | None = None,
    ) -> FinalReport:
        """Return this rank's last words, where its clock counts the seconds since `epoch` (Unix time).

        A better `inherited_best` stands for its best.
        """
        best = self.best
        if inherited_best is not None and (best is None or inherited_best.order < best.order):
            best = inherited_best
        return FinalReport(
            reason=reason,
            statuses={OK: self.finished - self._statuses.total(), **self._statuses},
            began=epoch + self.began,
            last_start=epoch + self.last_start,
            ended=ended,
            idle=[(epoch + begin, epoch + end) for begin, end in self.idle],
            batches=transport.batches,
            volume=transport.volume,
            records=records,
            best=best,
            failure=self.failure,
            history=history,
            died=died,
        )
