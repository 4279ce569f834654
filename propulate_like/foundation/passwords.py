"""Passwords in URLs: they are neither shown nor kept."""

from __future__ import annotations

import re
from typing import Any

_SPACED = r"[^\s:/?#@\[]*:(?!\d+(?:[^\w.%~-]|$))(?:(?!://|['\"][,}\]]).)*@\S*"
"""A user and a password that has spaces, at a host."""
_URL = re.compile(rf"([A-Za-z][\w+.-]*://)({_SPACED}|\S*)")
_SECRET = r"pass|pwd|secret|token|key|credential|auth|connect|signature"  # noqa: S105 (parts of names)
_QUERY = re.compile(
    rf"((?:[?&;+]|%20|%3B)(?:[^=&;#\s]*(?:{_SECRET})[^=&;#\s]*|sig)(?:=|%3D))([^&#\s'\"]*)", re.IGNORECASE
)
_CUT_OFF = re.compile(r"\A([^:/?#@\[]*:)(?!\d*(?:[^\w.%~-]|$)).*", re.DOTALL)
"""What follows :// in a URL that was shortened within its password, so that no @ is left; a port is none."""
_STARS = "***"
_FEWEST = 3  # characters of a part of a password that is looked for in other texts


def masked(text: str) -> str:
    """Return a text with *** in place of the passwords in its URLs."""
    return _URL.sub(lambda found: found[1] + _masked(found[2]), text) if "://" in text else text


def all_masked(value: Any) -> Any:
    """Return a structure of lists and mappings with every text masked."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {key: all_masked(each) for key, each in value.items()}
    return [all_masked(each) for each in value] if isinstance(value, list | tuple) else value


def without_password(text: str, url: str) -> str:
    """Return what other software says of a URL, without the URL's password, or parts of it."""
    text = text.replace(url, masked(url))
    for secret in sorted(_secrets(url), key=len, reverse=True):
        text = text.replace(secret, _STARS)
    return masked(text)


def check_url(url: str) -> None:
    """Check that software agrees on where a URL's password ends.

    Raises:
        ValueError: The password has an @.
    """
    user, _, password = _user_of(url).partition(":")
    if "@" in user + password:
        message = f"{masked(url)}: a password with an @ must have %40 in its place"
        raise ValueError(message)


def _masked(rest: str) -> str:
    """Return what follows :// in a URL, masked."""
    if not rest.startswith("/"):
        if "@" in rest:
            account, _, host = rest.rpartition("@")
            user, colon, _ = account.partition(":")
            rest = f"{user}:{_STARS}@{host}" if colon else rest
        else:
            rest = _CUT_OFF.sub(rf"\1{_STARS}", rest)
    return _QUERY.sub(rf"\1{_STARS}", rest)


def _user_of(url: str) -> str:
    """Return the user and the password of a URL, as user:password, or "" where it has none."""
    rest = url.partition("://")[2]
    before = re.split(r"[?#]", rest, maxsplit=1)[0]
    return "" if rest.startswith("/") else before.rpartition("@")[0]


def _secrets(url: str) -> set[str]:
    """Return the passwords in a URL, in all their forms and with their parts."""
    from urllib.parse import unquote

    whole = {_user_of(url).partition(":")[2], *(found[2] for found in _QUERY.finditer(url))}
    rest = url.partition("://")[2]
    whole |= {rest.rpartition("@")[0].partition(":")[2]}
    if "@" not in rest and _CUT_OFF.match(rest):
        whole.add(rest.partition(":")[2])
    found = whole | {unquote(each) for each in whole}
    return {each for each in found if each} | {
        part for each in found for part in re.split(r"[@:/;=&\s]", each) if len(part) >= _FEWEST
    }
