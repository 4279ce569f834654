"""Callbacks: what users have called as evaluations become known, on one rank and in a thread of its own."""

from propulate_like.search.callbacks.callback import CALLBACKS, Callback, callbacks_of
from propulate_like.search.callbacks.runner import CallbackRunner
from propulate_like.search.callbacks.watch import CallbackWatch
from propulate_like.search.callbacks.watched_search import WatchedSearch

__all__ = ["CALLBACKS", "Callback", "CallbackRunner", "CallbackWatch", "WatchedSearch", "callbacks_of"]
