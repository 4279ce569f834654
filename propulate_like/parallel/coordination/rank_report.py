"""Rank report: the counts, times and best individual of one rank."""

from __future__ import annotations

import msgspec

from propulate_like.parallel.coordination.termination import FinalReport
from propulate_like.parallel.transport import Transport
from propulate_like.population.individual import Individual
from propulate_like.population.summary import Summary
from propulate_like.storage.events import Died


class RankReport:
    """Sums up one rank's evaluations, and keeps the times at which it worked and waited, by its own clock."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.last_start = began
        """When its last evaluation began."""
        self.longest = 0.0
        """The seconds that its longest evaluation took."""
        self.idle: list[tuple[float, float]] = []
        """The intervals in which it waited for work, from and until."""
        self.summary = Summary()
        """What its evaluations came to."""

    def add(self, individual: Individual) -> None:
        """Add an individual that was evaluated on this rank."""
        seconds = individual.outcome.seconds
        self.longest = seconds if seconds > self.longest else self.longest
        self.summary.add(individual)

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
        """Return the report of this rank at its end.

        Args:
            reason: Why the search ended.
            ended: When it ended on this rank, as Unix time.
            epoch: The Unix time at which the rank's clock was 0.
            transport: The transport, which counts what was sent.
            records: The number of records of individuals that were sent.
            history: The outcomes that are in no file.
            died: The deaths that this rank knows of.
            inherited_best: The best individual of dead ranks that this rank reports for them, instead of a worse one.
        """
        bests = [found for found in (self.summary.best, inherited_best) if found is not None]
        best = min(bests, key=lambda found: found.precedence, default=None)
        return FinalReport(
            reason=reason,
            evaluations=msgspec.structs.replace(self.summary, best=best),
            began=epoch + self.began,
            last_start=epoch + self.last_start,
            ended=ended,
            idle=[(epoch + begin, epoch + end) for begin, end in self.idle],
            batches=transport.batches,
            volume=transport.volume,
            records=records,
            history=history,
            died=died,
        )
