"""The launcher: it starts the ranks, forwards signals to them, and starts them again where the job broke."""

from __future__ import annotations

import os
import secrets
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import msgspec

from propulate_like.foundation import start
from propulate_like.foundation.console import inform, say
from propulate_like.foundation.early_signals import SIGNALS
from propulate_like.parallel import rank_status
from propulate_like.parallel.launching import leftovers
from propulate_like.parallel.launching.job import Broken, Job, Placement
from propulate_like.parallel.launching.mpiexec import Mpiexec, rank_environment
from propulate_like.storage.journal import count_evaluated

RESTARTS = 3
"""The default number of restarts without any evaluation in between."""
_ANSWER_SECONDS = 5.0  # for a host to answer


class Program(msgspec.Struct, frozen=True):
    """What the ranks run.

    Attributes:
        module: The module of this package whose function `main` each rank runs.
        argument: The argument of `main`.
        again: The argument in later jobs, once there is a run folder; by default the same.
        run: The run's folder, from which a later job goes on; None where there is none, and no later job.
        team: The number of ranks in a team, of which there are whole ones only.
        grace: The seconds that evaluations under way have after a signal.
    """

    module: str
    argument: str
    again: str | None = None
    run: Path | None = None
    team: int = 1
    grace: float = 0.0


def launch(
    program: Program,
    ranks: int,
    placement: Placement,
    restarts: int = RESTARTS,
    look: Callable[[Path], None] = lambda _folder: None,
) -> int | Broken:
    """Search on several ranks under mpiexec.

    A job that breaks is started again from the run's folder, on the hosts that answer. In the main thread, SIGINT,
    SIGTERM and SIGUSR1 end the search in good order.

    Args:
        program: What the ranks run.
        ranks: The number of ranks.
        placement: The placement of the ranks.
        restarts: The largest number of restarts without any evaluation in between.
        look: Is called some times a second, with the folder in which the ranks report (see `rank_status`).

    Returns:
        The exit status of the search, or the failure of the last job.

    Raises:
        KeyboardInterrupt: A signal arrived, and the ranks have left no status.
        LaunchError: There is no mpiexec.
    """
    launcher = _Launcher(program, ranks, placement, look)
    with launcher.handling_signals():
        return launcher.run(restarts)


class _Launcher:
    """The launcher of one search: a sequence of jobs, until one carries the search to its end."""

    def __init__(self, program: Program, ranks: int, placement: Placement, look: Callable[[Path], None]) -> None:
        self._program, self._ranks, self._placement, self._look = program, ranks, placement, look
        self._argument = program.argument
        self._mpiexec = Mpiexec()
        self._environment = rank_environment(ranks) | {rank_status.TOKEN: secrets.token_hex(16)}
        self._job: Job | None = None
        self._unsure: set[str] = set()
        self._stopping = self._interrupted = False

    @contextmanager
    def handling_signals(self) -> Iterator[None]:
        """While entered, forward signals to the ranks; in the main thread only, as no other one can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = {number: signal.signal(number, self._stop) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def run(self, restarts: int) -> int | Broken:
        """Run jobs until the search ends or restarts are used up.

        Returns:
            The exit status of the search, or the failure of the last job.

        Raises:
            KeyboardInterrupt: A signal arrived, and the ranks have left no status.
        """
        left = 0 if self._program.run is None else restarts
        while True:
            before = self._evaluated()
            outcome = self._try()
            if isinstance(outcome, int):
                return outcome
            if self._stopping:
                raise KeyboardInterrupt
            say(outcome.reason)
            if self._unsure:
                say(f"ranks may still run on {', '.join(sorted(self._unsure))}")
            if self._evaluated() > before:
                left = restarts
            if left == 0 or not outcome.may_pass:
                return outcome
            left -= 1
            self._environment[rank_status.DIED] = ",".join(map(str, outcome.died))
            if self._program.run is not None and self._program.run.exists():
                self._argument = self._program.again or self._argument

    def _evaluated(self) -> int:
        """Return how many evaluations are in the run's folder."""
        return 0 if self._program.run is None else count_evaluated(self._program.run)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        """Forward a signal: as SIGUSR1, because mpiexec would kill the ranks on any other one.

        Where ranks have not begun, the job is killed, as nothing is lost.
        """
        self._stopping = True
        if self._job is None or not self._job.has_begun:
            if self._job is not None:
                self._job.signal(signal.SIGKILL)
            return
        if number == signal.SIGINT:
            self._interrupted = True
        self._job.signal(signal.SIGUSR1)

    def _watch(self, folder: Path) -> None:
        """Look at what the ranks report, and say once that an interrupt has arrived."""
        if self._interrupted:
            self._interrupted = False
            if os.isatty(2):  # where ^C stands in the line
                os.write(2, b"\n")
            grace = self._program.grace
            inform(f"ending: evaluations under way have {grace:g} s to finish; Ctrl-C again breaks them off")
        self._look(folder)

    def _try(self) -> int | Broken:
        """Run one job on the hosts that answer, unless the launcher was told to stop.

        Returns:
            The exit status of the search, or the failure of the job.
        """
        hosts = self._placement.hosts
        answering = hosts.answering(self._placement.agent, _ANSWER_SECONDS)
        lost = ", ".join(host for host in hosts.slots if host not in answering.slots)
        if hosts.slots and not answering.slots:
            time.sleep(_ANSWER_SECONDS)
            return Broken(f"no answer from {lost}", [])
        token = f"{rank_status.TOKEN}={self._environment[rank_status.TOKEN]}"
        if self._unsure:
            again = hosts.of_these(self._unsure & answering.slots.keys())
            self._unsure -= again.end(token, self._placement.agent, _ANSWER_SECONDS).slots.keys()
        self._environment[rank_status.UNSURE] = "1" if self._unsure else ""
        placement = msgspec.structs.replace(self._placement, hosts=answering)
        ranks = hosts.ranks_left(answering, self._ranks)
        ranks = max(ranks - ranks % self._program.team, self._program.team)
        if self._job is not None:
            say(f"starting {ranks} ranks again from {self._program.run}" + (f", without {lost}" if lost else ""))
        elif lost:
            say(f"no answer from {lost}: starting {ranks} ranks on the others")
        shared = None
        if hosts.slots and self._program.run is not None:
            shared = self._program.run.parent
            shared.mkdir(parents=True, exist_ok=True)
        leftovers.clear(shared or Path(tempfile.gettempdir()))
        with tempfile.TemporaryDirectory(prefix=leftovers.PREFIX, dir=shared, ignore_cleanup_errors=True) as folder:
            leftovers.note(Path(folder))
            if self._stopping:
                return Broken("interrupted", [])
            words = [*start.command(self._program.module), self._argument]
            self._job = Job(self._mpiexec, words, ranks, Path(folder).resolve(), self._environment, placement)
            if self._stopping:  # a signal arrived meanwhile
                self._job.signal(signal.SIGKILL)
            try:
                outcome = self._job.watch(self._watch)
            finally:
                clean = self._job.end(token)
        if isinstance(outcome, int):
            return outcome
        unsure = answering.slots.keys() - clean.slots.keys()
        self._unsure |= unsure
        return outcome._replace(may_pass=outcome.may_pass or bool(unsure))
