"""The pulse: a thread that exchanges messages while its rank evaluates."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

# docs/decisions.md, "A pulse answers while an evaluation runs"
_SHORT = 0.004  # seconds between beats during a long evaluation
_LONG = 0.1  # seconds between beats while evaluations are short, so that the thread costs them nothing


class Pulse:
    """A thread that calls a function every few milliseconds while an evaluation lasts longer than that.

    As a context manager it runs from the beginning of a search to its end.

    Attributes:
        lock: Only its holder may access the rank's state: the worker's loop always holds it, except while the loss
            runs.
        failure: The exception that ended the thread, or None.
    """

    def __init__(self, beat: Callable[[], None], begun: Callable[[], int]) -> None:
        """Create the thread, which `__enter__` starts.

        Args:
            beat: The function to call.
            begun: Returns the number of evaluations begun, by which a long evaluation differs from many short ones.
        """
        self.lock = threading.Lock()
        self.failure: BaseException | None = None
        self._beat = beat
        self._begun = begun
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="propulate-like pulse", daemon=True)

    def __enter__(self) -> Self:
        self.lock.acquire()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self.lock.release()
        self._thread.join()

    def _run(self) -> None:
        """Call `beat` until the end, or until it fails."""
        interval, seen = _SHORT, 0
        while not self._ended.wait(interval):
            begun = self._begun()
            short = begun - seen > interval / _SHORT  # evaluations took less than _SHORT on average
            seen = begun
            interval = min(interval * 2, _LONG) if short else _SHORT
            if short or not self.lock.acquire(blocking=False):
                continue
            try:
                if not self._ended.is_set():
                    self._beat()
            except BaseException as error:  # noqa: BLE001 (raised again by the loop, which asks for it)
                self.failure = error
                return
            finally:
                self.lock.release()
