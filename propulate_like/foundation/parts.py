"""Parts that users write, such as propagators: an error of one ends the search, and is told by its name."""

from __future__ import annotations

_SHOWN = 200  # characters


class PartError(RuntimeError):
    """A part that a user wrote raised an exception, or gave what it must not: the search cannot go on.

    What was evaluated until then stays.
    """


def is_of_user(kind: type) -> bool:
    """Return whether a class is none of this package's own."""
    return kind.__module__.partition(".")[0] != __name__.partition(".")[0]


def gave_wrong(part: object, what: str) -> PartError:
    """Return the error of a part that gave something wrong, which `what` says."""
    return PartError(f"{named(part)} {what}")


def raised(part: object, error: BaseException) -> PartError:
    """Return the error of a part that raised an exception: where, as far as that is in the part's own module."""
    place, trace = "", error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__") == type(part).__module__:
            place = f" ({trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno})"
        trace = trace.tb_next
    first = str(error).partition("\n")[0][:_SHOWN]
    return PartError(f"{named(part)} raised {type(error).__name__}{': ' if first else ''}{first}{place}")


def named(part: object) -> str:
    """Return how a part is written, or its class's name where it cannot say."""
    try:
        return f"{part!r:.{_SHOWN}}"
    except Exception:  # noqa: BLE001 (of a user's class, which may raise anything)
        return type(part).__name__
