"""Evaluation in a child process, which may crash, hang or exhaust its memory without harm to the rank."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from propulate_like.evaluation.channel import Channel
from propulate_like.evaluation.child import Answer, Done, Evaluate, FromChild, Load, Loaded, Reported
from propulate_like.evaluation.context import STEPS, Report, Task, Tasks, TeamContext
from propulate_like.evaluation.process import Broken, Limits, Supervised
from propulate_like.evaluation.supervised import SupervisedEvaluator, log_of, open_log
from propulate_like.foundation import start
from propulate_like.foundation.files import folder_inside, open_plain
from propulate_like.population.codec import Codec
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import Outcome, Status, storable
from propulate_like.problem.space import NOTHING

_LOG_SECONDS = 0.1
_UNKNOWN = "the process answered in no known form"


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
        self._log = ""
        self._child: Supervised | None = None
        self._channel: Channel | None = None

    def close(self) -> None:
        """End the child and all processes that it started."""
        self._break_off()
        with contextlib.suppress(OSError):  # the folder may have been removed
            self._output.close()

    def _prepare(self, task: Task, team: TeamContext | None) -> None:
        """Start the child and have it import the loss, where none runs: the clock of `timeout` does not run yet."""
        self._log = self._output.renewed()
        if self._child is not None and self._child.alive:
            return
        self._break_off()
        limits = Limits(None, self._limits.memory)
        if self._limits.seconds is not None:
            limits = Limits(max(self._limits.start, self._limits.seconds), self._limits.memory)
        with self._kept(task):
            conversation = self._start(limits, self._meanwhile(task, team))
            try:
                conversation.send(self._load)
                message = conversation.receive()
            except Broken as problem:
                if problem.status is Status.TIMEOUT:
                    cause = f"the child process took longer than {limits.seconds:g} s to start and import the objective"
                    raise Broken(Status.TIMEOUT, cause) from None
                raise
            if not isinstance(message, Loaded):
                raise Broken(Status.CRASHED, _UNKNOWN)

    def _evaluate(
        self, individual: Individual, task: Task, report: Report, began: float, team: TeamContext | None
    ) -> Outcome:
        with self._kept(task):
            conversation = self._conversation(self._limits, began, self._meanwhile(task, team))
            conversation.send(Evaluate(task, self._log))
            while not isinstance(message := conversation.receive(), Done):
                if not isinstance(message, Reported) or not 0 <= message.step < STEPS:
                    raise Broken(Status.CRASHED, _UNKNOWN)
                conversation.check()
                conversation.send(Answer(report(message.step, message.loss)))
            outcome = self._sound(message.outcome)
            if message.left:
                self._break_off()
            return outcome

    def _meanwhile(self, task: Task, team: TeamContext | None) -> Callable[[], None]:
        """Return what is to be done every few hundredths of a second while the child works."""
        log_due = time.perf_counter() + _LOG_SECONDS

        def meanwhile() -> None:
            nonlocal log_due
            self._check_interruption(team)
            if time.perf_counter() >= log_due:
                log_due = time.perf_counter() + _LOG_SECONDS
                with contextlib.suppress(OSError):
                    self._output.show(task)

        return meanwhile

    @contextlib.contextmanager
    def _kept(self, task: Task) -> Iterator[None]:
        """Move all output to the evaluation in the end."""
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # a lost output must not cost the outcome
                self._output.keep(task)

    def _start(self, limits: Limits, meanwhile: Callable[[], object]) -> Conversation:
        """Start a child."""
        ours, theirs = socket.socketpair()
        with theirs:
            command = [*start.command("propulate_like.evaluation.child"), str(theirs.fileno())]
            self._child = Supervised(command, self._output.descriptor, pass_fds=[theirs.fileno()], dumps_stack=True)
        self._channel = Channel(ours)
        self._child.register(self._channel.fileno())
        return self._conversation(limits, time.perf_counter(), meanwhile)

    def _conversation(self, limits: Limits, began: float, meanwhile: Callable[[], object]) -> Conversation:
        """Return the means to talk with the child, which runs."""
        if self._child is None or self._channel is None:
            raise Broken(Status.CRASHED, "the process has not started")
        return Conversation(self._child, self._channel, self._codec, limits, began, meanwhile)

    def _sound(self, outcome: Outcome) -> Outcome:
        """Return an outcome of the child's with nothing in it that an evaluation in the rank could not have.

        Raises:
            Broken: It is none that a loss can have.
        """
        losses = outcome.losses or (outcome.loss,)
        sound = outcome.failed or (outcome.has_loss and len(losses) == len(self._load.signs))
        if outcome.has_loss:
            sound = sound and losses[0] == outcome.loss and all(map(math.isfinite, losses))
        if outcome.constraints or outcome.status is Status.INFEASIBLE:
            sound = sound and outcome.has_loss and not any(map(math.isnan, outcome.constraints))
            sound = sound and outcome.status is outcome.constrained(outcome.constraints).status
        try:
            if outcome.asked is not None:
                space, genome = outcome.asked.read()
                sound = sound and len(space) == len(genome) and all(0 <= gene <= 1 for gene in genome)
        except (ValueError, RecursionError):
            sound = False
        if not sound or (outcome.has_loss and (outcome.asked is None) is (self._load.space == NOTHING.written)):
            raise Broken(Status.CRASHED, _UNKNOWN)
        metrics = {name: storable(value) for name, value in outcome.metrics.items()}
        return msgspec.structs.replace(outcome, metrics=metrics, curve=(), attempts=1)

    def _break_off(self) -> None:
        if self._child is not None:
            self._child.end()
        if self._channel is not None:
            self._channel.close()
        self._child = self._channel = None


class Conversation(NamedTuple):
    """What the rank and its child say to each other within some limits."""

    child: Supervised
    channel: Channel
    codec: Codec
    limits: Limits
    began: float
    meanwhile: Callable[[], object]

    def send(self, message: msgspec.Struct) -> None:
        """Send a message; that the child has gone is noticed by `receive`."""
        with contextlib.suppress(ConnectionError):
            self.channel.send(self.codec.encode(message), self.check)

    def receive(self) -> Any:
        """Return the child's next message.

        Raises:
            Broken: The child has ended, or says what is no message, or a limit was passed.
        """
        waited = False
        try:
            while (content := self.channel.next()) is None:
                if waited:
                    self.check()
                if self.channel.fileno() not in self.child.wait(self.limits, self.began, self.meanwhile):
                    break  # the socket does not show its end where a grandchild holds it open
                self.channel.read()
                waited = True
            if content is not None:
                return self.codec.decode(content, FromChild)
        except (EOFError, ConnectionError):
            pass
        except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors too
            raise Broken(Status.CRASHED, f"{_UNKNOWN}: {error}") from None
        raise Broken(Status.CRASHED, self.child.ended())

    def check(self) -> None:
        """Check the time limit also where the child is busy talking, and whether the evaluation is to end."""
        self.child.check_time(self.limits, self.began)
        self.meanwhile()


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
