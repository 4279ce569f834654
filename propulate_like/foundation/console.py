"""Console output: text that others wrote is safe for a terminal, has no passwords, and can be pasted."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

from propulate_like.foundation.passwords import masked

_LONGEST = 200  # characters


def say(line: str) -> None:
    """Print a line about trouble on standard error, or log it as a warning where the program has set up logging.

    Failures are ignored, as standard error may be a full disk or a closed pipe.
    """
    _say(line, "warning")


def inform(line: str) -> None:
    """Print a line of news on standard error, or log it as information where the program has set up logging."""
    _say(line, "info")


def _say(line: str, level: str) -> None:
    """Print a line, or log it by the logger `propulate_like` where that, or one above it, has a handler."""
    logging = sys.modules.get("logging")  # which nobody has set up who has not imported it
    with contextlib.suppress(Exception):  # a loss may have put anything in place of sys.stderr
        if logging is not None and logging.getLogger("propulate_like").hasHandlers():
            getattr(logging.getLogger("propulate_like"), level)("%s", public(line))
        else:
            print(public(line), file=sys.stderr, flush=True)


def public(text: str) -> str:
    """Return a text of one line or several as it may be shown: without passwords, and without control characters."""
    return printable(masked(text), kept="\n\t")


def short(text: str, longest: int = _LONGEST) -> str:
    """Return the beginning of a text, in one line of printable characters."""
    return printable(text if len(text) <= longest else f"{text[:longest]}...")


def pasteable(words: Iterable[str | Path]) -> str:
    """Return a command as a line to paste into a shell, of printable characters and without passwords."""
    return " ".join(map(_quoted, words))


def _quoted(word: str | Path) -> str:
    """Return a word as a shell reads it; a path that begins with - is no option."""
    text = f"./{word}" if isinstance(word, Path) and str(word).startswith("-") else masked(str(word))
    if text.isprintable():
        return shlex.quote(text)
    escaped = "".join(
        character
        if character.isprintable() and character not in "'\\"
        else "".join(f"\\{byte:03o}" for byte in os.fsencode(character))
        for character in text
    )
    return f"$'{escaped}'"


def tell(text: str, *, error: bool = False) -> None:
    """Print a text on this process's own standard output, or standard error, whatever a loss has replaced them by."""
    descriptor, own, replaced = (2, sys.__stderr__, sys.stderr) if error else (1, sys.__stdout__, sys.stdout)
    for stream in (own, replaced):
        with contextlib.suppress(Exception):
            stream.flush()  # type: ignore[union-attr]  # None where there is none
    left = f"{text}\n".encode(errors="backslashreplace")
    with contextlib.suppress(OSError):
        while left:
            left = left[os.write(descriptor, left) :]


def printable(text: str, kept: str = "") -> str:
    """Return the text with every character that could control a terminal escaped, except those in `kept`."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in kept else character.encode("unicode_escape").decode()
        for character in text
    )
