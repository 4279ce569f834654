"""A command as an objective, in any language: parameters on the command line, the loss in the last line of output."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from propulate_like.evaluation.shell_text import unsafe_places
from propulate_like.foundation.declarations import nearest
from propulate_like.foundation.values import identifier, same
from propulate_like.problem.parameters import Parameter
from propulate_like.problem.space import Space

_BRACES = re.compile(r"\{([^{}]+)\}")
_WORD = re.compile(r"[\w.]+")
_FLAG = re.compile(r"(.+?)([:!])(.*)", re.DOTALL)
_TRUE = json.dumps(True)
OWN = ("id", "directory", "parent_directory", "params", "seed", "devices")
"""The placeholders besides the parameters."""


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A program that evaluates.

    Placeholders name parameters, such as {learning_rate} or {model.lr}, the fidelity, or {id}, {directory} (the
    evaluation's own), {parent_directory} (the first parent's), {params} (all parameters, as JSON, nested as they were
    given), {seed} and {devices}. A word that names an inactive parameter, or a parent where there is none, is left out,
    together with the option (a word that begins with -) before it. {nesterov:--nesterov} is the word --nesterov where
    nesterov is true, and is left out where it is false, None or inactive. The loss is a JSON number, or an object with
    a "loss" and metrics. A printed line with an object of "step" and "loss" is an intermediate loss.

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
            for found in _BRACES.finditer(word):
                self._check_placeholder(found, space, known)
        if fidelity and not any(f"{{{fidelity}}}" in word for word in self.words):
            message = f"command: it is not told the fidelity: add {{{fidelity}}} to it"
            raise ValueError(message)
        if isinstance(self.command, str):
            for name, place in unsafe_places(self.command, _placeholders(self.command, known)):
                message = (
                    f"command: {{{name}}} is inside {place}, where the shell may run parts of its value: write "
                    f"{{{name}}} without quotes, as its value is quoted already, or write $value there, and "
                    f"value={{{name}}}; at the beginning"
                )
                raise ValueError(message)

    def _check_placeholder(self, found: re.Match[str], space: Space, known: Sequence[str]) -> None:
        """Check what stands in braces: a name, or a name and a word that is left out where its value is not true.

        Args:
            found: What was found in a word of the command, or with `shell` in its text.
            space: The search's space.
            known: The names that placeholders may have.

        Raises:
            ValueError: It names nothing, is a format, or the word of no bool.
        """
        word = found.string
        name, flag = _parsed(found, known)
        if name not in known:
            stem = name.partition(":")[0]
            lost = found[0] == word and _FLAG.fullmatch(name) and name[len(stem) + 1 :].startswith("-")
            if lost or _WORD.fullmatch(name) or _is_close(name, known):
                wrong = stem if lost else name
                message = f"command: {word!r}: there is no parameter {wrong!r}{nearest(wrong, known)}"
                raise ValueError(message)
            return
        if name in space:
            _check_told_apart(word, name, space[name])
        if flag is None:
            return
        options = getattr(space.get(name), "options", ())
        if not flag or not options or not all(isinstance(option, bool | None) for option in options):
            message = f"command: {word!r}: a placeholder has no format: write {{{name}}}"
            if flag.startswith("-"):
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
            return [_BRACES.sub(lambda found: _in_shell(found, told), self.command)]
        kept: list[str] = []
        for word in self.words:
            whole = _BRACES.fullmatch(word)
            name, flag = ("", None) if whole is None else _parsed(whole, told)
            if flag is not None:
                kept += [flag] * (told[name] == _TRUE)
            elif all(identifier(found[1]) in values for found in _placeholders(word, told)):
                kept.append(word)
            elif word.startswith("{") and kept and kept[-1].startswith("-"):
                kept.pop()
        return [_with_values(word, values) for word in kept]


def _with_values(word: str, values: Mapping[str, str]) -> str:
    """Return a word with values in place of the placeholders."""
    return _BRACES.sub(lambda found: values.get(identifier(found[1]), found[0]), word)


def _quoted(value: str) -> str:
    """Return a value in quotes, also where it needs none: 2 before > would be a descriptor."""
    return "'" + value.replace("'", "'\"'\"'") + "'"


def _in_shell(found: re.Match[str], values: Mapping[str, str]) -> str:
    """Return what stands in a shell's text for a placeholder: a value in quotes, or a word where the value is true."""
    name, flag = _parsed(found, values)
    if name not in values:
        return found[0]
    if flag is None:
        return _quoted(values[name])
    return _quoted(flag) if values[name] == _TRUE else ""


def _parsed(found: re.Match[str], known: Collection[str]) -> tuple[str, str | None]:
    """Return the name in braces, and the word behind its colon, if there is one.

    The word is "" for a format, such as {x!r}. Braces behind $ are the shell's own, such as ${HOME:-/root}.
    """
    whole = identifier(found[1])
    parts = None if whole in known or found.string[: found.start()].endswith("$") else _FLAG.fullmatch(found[1])
    if parts is None or identifier(parts[1]) not in known:
        return whole, None
    return identifier(parts[1]), parts[3] if parts[2] == ":" else ""


def _placeholders(word: str, known: Collection[str]) -> list[re.Match[str]]:
    """Return the placeholders in a word: what is in braces and is known, or could be the name of nothing else."""
    return [found for found in _BRACES.finditer(word) if _parsed(found, known)[0] in known or _WORD.fullmatch(found[1])]


def _is_close(name: str, known: Collection[str]) -> bool:
    """Return whether something in braces is nearly a name that has blanks or the like."""
    return bool(difflib.get_close_matches(name, [each for each in known if not _WORD.fullmatch(each)], cutoff=0.8))


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
