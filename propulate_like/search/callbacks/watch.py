"""The rank that leads a search calls the callbacks, and stops the search where one of them asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from propulate_like.parallel.coordination.protocol import CoordinationProtocol
from propulate_like.parallel.coordination.stopping import Reason
from propulate_like.population.individual import Individual
from propulate_like.search.callbacks.runner import CallbackRunner
from propulate_like.search.result import Result


class CallbackWatch:
    """Starts a runner once this rank leads the search, which may be after the death of the rank that did."""

    def __init__(self, make: Callable[[], CallbackRunner], runner: CallbackRunner | None = None) -> None:
        """Wait to lead.

        Args:
            make: Returns a runner.
            runner: The runner of the rank that leads from the beginning.
        """
        self._make, self._runner = make, runner

    def __call__(self, protocol: CoordinationProtocol) -> None:
        """Start the runner if it is time to, and stop the search if a callback has asked for it."""
        if self._runner is None or not self._runner.started:
            if not protocol.membership.is_leader:
                return
            self._runner = self._runner or self._make()
            self._runner.start()
        if self._runner.search.stopping and protocol.stopping.reason is None:
            protocol.stopping.stop(Reason.CALLBACK)

    def finish(self, result: Result | None, expected: int = 0, unsaved: Sequence[Individual] = ()) -> bool:
        """Let the callbacks come to their end, on the rank that calls them (see `CallbackRunner.finish`).

        Returns:
            Whether this is that rank.
        """
        if self._runner is None or not self._runner.started:
            return False
        self._runner.finish(result, expected, unsaved)
        return True
