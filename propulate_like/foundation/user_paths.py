"""Paths that users write: what they mean by ~, and what cannot be a path."""

from __future__ import annotations

import os
import re
from pathlib import Path

_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\})", re.ASCII)
_LONGEST_NAME, _LONGEST = 255, 4095  # bytes, of Linux


def user_path(path: str | os.PathLike[str]) -> Path:
    """Return a path that a user wrote, with the home folder in the place of ~.

    Raises:
        ValueError: It is empty or no text, has a variable (which is not the name of something), or can be no path.
    """
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    problem = "it must be a text" if not isinstance(text, str) else _problem(text)
    if problem:
        message = f"{text!r:.{_LONGEST_NAME}} cannot be a path: {problem}"
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
    return ""
