"""Paths that users write: what they mean by ~, and what cannot be a path."""

from __future__ import annotations

import os
import re
from pathlib import Path

from propulate_like.foundation.passwords import masked

_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\})", re.ASCII)
_URL = re.compile(r"[A-Za-z][A-Za-z\d+.:-]+://")
_LONGEST_NAME, _LONGEST = 255, 4095  # bytes, of Linux


def user_path(path: str | os.PathLike[str]) -> Path:
    """Return a path that a user wrote, with the home folder in the place of ~.

    Raises:
        ValueError: It is empty or no text, can be no path, or has a variable or is a URL, and is not there.
    """
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    problem = "it must be a text" if not isinstance(text, str) else _problem(text)
    if problem:
        shown = masked(text) if isinstance(text, str) else text
        message = f"{shown!r:.{_LONGEST_NAME}} cannot be a path: {problem}"
        raise ValueError(message)
    expanded = os.path.expanduser(text)  # noqa: PTH111 (a Path does not know ./~x from ~x)
    if expanded.startswith("~"):
        message = f"{text!r} cannot be a path: there is no such user; for a name that begins with ~ write ./{text}"
        raise ValueError(message)
    return Path(expanded)


def _problem(text: str) -> str:
    """Return why a text can be no path, or ""."""
    if not text:
        return "it is empty; . is the working directory"
    if "\0" in text:
        return "it has a NUL character"
    try:
        length = len(text.encode())
    except UnicodeEncodeError:
        return "it is not UTF-8"
    longest = max(len(part.encode()) for part in text.split("/"))
    if length > _LONGEST or longest > _LONGEST_NAME:
        return f"it is too long: a name may have {_LONGEST_NAME} bytes, and a path {_LONGEST}"
    for variable in _VARIABLE.finditer(text):
        if not os.path.lexists(text[: variable.end()] + text[variable.end() :].partition("/")[0]):  # as a name
            return f"variables have no meaning here: write the value of {variable[0]}"
    return "it is a URL" if _URL.match(text) and not os.path.lexists(text) else ""
