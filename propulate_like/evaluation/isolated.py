"""Evaluation in a child process, which may crash, hang or exhaust its memory without harm to the rank."""

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
from propulate_like.evaluation.supervised import SupervisedEvaluator, log_of, open_log
from propulate_like.foundation.files import folder_inside, open_plain
from propulate_like.population.codec import Codec
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import Outcome, Status
from propulate_like.problem.space import NOTHING

_LOG_SECONDS = 0.1


class IsolatedEvaluator(SupervisedEvaluator):
    """An evaluator that calls the loss in a child process, which is started once, and again after it has ended.

    The child's output goes to `output.log` in the evaluation's directory, during the evaluation and after it.
    """

    def __init__(self, load: Load, tasks: Tasks, limits: Limits, name: str) -> None:
        """Open the file for output; the child is started by the first evaluation.

        Args:
            load: The message by which a child loads the loss.
            tasks: The source of the evaluations' tasks.
            limits: The limits of an evaluation.
            name: The name of this rank's files in the folder of trials.
        """
        super().__init__(tasks, limits)
        self._load, self._codec = load, Codec(NOTHING)
        self._output = Output(Path(tasks.trials), name)
        self._child: Supervised | None = None
        self._connection: Connection[bytes, bytes] | None = None

    def close(self) -> None:
        """End the child and all processes that it started."""
        self._break_off()
        with contextlib.suppress(OSError):  # the folder may have been removed
            self._output.close()

    def _evaluate(
        self, individual: Individual, task: Task, report: Report, began: float, team: TeamContext | None
    ) -> Outcome:
        try:
            return self._answer(task, report, began, team)
        finally:
            with contextlib.suppress(OSError):  # a lost output must not cost the outcome
                self._output.keep(task)

    def _answer(self, task: Task, report: Report, began: float, team: TeamContext | None) -> Outcome:
        """Send the task to the child, answer its reports, and return the outcome."""
        log = self._output.renewed()
        child, connection = self._running_child()
        log_due = began + _LOG_SECONDS

        def meanwhile() -> None:
            nonlocal log_due
            self._check_interruption(team)
            if time.perf_counter() >= log_due:
                log_due = time.perf_counter() + _LOG_SECONDS
                with contextlib.suppress(OSError):
                    self._output.show(task)

        with contextlib.suppress(ConnectionError):
            connection.send_bytes(self._codec.encode(Evaluate(task, log)))
        while True:
            try:
                if connection.fileno() not in child.wait(self._limits, began, meanwhile):
                    self._died(child)  # the socket does not show that where a grandchild holds it open
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
        """Return the child and the connection to it; start one where none runs."""
        if self._child is not None and self._connection is not None and self._child.alive:
            return self._child, self._connection
        self._break_off()
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "propulate_like.evaluation.child", str(theirs.fileno())]
            child = Supervised(command, self._output.descriptor, pass_fds=[theirs.fileno()], dumps_stack=True)
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
        """Raise the error that the child ended.

        Raises:
            Broken: Always.
        """
        raise Broken(Status.CRASHED, child.ended())


class Output:
    """The file for the output of a rank's child, which is renamed to the evaluation's once it has any content.

    A process can write on to a file that is renamed. Evaluations without output therefore cost no file, and the output
    of a long one can be read while it runs. Where the disk accepts no file, only the output is lost.

    Attributes:
        descriptor: The file's descriptor.
    """

    def __init__(self, trials: Path, name: str) -> None:
        self._waiting = self._opened = trials / f".{name}.log"
        self._fresh = True
        self.descriptor = self._open()

    def renewed(self) -> str:
        """Return the new file that the process is to open, or "" where the former one is still empty."""
        if self._fresh and self._opened == self._waiting:
            return ""
        os.close(self.descriptor)
        self.descriptor = self._open()
        return str(self._opened)

    def show(self, task: Task) -> None:
        """Move the output so far to the running evaluation, where there is any."""
        if self._fresh and os.fstat(self.descriptor).st_size:
            target = log_of(task)
            if not target.exists():
                self._waiting.rename(target)
                self._fresh = False

    def keep(self, task: Task) -> None:
        """Move all output to the evaluation that has ended."""
        self.show(task)
        if self._fresh and os.fstat(self.descriptor).st_size:
            with self._waiting.open("rb") as printed, os.fdopen(open_log(log_of(task)), "ab") as log:
                shutil.copyfileobj(printed, log)
            self._waiting.unlink()
            self._fresh = False

    def close(self) -> None:
        """Close the file, and remove it where it is empty."""
        os.close(self.descriptor)
        if self._fresh:
            self._waiting.unlink(missing_ok=True)

    def _open(self) -> int:
        """Open an empty file, or the null device where that is not possible, and return its descriptor."""
        self._fresh, self._opened = True, self._waiting
        try:
            trials = self._waiting.parent
            trials.parent.mkdir(parents=True, exist_ok=True)
            with folder_inside(trials.parent, trials.name) as folder:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._waiting.name, dir_fd=folder)
                return open_plain(folder, self._waiting.name, os.O_RDWR | os.O_APPEND | os.O_EXCL)
        except OSError:
            self._opened = Path(os.devnull)
            return os.open(os.devnull, os.O_RDWR)
