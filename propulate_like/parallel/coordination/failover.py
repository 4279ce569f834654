"""Failover: what the leader does for ranks that died, so that the search ends as it would have with them.

It adds their finished evaluations to the counts, reassigns the evaluations that they had begun, and reissues the
tickets that were lost with them: once every living rank has reported its part, and no more than once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from propulate_like.parallel.coordination.census import Census
from propulate_like.parallel.coordination.membership import Membership
from propulate_like.parallel.coordination.termination import FinalReport
from propulate_like.parallel.coordination.tickets import Tickets
from propulate_like.storage.events import Died, Started
from propulate_like.storage.recovery import DeadRankState


class Failover:
    """One rank's part in the failover: none, until it is the leader."""

    def __init__(
        self,
        membership: Membership,
        layout: Sequence[range],
        tickets: Tickets,
        census: Census,
        dead_state: Callable[[int], DeadRankState],
    ) -> None:
        """Prepare to lead.

        Args:
            membership: Which ranks live.
            layout: The ranks of each island.
            tickets: This rank's tickets.
            census: The counts that this rank knows.
            dead_state: Reads what a dead rank left in its journal.
        """
        self._membership, self._layout, self._tickets, self._census = membership, layout, tickets, census
        self._read = dead_state
        self._dead_states: dict[int, DeadRankState] = {}
        self.died: list[Died] = []
        """All deaths known here, noted by this rank or by an earlier leader."""
        self._unfinished: list[Started] = []
        self._reissued = self._assigned = 0
        self._due = False

    def take_over(self) -> list[tuple[Died, list[Started]]]:
        """Read what newly dead ranks left, as the leader.

        Returns:
            The deaths that no earlier leader has noted, each with the evaluations that the rank had begun.
        """
        found = []
        for rank in self._membership.dead:
            if rank not in self._dead_states:
                self._dead_states[rank] = dead_state = self._read(rank)
                self._census.dead_counts += dead_state.summary.counts
                self._due = True
                death = dead_state.death(rank)
                found.append((death, [_with_death(each, death) for each in dead_state.unfinished.values()]))
                self.died += dead_state.died
        known = {death.rank for death in self.died}
        found = [(death, begun) for death, begun in found if death.rank not in known]
        self.died += [death for death, _ in found]
        self._unfinished += [started for _, begun in found for started in begun]
        return found

    def reissue(self) -> list[Started]:
        """Reissue lost tickets, once every living rank has reported what it gave to the dead ones.

        Returns:
            The evaluations that dead ranks had begun; some of the tickets are for them.
        """
        if not self._due or not self._census.complete:
            return []
        self._due = False
        finished = sum(dead_state.summary.finished for dead_state in self._dead_states.values())
        lost = self._tickets.lost(self._membership.dead, finished, self._census.counts.tickets) - self._reissued
        self._reissued += lost
        self._tickets.left += lost
        unfinished, self._unfinished = self._unfinished, []
        return unfinished

    def assignee(self, started: Started) -> int:
        """Return the rank that is to evaluate what a dead one had begun: in turn, of the same island if one lives."""
        living = self._living(started.id.island % len(self._layout)) or self._membership.living
        self._assigned += 1
        return living[self._assigned % len(living)]

    def death_report(self, death: Died, begun: list[Started]) -> str:
        """Return a line for the user: which rank died, during which evaluation, and how many ranks are left."""
        params = "".join(f" {started.candidate.params}" for started in begun if started.id == death.id)
        island = next(number for number, ranks in enumerate(self._layout) if death.rank in ranks)
        lost = "" if self._living(island) else f"; island {island} has none left"
        return f"{death}{params}; {len(self._membership.living)} of {self._membership.size} ranks go on{lost}"

    def proxy_reports(self) -> dict[int, FinalReport]:
        """Return the final reports of dead ranks, by rank, from what their journals hold."""
        return {
            rank: FinalReport(
                reason="",
                evaluations=dead_state.summary,
                began=dead_state.session.began,
                last_start=dead_state.session.began,
                ended=max(dead_state.ended, dead_state.session.began),
            )
            for rank, dead_state in self._dead_states.items()
            if dead_state.session is not None
        }

    def _living(self, island: int) -> list[int]:
        return [rank for rank in self._layout[island] if rank not in self._membership.dead]


def _with_death(started: Started, death: Died) -> Started:
    """Count a death where it happened during this evaluation."""
    return msgspec.structs.replace(started, deaths=started.deaths + (started.id == death.id))
