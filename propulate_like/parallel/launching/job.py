"""A job: one mpiexec and its ranks, from their start to their end."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple, TextIO

import msgspec
import psutil

from propulate_like.evaluation.process import signal_at_parents_death
from propulate_like.parallel import rank_status
from propulate_like.parallel.launching import leftovers
from propulate_like.parallel.launching.hosts import Hosts, exported
from propulate_like.parallel.launching.mpiexec import Mpiexec
from propulate_like.parallel.rank_status import State
from propulate_like.storage.lease import place

_LOOK_SECONDS = 0.1
"""The time between two checks of the job."""
_ASK_SECONDS, _ANSWER_SECONDS, _MISSES = 5.0, 5.0, 2
"""The time between two requests to the hosts, the time to answer, and the missed answers of a lost host."""
_END_SECONDS = 2.0
"""The time that mpiexec has to end after a signal."""
_LACK_SECONDS = 5.0
"""The time after which ranks that have not appeared, while all others have begun, count as dead.

mpiexec starts all ranks at once."""
_LEAVE_SECONDS = 10.0
"""The time that a job has to end after its search has ended, or all its ranks have died."""
_START_SECONDS = 600.0
"""The time that the ranks have to begin."""
_LATE_SECONDS, _LATE_TIMES = 60.0, 10
"""On several hosts, the time that the last rank has to begin after half of them have.

