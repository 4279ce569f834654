"""Evaluation by a command: run it, follow its output, and read its loss."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from propulate_like.evaluation.command import OWN, Command, word_of
from propulate_like.evaluation.context import Evaluation, Report, Task, Tasks, TeamContext, make_directory
from propulate_like.evaluation.process import Broken, Limits, Supervised, how_it_ended
from propulate_like.evaluation.supervised import SupervisedEvaluator, errors_of, log_of, open_log
from propulate_like.foundation.files import read_small
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import OK, Outcome, Status
from propulate_like.problem.directions import Signs

_LARGEST_RESULT = 1 << 24  # bytes
_BLOCK = 1 << 16  # bytes
_BLOCKS = 16  # that are read between two looks at the process's limits


class CommandEvaluator(SupervisedEvaluator):
    """An evaluator that runs the command once for each evaluation.

    Standard output goes to `output.log` in the evaluation's directory, standard error to `errors.log`.
    """

    def __init__(
        self,
        command: Command,
        tasks: Tasks,
        limits: Limits,
        *,
        signs: Signs = (1.0,),
        fidelity: str = "",
    ) -> None:
        super().__init__(tasks, limits)
        self._command, self._signs, self._fidelity = command, signs, fidelity
        self._folder = Path(command.folder).absolute()

    def close(self) -> None:
        """Do nothing, as each evaluation ends its own process."""

    def _evaluate(
        self, individual: Individual, task: Task, report: Report, began: float, team: TeamContext | None
    ) -> Outcome:
        evaluation = Evaluation(task, report, self._signs)
        make_directory(task)
        words = self._words(individual.params, task)
        log = log_of(task)
        if self._command.result is not None and task.leads:
            Path(task.directory, self._command.result).unlink(missing_ok=True)  # of the last attempt or a lower rung
        environment, folder = self._environment(task), self._folder
        with os.fdopen(open_log(log), "ab") as output, os.fdopen(open_log(errors_of(log)), "ab") as errors:
            lines = _Lines(os.dup(output.fileno()))
            process = Supervised(words, output.fileno(), errors=errors.fileno(), environment=environment, folder=folder)

        def meanwhile() -> bool:
            self._check_interruption(team)
            more = lines.take(evaluation)
            if evaluation.should_stop:
                raise _Stop
            return more

        try:
            process.wait(self._limits, began, meanwhile)
            while meanwhile():
                pass
        except _Stop:
            return evaluation.last_word()
        finally:
            status = process.end()
            lines.close()
            with contextlib.suppress(OSError):  # the command may have deleted its directory
                if not errors_of(log).stat().st_size:
                    errors_of(log).unlink()
        if status != 0:
            raise Broken(Status.CRASHED if status < 0 else Status.ERROR, how_it_ended("command", status))
        return self._result(task, lines, evaluation)

    def _words(self, params: dict[str, Any], task: Task) -> list[str]:
        """Return the command's words with their values."""
        values = {name: word_of(value) for name, value in params.items()}
        values |= {
            "id": str(task.candidate.id),
            "directory": str(task.directory),
            "params": json.dumps(params),
            "seed": str(task.seed),
            "devices": ",".join(task.devices),
        }
        if task.parents:
            values["parent_directory"] = str(Path(task.trials, str(task.parents[0])))
        if self._fidelity:
            values[self._fidelity] = json.dumps(task.fidelity)
        words = self._command.filled(values, [*OWN, *task.candidate.space.names])
        return ["/bin/sh", "-c", *words] if self._command.shell else words

    @staticmethod
    def _environment(task: Task) -> dict[str, str]:
        """Return the variables that are set for the command."""
        own = {"PROPULATE_LIKE_ID": str(task.candidate.id), "PROPULATE_LIKE_DIRECTORY": str(task.directory)}
        return {"PYTHONUNBUFFERED": "1", **own, **task.environment}

    def _result(self, task: Task, lines: _Lines, evaluation: Evaluation) -> Outcome:
        """Return the outcome of a command that exited with status 0."""
        where = "the last line that the command printed"
        text = lines.last
        if not task.leads:
            return Outcome(OK, 0.0)  # only the first member's loss counts
        if self._command.result is not None:
            path = task.directory / self._command.result
            where = f"the file {path}"
            try:
                text = _small_text(path)
            except (OSError, ValueError) as error:
                return Outcome.failure(Status.INVALID, f"{where} cannot be read: {error}")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return Outcome.failure(Status.INVALID, f"{where} is no JSON number or object: {text[-200:]!r}")
        if isinstance(value, dict):
            value.pop("step", None)
        return evaluation.outcome(value)


def _small_text(path: Path) -> str:
    """Return the content of a file.

    Raises:
        OSError: It does not exist.
        ValueError: It is no regular file, cannot be read, is too large, or is not UTF-8.
    """
    content = read_small(path, _LARGEST_RESULT)
    if len(content) > _LARGEST_RESULT:
        message = f"{path}: it has more than {_LARGEST_RESULT:,} bytes"
        raise ValueError(message)
    return content.decode()


class _Stop(Exception):  # noqa: N818 (it says what happened)
    """The error that the pruner stopped the evaluation."""


class _Lines:
    """A reader of the lines that are added to a file from now on, whatever becomes of its name.

    Attributes:
        last: The last line that is not empty, complete or not.
    """

    def __init__(self, descriptor: int) -> None:
        self.last = ""
        self._descriptor = descriptor
        self._position = os.fstat(descriptor).st_size
        self._partial = b""

    def take(self, evaluation: Evaluation) -> bool:
        """Report the intermediate losses of the complete lines added since the last call.

        Returns:
            Whether there may be more: it stops after some, as a command may print faster than this reads.
        """
        for _ in range(_BLOCKS):
            added = os.pread(self._descriptor, _BLOCK, self._position)
            if not added:
                return False
            self._position += len(added)
            *whole, partial = (self._partial + added).split(b"\n")
            self._partial = partial[-_BLOCK:]
            for line in whole:
                text = line.decode(errors="replace").strip()
                self.last = text or self.last
                _take_report(text, evaluation)
            self.last = self._partial.decode(errors="replace").strip() or self.last
        return True

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def _take_report(line: str, evaluation: Evaluation) -> None:
    """Report the intermediate loss of a line, where it has one."""
    if not line.startswith("{") or '"step"' not in line:
        return
    try:
        values = json.loads(line)
        evaluation.report(values, values.pop("step"))
    except (ValueError, KeyError, TypeError, RecursionError):
        return
