"""Words for a person: lines on standard error, and texts that others wrote made safe to show."""

from __future__ import annotations

import contextlib
import sys


def say(line: str) -> None:
    """Print a line on standard error, which may be a full disk or a closed pipe itself: then nobody hears it."""
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


def printable(text: str, kept: str = "") -> str:
    """Return the text with all that could steer a terminal written out, but for the characters `kept`."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in kept else character.encode("unicode_escape").decode()
        for character in text
    )
