"""The shared part of evaluations in another process: limits, interruption, and the outcome of a process that ends."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from types import FrameType

from propulate_like.evaluation.context import Abandoned, Report, Task, Tasks, TeamContext, make_directory
from propulate_like.evaluation.process import Broken, Limits
from propulate_like.foundation.clock import epoch
from propulate_like.foundation.files import open_output, open_regular
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import Outcome, Status

_LONGEST_TAIL = 2000  # bytes


class SupervisedEvaluator:
    """An evaluator whose evaluations run in a process that this rank supervises."""

    def __init__(self, tasks: Tasks, limits: Limits) -> None:
        self._tasks, self._limits = tasks, limits
        self._interrupted = False
        self._epoch = epoch()

    def __call__(self, individual: Individual, report: Report, team: TeamContext | None = None) -> Individual:
        """Return the individual with its outcome, whatever the process does.

        Raises:
            KeyboardInterrupt: The evaluation was interrupted.
        """
        task = self._tasks.of(individual, team.environment if team else None)
        task.candidate.space.decode(task.candidate.genome)  # a kind of parameter that cannot is not the loss's failure
        began = time.perf_counter()
        try:
            self._prepare(task, team)
            began = time.perf_counter()
            outcome = self._evaluate(individual, task, report, began, team)
        except KeyboardInterrupt:
            self._break_off()
            raise
        except (Broken, Abandoned, OSError, ValueError) as problem:
            self._break_off()
            outcome = _outcome_of(problem, task)
        ended = time.perf_counter()
        return individual.evaluated(outcome.timed(ended - began, self._epoch + ended))

    def interrupt(self, frame: FrameType | None) -> bool:
        """Have the process ended, and KeyboardInterrupt raised, within some hundredths of a second."""
        self._interrupted = True
        return True

    def _check_interruption(self, team: TeamContext | None) -> None:
        """Raise the exception that ends the running evaluation, if it is to end.

        Raises:
            KeyboardInterrupt: It was interrupted.
            Abandoned: Another member of the team failed.
        """
        if self._interrupted:
            raise KeyboardInterrupt
        if team is not None and team.abandoned():
            raise Abandoned

    def _prepare(self, task: Task, team: TeamContext | None) -> None:
        """Start what the evaluation needs, outside its time.

        Raises:
            Broken: The process ended, or has not started in time.
            Abandoned: Another member of the team failed.
            KeyboardInterrupt: The evaluation was interrupted.
        """

    def _evaluate(
        self, individual: Individual, task: Task, report: Report, began: float, team: TeamContext | None
    ) -> Outcome:
        """Return the outcome of an evaluation that began at `began` (of time.perf_counter).

        Raises:
            Broken: The process ended before it answered.
            Abandoned: Another member of the team failed.
            KeyboardInterrupt: The evaluation was interrupted.
        """
        raise NotImplementedError

    def _break_off(self) -> None:
        """End what remains of an evaluation that did not end by itself."""


def log_of(task: Task) -> Path:
    """Return the file for the output of this evaluation; each member of a team has its own."""
    make_directory(task)
    return task.directory / ("output.log" if task.leads else f"output-{task.member}.log")


def open_log(log: Path) -> int:
    """Open a file in an evaluation's directory to append output, and return its descriptor.

    Raises:
        OSError: It cannot be opened.
    """
    *outer, trials, directory, name = log.parts
    return open_output(Path(*outer), trials, directory, name)


def errors_of(log: Path) -> Path:
    """Return the file for a command's standard error, beside its output."""
    return log.with_name(log.name.replace("output", "errors"))


def _outcome_of(problem: Broken | Abandoned | OSError | ValueError, task: Task) -> Outcome:
    """Return the failure that ended an evaluation, with the end of its output."""
    if isinstance(problem, Broken):
        words = [_tail(task), problem.cause]
        if problem.status is Status.ERROR:
            words.reverse()  # the output says more
        return Outcome.failure(problem.status, "\n".join(words).strip())
    if isinstance(problem, Abandoned):
        return Outcome.failure(Status.ERROR, str(problem))
    return Outcome.failure(Status.ERROR, f"the process cannot be run: {problem}")


def _tail(task: Task) -> str:
    """Return the end of the evaluation's output: of standard error, where that has a file of its own."""
    log = Path(os.devnull)
    with contextlib.suppress(OSError):  # its directory cannot be created
        log = log_of(task)
    for path in (errors_of(log), log):
        with contextlib.suppress(OSError, ValueError), open_regular(path) as file:
            file.seek(max(file.seek(0, os.SEEK_END) - _LONGEST_TAIL, 0))
            return file.read().decode(errors="replace").strip()
    return ""
