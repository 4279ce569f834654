"""The state of a run, from its journals."""

from __future__ import annotations

import math
from collections import Counter

from propulate_like.cli.earnings import Earnings
from propulate_like.population.individual import Individual
from propulate_like.population.summary import Summary
from propulate_like.storage.events import Closed, Died, Evaluated, Event, Moved, Session, Started
from propulate_like.storage.journal import read
from propulate_like.storage.run import Run

LIVE_SECONDS = 60.0
"""Ranks whose sessions began within this time of the newest one belong to the same start of the run."""


class RunState:
    """What all ranks of a run have done, and which of them belong to its newest session."""

    def __init__(self) -> None:
        self._summaries: dict[int, Summary] = {}  # of each rank, whose evaluations ended in the journal's order
        self.earnings = Earnings()
        self.sessions: dict[int, Session] = {}
        """The newest session of each rank."""
        self.closed: dict[int, Closed] = {}
        """How each rank's newest session ended, where it did."""
        self._begun: Counter[int] = Counter()  # the sessions of each rank
        self.running: dict[int, Started] = {}
        """The evaluation that each rank started and has not ended."""
        self.latest = -math.inf
        """The end of the last evaluation or session, in Unix time."""
        self.done_by: Counter[int] = Counter()
        """The number of finished evaluations of each island."""
        self.bests: dict[int, float] = {}
        """The lowest feasible loss of each island."""
        self._moved: set[Moved] = set()
        self._deaths: dict[tuple[str, int], Died] = {}

    @classmethod
    def of(cls, run: Run) -> RunState:
        """Return the state of a run.

        Raises:
            ValueError: A journal cannot be read, or a newer version wrote it.
        """
        state = cls()
        for rank, event in read(run.folder, run.shape):
            state.add(rank, event)
        return state

    def add(self, rank: int, event: Event) -> None:
        """Add the next event of a rank."""
        match event:
            case Session():
                self.sessions[rank] = event
                self._begun[rank] += 1
                self.closed.pop(rank, None)
            case Started() if event.began:
                self.running[rank] = event
            case Closed():
                self.closed[rank] = event
                self.latest = max(self.latest, event.ended)
            case Died():
                self._deaths[event.host, event.pid] = event
            case Moved() if not event.replaced:
                self._moved.add(event)
            case Evaluated():
                self._add_evaluated(rank, event.individual)

    @property
    def summary(self) -> Summary:
        """The summary of all evaluations."""
        return Summary.of(self._summaries.values())

    @property
    def arrived(self) -> Counter[int]:
        """The number of individuals that were sent to each island."""
        return Counter(event.island for event in self._moved)

    @property
    def newest(self) -> float:
        """The start of the newest session, in Unix time."""
        return max((session.began for session in self.sessions.values()), default=0.0)

    @property
    def session_count(self) -> int:
        """How often the run was started or continued: as often as the rank that took part most often."""
        return max(self._begun.values(), default=0)

    @property
    def ended_by(self) -> str | None:
        """Why the newest session ended, as its lowest rank has it; None where some of its ranks have not ended."""
        current = self.current
        return self.closed[min(current)].reason if current and current.keys() <= self.closed.keys() else None

    @property
    def current(self) -> dict[int, Session]:
        """The sessions of the ranks that belong to the newest start of the run and have not died since."""
        return {rank: each for rank, each in self._started().items() if (each.host, each.pid) not in self._deaths}

    @property
    def died(self) -> list[Died]:
        """The deaths of ranks in the newest start of the run."""
        started = self._started().values()
        return [self._deaths[each.host, each.pid] for each in started if (each.host, each.pid) in self._deaths]

    def _started(self) -> dict[int, Session]:
        """Return the sessions that belong to the newest start of the run."""
        newest = self.newest
        ranks = max((session.ranks for session in self.sessions.values() if session.began == newest), default=0)
        return {
            rank: session
            for rank, session in self.sessions.items()
            if session.began > newest - LIVE_SECONDS and rank < ranks  # others are of an earlier session
        }

    def _add_evaluated(self, rank: int, individual: Individual) -> None:
        """Count an evaluated individual of a rank."""
        self._summaries.setdefault(rank, Summary()).add(individual)
        self.earnings.add(rank, individual)
        island = individual.id.island
        self.done_by[island] += 1
        if individual.loss < self.bests.get(island, math.inf) and individual.feasible:  # NaN is not lower
            self.bests[island] = individual.loss
        self.latest = max(self.latest, individual.ended)
        self.running.pop(rank, None)
