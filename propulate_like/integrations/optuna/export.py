"""Exporting a run to a study of Optuna's, once or as the search goes on."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from propulate_like.integrations.optuna.finished import PREFIX, Trials
from propulate_like.integrations.optuna.storing import Source, open_study, shown, source
from propulate_like.population.individual import Individual
from propulate_like.storage.events import Evaluated, Session
from propulate_like.storage.journal import Follower
from propulate_like.storage.lease import refusal
from propulate_like.storage.run import Run

LOOK_SECONDS = 0.5
"""How often the journals of a search that goes on are looked at."""
PATIENCE_SECONDS = 3.0
"""How long a search that broke may take to be going again."""

_BEGAN = f"{PREFIX}began"  # of a study: by it, a run knows its own
_AT_ONCE = 2000  # trials, after which others may use the storage


class Export:
    """The way of a run's individuals into a study: each once, in the order in which their evaluations ended."""

    def __init__(self, run: Run, target: str, name: str | None = None) -> None:
        """Open the study of this name (of the folder's, by default), which is made where there is none.

        The `target` is the URL of a database, as SQLAlchemy takes it, or else the path of a journal file. ValueError
        where it cannot be used, or the study is not of this run; ImportError where Optuna is not installed.
        """
        self.target, self.name = target, name or run.folder.resolve().name
        self.added = 0
        """How many individuals were."""
        self._run, self._trials = run, Trials(run)
        self._follower = Follower(run.folder, run.shape)
        self._ended = False
        self._sessions: list[Session] = []
        self._waiting = list(self._read())
        with self._speaking():
            self._study = open_study(target, self.name, self._trials.directions)
            there = list(self._study.sources())
            self._began = self._study.attributes().get(_BEGAN)
        self._known = {each for each in there if each is not None}
        ours = self._began in {session.began for session in self._sessions}
        if there and not (ours and self._known <= set(map(_source, self._waiting))):
            message = f"{shown(target)} has a study {self.name!r} that is not of this run: name another with --study"
            raise ValueError(message)

    def look(self) -> None:
        """Add what was evaluated since the last look."""
        self._waiting += self._read()
        new = {_source(individual): individual for individual in self._waiting}
        individuals = sorted(
            (individual for each, individual in new.items() if each not in self._known),
            key=lambda individual: (individual.ended, individual.id),
        )
        with self._speaking():
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
        """Look again and again, until nobody runs the search any more, or `end` was called."""
        held = -math.inf
        while not self._ended:
            if refusal(self._run.folder):
                held = time.monotonic()
            self.look()
            if time.monotonic() - held > PATIENCE_SECONDS:
                return
            time.sleep(LOOK_SECONDS)

    def end(self) -> None:
        """Add nothing more, once what is being written was; from another thread, or a signal's handler."""
        self._ended = True

    def _read(self) -> Iterator[Individual]:
        for _, event in self._follower.read():
            if isinstance(event, Session):
                self._sessions.append(event)
            elif isinstance(event, Evaluated):
                yield event.individual

    def _attributes(self) -> dict[str, object]:
        """Return what was searched for, how and where."""
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
    def _speaking(self) -> Iterator[None]:
        """Turn what a storage raises into one line; that may be anything its driver knows."""
        import optuna  # noqa: F401 (that it is not installed is no fault of the storage)

        try:
            yield
        except Exception as error:
            root: BaseException = error
            while root.__cause__ is not None:
                root = root.__cause__
            reason = (str(root).strip() or type(root).__name__).splitlines()[0]
            message = f"{shown(self.target)}: cannot be exported to: {reason}"
            raise ValueError(message) from error


def _source(individual: Individual) -> Source:
    return source(str(individual.id), individual.ended)
