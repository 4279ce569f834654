"""A process that a rank supervises: within its limits of time and memory, and with nothing left behind when it ends."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import itertools
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from propulate_like.foundation.early_signals import SIGNALS
from propulate_like.population.outcome import Status

if TYPE_CHECKING:
    from psutil import Process

# docs/decisions.md, "What an evaluation started is found by three marks"
_MARK = "PROPULATE_LIKE_CHILD"
_OF_THE_LAUNCHER = re.compile(
    "(PMIX|PMI|PRTE|OPAL|HYDI|HYDRA|MPIR|MV2|PALS)_|MPI_LOCAL|OMPI_(?!ALLOW_RUN_AS_ROOT|MCA_)|"
    "OMPI_MCA_(PREFIXES|num_procs|initial_wdir|cpu_type)|"
    "SLURM_(PROCID|LOCALID|NTASKS|NPROCS|TASK_PID|STEP_|MPI_TYPE|PMI)|FLUX_TASK_"
)
_WATCH = """
read line
for turn in 1 2 3; do
    for file in $(grep -aFls "$0" /proc/[0-9]*/environ); do
        process=${file#/proc/}
        kill -9 "${process%/environ}"
    done
done
"""
# docs/decisions.md, "The rank watches limits"
_SLICE_SECONDS = 0.02
_LAST_SECONDS = 1.0
_LAST_WORDS_SECONDS = 0.1
LAST_WORDS = signal.SIGXCPU
"""On this signal, a child prints its stack."""
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_numbers = itertools.count()


class Limits(msgspec.Struct, frozen=True):
    """What one evaluation may use: seconds, and bytes of memory, which it and the processes it starts share."""

    seconds: float | None = None
    memory: int | None = None


class Broken(Exception):  # noqa: N818 (it says what happened)
    """A supervised process was ended before it answered: what became of it, and why."""

    def __init__(self, status: Status, cause: str) -> None:
        super().__init__(cause)
        self.status, self.cause = status, cause


class Supervised:
    """A process in a session of its own, without the launcher's variables, that dies with this rank at the latest.

    Everything it starts is ended with it, whatever session that went to: this rank adopts what loses its parent. Where
    the rank itself is killed, a shell that waits for that does the same.
    """

    def __init__(
        self,
        command: Sequence[str],
        output: int,
        *,
        errors: int | None = None,
        environment: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        folder: Path | None = None,
        last_words: bool = False,
    ) -> None:
        """Start it, its standard output going to the file `output`, its standard error to `errors`, or there as well.

        With `last_words` it is sent that signal before it is ended for its time. OSError where it cannot be started.
        """
        adopt_orphans()
        _set_watch()
        self._mark = f"{os.getpid()}-{next(_numbers)}"
        with _held_back() if last_words else contextlib.nullcontext():
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output if errors is None else errors,
                env={**stripped(os.environ), **(environment or {}), _MARK: self._mark},
                pass_fds=pass_fds,
                start_new_session=True,
                cwd=folder,
            )
        self.pid = self._process.pid
        self._look_due = 0.0
        self._has_last_words = last_words
        self._poll = select.poll()
        self._pidfd = os.pidfd_open(self.pid)
        self._poll.register(self._pidfd, select.POLLIN)

    def register(self, descriptor: int) -> None:
        """Have `wait` return when there is something to read here."""
        self._poll.register(descriptor, select.POLLIN)

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None and not select.select([self._pidfd], [], [], 0)[0]

    def wait(self, limits: Limits, began: float, meanwhile: Callable[[], object]) -> set[int]:
        """Wait until it has written to a registered descriptor, or has ended; return the descriptors ready to read.

        `meanwhile` is called every few hundredths of a second. Broken where a limit was passed since `began` (of
        time.perf_counter); the process is then gone.
        """
        while True:
            ready = {descriptor for descriptor, _ in self._poll.poll(self._patience(limits, began))}
            now = time.perf_counter()
            if ready and now < self._look_due:
                return ready - {self._pidfd}
            self._look_due = now + _SLICE_SECONDS
            if limits.seconds is not None and not ready and now - began >= limits.seconds:
                self._ask_for_last_words()
                self.end()
                raise Broken(Status.TIMEOUT, f"it took longer than {limits.seconds:g} s")
            if limits.memory is not None and (used := self.memory()) > limits.memory:
                self.end()
                cause = f"it used {used / 2**20:,.0f} MiB of memory, and {limits.memory / 2**20:,.0f} MiB are allowed"
                raise Broken(Status.MEMORY, cause)
            if ready:
                return ready - {self._pidfd}
            meanwhile()

    def memory(self) -> int:
        """Return the bytes of memory that it and its descendants use now; what several share counts once."""
        import psutil

        try:
            family = [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]
            if len(family) == 1:
                return int(family[0].memory_info().rss)
            return sum(int(getattr(member.memory_full_info(), "pss", 0)) for member in family)
        except psutil.Error:
            return 0

    def end(self) -> int:
        """Kill it and all that it started, and return its status as Popen does; nothing happens where it is gone."""
        if self._process.returncode is not None:
            return self._process.returncode
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # before it is waited for: until then, the number is its own
        status = self._process.wait()
        self._end_orphans()
        os.close(self._pidfd)
        return status

    def ended(self) -> str:
        """Say in words how it ended by itself, having ended whatever it left."""
        own = bool(select.select([self._pidfd], [], [], _LAST_SECONDS)[0])  # else it only closed its connection
        status = self.end()
        if not own:
            return "the process closed its connection to the rank"
        hint = ": out of memory, perhaps" if status == -signal.SIGKILL else ""
        return how_it_ended("process", status) + hint

    def _ask_for_last_words(self) -> None:
        """Have it print where it hangs, if it is one that can."""
        if self._has_last_words:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, LAST_WORDS)
            select.select([self._pidfd], [], [], _LAST_WORDS_SECONDS)

    def _end_orphans(self) -> None:
        """Kill what it had started: all of that is this rank's child or grandchild by now."""
        import psutil

        for _ in range(100):
            orphans = [child for child in psutil.Process().children(recursive=True) if self._started(child)]
            if not orphans:
                return
            for orphan in orphans:
                with contextlib.suppress(psutil.Error):
                    orphan.kill()
            for orphan in orphans:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(orphan.pid, os.WNOHANG)
            time.sleep(0.001)

    def _started(self, process: Process) -> bool:
        import psutil

        try:
            return os.getsid(process.pid) == self.pid or process.environ().get(_MARK) == self._mark
        except (psutil.Error, OSError):
            return False

    @staticmethod
    def _patience(limits: Limits, began: float) -> float:
        """Return the milliseconds until the next look."""
        if limits.seconds is None:
            return 1000 * _SLICE_SECONDS
        left = limits.seconds - (time.perf_counter() - began)
        return 1000 * max(min(left, _SLICE_SECONDS), 0.0)


def how_it_ended(what: str, status: int) -> str:
    """Say in words what a process's status, as Popen gives it, means."""
    if status < 0:
        return f"the {what} was killed by {signal.Signals(-status).name}"
    return f"the {what} exited with status {status}"


def stripped(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out what an MPI launcher tells its ranks, so that a process may use MPI or torch.distributed itself."""
    return {name: value for name, value in environment.items() if not _OF_THE_LAUNCHER.match(name)}


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """Hold signals back that ask for the end: a process that is just being started has this one's group still.

    It is started with them held back, and has to let go of them (see `let_go`).
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_go() -> None:
    """Forget what was held back as this process was started, and hear signals again."""
    for number in SIGNALS:
        handler = signal.signal(number, signal.SIG_IGN)
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def signal_at_parents_death(number: int) -> None:
    """Have the kernel send this process a signal when its parent dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, and choose it first when memory runs out."""
    signal_at_parents_death(signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


@cache
def _set_watch() -> subprocess.Popen[bytes]:
    """Start the shell that reads from this rank until the end of it, and then kills what bears the rank's mark."""
    command = ["/bin/sh", "-c", _WATCH, f"{_MARK}={os.getpid()}-"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    atexit.register(process.communicate)  # where this rank ends by itself, that is waited for
    return process


def adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
