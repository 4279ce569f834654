"""Recovery: the state of a run, or of a dead rank, from the journals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from propulate_like.foundation.clock import unix_time
from propulate_like.foundation.files import lines
from propulate_like.population.individual import Id, Individual
from propulate_like.population.summary import Summary
from propulate_like.storage.events import Closed, Died, Evaluated, Event, Session, Started
from propulate_like.storage.id_table import IdTable, each_once
from propulate_like.storage.journal import journal_path, read
from propulate_like.storage.journal_lines import Shape, decode


class DeadRankState(msgspec.Struct):
    """The state of a dead rank, from its journal's newest session.

    Attributes:
        session: The session's start, or None where there is no journal.
        summary: The summary of its evaluations.
        ended: The end of its last evaluation, in Unix time.
        unfinished: The evaluations that it started, or was to start, and did not end, in that order: the last one that
            it started is the one it was evaluating.
        died: The deaths of other ranks that it recorded.
    """

    session: Session | None = None
    summary: Summary = msgspec.field(default_factory=Summary)
    ended: float = 0.0
    unfinished: dict[Id, Started] = {}
    died: list[Died] = []

    @classmethod
    def read(cls, path: Path, shape: Shape, token: str = "") -> DeadRankState:
        """Read the newest session of a journal.

        Args:
            path: The journal.
            shape: The shape of the run's individuals.
            token: The token of the run's lease, or "" to accept the session of any.

        Returns:
            The rank's state, which is empty where there is no journal, or its newest session has another token.

        Raises:
            ValueError: The journal cannot be read, or a newer version wrote it.
        """
        dead_state = cls()
        with suppress(FileNotFoundError):
            events = ((0, event) for event in decode(lines(path), shape, path))
            for _, event in each_once(events, IdTable()):
                if isinstance(event, Session):
                    dead_state = cls(event)
                else:
                    dead_state.add(event)
        ours = dead_state.session is not None and dead_state.session.token == token
        return dead_state if ours or not token else cls()

    def add(self, event: Event) -> None:
        """Add the session's next event."""
        match event:
            case Started():
                self.unfinished.pop(event.id, None)
                self.unfinished[event.id] = event
            case Evaluated():
                self.summary.add(event.individual)
                self.ended = event.individual.ended
                self.unfinished.pop(event.id, None)
            case Died():
                self.died.append(event)

    def death(self, rank: int) -> Died:
        """Return the event that the rank died in this session, now."""
        host, pid = ("", 0) if self.session is None else (self.session.host, self.session.pid)
        begun = (event.id for event in reversed(self.unfinished.values()) if event.began)
        return Died(rank, unix_time(), host, pid, next(begun, None))


class Recovery:
    """The state of a run, from the journals of all its sessions.

    Attributes:
        serials: For each rank, the serial number of the next individual that it breeds.
    """

    def __init__(self, folder: Path, shape: Shape) -> None:
        """Read nothing yet: `individuals` does so, and all else is known once it is exhausted."""
        self.serials: dict[int, int] = {}
        self._summaries: dict[int, Summary] = {}  # of each rank
        self._folder, self._shape = folder, shape
        self._elapsed: dict[int, float] = {}
        self._started: dict[Id, Started] = {}
        self._deaths: Counter[Id] = Counter()
        self._noted: set[tuple[str, int]] = set()
        self._over: set[tuple[Id, str, int]] = set()
        """Which processes died over which individuals: one that ends by an error and a survivor may both note it."""

    def individuals(self) -> Iterator[Individual]:
        """Yield each evaluated individual, failures included, and collect everything else on the way.

        Raises:
            ValueError: A journal cannot be read, or a newer version wrote it.
        """
        began: dict[int, float] = {}
        for rank, event in read(self._folder, self._shape):
            match event:
                case Session():
                    began[rank] = event.began
                    self._elapsed[rank] = before = self._elapsed.get(rank, 0.0)
                case Closed() if rank in began:
                    self._elapsed[rank] = max(self._elapsed[rank], before + event.ended - began[rank])
                case Started():
                    self._count(event.id)
                    self._started[event.id] = event
                case Evaluated():
                    self._count(event.id)
                    self._started.pop(event.id, None)
                    individual = event.individual
                    self._summaries.setdefault(rank, Summary()).add(individual)
                    if rank in began:
                        self._elapsed[rank] = max(self._elapsed[rank], before + individual.ended - began[rank])
                    yield individual
                case Died():
                    self._noted.add((event.host, event.pid))
                    if event.id is not None and (not event.host or (event.id, event.host, event.pid) not in self._over):
                        self._over.add((event.id, event.host, event.pid))
                        self._deaths[event.id] += 1

    @property
    def summary(self) -> Summary:
        """The summary of all ranks' evaluations."""
        return Summary.of(self._summaries.values())

    def died(self, ranks: Iterable[int]) -> list[Died]:
        """Return the deaths of ranks in the newest session that no other rank recorded, and count them.

        Args:
            ranks: The ranks whose death ended the session before.
        """
        found = []
        for rank in ranks:
            dead_state = DeadRankState.read(journal_path(self._folder, rank), self._shape)
            if dead_state.session is not None and (dead_state.session.host, dead_state.session.pid) not in self._noted:
                found.append(dead_state.death(rank))
        self._deaths.update(death.id for death in found if death.id is not None)
        return found

    def unfinished(self) -> list[Started]:
        """Return the evaluations that started and did not end, each with the number of ranks that died over it."""
        return [msgspec.structs.replace(event, deaths=self._deaths[event.id]) for event in self._started.values()]

    @property
    def seconds(self) -> float:
        """The time that the run has taken over all its sessions."""
        return max(self._elapsed.values(), default=0.0)

    def _count(self, ident: Id) -> None:
        """Raise the next serial number of the individual's rank above its own."""
        self.serials[ident.rank] = max(self.serials.get(ident.rank, 0), ident.serial + 1)
