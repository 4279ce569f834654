"""Console output: lines on standard error, and text from others made safe for a terminal."""

from __future__ import annotations

import contextlib
import sys


def say(line: str) -> None:
    """Print a line on standard error; ignore failures, as standard error may be a full disk or a closed pipe."""
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


def printable(text: str, kept: str = "") -> str:
    """Return the text with every character that could control a terminal escaped, except those in `kept`."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in kept else character.encode("unicode_escape").decode()
        for character in text
    )
