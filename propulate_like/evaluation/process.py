"""A process that a rank supervises: within limits of time and memory, and without processes left behind at its end."""

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
from types import FrameType
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
_SLICE_SECONDS = 0.02  # between two checks of a process's limits
_LAST_SECONDS = 1.0  # for a process to exit once it has closed its connection
_STACK_SECONDS = 0.1  # for a process to print its stack
STACK_SIGNAL = signal.SIGXCPU
"""The signal on which a child prints its stack."""
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_numbers = itertools.count()


class Limits(msgspec.Struct, frozen=True):
    """The limits of one evaluation, its process and all that this starts together; None for no limit.

    Attributes:
        seconds: The time limit.
        memory: The memory limit in bytes.
        start: The time limit of the process's start and imports, where there is one of the evaluation.
    """

    seconds: float | None = None
    memory: int | None = None
    start: float = 600.0


class Broken(Exception):  # noqa: N818 (it says what happened)
    """The error that a supervised process ended, or was ended, before it answered.

    Attributes:
        status: The status of the outcome.
        cause: The cause, as a message.
    """

    def __init__(self, status: Status, cause: str) -> None:
        super().__init__(cause)
        self.status, self.cause = status, cause


class Supervised:
    """A supervised process, in a session of its own and without the launcher's variables.

    It ends with this rank at the latest, and so do all processes that it starts, whatever session they move to: this
    rank is their subreaper. Where the rank itself is killed, a shell that waits for that kills them.

    Attributes:
        pid: The process id.
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
        dumps_stack: bool = False,
    ) -> None:
        """Start the process.

        Args:
            command: The command's words.
            output: The descriptor of the file for standard output.
            errors: The same for standard error, or None for `output`.
            environment: Variables to set besides this process's own.
            pass_fds: The descriptors that the process inherits.
            folder: The working directory, or None for this process's own.
            dumps_stack: Whether the process prints its stack on `STACK_SIGNAL`, which it is then sent before it is
                killed at its time limit.

        Raises:
            OSError: The process cannot be started.
        """
        adopt_orphans()
        _set_watch()
        self._mark = f"{os.getpid()}-{next(_numbers)}"
        with _blocked_signals() if dumps_stack else contextlib.nullcontext():
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
        self._dumps_stack = dumps_stack
        self._poll = select.poll()
        self._pidfd = os.pidfd_open(self.pid)
        self._poll.register(self._pidfd, select.POLLIN)

    def register(self, descriptor: int) -> None:
        """Have `wait` return when this descriptor is ready to read."""
        self._poll.register(descriptor, select.POLLIN)

    @property
    def alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.returncode is None and not select.select([self._pidfd], [], [], 0)[0]

    def wait(self, limits: Limits, began: float, meanwhile: Callable[[], object]) -> set[int]:
        """Wait until a registered descriptor is ready to read, or the process has ended.

        Args:
            limits: The limits of the evaluation.
            began: When the evaluation began (of time.perf_counter).
            meanwhile: Called every few hundredths of a second.

        Returns:
            The descriptors that are ready to read; none where the process has ended.

        Raises:
            Broken: A limit was passed. The process was then killed.
        """
        while True:
            ready = {descriptor for descriptor, _ in self._poll.poll(self._patience(limits, began))}
            now = time.perf_counter()
            if ready and now < self._look_due:
                return ready - {self._pidfd}
            self._look_due = now + _SLICE_SECONDS
            if not ready:
                self.check_time(limits, began)
            if limits.memory is not None and (used := self.memory()) > limits.memory:
                self.end()
                cause = f"it used {used / 2**20:,.0f} MiB of memory, and {limits.memory / 2**20:,.0f} MiB are allowed"
                raise Broken(Status.MEMORY, cause)
            if ready:
                return ready - {self._pidfd}
            meanwhile()

    def check_time(self, limits: Limits, began: float) -> None:
        """Check the time limit.

        Args:
            limits: The limits of the evaluation.
            began: When the evaluation began (of time.perf_counter).

        Raises:
            Broken: It was passed. The process was then killed.
        """
        if limits.seconds is not None and time.perf_counter() - began >= limits.seconds:
            self._request_stack()
            self.end()
            raise Broken(Status.TIMEOUT, f"it took longer than {limits.seconds:g} s")

    def memory(self) -> int:
        """Return the bytes of memory that the process and its descendants use now; shared memory counts once."""
        import psutil

        try:
            family = [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]
            if len(family) == 1:
                return int(family[0].memory_info().rss)
            return sum(int(getattr(member.memory_full_info(), "pss", 0)) for member in family)
        except psutil.Error:
            return 0

    def end(self) -> int:
        """Kill the process and all that it started, where it still runs, and return its status as Popen does."""
        if self._process.returncode is not None:
            return self._process.returncode
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # before waiting for it: only until then the pid is its own
        status = self._process.wait()
        self._end_orphans()
        os.close(self._pidfd)
        return status

    def ended(self) -> str:
        """Kill what the process left running, and return a message that says how the process ended by itself."""
        own = bool(select.select([self._pidfd], [], [], _LAST_SECONDS)[0])  # otherwise it only closed its connection
        status = self.end()
        if not own:
            return "the process closed its connection to the rank"
        hint = ": out of memory, perhaps" if status == -signal.SIGKILL else ""
        return how_it_ended("process", status) + hint

    def _request_stack(self) -> None:
        """Have the process print its stack, if it can."""
        if self._dumps_stack:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, STACK_SIGNAL)
            select.select([self._pidfd], [], [], _STACK_SECONDS)

    def _end_orphans(self) -> None:
        """Kill the processes that it started, all of which are by now descendants of this rank."""
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
        """Return whether the supervised process started another one, by its session or its mark."""
        import psutil

        try:
            return os.getsid(process.pid) == self.pid or process.environ().get(_MARK) == self._mark
        except (psutil.Error, OSError):
            return False

    @staticmethod
    def _patience(limits: Limits, began: float) -> float:
        """Return the milliseconds until the next check of the limits."""
        if limits.seconds is None:
            return 1000 * _SLICE_SECONDS
        left = limits.seconds - (time.perf_counter() - began)
        return 1000 * max(min(left, _SLICE_SECONDS), 0.0)


def how_it_ended(what: str, status: int) -> str:
    """Return a message that says what a process's status means.

    Args:
        what: The process's name in the message.
        status: The status as Popen has it: negative for a signal.
    """
    if status < 0:
        return f"the {what} was killed by {signal.Signals(-status).name}"
    return f"the {what} exited with status {status}"


def stripped(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without an MPI launcher's variables, so that a process may use MPI itself."""
    return {name: value for name, value in environment.items() if not _OF_THE_LAUNCHER.match(name)}


