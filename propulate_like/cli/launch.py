"""Launching: starts the ranks, watches them, passes signals on, and starts them again where the job broke."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from propulate_like.cli.job import Broken, Job
from propulate_like.cli.mpiexec import Mpiexec, rank_environment
from propulate_like.cli.rank import FAILED, INTERRUPTED, Order
from propulate_like.interruption import GRACE_SECONDS
from propulate_like.journal import count_evaluated
from propulate_like.presence import DIED
from propulate_like.report.progress import TERMINAL

RESTARTS = 3


def launch(order: Order, ranks: int, run: Path, restarts: int = RESTARTS) -> int:
    """Search on so many ranks under mpiexec, and give the exit status of the search.

    A job that breaks is started again from the folder `run`, at most `restarts` times without any evaluation between.
    """
    launcher = _Launcher(order, ranks, run, restarts)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, launcher.stop)
    return launcher.run()


class _Launcher:
    def __init__(self, order: Order, ranks: int, run: Path, restarts: int) -> None:
        self._order, self._ranks, self._run, self._restarts = order, ranks, run, restarts
        self._mpiexec = Mpiexec()
        self._environment = rank_environment(ranks) | {"PROPULATE_LIKE_TOKEN": secrets.token_hex(8)}
        if sys.stderr.isatty():
            terminal = f"{os.ttyname(sys.stderr.fileno())}:{shutil.get_terminal_size().columns}"
            self._environment[TERMINAL] = terminal
        self._job: Job | None = None
        self._stopping = False

    def run(self) -> int:
        left = self._restarts
        while True:
            before = count_evaluated(self._run)
            outcome = self._try()
            if isinstance(outcome, int):
                return outcome
            print(outcome.reason, file=sys.stderr, flush=True)
            if self._stopping:
                return INTERRUPTED
            if count_evaluated(self._run) > before:
                left = self._restarts
            if left == 0 or not outcome.may_pass:
                again = f"; to try again: {self._order.command}" if outcome.may_pass else ""
                print(f"the search has not ended{again}", file=sys.stderr, flush=True)
                return FAILED
            left -= 1
            died = ",".join(map(str, outcome.died))
            self._environment[DIED] = died
            print(f"starting {self._ranks} ranks again from {self._run}", file=sys.stderr, flush=True)

    def stop(self, number: int, _frame: FrameType | None) -> None:
        """Pass a signal on: ranks get SIGUSR1, as mpiexec would kill them for another one."""
        self._stopping = True
        if number == signal.SIGINT:
            seconds = GRACE_SECONDS[signal.SIGUSR1]
            said = f"\nending: evaluations under way have {seconds:g} s to finish; Ctrl-C again breaks them off\n"
            os.write(2, said.encode())
        if self._job is not None:
            self._job.signal(signal.SIGUSR1)

    def _try(self) -> int | Broken:
        with tempfile.TemporaryDirectory(prefix="propulate-like-", ignore_cleanup_errors=True) as folder:
            self._job = Job(self._mpiexec, self._order, self._ranks, Path(folder), self._environment)
            try:
                return self._job.watch()
            finally:
                self._job.end()
