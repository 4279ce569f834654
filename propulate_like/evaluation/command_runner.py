"""Evaluation by a command: run it, follow its output, and read its loss."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from propulate_like.evaluation.command import OWN, Command
from propulate_like.evaluation.context import Evaluation, Report, Task, Tasks, TeamContext, make_directory
from propulate_like.evaluation.process import Broken, Limits, Supervised, how_it_ended
from propulate_like.evaluation.supervised import SupervisedEvaluator, errors_of, log_of, open_log
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import OK, Outcome, Status
from propulate_like.problem.directions import Signs

_LARGEST_RESULT = 1 << 24  # bytes
_BLOCK = 1 << 16  # bytes


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
        environment, folder = self._environment(task), Path(self._command.folder)
        with os.fdopen(open_log(log), "ab") as output, os.fdopen(open_log(errors_of(log)), "ab") as errors:
            lines = _Lines(log)
            process = Supervised(words, output.fileno(), errors=errors.fileno(), environment=environment, folder=folder)

        def meanwhile() -> None:
            self._check_interruption(team)
            for line in lines.new():
                _take_report(line, evaluation)
            if evaluation.should_stop:
                raise _Stop

        try:
            process.wait(self._limits, began, meanwhile)
            meanwhile()
        except _Stop:
            return evaluation.outcome(evaluation.reported)
        finally:
            status = process.end()
            with contextlib.suppress(OSError):  # the command may have deleted its directory
                if not errors_of(log).stat().st_size:
                    errors_of(log).unlink()
        if status != 0:
            raise Broken(Status.CRASHED if status < 0 else Status.ERROR, how_it_ended("command", status))
        return self._result(task, lines, evaluation)

    def _words(self, params: dict[str, Any], task: Task) -> list[str]:
        """Return the command's words with their values."""
        values = {name: value if isinstance(value, str) else json.dumps(value) for name, value in params.items()}
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
        words = self._command.filled(values, [name for name in OWN if name not in values] + list(params))
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
        except ValueError:
            return Outcome.failure(Status.INVALID, f"{where} is no JSON number or object: {text[-200:]!r}")
        if isinstance(value, dict):
            value.pop("step", None)
        return evaluation.outcome(value)


def _small_text(path: Path) -> str:
    """Return the content of a file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no regular file, is too large, or is not UTF-8.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            message = "it is no regular file"
            raise ValueError(message)
        content = file.read(_LARGEST_RESULT + 1)
    if len(content) > _LARGEST_RESULT:
        message = f"it has more than {_LARGEST_RESULT:,} bytes"
        raise ValueError(message)
    return content.decode()


class _Stop(Exception):  # noqa: N818 (it says what happened)
    """The error that the pruner stopped the evaluation."""


class _Lines:
    """A reader of the lines that are added to a file from now on.

    Attributes:
        last: The last line that is not empty, complete or not.
    """

    def __init__(self, path: Path) -> None:
        self.last = ""
        self._path = path
        self._position = path.stat().st_size if path.exists() else 0
        self._partial = b""

    def new(self) -> Iterator[str]:
        """Yield the complete lines added since the last call."""
        with self._path.open("rb") as file:
            file.seek(self._position)
            while added := file.read(_BLOCK):
                self._position += len(added)
                *whole, partial = (self._partial + added).split(b"\n")
                self._partial = partial[-_BLOCK:]
                for line in whole:
                    text = line.decode(errors="replace").strip()
                    self.last = text or self.last
                    yield text
                self.last = self._partial.decode(errors="replace").strip() or self.last


def _take_report(line: str, evaluation: Evaluation) -> None:
    """Report the intermediate loss of a line, where it has one."""
    if not line.startswith("{"):
        return
    try:
        values = json.loads(line)
        evaluation.report(values, values.pop("step"))
    except (ValueError, KeyError, TypeError):
        return
