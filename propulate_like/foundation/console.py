"""Console output: lines on standard error, and text from others made safe for a terminal."""

from __future__ import annotations

import contextlib
import os
import sys


def say(line: str) -> None:
    """Print a line on standard error; ignore failures, as standard error may be a full disk or a closed pipe."""
    with contextlib.suppress(Exception):  # a loss may have put anything in place of sys.stderr
        print(line, file=sys.stderr, flush=True)


def tell(text: str, *, error: bool = False) -> None:
    """Print a text where this process was told to print, or where it says an `error`, whatever a loss has replaced."""
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
