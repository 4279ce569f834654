"""Durations: texts such as 90s, 10m or 1d12h, and the seconds that they are."""

from __future__ import annotations

import re

_UNITS = re.compile(r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?", re.ASCII)
_CLOCK = re.compile(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)", re.ASCII)
_SECONDS = (86400.0, 3600.0, 60.0, 1.0)
PATTERN = r"^(\d+(\.\d+)?[dhms])+$|^(\d+-)?\d+:\d\d:\d\d$"
"""What the JSON Schema says of such a text."""
FORMS = "90s, 10m, 2h or 1d12h"
"""What messages say of it."""


def seconds_in(text: str) -> float:
    """Return the seconds in a text such as 90s, 10m, 2h, 1d12h, 1.5h, 12:00:00 or 1-12:00:00.

    Raises:
        ValueError: It has another form.
    """
    found = _UNITS.fullmatch(text) or _CLOCK.fullmatch(text)
    if not text or found is None:
        message = f"{text[:40]!r} must be such as {FORMS}"
        raise ValueError(message)
    return sum(float(number or 0) * seconds for number, seconds in zip(found.groups(), _SECONDS, strict=True))
