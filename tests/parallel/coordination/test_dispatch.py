"""Dispatch: every message reaches the handler of its kind."""

import pytest

from propulate_like.parallel import wire
from propulate_like.parallel.coordination.dispatch import Dispatcher


def recording(calls):
    dispatcher = Dispatcher()
    dispatcher.register({wire.RECORDS: lambda *message: calls.append(message)})
    return dispatcher


def test_a_handler_gets_the_sender_and_the_content():
    calls = []
    recording(calls).dispatch(3, wire.RECORDS + b"content")
    assert calls == [(3, b"content", None)]


def test_of_a_message_to_be_forwarded_a_handler_gets_the_origin_too():
    calls = []
    recording(calls).dispatch(3, wire.PASS_ON + wire.origin.pack(7) + wire.RECORDS + b"content")
    assert calls == [(3, b"content", 7)]


def test_a_kind_has_one_handler():
    dispatcher = recording([])
    with pytest.raises(ValueError, match="have handlers already"):
        dispatcher.register({wire.RETIRED: print, wire.RECORDS: print})
    assert wire.RETIRED not in dispatcher.handlers


def test_a_message_of_a_kind_without_a_handler_is_an_error():
    with pytest.raises(KeyError):
        recording([]).dispatch(3, wire.CURVE)
