"""Evaluation by a command in any language: its parameters on the command line, its loss in the last line it prints."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from propulate_like.declarations import nearest
from propulate_like.evaluation.context import Evaluation, Membership, Report, Task, Tasks, make_directory
from propulate_like.evaluation.process import Broken, Limits, Supervised
from propulate_like.evaluation.supervising import SupervisedEvaluator, errors_of, log_of
from propulate_like.individual import OK, STOPPED, Individual, Outcome, Status
from propulate_like.space import Space

_PLACEHOLDER = re.compile(r"\{([\w.]+)\}")
_FORMATTED = re.compile(r"\{([A-Za-z_]\w*)[:!][^{}]*\}")
_OWN = ("id", "directory", "parent_directory", "params", "seed", "devices")
_LARGEST_RESULT = 1 << 24
_BLOCK = 1 << 16


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A program that evaluates: `command` is its words, with placeholders such as {learning_rate}.

    Beside the parameters (and the fidelity) there are {id}, {directory} (the evaluation's own), {parent_directory} (the
    first parent's), {params} (all of them, as JSON), {seed} and {devices}. A word that names a parameter which is not
    active, or a parent where there is none, is left out, and with it the option (a word that begins with -) before it.
    `shell` runs the command, then one text, in a shell, with the values quoted. The loss is the last line that it
    prints, or the content of the file `result` in the evaluation's directory: a JSON number, or an object with a
    "loss" and metrics. A line with an object of "step" and "loss" is an intermediate loss. It runs in `folder`, by
    default the YAML file's, or the working directory where there is none.
    """

    command: list[str | int | float] | str
    shell: bool = False
    result: str | None = None
    folder: str = ""

    def check(self, space: Space, fidelity: str = "") -> None:
        """ValueError where the command cannot work with the space."""
        if isinstance(self.command, str) != self.shell:
            want = "one text, as shell: true" if self.shell else "a list of words, or one text with shell: true"
            message = f"command: {self.command!r:.60} must be {want}"
            raise ValueError(message)
        if not self.command:
            message = "command: empty: give the words of a command, such as [python, train.py]"
            raise ValueError(message)
        if any("\0" in word for word in self.words):
            message = f"command: {self.command!r:.60} has a NUL character"
            raise ValueError(message)
        if self.result is not None and Path(self.result).name in ("", ".."):
            message = f"result: {self.result!r} must be the name of a file"
            raise ValueError(message)
        known = [*space.names, *_OWN, *([fidelity] if fidelity else [])]
        for word in self.words:
            for name in _PLACEHOLDER.findall(word):
                if name not in known:
                    message = f"command: {word!r}: there is no parameter {name!r}{nearest(name, known)}"
                    raise ValueError(message)
            formatted = _FORMATTED.search(word)
            if formatted and formatted[1] in known:
                message = f"command: {word!r}: a placeholder has no format: write {{{formatted[1]}}}"
                raise ValueError(message)

    def find(self) -> None:
        """ValueError where there is no such program: on PATH, or in the folder where the command runs, as ./program."""
        program = self.words[0]
        here = Path(self.folder, program)
        if self.shell or "{" in program or shutil.which(here if "/" in program else program):
            return
        hint = f"; did you mean './{program}'?" if "/" not in program and here.exists() else ""
        if "/" in program and here.exists():
            hint = "; it may not be executed: chmod +x, or name the interpreter first"
        message = f"command: there is no program {program!r}{hint}"
        raise ValueError(message)

    @property
    def words(self) -> list[str]:
        """The words, or the one text."""
        return [self.command] if isinstance(self.command, str) else [str(word) for word in self.command]

    def filled(self, values: dict[str, str], optional: Sequence[str]) -> list[str]:
        """Put the values in place of the placeholders; `optional` names parameters that may be missing."""
        if isinstance(self.command, str):
            missing = dict.fromkeys(optional, "")
            return [_PLACEHOLDER.sub(lambda found: shlex.quote((missing | values)[found[1]]), self.command)]
        kept: list[str] = []
        for word in self.words:
            if all(name in values for name in _PLACEHOLDER.findall(word)):
                kept.append(word)
            elif word.startswith("{") and kept and kept[-1].startswith("-"):
                kept.pop()
        return [_PLACEHOLDER.sub(lambda found: values[found[1]], word) for word in kept]