@contextlib.contextmanager
def _blocked_signals() -> Iterator[None]:
    """Block the signals that ask for the end, as a process that is just being started is still in this one's group.

    The process is started with these signals blocked, and must unblock them (see `unblock_signals`).
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def unblock_signals() -> None:
    """Discard the signals that were blocked while this process was started, and unblock them."""
    for number in SIGNALS:
        handler = signal.signal(number, signal.SIG_IGN)
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def die_of_interrupt() -> None:
    """Have SIGINT kill this process, whatever its code makes of KeyboardInterrupt; what it starts gets that as ever."""
    signal.signal(signal.SIGINT, _die)


def _die(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def signal_at_parents_death(number: int) -> None:
    """Have the kernel send this process a signal when its parent dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, and choose it first when memory runs out.

    Args:
        parent: The parent's pid; this process exits at once where its parent is already another one.
    """
    signal_at_parents_death(signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


@cache
def _set_watch() -> subprocess.Popen[bytes]:
    """Start the shell that waits for the end of this rank, and then kills all processes with the rank's mark."""
    command = ["/bin/sh", "-c", _WATCH, f"{_MARK}={os.getpid()}-"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    atexit.register(process.communicate)  # a rank that ends by itself waits for the shell
    return process


def adopt_orphans() -> None:
    """Make this process the subreaper of its descendants, the parent of each that loses its own."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
