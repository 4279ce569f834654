"""Signals that the search would not hear: a loss, or a library that it calls, may have a handler of its own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import select
import signal
import threading
import time

_PAUSE, _LONGEST_PAUSE = 0.02, 1.0  # seconds between two times that the main thread is told
_LOOK_MILLISECONDS = 1000
"""The time after which the thread looks whether the loss has closed its descriptor."""
_HIGHEST, _ROOM = 4096, 64
"""A descriptor lies this far below the limit or the highest number: a loss that closes all begins with the lowest."""


class Ear:
    """Hears which signals reach this process, with whatever handlers, by the descriptor to which Python writes each.

    Does nothing where the program uses that descriptor itself. A process that the loss forks does not write to it. Once
    the loss has closed it, there is nothing more to hear.
    """

    def __init__(self, alert: int) -> None:
        """Create it; `alert` is the signal that is sent to the thread that starts it, where there is something new."""
        self._alert, self._main = alert, threading.get_ident()
        self._ends: tuple[int, int] | None = None
        self._pipe = 0, 0
        """The device and inode of the pipe, by which a descriptor that the loss has closed and opened anew differs."""
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="propulate-like ear", daemon=True)

    def start(self) -> None:
        """Begin; only the main thread can."""
        read, write = map(_high, os.pipe())
        os.set_blocking(read, False)
        os.set_blocking(write, False)
        before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        if before != -1:
            signal.set_wakeup_fd(before)
            os.close(read)
            os.close(write)
            return
        self._ends = read, write
        self._pipe = _identity(read)
        _open.add(write)
        self._thread.start()

    def heard(self) -> set[int]:
        """Return the signals that have come since the last call."""
        if self._ends is None or _identity(self._ends[0]) != self._pipe:
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
        _forget(write)
        _open.discard(write)
        if _identity(write) == self._pipe:
            with contextlib.suppress(BlockingIOError):  # so full that the thread reads anyway
                os.write(write, b"\0")
            self._thread.join()
            os.close(write)
        if _identity(read) == self._pipe:
            os.close(read)

    def _run(self) -> None:
        ends, pause = self._ends, _PAUSE
        if ends is None:
            return
        poll = select.poll()
        poll.register(ends[0], select.POLLIN)
        while not self._ended and _identity(ends[0]) == self._pipe:
            if poll.poll(0):
                signal.pthread_kill(self._main, self._alert)
                time.sleep(pause)  # while the main thread runs what is no Python, it does not listen
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                pause = _PAUSE
                poll.poll(_LOOK_MILLISECONDS)


def _high(descriptor: int) -> int:
    """Return another descriptor for the same as this one, with a high number, and close this one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _HIGHEST if soft == resource.RLIM_INFINITY else min(soft, _HIGHEST)
    if limit - _ROOM <= descriptor:
        return descriptor
    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, limit - _ROOM)
    os.close(descriptor)
    return high


def _identity(descriptor: int) -> tuple[int, int]:
    """Return the device and inode of an open descriptor, or (-1, -1) of one that is closed."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return -1, -1
    return status.st_dev, status.st_ino


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
