"""Succession: what the lowest living rank does for those that died, so that the search ends as it would have with them.

What they had finished is counted, what they were evaluating is handed on, and the tickets that went with them are
minted anew: as soon as every living rank has told its part, and once only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

from propulate_like.coordination.census import Census, Counts
from propulate_like.coordination.ending import Farewell
from propulate_like.coordination.roster import Roster
from propulate_like.coordination.tickets import Tickets
from propulate_like.events import Died, Started
from propulate_like.individual import OK, STOPPED
from propulate_like.recovery import Remains
from propulate_like.space import Space


class Succession:
    """One rank's part in it: none, until it is the lowest that lives."""

    def __init__(
        self,
        roster: Roster,
        layout: Sequence[range],
        tickets: Tickets,
        census: Census,
        remains: Callable[[int], Remains],
    ) -> None:
        """`layout` has the ranks of each island, and `remains` tells what a dead rank left in its journal."""
        self._roster, self._layout, self._tickets, self._census = roster, layout, tickets, census
        self._read = remains
        self._remains: dict[int, Remains] = {}
        self.died: list[Died] = []
        """All deaths that are known here, noted by this rank or by one that led before it."""
        self._unfinished: list[Started] = []
        self._minted = 0
        self._due = False

    def take_over(self) -> list[tuple[Died, Started | None]]:
        """Find out what was left by ranks that have died: their deaths, each with the evaluation that it broke off.

        What an earlier successor had found out, and noted, is not given again.
        """
        found = []
        for rank in self._roster.dead:
            if rank not in self._remains:
                self._remains[rank] = remains = self._read(rank)
                self._census.departed += _counts(remains)
                self._due = True
                found.append((remains.death(rank), _once_more(remains.unfinished)))
                self.died += remains.died
        known = {death.rank for death in self.died}
        found = [(death, started) for death, started in found if death.rank not in known]
        self.died += [death for death, _ in found]
        self._unfinished += [started for _, started in found if started is not None]
        return found

    def mint(self) -> list[Started]:
        """Make the tickets anew that were lost, once all that live have said what they gave the dead.

        Give what the dead had begun, which is to be evaluated with some of them.
        """
        if not self._due or not self._census.complete:
            return []
        self._due = False
        finished = sum(remains.finished for remains in self._remains.values())
        lost = self._tickets.lost(self._roster.dead, finished, self._census.counts.tickets) - self._minted
        self._minted += lost
        self._tickets.left += lost
        unfinished, self._unfinished = self._unfinished, []
        return unfinished

    def heir(self, started: Started) -> int:
        """Give the rank to evaluate what a dead one had begun: of the individual's island, if any lives there."""
        living = self._living(started.id.island % len(self._layout))
        return living[0] if living else self._roster.rank

    def obituary(self, death: Died, started: Started | None, space: Space) -> str:
        """Say who died, over what, and who is left."""
        params = "" if started is None else f" {started.individual(space).params}"
        island = next(number for number, ranks in enumerate(self._layout) if death.rank in ranks)
        lost = "" if self._living(island) else f"; island {island} has none left"
        return f"{death}{params}; {len(self._roster.living)} of {self._roster.size} ranks go on{lost}"

    def ghosts(self) -> dict[int, Farewell]:
        """Give the last words that the dead could not say."""
        return {
            rank: Farewell(
                reason="",
                statuses=remains.statuses,
                began=remains.session.began,
                last_start=remains.session.began,
                ended=max(remains.ended, remains.session.began),
                best=remains.best,
                failure=remains.failure,
            )
            for rank, remains in self._remains.items()
            if remains.session is not None
        }

    def _living(self, island: int) -> list[int]:
        return [rank for rank in self._layout[island] if rank not in self._roster.dead]


def _once_more(started: Started | None) -> Started | None:
    return None if started is None else msgspec.structs.replace(started, deaths=started.deaths + 1)


def _counts(remains: Remains) -> Counts:
    succeeded = remains.statuses.get(OK, 0) + remains.statuses.get(STOPPED, 0)
    best = remains.best
    rung, loss = (0, math.inf) if best is None or best.loss is None else (best.rung, best.loss)
    return Counts(remains.finished, remains.finished - succeeded, rung, loss)
