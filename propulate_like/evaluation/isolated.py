"""Evaluation in a child process of the rank, which may crash, hang or eat memory without hurting the rank."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

import msgspec

from propulate_like.evaluation.child import Answer, Evaluate, FromChild, Load, Reported
from propulate_like.evaluation.context import Report, Task, Tasks, TeamContext
from propulate_like.evaluation.process import Broken, Limits, Supervised
from propulate_like.evaluation.supervised import SupervisedEvaluator, log_of
from propulate_like.population.codec import Codec
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import Outcome, Status
from propulate_like.problem.space import NOTHING

_LOG_SECONDS = 0.1


class IsolatedEvaluator(SupervisedEvaluator):
    """Calls the loss in a child process, which is started once, and anew where it has died or was ended.

    What the child prints goes to `output.log` in the evaluation's directory, while it runs and after.
    """

    def __init__(self, load: Load, tasks: Tasks, limits: Limits, name: str) -> None:
        """`name` tells this rank's files in the folder of trials from other ranks'."""
        super().__init__(tasks, limits)
        self._load, self._codec = load, Codec(NOTHING)
        self._output = Output(Path(tasks.trials), name)
        self._child: Supervised | None = None
        self._connection: Connection[bytes, bytes] | None = None

    def close(self) -> None:
        """End the child and all that it started."""
        self._break_off()
        with contextlib.suppress(OSError):  # the folder may be gone
            self._output.close()

    def _evaluate(
        self, individual: Individual, task: Task, report: Report, began: float, team: TeamContext | None
    ) -> Outcome:
        try:
            return self._answer(task, report, began, team)
        finally:
            with contextlib.suppress(OSError):  # what was printed is no reason to lose what was computed
                self._output.keep(task)

    def _answer(self, task: Task, report: Report, began: float, team: TeamContext | None) -> Outcome:
        log = self._output.renewed()
        child, connection = self._running_child()
        log_due = began + _LOG_SECONDS

        def meanwhile() -> None:
            nonlocal log_due
            self._heed(team)
            if time.perf_counter() >= log_due:
                log_due = time.perf_counter() + _LOG_SECONDS
                with contextlib.suppress(OSError):
                    self._output.show(task)

        with contextlib.suppress(ConnectionError):
            connection.send_bytes(self._codec.encode(Evaluate(task, log)))
        while True:
            try:
                if connection.fileno() not in child.wait(self._limits, began, meanwhile):
                    self._died(child)  # and the socket says nothing, where a grandchild holds it open
                message: FromChild = self._codec.decode(connection.recv_bytes(), FromChild)
                if isinstance(message, Reported):
                    meanwhile()
                    connection.send_bytes(self._codec.encode(Answer(report(message.step, message.loss))))
                    continue
            except (EOFError, ConnectionError):
                self._died(child)
            except msgspec.DecodeError as error:
                raise Broken(Status.CRASHED, f"the process answered in no known form: {error}") from None
            if message.left:
                self._break_off()
            return message.outcome

    def _running_child(self) -> tuple[Supervised, Connection[bytes, bytes]]:
        """Return the child and the way to it, starting one where there is none."""
        if self._child is not None and self._connection is not None and self._child.alive:
            return self._child, self._connection
        self._break_off()
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "propulate_like.evaluation.child", str(theirs.fileno())]
            child = Supervised(command, self._output.descriptor, pass_fds=[theirs.fileno()], last_words=True)
        connection: Connection[bytes, bytes] = Connection(ours.detach())
        child.register(connection.fileno())
        with contextlib.suppress(ConnectionError):
            connection.send_bytes(self._codec.encode(self._load))
        self._child, self._connection = child, connection
        return child, connection

    def _break_off(self) -> None:
        if self._child is not None:
            self._child.end()
        if self._connection is not None:
            self._connection.close()
        self._child = self._connection = None

    def _died(self, child: Supervised) -> NoReturn:
        raise Broken(Status.CRASHED, child.ended())


class Output:
    """The file that a rank's processes print to: named after the evaluation once there is anything in it.

    A file keeps its content when it is renamed while it is written to; so silent evaluations cost no file, and what a
    long one prints can be read while it runs. Where the disk takes no file, what is printed is lost, and no more.
    """

    def __init__(self, trials: Path, name: str) -> None:
        self._waiting = self._opened = trials / f".{name}.log"
        self._fresh = True
        self.descriptor = self._open()

    def renewed(self) -> str:
        """Return the file for a process to open anew, where the one before was given to an evaluation; else nothing."""
        if self._fresh and self._opened == self._waiting:
            return ""
        os.close(self.descriptor)
        self.descriptor = self._open()
        return str(self._opened)

    def show(self, task: Task) -> None:
        """Return what is there so far to the running evaluation, where there is anything."""
        if self._fresh and os.fstat(self.descriptor).st_size:
            target = log_of(task)
            if not target.exists():
                self._waiting.rename(target)
                self._fresh = False

    def keep(self, task: Task) -> None:
        """Return all that was printed to the evaluation that has ended."""
        self.show(task)
        if self._fresh and os.fstat(self.descriptor).st_size:
            with self._waiting.open("rb") as printed, log_of(task).open("ab") as log:
                shutil.copyfileobj(printed, log)
            self._waiting.unlink()
            self._fresh = False

    def close(self) -> None:
        """Leave no empty file."""
        os.close(self.descriptor)
        if self._fresh:
            self._waiting.unlink(missing_ok=True)

    def _open(self) -> int:
        self._fresh, self._opened = True, self._waiting
        try:
            self._waiting.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self._waiting, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC, 0o666)
        except OSError:
            self._opened = Path(os.devnull)
            return os.open(os.devnull, os.O_RDWR)