It is the larger of these seconds more, and this many times as long."""


class Broken(NamedTuple):
    """The failure of a job: it ended, or must be ended, before its search.

    Attributes:
        reason: The reason, as a message.
        died: The ranks whose death caused it.
        may_pass: Whether another job may succeed.
    """

    reason: str
    died: list[int]
    may_pass: bool = True


class Placement(msgspec.Struct, frozen=True):
    """The placement of ranks.

    Attributes:
        hosts: The hosts.
        agent: The program that starts processes on other hosts, by default ssh.
        network: The network over which the ranks communicate, or None.
    """

    hosts: Hosts = Hosts()
    agent: str | None = None
    network: str | None = None


class Job:
    """Ranks under an mpiexec of their own."""

    def __init__(
        self,
        mpiexec: Mpiexec,
        words: Sequence[str],
        ranks: int,
        folder: Path,
        environment: Mapping[str, str],
        placement: Placement,
    ) -> None:
        """Start mpiexec.

        Args:
            mpiexec: The mpiexec.
            words: The command that each rank runs (see `start.command`).
            ranks: The number of ranks.
            folder: A folder that all hosts share, for files in which the ranks report their state.
            environment: The environment of the ranks.
            placement: The placement of the ranks.
        """
        self._mpiexec, self._ranks, self._folder, self._placement = mpiexec, ranks, folder, placement
        self._words = list(words)
        environment = {**environment, rank_status.JOB: str(folder)}
        hosts = placement.hosts
        options = hosts.options(mpiexec.make, placement.agent, placement.network, exported(environment))
        command = mpiexec.command(ranks, None if hosts.slots else folder)
        # In a session of its own, mpiexec does not receive Ctrl-C, by which it would kill the ranks: they get SIGUSR1.
        self._process = subprocess.Popen(
            [*command, *options, *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=None if sys.stdout is sys.__stdout__ else subprocess.PIPE,
            stderr=None if sys.stderr is sys.__stderr__ else subprocess.PIPE,
            start_new_session=True,
            preexec_fn=partial(signal_at_parents_death, signal.SIGTERM),  # noqa: PLW1509 (there is no other thread)
        )
        leftovers.note(folder, self._process.pid)
        self._forwards = [
            _forward(pipe, stream)
            for pipe, stream in ((self._process.stdout, sys.stdout), (self._process.stderr, sys.stderr))
            if pipe is not None
        ]
        self._began = self._asked = time.monotonic()
        self._missed: Counter[str] = Counter()
        self._gone: set[int] = set()
        self._most_came: float | None = None
        self._here = place()
        self._leaves_by: float | None = None
        self._shared: set[str] = set()
        self._seen: set[int] = set()
        """The pids of ranks that have begun."""
        self._full = self._began  # when it was last possible that more ranks appear

    def signal(self, number: int) -> None:
        """Send a signal to mpiexec, which forwards it to the ranks."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    @property
    def has_begun(self) -> bool:
        """Whether all ranks have begun, and record signals."""
        return len(rank_status.read(self._folder)) == self._ranks

    def watch(self, look: Callable[[Path], None]) -> int | Broken:
        """Wait for the end of the search, and return its exit status, or the failure of the job.

        Args:
            look: Is called some times a second, with the folder in which the ranks report.
        """
        while True:
            ended = self._process.poll()
            look(self._folder)
            status = rank_status.status_left(self._folder)
            if status is not None and (ended is not None or self._has_waited()):
                return status
            if status is None:
                broken = self._broken(ended)
                if broken is not None:
                    return broken
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_LOOK_SECONDS)

    def end(self, token: str) -> Hosts:
        """End all processes of the job on every host, and remove the shared memory that dead ranks left.

        Args:
            token: A variable in the environment of all the job's processes, as NAME=VALUE.

        Returns:
            The hosts on which certainly no process of the job is left.
        """
        left = self._process.poll() is None
        for number in (signal.SIGTERM, signal.SIGKILL) if self._placement.hosts.slots else (signal.SIGKILL,):
            if self._process.poll() is None:
                self.signal(number)
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(_END_SECONDS)
        for thread in self._forwards:  # a process that a loss has left may hold the other end
            thread.join(_END_SECONDS)
        clean = self._placement.hosts
        if left or rank_status.status_left(self._folder) is None:
            clean = (clean if clean.slots else Hosts({"localhost": 1})).end(
                token, self._placement.agent, _ANSWER_SECONDS
            )
        for name in self._shared:
            with suppress(OSError):
                Path(name).unlink()
        shutil.rmtree(Path(tempfile.gettempdir(), f"ompi.{self._process.pid}"), ignore_errors=True)
        return clean

    def _broken(self, ended: int | None) -> Broken | None:
        """Return the failure of the job, or None while there is none.

        Args:
            ended: The exit status of mpiexec, or None while it runs.
        """
        told = rank_status.read(self._folder)
        here = {rank: pid for rank, (pid, _, where) in told.items() if where == self._here}
        alive = told.keys() - self._gone - {rank for rank, pid in here.items() if not _lives(pid)}
        states = [state for _, state, _ in told.values()]
        gone = {rank: state for rank, (_, state, _) in told.items() if rank not in alive}
        searched = sorted(rank for rank, state in gone.items() if state is State.SEARCHING)
        died = searched if ended is None else []
        together = len(told) == self._ranks and State.STARTING not in states
        if together and not self._shared:
            self._shared = {name for pid in here.values() for name in _shared_memory(pid)}
            leftovers.note(self._folder, self._process.pid, self._shared)
        broken = None
        # On several hosts, MPICH's mpiexec kills all ranks when one dies: which one died first is not known.
        guesses = self._placement.hosts.slots and not self._mpiexec.heals
        blamed = [] if guesses else died
        if ended is not None:
            words = f"{self._mpiexec.path} ended with status {ended} before the search did"
            killed = ended < 0 or ended % 128 in _FATAL
            last = ended == 0 and self._mpiexec.heals and not self._placement.hosts.slots  # it has killed no rank
            broken = Broken(words, searched if last else [], State.FAILED not in states and (bool(told) or killed))
        elif State.FAILED in states and self._has_waited():
            broken = Broken("a rank failed", [], False)
        elif blamed and not (alive and together and self._mpiexec.heals):
            broken = Broken(_deaths(blamed), blamed)
        elif State.STARTING in gone.values():
            broken = Broken("a rank died as it started", blamed)
        elif self._lacks_ranks({pid for pid, _, _ in told.values()}):
            broken = Broken("a rank died as it started", [])
        elif self._are_late(len(told)):
            broken = Broken(f"{self._ranks - len(told)} of {self._ranks} ranks have not come up", [])
        elif told and (not alive or (died and not blamed)) and self._has_waited():
            broken = Broken(f"{self._mpiexec.path} does not end, though ranks have", [])
        elif lost := self._lost_hosts():
            broken = Broken(f"no answer from {', '.join(lost)}", blamed)
        elif not together and time.monotonic() - self._began > _START_SECONDS:
            broken = Broken(f"the ranks have not begun within {_START_SECONDS:g} s", [])
        return broken

    def _lacks_ranks(self, told: set[int]) -> bool:
        """Return whether a rank has died before it reported any state; the others wait for it in MPI's initialization.

        This is known only where all ranks are on this host.

        Args:
            told: The pids of the ranks that have reported a state.
        """
        if len(told) == self._ranks or self._placement.hosts.slots:
            return False
        try:
            children = psutil.Process(self._process.pid).children(recursive=True)
            living = {child.pid for child in children if child.cmdline()[1:4] == self._words[1:4]}
        except psutil.Error:  # a process ended during the check: the next check will tell
            return False
        lacking = self._seen - living - told
        self._seen |= living
        if not told or len(living | told) == self._ranks or living - told:
            self._full = time.monotonic()
        return bool(lacking) or time.monotonic() - self._full > _LACK_SECONDS

    def _are_late(self, came: int) -> bool:
        """Return whether a rank on another host must have died before it reported any state.

        Args:
            came: The number of ranks that have reported a state.
        """
        waited = time.monotonic() - self._began
        if self._most_came is None and 2 * came >= self._ranks:
            self._most_came = waited
        if came == self._ranks or self._most_came is None:
            return False
        return waited > max(self._most_came + _LATE_SECONDS, self._most_came * _LATE_TIMES)

    def _lost_hosts(self) -> list[str]:
        """Ask the hosts for their ranks every few seconds, and return the hosts that have missed several answers."""
        hosts = self._placement.hosts
        if hosts.slots and time.monotonic() - self._asked > _ASK_SECONDS:
            told = rank_status.read(self._folder)
            processes = {pid for pid, _, _ in told.values()}
            answering, living = hosts.living(processes, self._placement.agent, _ANSWER_SECONDS)
            self._gone |= {rank for rank, (pid, _, where) in told.items() if pid not in living.get(where, {pid})}
            self._missed = Counter(
                {host: self._missed[host] + 1 for host in hosts.slots if host not in answering.slots}
            )
            self._asked = time.monotonic()
        return [host for host, count in self._missed.items() if count >= _MISSES]

    def _has_waited(self) -> bool:
        """Return whether `_LEAVE_SECONDS` have passed since the first call."""
        if self._leaves_by is None:
            self._leaves_by = time.monotonic() + _LEAVE_SECONDS
        return time.monotonic() >= self._leaves_by


def _forward(pipe: IO[bytes], stream: TextIO) -> threading.Thread:
    """Start a thread that writes what ranks print to a stream that stands for this program's own."""

    def forward() -> None:
        with pipe:
            for line in pipe:
                with suppress(ValueError, OSError):  # the stream was closed
                    stream.write(line.decode(errors="replace"))
                    stream.flush()

    thread = threading.Thread(target=forward, name="propulate-like output", daemon=True)
    thread.start()
    return thread


_FATAL = (signal.SIGABRT, signal.SIGBUS, signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM)
"""The signals by which mpiexec may end where a rank dies before it reports any state."""


def _deaths(ranks: list[int]) -> str:
    """Return the message that ranks died."""
    return f"rank{'s' if len(ranks) > 1 else ''} {', '.join(map(str, ranks))} died"


def _lives(pid: int) -> bool:
    """Return whether a process exists and is no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _shared_memory(pid: int) -> set[str]:
    """Return the files of shared memory that MPI has mapped in a process."""
    with suppress(OSError):
        return leftovers.shared_memory(Path(f"/proc/{pid}/maps"))
    return set()