class CommandEvaluator(SupervisedEvaluator):
    """Runs the command once for each evaluation.

    What it prints goes to `output.log` in the evaluation's directory, and what to standard error to `errors.log`.
    """

    def __init__(
        self,
        command: Command,
        tasks: Tasks,
        limits: Limits,
        *,
        maximize: bool = False,
        fidelity: str = "",
    ) -> None:
        super().__init__(tasks, limits)
        self._command, self._maximize, self._fidelity = command, maximize, fidelity

    def close(self) -> None:
        """Nothing is left: each evaluation ends what it began."""

    def _evaluate(
        self, individual: Individual, task: Task, report: Report, began: float, membership: Membership | None
    ) -> Outcome:
        evaluation = Evaluation(task, report, maximize=self._maximize)
        make_directory(task)
        words = self._words(individual.params, task)
        log = log_of(task)
        lines = _Lines(log)
        if self._command.result is not None and task.leads:
            Path(task.directory, self._command.result).unlink(missing_ok=True)  # an attempt's before, or a lower rung's
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        errors = os.open(errors_of(log), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        environment, folder = self._environment(task), Path(self._command.folder)
        try:
            process = Supervised(words, output, errors=errors, environment=environment, folder=folder)
        finally:
            os.close(output)
            os.close(errors)

        def meanwhile() -> None:
            self._heed(membership)
            for line in lines.new():
                _take_report(line, evaluation)
            if evaluation.heard:
                raise _Stop

        try:
            process.wait(self._limits, began, meanwhile)
            meanwhile()
        except _Stop:
            return self._judged(evaluation.reported, stopped=True)
        finally:
            status = process.end()
            if not errors_of(log).stat().st_size:
                errors_of(log).unlink()
        if status != 0:
            raise Broken(Status.CRASHED if status < 0 else Status.ERROR, _how_it_ended(status))
        return self._result(task, lines)

    def _words(self, params: dict[str, Any], task: Task) -> list[str]:
        values = {name: value if isinstance(value, str) else json.dumps(value) for name, value in params.items()}
        values |= {
            "id": str(task.id),
            "directory": str(task.directory),
            "params": json.dumps(params),
            "seed": str(task.seed),
            "devices": ",".join(task.devices),
        }
        if task.parents:
            values["parent_directory"] = str(Path(task.trials, str(task.parents[0])))
        if self._fidelity:
            values[self._fidelity] = json.dumps(task.fidelity)
        words = self._command.filled(values, [name for name in _OWN if name not in values] + list(params))
        return ["/bin/sh", "-c", *words] if self._command.shell else words

    @staticmethod
    def _environment(task: Task) -> dict[str, str]:
        own = {"PROPULATE_LIKE_ID": str(task.id), "PROPULATE_LIKE_DIRECTORY": str(task.directory)}
        return {"PYTHONUNBUFFERED": "1", **own, **task.environment}

    def _result(self, task: Task, lines: _Lines) -> Outcome:
        where = "the last line that the command printed"
        text = lines.last
        if not task.leads:
            return Outcome(OK, 0.0)  # whatever it printed: the first member's loss counts
        if self._command.result is not None:
            path = task.directory / self._command.result
            where = f"the file {path}"
            try:
                text = _small_text(path)
            except (OSError, ValueError) as error:
                return Outcome(Status.INVALID, cause=f"{where} cannot be read: {error}")
        try:
            value = json.loads(text)
        except ValueError:
            return Outcome(Status.INVALID, cause=f"{where} is no JSON number or object: {text[-200:]!r}")
        if isinstance(value, dict):
            value.pop("step", None)
        return self._judged(value, stopped=False)

    def _judged(self, value: object, *, stopped: bool) -> Outcome:
        outcome = Outcome.of(value)
        if outcome.status is not OK:
            return outcome
        loss = -outcome.loss if self._maximize else outcome.loss
        return msgspec.structs.replace(outcome, loss=loss, status=STOPPED if stopped else OK)


def _small_text(path: Path) -> str:
    """Read a file; OSError or ValueError where it is none of moderate size, in UTF-8."""
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
    """The evaluation is not worth going on with."""


class _Lines:
    """Follows the lines that are added to a file from now on."""

    def __init__(self, path: Path) -> None:
        self.last = ""
        self._path = path
        self._position = path.stat().st_size if path.exists() else 0
        self._partial = b""

    def new(self) -> Iterator[str]:
        """Give the whole lines added since the last call; an unfinished one may be the `last` as well."""
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
    if not line.startswith("{"):
        return
    try:
        values = json.loads(line)
        evaluation.report(values, values.pop("step"))
    except (ValueError, KeyError, TypeError):
        return


def _how_it_ended(status: int) -> str:
    if status < 0:
        import signal

        return f"the command was killed by {signal.Signals(-status).name}"
    return f"the command exited with status {status}"
