"""Losses that are async functions, or async generators, as ordinary ones."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any


def synchronous(loss: Callable[..., Any]) -> Callable[..., Any]:
    """Return a loss as it is, or, where it is an async function or generator, one that runs it to its end.

    Each evaluation has an event loop of its own.
    """
    function = loss if inspect.isroutine(loss) or isinstance(loss, functools.partial) else type(loss).__call__
    function = inspect.unwrap(function)
    if inspect.iscoroutinefunction(function):
        return functools.wraps(loss)(functools.partial(_result, loss))
    if inspect.isasyncgenfunction(function):
        return functools.wraps(loss)(functools.partial(_steps_or_result, loss))
    return loss


def _result(loss: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Return what an async function returns."""
    value = loss(*args, **kwargs)
    return result_of(value) if inspect.iscoroutine(value) else value


def result_of(awaited: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine returns."""
    import asyncio

    return asyncio.run(awaited)


def _steps_or_result(loss: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Return the steps of an async generator as a generator; what a decorator has made of it as it is."""
    value = loss(*args, **kwargs)
    return steps_of(value) if isinstance(value, AsyncGenerator) else value


def steps_of(steps: AsyncGenerator[Any]) -> Generator[Any]:
    """Yield what an async generator yields, and close it."""
    import asyncio

    async def step() -> Any:
        return await anext(steps)

    with asyncio.Runner() as runner:
        try:
            while True:
                yield runner.run(step())
        except StopAsyncIteration:
            return
        finally:
            runner.run(_close(steps))


async def _close(steps: AsyncGenerator[Any]) -> None:
    await steps.aclose()
