"""Candidates and individuals as bytes, for processes that search the same space."""

from __future__ import annotations

from typing import Any

import msgspec

from propulate_like.problem.space import Space


class Codec:
    """Turns what holds candidates and individuals into MessagePack and back.

    The search's `space` is known at both ends and not sent; a space that a loss asked for goes along as text (see
    `Space.written`).
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._encoder = msgspec.msgpack.Encoder(enc_hook=self._written)
        self._decoders: dict[Any, msgspec.msgpack.Decoder[Any]] = {}

    def encode(self, value: Any) -> bytes:
        """Return a struct, a list or a mapping of structs as bytes."""
        return self._encoder.encode(value)

    def decode(self, content: bytes, kind: Any) -> Any:
        """Return the value of this type, or union of types, that `encode` made bytes of.

        Raises:
            msgspec.DecodeError: The bytes are of no such value.

        """
        decoder = self._decoders.get(kind)
        if decoder is None:
            decoder = self._decoders[kind] = msgspec.msgpack.Decoder(kind, dec_hook=self._read)
        return decoder.decode(content)

    def _written(self, value: Any) -> str:
        if not isinstance(value, Space):
            raise NotImplementedError(type(value))
        return value.written if value.asked_for else ""

    def _read(self, kind: type, text: Any) -> Any:
        if kind is not Space:
            raise NotImplementedError(kind)
        return Space.read(text) if text else self._space
