"""The thread in which callbacks are called, for what the journals of all ranks come to hold."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from propulate_like.foundation import early_signals
from propulate_like.foundation.console import say
from propulate_like.foundation.parts import raised
from propulate_like.population.individual import Individual
from propulate_like.population.pareto import dominates, losses_of
from propulate_like.problem.directions import signs_of
from propulate_like.search.callbacks.watched_search import WatchedSearch
from propulate_like.search.result import Result
from propulate_like.storage.events import Evaluated
from propulate_like.storage.journal import Follower
from propulate_like.storage.journal_lines import Shape

# docs/decisions.md, "Callbacks follow the journals"
_LOOK_SECONDS = 0.05
"""The time between two looks at the journals; longer where a look takes long."""
_LOOKING_SHARE = 0.1
"""The share of the time that looks may take."""
_SHOWN_SECONDS = 2.0
"""The time until what another host has written must be seen here."""
_PATIENCE_SECONDS = 10.0
"""The time after which a search that waits for callbacks says so."""


class CallbackRunner:
    """Calls callbacks in a thread of its own, from the start of a search on this rank to its end."""

    def __init__(self, callbacks: Sequence[Any], search: WatchedSearch, folder: Path, shape: Shape) -> None:
        """Take what the journals hold by now as known.

        Args:
            callbacks: The callbacks.
            search: The search as they see it.
            folder: The folder with the journals.
            shape: The shape of the run's individuals.
        """
        self.search = search
        self._signs = signs_of(search.directions)
        self._callbacks = list(callbacks)
        self._follower = Follower(folder, shape)
        self._faults: set[str] = set()
        self._front: list[tuple[float, ...]] = []
        self._told = 0
        for individual in self._read():
            self._is_best(individual)
        self._ended = threading.Event()
        self._result: Result | None = None
        self._expected = 0
        self._unsaved: Sequence[Individual] = ()
        self._thread = threading.Thread(target=self._run, name="propulate-like callbacks", daemon=True)

    def start(self) -> None:
        """Begin to call."""
        self._thread.start()

    @property
    def started(self) -> bool:
        """Whether it has begun to call."""
        return self._thread.ident is not None

    def finish(self, result: Result | None, expected: int = 0, unsaved: Sequence[Individual] = ()) -> None:
        """Wait until every callback was called for all that was evaluated, and for the end; Ctrl-C ends the wait.

        Args:
            result: The search's result, or None where an error ended it.
            expected: The number of evaluations of this session.
            unsaved: Those that are in no journal.
        """
        self._result, self._expected, self._unsaved = result, expected, unsaved
        self._ended.set()
        said = time.monotonic() + _PATIENCE_SECONDS
        before = len(early_signals.told)
        try:
            while self._thread.is_alive() and len(early_signals.told) == before:
                self._thread.join(_LOOK_SECONDS)
                if time.monotonic() >= said:
                    said = float("inf")
                    left = max(expected - self._told, 0)
                    what = f"have {left} evaluations to go" if left else "are at the last ones"
                    say(f"the search has ended; callbacks {what} (Ctrl-C leaves them out)")
        except KeyboardInterrupt:
            pass
        if self._thread.is_alive():
            say("callbacks were left before they had all evaluations")

    def _run(self) -> None:
        self._call("on_start")
        deadline = None
        while self._callbacks:
            began = time.monotonic()
            over = self._ended.is_set()
            for individual in self._read():
                self._evaluated(individual)
            if over:
                deadline = deadline or time.monotonic() + _SHOWN_SECONDS
                if self._told + len(self._unsaved) >= self._expected or time.monotonic() > deadline:
                    break
                time.sleep(_LOOK_SECONDS)
            else:
                self._ended.wait(max(_LOOK_SECONDS, (time.monotonic() - began) / _LOOKING_SHARE))
        for individual in self._unsaved:
            self._evaluated(individual)
        self._call("on_end", self._result)

    def _read(self) -> Iterator[Individual]:
        """Yield the individuals that the journals have got since the last time."""
        try:
            for _, event in self._follower.read():
                if isinstance(event, Evaluated):
                    yield event.individual.in_directions(self._signs)
        except (OSError, ValueError) as error:
            if str(error) not in self._faults:
                self._faults.add(str(error))
                say(f"callbacks may miss evaluations: {error}")

    def _evaluated(self, individual: Individual) -> None:
        self._told += 1
        best = self._is_best(individual)
        self._call("on_evaluated", individual)
        if best:
            self._call("on_best", individual)

    def _is_best(self, individual: Individual) -> bool:
        """Count an individual, and return whether it is better than all before; of several losses, undominated."""
        search = self.search
        search.evaluations += 1
        if not individual.feasible:
            return False
        if len(search.directions) == 1:
            best = individual.beats(search.best)
        else:
            losses = losses_of(individual)
            best = not any(other == losses or dominates(other, losses) for other in self._front)
            if best:
                self._front = [other for other in self._front if not dominates(losses, other)] + [losses]
        if best:
            search.best = individual
        return best

    def _call(self, method: str, *arguments: Any) -> None:
        """Call a method of each callback that has it; one that raises an exception is reported, and dropped."""
        for callback in list(self._callbacks):
            function = getattr(callback, method, None)
            if function is None:
                continue
            try:
                function(self.search, *arguments)
            except BaseException as error:  # noqa: BLE001 (of a user's code, which may even exit)
                self._callbacks.remove(callback)
                say(f"a callback is not called any more: {raised(callback, error)}")
