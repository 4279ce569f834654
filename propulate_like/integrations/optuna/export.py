"""The export of a run to an Optuna study, once or during the search."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from itertools import islice

from propulate_like.foundation.passwords import masked, without_password
from propulate_like.integrations.optuna.finished import PREFIX, Trials
from propulate_like.integrations.optuna.storing import Source, moment, open_study
from propulate_like.population.individual import Id, Individual
from propulate_like.storage.events import Evaluated, Event, Session
from propulate_like.storage.history import History
from propulate_like.storage.id_table import IdTable
from propulate_like.storage.journal import Follower
from propulate_like.storage.lease import refusal
from propulate_like.storage.run import Run

LOOK_SECONDS = 0.5
"""The time between two reads of a running search's journals."""
PATIENCE_SECONDS = 3.0
"""The time that a search has to restart after it broke."""

_BEGAN = f"{PREFIX}began"  # the study's attribute by which a run recognizes its own study
_ID = re.compile(r"(\d{1,10})-(\d{1,10})-(\d{1,16})", re.ASCII)
_AT_ONCE = 2000  # trials per transaction, so that others can use the storage in between


class Export:
    """The export of a run's individuals to a study: each once, in the order in which their evaluations ended.

    Attributes:
        target: The storage.
        name: The study's name.
        added: The number of individuals added so far.
    """

    def __init__(self, run: Run, target: str, name: str | None = None) -> None:
        """Open the study, which is created where it does not exist.

        Args:
            run: The run.
            target: The URL of a database, as for SQLAlchemy, or the path of a journal file.
            name: The study's name, by default that of the run's folder.

        Raises:
            ValueError: The storage cannot be used, or the study is not of this run.
            ImportError: Optuna is not installed.
        """
        self.target, self.name = target, name or run.folder.resolve().name
        self.added = 0
        self._run, self._trials = run, Trials(run.signs, run.shape.rungs)
        self._follower: Follower | None = None
        self._ended = False
        self._sessions: set[Session] = set()
        self._known = IdTable()
        with self._errors_in_one_line():
            self._study = open_study(target, self.name, self._trials.directions)
            there, strange = 0, 0
            for each in self._study.sources():
                there += 1
                strange += each is not None and not self._is_noted(each)  # Optuna's own trials have no source
            self._began = self._study.attributes().get(_BEGAN)
        self._history = History(run.folder, run.shape)
        found = sum(self._is_known(individual) for individual in self._read(self._history.events()))
        ours = self._began in {session.began for session in self._sessions} and found == len(self._known)
        if there and (strange or not ours):
            message = f"{masked(target)} has a study {self.name!r} that is not of this run: name another with --study"
            raise ValueError(message)

    def look(self) -> None:
        """Add the individuals that were evaluated since the last call.

        Raises:
            ValueError: The storage cannot be used.
        """
        if self._follower is None:
            individuals = self._history.in_order()
            self._follower = Follower(self._run.folder, self._run.shape)
        else:
            events = (event for _, event in self._follower.read())
            new = (individual for individual in self._read(events) if not self._is_known(individual))
            individuals = iter(sorted(new, key=lambda individual: (individual.ended, individual.id)))
        individuals = (individual for individual in individuals if not self._is_known(individual))
        with self._errors_in_one_line():
            self._study.describe(self._attributes())
            while not self._ended and (some := list(islice(individuals, _AT_ONCE))):
                self._study.add(list(map(self._trials.trial, some)))
                self.added += len(some)
                for individual in some:
                    self._known.add(individual.id, moment(individual.ended))

    def follow(self) -> None:
        """Call `look` repeatedly, until no process runs the search any more, or `end` was called.

        Raises:
            ValueError: The storage cannot be used.
        """
        held = -math.inf
        while not self._ended:
            if refusal(self._run.folder):
                held = time.monotonic()
            self.look()
            if time.monotonic() - held > PATIENCE_SECONDS:
                return
            time.sleep(LOOK_SECONDS)

    def end(self) -> None:
        """Stop after the present transaction. Another thread or a signal handler may call this."""
        self._ended = True

    def _read(self, events: Iterable[Event]) -> Iterator[Individual]:
        """Yield the individuals among events, and collect the sessions."""
        for event in events:
            if isinstance(event, Session):
                self._sessions.add(event)
            elif isinstance(event, Evaluated):
                yield event.individual

    def _is_noted(self, each: Source) -> bool:
        """Note an individual that the study has; return False where it can be none of a run."""
        found = _ID.fullmatch(each[0])
        ident = Id(*map(int, found.groups())) if found else None
        return ident is not None and (self._known.add(ident, each[1]) or self._known.get(ident) == each[1])

    def _is_known(self, individual: Individual) -> bool:
        """Return whether the study has this individual."""
        return self._known.get(individual.id) == moment(individual.ended)

    def _attributes(self) -> dict[str, object]:
        """Return the study's attributes: the run's config, its version, ranks, hosts and devices."""
        config = {name: value for name, value in self._run.config.items() if name != "space" and value is not None}
        sessions = self._sessions
        if self._began is None:
            self._began = min((session.began for session in sessions), default=None)
        known = {
            "version": version("propulate-like"),
            "run": str(self._run.folder.resolve()),
            **config,
            "ranks": max((session.ranks for session in sessions), default=0),
            "hosts": sorted({session.host for session in sessions}),
            "devices": sorted({device for session in sessions for device in session.devices}),
        }
        return {_BEGAN: self._began, **{PREFIX + name: value for name, value in known.items()}}

    @contextmanager
    def _errors_in_one_line(self) -> Iterator[None]:
        """Turn any exception of the storage or its driver into a ValueError with a message of one line."""
        import optuna  # noqa: F401 (that it is not installed is no fault of the storage)

        try:
            yield
        except Exception as error:
            root: BaseException = error
            while root.__cause__ is not None:
                root = root.__cause__
            reason = (str(root).strip() or type(root).__name__).splitlines()[0]
            reason = without_password(reason, self.target)
            message = f"{masked(self.target)}: cannot be exported to: {reason}"
            raise ValueError(message) from error
