"""Dispatch: every message goes to the handler that is registered for its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from propulate_like.parallel import wire

Handler = Callable[[int, bytes, int | None], None]
"""Takes the peer that sent a message, the message without its kind, and the place where its broadcast began.

The place is None for a message that is not to be forwarded.
"""


class Dispatcher:
    """The table of message kinds and their handlers."""

    def __init__(self) -> None:
        self.handlers: dict[bytes, Handler] = {}

    def register(self, handlers: Mapping[bytes, Handler]) -> None:
        """Add handlers.

        Args:
            handlers: The handler of each kind of message, as in `wire`.

        Raises:
            ValueError: A kind has a handler already.
        """
        taken = self.handlers.keys() & handlers.keys()
        if taken:
            message = f"the kinds of message {sorted(taken)} have handlers already"
            raise ValueError(message)
        self.handlers.update(handlers)

    def dispatch(self, peer: int, message: bytes) -> None:
        """Call the handler of a message.

        Args:
            peer: The rank that sent it.
            message: The message, which begins with its kind.

        Raises:
            KeyError: There is no handler for its kind.
        """
        kind, content = message[:1], message[1:]
        origin: int | None = None
        if kind == wire.PASS_ON:
            (origin,) = wire.origin.unpack_from(content)
            kind, content = content[4:5], content[5:]
        self.handlers[kind](peer, content, origin)
