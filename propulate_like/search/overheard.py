"""Signals that the search would not hear: a loss, or a library that it calls, may have a handler of its own."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time

_PAUSE, _LONGEST_PAUSE = 0.02, 1.0  # seconds between two times that the main thread is told


class Ear:
    """Hears which signals reach this process, with whatever handlers, by the descriptor to which Python writes each.

    Does nothing where the program uses that descriptor itself. A process that the loss forks does not write to it.
    """

    def __init__(self, alert: int) -> None:
        """Create it; `alert` is the signal that is sent to the thread that starts it, where there is something new."""
        self._alert, self._main = alert, threading.get_ident()
        self._ends: tuple[int, int] | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="propulate-like ear", daemon=True)

    def start(self) -> None:
        """Begin; only the main thread can."""
        read, write = os.pipe()
        os.set_blocking(read, False)
        os.set_blocking(write, False)
        before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        if before != -1:
            signal.set_wakeup_fd(before)
            os.close(read)
            os.close(write)
            return
        self._ends = read, write
        _open.add(write)
        self._thread.start()

    def heard(self) -> set[int]:
        """Return the signals that have come since the last call."""
        if self._ends is None:
            return set()
        try:
            return set(os.read(self._ends[0], 65536))
        except BlockingIOError:
            return set()

    def stop(self) -> None:
        """End; the descriptor is as before, unless the loss has set it anew."""
        if self._ends is None:
            return
        read, write = self._ends
        self._ended, self._ends = True, None
        with contextlib.suppress(BlockingIOError):  # so full that the thread reads anyway
            os.write(write, b"\0")
        self._thread.join()
        _forget(write)
        _open.discard(write)
        os.close(read)
        os.close(write)

    def _run(self) -> None:
        ends, pause = self._ends, _PAUSE
        if ends is None:
            return
        poll = select.poll()
        poll.register(ends[0], select.POLLIN)
        while not self._ended:
            if poll.poll(0):
                signal.pthread_kill(self._main, self._alert)
                time.sleep(pause)  # while the main thread runs what is no Python, it does not listen
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                pause = _PAUSE
                poll.poll()


_open: set[int] = set()
"""The descriptors of ears, to which a forked process must not write."""


def _forget(*descriptors: int) -> None:
    """Have Python write signals to none of these descriptors."""
    set_last = signal.set_wakeup_fd(-1)
    if set_last not in descriptors:
        signal.set_wakeup_fd(set_last)


def _after_fork() -> None:
    if _open:
        _forget(*_open)


os.register_at_fork(after_in_child=_after_fork)
