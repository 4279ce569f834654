"""The pulse: a thread that keeps a rank answering while its evaluation runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

# docs/decisions.md, "A pulse answers while an evaluation runs"
_SHORT = 0.004  # seconds between beats during a long evaluation
_LONG = 0.1  # and while evaluations are short, so that the thread costs them nothing


class Pulse:
    """Calls `beat` every few milliseconds while an evaluation lasts longer than that.

    Who holds `lock` may touch the rank's state: the worker's loop always does, except while the loss runs. `begun`
    counts evaluations begun, by which the pulse tells a long one from many short ones.
    """

    def __init__(self, beat: Callable[[], None], begun: Callable[[], int]) -> None:
        """Beat by `beat()`, and read the number of evaluations begun by `begun()`."""
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
