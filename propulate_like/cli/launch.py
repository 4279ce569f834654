"""The launcher: it starts the ranks, forwards signals to them, and starts them again where the job broke."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

import msgspec

from propulate_like.cli import leftovers
from propulate_like.cli.job import Broken, Job, Placement
from propulate_like.cli.mpiexec import Mpiexec, rank_environment
from propulate_like.cli.rank import FAILED, Order
from propulate_like.foundation.console import say
from propulate_like.foundation.early_signals import INTERRUPTED, SIGNALS
from propulate_like.parallel import rank_status
from propulate_like.search.config import Config
from propulate_like.search.progress import TERMINAL
from propulate_like.storage.journal import count_evaluated

RESTARTS = 3
"""The default number of restarts without any evaluation in between."""
_ANSWER_SECONDS = 5.0  # for a host to answer


def launch(order: Order, ranks: int, config: Config, placement: Placement, restarts: int = RESTARTS) -> int:
    """Search on several ranks under mpiexec, and return the exit status of the search.

    A job that breaks is started again from the run's folder, on the hosts that answer.

    Args:
        order: What the ranks run.
        ranks: The number of ranks.
        config: The configuration.
        placement: The placement of the ranks.
        restarts: The largest number of restarts without any evaluation in between.
    """
    launcher = _Launcher(order, ranks, config, placement)
    for number in SIGNALS:
        signal.signal(number, launcher.stop)
    return launcher.run(restarts)


class _Launcher:
    """The launcher of one search: a sequence of jobs, until one carries the search to its end."""

    def __init__(self, order: Order, ranks: int, config: Config, placement: Placement) -> None:
        self._order, self._ranks, self._placement = order, ranks, placement
        self._run = config.run if order.fork is None else Path(order.fork)
        self._grace = config.specification.evaluation.grace
        self._team = config.specification.evaluation.ranks_per_worker
        self._mpiexec = Mpiexec()
        self._environment = rank_environment(ranks) | {rank_status.TOKEN: secrets.token_hex(16)}
        if sys.stderr.isatty():
            terminal = f"{os.ttyname(sys.stderr.fileno())}:{shutil.get_terminal_size().columns}"
            self._environment[TERMINAL] = terminal
        self._job: Job | None = None
        self._unsure: set[str] = set()
        self._stopping = False

    def run(self, restarts: int) -> int:
        """Run jobs until the search ends or restarts are used up, and return the exit status."""
        left = restarts
        while True:
            before = count_evaluated(self._run)
            outcome = self._try()
            if isinstance(outcome, int):
                return outcome
            if self._stopping:
                print("interrupted", file=sys.stderr)
                return INTERRUPTED
            say(outcome.reason)
            if self._unsure:
                say(f"ranks may still run on {', '.join(sorted(self._unsure))}")
            if count_evaluated(self._run) > before:
                left = restarts
            if left == 0 or not outcome.may_pass:
                again = f"; to try again: {self._order.command}" if outcome.may_pass else ""
                say(f"the search has not ended{again}")
                return FAILED
            left -= 1
            self._environment[rank_status.DIED] = ",".join(map(str, outcome.died))
            if self._run.exists():  # the fork was made
                self._order = msgspec.structs.replace(self._order, run=str(self._run), fork=None)

    def stop(self, number: int, _frame: FrameType | None) -> None:
        """Forward a signal: as SIGUSR1, because mpiexec would kill the ranks on any other one.

        Where ranks have not begun, the job is killed, as nothing is lost.
        """
        self._stopping = True
        if self._job is None or not self._job.has_begun:
            if self._job is not None:
                self._job.signal(signal.SIGKILL)
            return
        if number == signal.SIGINT:
            said = f"\nending: evaluations under way have {self._grace:g} s to finish; Ctrl-C again breaks them off\n"
            os.write(2, said.encode())
        self._job.signal(signal.SIGUSR1)

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
        ranks = max(ranks - ranks % self._team, self._team)
        if self._job is not None:
            say(f"starting {ranks} ranks again from {self._run}" + (f", without {lost}" if lost else ""))
        elif lost:
            say(f"no answer from {lost}: starting {ranks} ranks on the others")
        shared = None
        if hosts.slots:
            self._run.parent.mkdir(parents=True, exist_ok=True)
            shared = self._run.parent
        leftovers.clear(shared or Path(tempfile.gettempdir()))
        with tempfile.TemporaryDirectory(prefix=leftovers.PREFIX, dir=shared, ignore_cleanup_errors=True) as folder:
            leftovers.note(Path(folder))
            if self._stopping:
                return Broken("interrupted", [])
            self._job = Job(self._mpiexec, self._order, ranks, Path(folder).resolve(), self._environment, placement)
            if self._stopping:  # a signal arrived meanwhile
                self._job.signal(signal.SIGKILL)
            try:
                outcome = self._job.watch()
            finally:
                clean = self._job.end(token)
        if isinstance(outcome, int):
            return outcome
        unsure = answering.slots.keys() - clean.slots.keys()
        self._unsure |= unsure
        return outcome._replace(may_pass=outcome.may_pass or bool(unsure))
