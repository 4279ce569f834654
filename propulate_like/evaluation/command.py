"""The command as an objective, in any language: its parameters on the command line, its loss in the last line."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from propulate_like.foundation.declarations import nearest
from propulate_like.problem.space import Space

_PLACEHOLDER = re.compile(r"\{([\w.]+)\}")
_FORMATTED = re.compile(r"\{([A-Za-z_]\w*)[:!][^{}]*\}")
OWN = ("id", "directory", "parent_directory", "params", "seed", "devices")
"""What a placeholder may name beside the parameters."""


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
        known = [*space.names, *OWN, *([fidelity] if fidelity else [])]
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
