"""Extensions by other distributions, which declare them as entry points in their packaging metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


class EntryPoints:
    """The entry points of one group, such as `propulate_like.propagators`.

    The metadata of installed distributions is read at each call, and never before: it costs a rank nothing that does
    not need it.
    """

    def __init__(self, kind: str, group: str) -> None:
        self.kind, self.group = kind, group

    def names(self) -> list[str]:
        """Return the declared names, each once, importing nothing."""
        return list(dict.fromkeys(entry.name for entry in self._declared()))

    def load(self, name: str) -> Any:
        """Import what a distribution declares under `name`.

        Returns:
            The object, or None where no distribution declares the name.

        Raises:
            ValueError: It cannot be imported, or several distributions declare it. The message is one line.
        """
        entries = [entry for entry in self._declared() if entry.name == name]
        if not entries:
            return None
        if len(entries) > 1:
            message = f"the {self.kind} {name!r} is declared by {' and by '.join(map(_origin, entries))}: remove one"
            raise ValueError(message)
        try:
            return entries[0].load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 (importing may raise anything)
            cause = " ".join(f"{type(error).__name__}: {error}".split())
            message = f"the {self.kind} {name!r} of {_origin(entries[0])} cannot be loaded: {cause}"
            raise ValueError(message) from None

    def origin(self, name: str) -> str:
        """Return the distributions that declare `name`, for a message."""
        return " and ".join(_origin(entry) for entry in self._declared() if entry.name == name)

    def _declared(self) -> list[EntryPoint]:
        """Return the entry points of the group."""
        from importlib.metadata import entry_points  # which a rank does not load otherwise

        return list(entry_points(group=self.group))


def _origin(entry: EntryPoint) -> str:
    """Return the distribution and the object of an entry point, for a message."""
    distribution = f"the distribution {entry.dist.name} {entry.dist.version}" if entry.dist else "some distribution"
    return f"{distribution} ({entry.value})"
