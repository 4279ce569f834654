"""A command as an objective, in any language: parameters on the command line, the loss in the last line of output."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from propulate_like.evaluation.shell_text import unsafe_places
from propulate_like.foundation.declarations import nearest
from propulate_like.foundation.values import identifier, same
from propulate_like.problem.parameters import Parameter
from propulate_like.problem.space import Space

_PLACEHOLDER = re.compile(r"\{([\w.]+)\}")
_FLAG = re.compile(r"\{([\w.]+):([^{}]+)\}")
_EITHER = re.compile(r"\{([\w.]+)(?::([^{}]+))?\}")
_WHOLE_FLAG = re.compile(r"\{([\w.]+:[^{}]+)\}")
_FORMATTED = re.compile(r"\{([A-Za-z_]\w*)[:!][^{}]*\}")
_TRUE = json.dumps(True)
OWN = ("id", "directory", "parent_directory", "params", "seed", "devices")
"""The placeholders besides the parameters."""


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A program that evaluates.

    Placeholders name parameters, such as {learning_rate}, the fidelity, or {id}, {directory} (the evaluation's own),
    {parent_directory} (the first parent's), {params} (all parameters, as JSON), {seed} and {devices}. A word that names
    an inactive parameter, or a parent where there is none, is left out, together with the option (a word that begins
    with -) before it. {nesterov:--nesterov} is the word --nesterov where nesterov is true, and is left out where it is
    false, None or inactive. The loss is a JSON number, or an object with a "loss" and metrics. A printed line with an
    object of "step" and "loss" is an intermediate loss.

    Attributes:
        command: The command's words, with placeholders, or with `shell` one text.
        shell: Whether a shell runs the command, with each value quoted: a placeholder stands outside quotes.
        result: The file in the evaluation's directory whose content is the loss; without it, the loss is the last line
            that the command prints.
        folder: The folder in which the command runs: by default the YAML file's, or the working directory where there
            is no YAML file.
    """

    command: list[str | int | float] | str
    shell: bool = False
    result: str | None = None
    folder: str = ""

    def check(self, space: Space, fidelity: str = "") -> None:
        """Check that the command fits the space.

        Args:
            space: The search's space.
            fidelity: The fidelity's name, or "".

        Raises:
            ValueError: The command is not valid, or has a placeholder that names nothing.
        """
        if isinstance(self.command, str) != self.shell:
            want = "one text, as shell: true" if self.shell else "a list of words, or one text with shell: true"
            message = f"command: {self.command!r:.60} must be {want}"
            raise ValueError(message)
        if not self.command:
            message = "command: empty: give the words of a command, such as [python, train.py]"
            raise ValueError(message)
        self._check_text(space)
        if self.result is not None and Path(self.result).name in ("", ".."):
            message = f"result: {self.result!r} must be the name of a file"
            raise ValueError(message)
        known = [*space.names, *OWN, *([fidelity] if fidelity else [])]
        for word in self.words:
            for name in _named(word):
                if name in space:
                    _check_told_apart(word, name, space[name])
                if name not in known:
                    message = f"command: {word!r}: there is no parameter {name!r}{nearest(name, known)}"
                    raise ValueError(message)
            self._check_flags(word, space, known)
        if isinstance(self.command, str):
            for name, place in (
                *unsafe_places(self.command, _PLACEHOLDER),
                *unsafe_places(self.command, _WHOLE_FLAG),
            ):
                if identifier(name.partition(":")[0]) not in known:
                    continue  # braces of the shell's own, such as ${HOME:-/root}
                message = (
                    f"command: {{{name}}} is inside {place}, where the shell may run parts of its value: write "
                    f"{{{name}}} without quotes, as its value is quoted already, or write $value there, and "
                    f"value={{{name}}}; at the beginning"
                )
                raise ValueError(message)

    def _check_flags(self, word: str, space: Space, known: Sequence[str]) -> None:
        """Check that what stands behind a colon in a placeholder is a word that is left out where a bool is false.

        Args:
            word: The word of the command, or with `shell` its text.
            space: The search's space.
            known: The names that placeholders may have.

        Raises:
            ValueError: It is a format, or the word of no bool.
        """
        for found in _FORMATTED.finditer(word):
            name, flag = identifier(found[1]), _FLAG.fullmatch(found[0])
            if name not in known:
                if flag and found[0] == word and flag[2].startswith("-"):
                    message = f"command: {word!r}: there is no parameter {name!r}{nearest(name, known)}"
                    raise ValueError(message)
                continue
            options = getattr(space.get(name), "options", ())
            if flag is None or not options or not all(isinstance(option, bool | None) for option in options):
                message = f"command: {word!r}: a placeholder has no format: write {{{name}}}"
                if flag is not None and flag[2].startswith("-"):
                    message = f"command: {word!r}: {name} must be true or false, as in choice: [true, false]"
                raise ValueError(message)
            if not self.shell and found[0] != word:
                message = f"command: {word!r}: {found[0]} must be a word of its own, which may be left out"
                raise ValueError(message)

    def _check_text(self, space: Space) -> None:
        """Check that no text that reaches the system has a NUL character, at which the system would cut it off.

        Raises:
            ValueError: One has.
        """
        texts = {"command": self.words, "result": [self.result or ""], "folder": [self.folder]}
        for place, words in texts.items():
            if any("\0" in word for word in words):
                message = f"{place}: {getattr(self, place)!r:.60} has a NUL character"
                raise ValueError(message)
        for name, parameter in space.items():
            for option in getattr(parameter, "options", ()):
                if isinstance(option, str) and "\0" in option:
                    message = f"space.{name}: {option!r:.60} has a NUL character, which no command can receive"
                    raise ValueError(message)

    def find(self) -> None:
        """Check that the program exists: on PATH, or, as ./program, in the folder in which the command runs.

        Raises:
            ValueError: There is no such program, or it is not executable.
        """
        import shutil

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
        """The command's words, or its one text."""
        return [self.command] if isinstance(self.command, str) else [str(word) for word in self.command]

    def filled(self, values: dict[str, str], optional: Sequence[str]) -> list[str]:
        """Return the words with values in place of the placeholders.

        Args:
            values: The value of each placeholder.
            optional: The placeholders that may have no value.
        """
        told = dict.fromkeys(optional, "") | values
        if isinstance(self.command, str):
            return [_EITHER.sub(lambda found: _in_shell(found, told), self.command)]
        kept: list[str] = []
        for word in self.words:
            flag = _FLAG.fullmatch(word)
            if flag and (name := identifier(flag[1])) in told:
                kept += [flag[2]] * (told[name] == _TRUE)
            elif all(name in values for name in _named(word)):
                kept.append(word)
            elif word.startswith("{") and kept and kept[-1].startswith("-"):
                kept.pop()
        return [_PLACEHOLDER.sub(lambda found: values[identifier(found[1])], word) for word in kept]


