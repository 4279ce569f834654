"""The export of a run to an Optuna study, once or during the search."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from propulate_like.foundation.passwords import masked, without_password
from propulate_like.integrations.optuna.finished import PREFIX, Trials
from propulate_like.integrations.optuna.storing import Source, open_study, source
from propulate_like.population.individual import Individual
from propulate_like.storage.events import Evaluated, Session
from propulate_like.storage.journal import Follower
from propulate_like.storage.lease import refusal
from propulate_like.storage.run import Run

LOOK_SECONDS = 0.5
"""The time between two reads of a running search's journals."""
PATIENCE_SECONDS = 3.0
"""The time that a search has to restart after it broke."""

_BEGAN = f"{PREFIX}began"  # the study's attribute by which a run recognizes its own study
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
        self._run, self._trials = run, Trials(run)
        self._follower = Follower(run.folder, run.shape)
        self._ended = False
        self._sessions: list[Session] = []
        self._waiting = list(self._read())
        with self._errors_in_one_line():
            self._study = open_study(target, self.name, self._trials.directions)
            there = list(self._study.sources())
            self._began = self._study.attributes().get(_BEGAN)
        self._known = {each for each in there if each is not None}
        ours = self._began in {session.began for session in self._sessions}
        if there and not (ours and self._known <= set(map(_source, self._waiting))):
            message = f"{masked(target)} has a study {self.name!r} that is not of this run: name another with --study"
            raise ValueError(message)

    def look(self) -> None:
        """Add the individuals that were evaluated since the last call.

        Raises:
            ValueError: The storage cannot be used.
        """
        self._waiting += self._read()
        new = {_source(individual): individual for individual in self._waiting}
        individuals = sorted(
            (individual for each, individual in new.items() if each not in self._known),
            key=lambda individual: (individual.ended, individual.id),
        )
        with self._errors_in_one_line():
            self._study.describe(self._attributes())
            for first in range(0, len(individuals), _AT_ONCE):
                if self._ended:
                    return
                some = individuals[first : first + _AT_ONCE]
                self._study.add(list(map(self._trials.trial, some)))
                self.added += len(some)
        self._known |= new.keys()
        self._waiting.clear()

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

    def _read(self) -> Iterator[Individual]:
        """Yield the new individuals in the journals, and collect the sessions."""
        for _, event in self._follower.read():
            if isinstance(event, Session):
                self._sessions.append(event)
            elif isinstance(event, Evaluated):
                yield event.individual

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


def _source(individual: Individual) -> Source:
    """Return the key of an individual."""
    return source(str(individual.id), individual.ended)
