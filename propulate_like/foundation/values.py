"""Values: which Python value one is, whether two are the same, and texts and numbers that stand for one.

To a loss, 1, 1.0, True and "1" are different, though some are equal in Python.
"""

from __future__ import annotations

import contextlib
import json
import reprlib
import sys
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from numbers import Real
from typing import Any

Scalar = str | int | float | bool | None
_SCALARS = {str, int, float, bool, type(None)}
_NO_NUMBERS = set("bcmMSUV")  # kinds of NumPy's types: bool, complex, spans and points of time, texts, records
_WORDS = {"True", "False", "None"}
_EMPTY = {"NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "<NA>", "NaN", "-nan", "-NaN", "null", "NULL"}  # to pandas
_NESTED: dict[str, type[tuple[Any, ...] | list[Any]]] = {"tuple": tuple, "list": list}
SHORT = reprlib.Repr()
"""Writes values, even endless ones, in short."""
SHORT.maxlevel, SHORT.maxlist, SHORT.maxtuple, SHORT.maxdict = 3, 8, 8, 8
SHORT.maxstring = SHORT.maxlong = SHORT.maxother = 80


def plain(value: Any) -> Any:
    """Return the Python value that a scalar of any type is, such as NumPy's, PyTorch's or an IntEnum's.

    Anything else is returned as it is, a member of a plain Enum too, as that equals no other value.
    """
    if type(value) in _SCALARS:
        return value + 0.0 if type(value) is float else value  # never -0.0, which nothing tells from 0.0
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) + 0.0
    return _item(value)


def _item(value: Any) -> Any:
    """Return the Python value in what has no dimensions, such as a NumPy scalar; anything else as it is."""
    if isinstance(value, Enum) or getattr(value, "shape", None) != () or not hasattr(value, "item"):
        return value
    item = value if _is_masked(value) else value.item()
    if type(item).__name__ == "longdouble":
        return plain(float(item))
    return plain(item) if type(item) in _SCALARS else value


def tree(form: Any) -> Any:
    """Return a form that was given in Python as YAML would have it, with the values that its scalars are."""
    if isinstance(form, dict):
        return {plain(key): tree(member) for key, member in form.items()}
    if type(form) in (list, tuple):
        return type(form)(tree(member) for member in form)
    if getattr(form, "shape", ()) != () and type(form).__module__.partition(".")[0] == "numpy":
        return tree(form.tolist())
    return plain(form)


def nested(given: Any) -> Any:
    """Return an option with the values that its scalars are: a scalar, or a new list or tuple of options.

    A mapping of "tuple" or "list" alone is the form in which `written` and `marked` give these.
    """
    if type(given) in (list, tuple):
        return type(given)(map(nested, given))
    if type(given) is dict and len(given) == 1:
        ((name, members),) = given.items()
        if name in _NESTED and isinstance(members, list | tuple):
            return _NESTED[name](map(nested, members))
    return plain(given)


def written(option: Any) -> Any:
    """Return an option as YAML and JSON can hold it: a tuple as a mapping, as they have lists alone."""
    if type(option) is tuple:
        return {"tuple": list(map(written, option))}
    return list(map(written, option)) if type(option) is list else option


def marked(option: Any) -> Any:
    """Return an option as `written` does, but a list as a mapping too, which is not taken for a list of options."""
    form = written(option)
    return {"list": form} if type(form) is list else form


def key(value: Any) -> tuple[type, Any]:
    """Return what is equal for the same values only, as the key of a mapping; for lists and tuples too."""
    kind = type(value)
    return (kind, tuple(map(key, value))) if kind is tuple or kind is list else (kind, value)


def identifier(name: Any) -> Any:
    """Return a name in the form that Python has of it in code (NFKC): the micro sign becomes the Greek letter."""
    name = plain(name)
    if not isinstance(name, str) or name.isascii():
        return name
    import unicodedata

    return unicodedata.normalize("NFKC", name)


def text_name(given: Any) -> str:
    """Return a name as text: as it is, or the digits of a whole number.

    Raises:
        ValueError: It is neither.
    """
    name = plain(given)
    if isinstance(name, bool) or not isinstance(name, str | int):
        message = f"a parameter's name must be a text, not {brief(given)}"
        raise ValueError(message)
    return str(name)


def same(one: Any, other: Any) -> bool:
    """Return whether two values, or mappings and lists of values, are the same: of equal types too."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)


def typed_text(value: Any) -> str:
    """Return a value as text that tells its type: a text that looks like another value is put in quotes."""
    if isinstance(value, str):
        return json.dumps(value) if _misleads(value) else value
    return str(value)


def short_text(value: Any, digits: int) -> str:
    """Return a value as text for people: a float with this number of digits, and never like a whole number."""
    if not isinstance(value, float):
        return typed_text(value)
    short = f"{value:.{digits}g}"
    return f"{short}.0" if short.lstrip("-").isdigit() else short


def _misleads(text: str) -> bool:
    """Return whether a text looks like a number, True, False, None or a text in quotes, or does not show as it is."""
    if text in _WORDS or text in _EMPTY or text.strip() != text or text[:1] in ("", '"') or not text.isprintable():
        return True
    if text[0] + text[-1] in ("()", "[]"):  # as lists and tuples are shown
        return True
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            if str(kind(text)) == text:
                return True
    return False


def brief(value: Any) -> str:
    """Return a value as Python writes it, in one line of 80 characters at most; "something" where it cannot."""
    try:
        return " ".join(SHORT.repr(value).split())[:80]
    except Exception:  # noqa: BLE001 (a class of the user's may raise anything)
        return "something"


def real(value: Any) -> float:
    """Return the real number that something is: one that Python, NumPy or PyTorch has, alone or as the one of an array.

    Truth values, texts, complex numbers, times and masked values are no numbers.

    Raises:
        ValueError: It is none.
    """
    try:
        if isinstance(value, float):
            return float(value)
        if type(value) is int or _is_real(value):
            return float(value.item() if getattr(value, "shape", ()) else value)
    except Exception as error:  # noqa: BLE001 (a class of the user's may raise anything)
        message = f"{error!r}"
        raise ValueError(message) from None
    raise ValueError


def _is_real(value: Any) -> bool:
    if isinstance(value, bool | str | bytes | complex) or not hasattr(value, "__float__"):
        return False
    if isinstance(value, Real | Decimal) and not hasattr(value, "dtype"):
        return True
    dtype: Any = getattr(value, "dtype", None)
    if getattr(dtype, "kind", "") == "O":
        return getattr(value, "size", 0) == 1 and _is_real(value.item())
    if getattr(dtype, "kind", "") in _NO_NUMBERS and dtype.type.__module__ == "numpy":  # bfloat16 is of kind V, too
        return False
    return not str(dtype).startswith(("torch.bool", "torch.complex")) and not _is_masked(value)


def _is_masked(value: Any) -> bool:
    masked: Any = sys.modules.get("numpy.ma")
    return masked is not None and isinstance(value, masked.MaskedArray) and bool(masked.is_masked(value))
