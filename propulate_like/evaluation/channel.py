"""The rank's end of the connection to a child: whole messages, however slowly or oddly these arrive."""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Callable

_LARGEST = 1 << 27  # bytes
_BLOCK = 1 << 16  # bytes
_PATIENCE = 0.02  # seconds between two calls of `meanwhile`
_LENGTH = struct.Struct("!i")


class Channel:
    """A socket whose other end is a `multiprocessing.connection.Connection`, which this end never waits for.

    Whatever the loss writes to its descriptor, the rank stays able to watch the limits of the evaluation.
    """

    def __init__(self, ours: socket.socket) -> None:
        """Take over a connected socket."""
        ours.setblocking(False)
        self._socket = ours
        self._arrived = bytearray()

    def fileno(self) -> int:
        """Return the descriptor that is ready to read when something has arrived."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def send(self, content: bytes, meanwhile: Callable[[], object]) -> None:
        """Send a message.

        Args:
            content: The message.
            meanwhile: Called every few hundredths of a second while the child does not read; it may raise.

        Raises:
            ConnectionError: The child has gone.
        """
        left = memoryview(_LENGTH.pack(len(content)) + content)
        while left:
            try:
                left = left[self._socket.send(left) :]
            except BlockingIOError:
                select.select([], [self._socket], [], _PATIENCE)
                meanwhile()

    def read(self) -> None:
        """Read something of what has arrived.

        Raises:
            EOFError: The child has closed its end.
            ConnectionError: The child has gone.
        """
        added = self._socket.recv(_BLOCK)
        if not added:
            raise EOFError
        self._arrived += added

    def next(self) -> bytes | None:
        """Return the next message of what was read, or None where that is not whole.

        Raises:
            ValueError: It is no message, or is too large.
        """
        start = _LENGTH.size
        if len(self._arrived) < start:
            return None
        (length,) = _LENGTH.unpack_from(self._arrived)
        if not 0 <= length <= _LARGEST:
            message = f"it announces a message of {length:,} bytes, and {_LARGEST:,} are allowed"
            raise ValueError(message)
        if len(self._arrived) < start + length:
            return None
        content = bytes(self._arrived[start : start + length])
        del self._arrived[: start + length]
        return content