def _quoted(value: str) -> str:
    """Return a value in quotes, also where it needs none: 2 before > would be a descriptor."""
    return "'" + value.replace("'", "'\"'\"'") + "'"


def _in_shell(found: re.Match[str], values: dict[str, str]) -> str:
    """Return what stands in a shell's text for a placeholder: a value in quotes, or a word where the value is true."""
    name, flag = identifier(found[1]), found[2]
    if flag is None:
        return _quoted(values[name])
    if name not in values:
        return found[0]
    return _quoted(flag) if values[name] == _TRUE else ""


def _named(word: str) -> list[str]:
    """Return what the placeholders in a word name."""
    return [identifier(name) for name in _PLACEHOLDER.findall(word)]


def word_of(value: Any) -> str:
    """Return a parameter's value as a word: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _check_told_apart(word: str, name: str, parameter: Parameter) -> None:
    """Check that no two options of a parameter are the same word.

    Raises:
        ValueError: Two are.
    """
    met: dict[str, Any] = {}
    for option in getattr(parameter, "options", ()):
        other = met.setdefault(word_of(option), option)
        if not same(other, option):
            message = (
                f"command: {word!r}: {other!r} and {option!r} of {name} are the same word: use {{params}}, as JSON"
            )
            raise ValueError(message)
