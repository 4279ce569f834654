"""The child process of an isolated loss, which loads the loss once and then evaluates one task after another."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import sys
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec

from propulate_like.evaluation import loading
from propulate_like.evaluation.calling import Call
from propulate_like.evaluation.context import Task
from propulate_like.evaluation.process import (
    STACK_SIGNAL,
    adopt_orphans,
    die_of_interrupt,
    die_with_parent,
    unblock_signals,
)
from propulate_like.evaluation.suspension import Suspension
from propulate_like.foundation.undisturbed import undisturbed
from propulate_like.population.codec import Codec
from propulate_like.population.outcome import Outcome, Status
from propulate_like.problem.directions import Signs
from propulate_like.problem.space import NOTHING, Space

_MANY_ENDED = 100  # zombies that an evaluation may leave


class Load(msgspec.Struct, tag=True, frozen=True):
    """The rank's first message: the loss to load.

    Attributes:
        reference: The loss's reference, or "" where it is pickled.
        pickled: The loss itself, as cloudpickle writes it, or b"".
        space: The space's declaration, as JSON.
        signs: 1 for each loss that is minimized, -1 for each that is maximized.
        fidelity: The fidelity's name, or "".
        path: The rank's sys.path.
        arguments: The rank's sys.argv.
        handed: Source code by path, as rank 0 read it.
        parent: The rank's pid.
    """

    reference: str
    pickled: bytes
    space: str
    signs: Signs
    fidelity: str
    path: list[str]
    arguments: list[str]
    handed: dict[str, bytes]
    parent: int


class Evaluate(msgspec.Struct, tag=True, frozen=True):
    """The rank's request to evaluate.

    Attributes:
        task: The evaluation's task.
        log: The file for output from now on, or "" to keep the present one.
    """

    task: Task
    log: str = ""


class Answer(msgspec.Struct, tag=True, frozen=True):
    """The rank's answer to a report: whether to stop."""

    stop: bool


class Loaded(msgspec.Struct, tag=True, frozen=True):
    """The child's first message: it has tried to import the loss, and the first task may come."""


class Reported(msgspec.Struct, tag=True, frozen=True):
    """An intermediate loss."""

    step: int
    loss: float


class Done(msgspec.Struct, tag=True, frozen=True):
    """The end of an evaluation: its outcome, and whether it left processes behind."""

    outcome: Outcome
    left: bool


FromRank = Load | Evaluate | Answer
FromChild = Loaded | Reported | Done


def main(arguments: Sequence[str]) -> None:
    """Serve the rank at the other end of a socket, whose descriptor is the argument, until it closes the socket."""
    die_of_interrupt()
    unblock_signals()
    descriptor = int(arguments[0])
    os.set_inheritable(descriptor, False)
    connection = Connection(descriptor)
    order = Codec(NOTHING).decode(connection.recv_bytes(), Load)
    if not isinstance(order, Load):
        raise TypeError(order)
    die_with_parent(order.parent)
    faulthandler.enable()
    faulthandler.register(STACK_SIGNAL)
    adopt_orphans()  # to find the processes that an evaluation leaves behind
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a file's stream: nobody has replaced it
    space = Space.from_declaration(json.loads(order.space))
    call, codec, suspension = _load(order, space), Codec(space), Suspension()
    try:
        connection.send_bytes(codec.encode(Loaded()))
        while True:
            _serve(connection, call, codec, suspension)
    except (EOFError, ConnectionError):
        return


def _serve(connection: Connection[bytes, bytes], call: Call | Outcome, codec: Codec, suspension: Suspension) -> None:
    """Receive one task, evaluate it, and send the outcome.

    Raises:
        EOFError: The rank closed the socket.
        ConnectionError: The rank is gone.
    """
    order: FromRank = codec.decode(connection.recv_bytes(), FromRank)
    if not isinstance(order, Evaluate):
        raise TypeError(order)
    if order.log:
        _print_to(order.log)

    def report(step: int, loss: float) -> bool:
        connection.send_bytes(codec.encode(Reported(step, loss)))
        answer: FromRank = codec.decode(connection.recv_bytes(), FromRank)
        return isinstance(answer, Answer) and answer.stop

    if isinstance(call, Outcome):
        outcome = call
    else:
        os.environ.update(order.task.environment)
        if suspension.holds:
            suspension.end()
        outcome = call(order.task.candidate.params, order.task, report)
        if suspension.needed():
            suspension.begin()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the loss may have closed or replaced it
            stream.flush()
    connection.send_bytes(codec.encode(Done(outcome, _left())))


def _load(order: Load, space: Space) -> Call | Outcome:
    """Import the loss, or return the failure that is every evaluation's outcome where that is not possible."""
    sys.path[:], sys.argv[:] = order.path, order.arguments
    loading.in_child = True
    try:
        loss = loading.unpickled(order.pickled) if order.pickled else loading.load(order.reference, Path())
        return Call(loss, space, signs=order.signs, fidelity=order.fidelity)
    except (Exception, SystemExit):  # noqa: BLE001 (importing may raise anything)
        return Outcome.failure(
            Status.ERROR, f"the objective cannot be loaded in its child process:\n{traceback.format_exc()}"
        )
    finally:
        loading.in_child = False


def _print_to(log: str) -> None:
    """Redirect standard output and standard error to a file."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


@undisturbed
def _left() -> bool:
    """Return whether processes that the evaluation started still run, or many of them are zombies."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    import psutil

    trackers = {
        getattr(getattr(sys.modules.get(f"multiprocessing.{module}"), name, None), number, None)
        for module, name, number in (
            ("resource_tracker", "_resource_tracker", "_pid"),
            ("forkserver", "_forkserver", "_forkserver_pid"),
        )
    }
    seen: set[Any] | None = None
    while seen != (descendants := set(psutil.Process().children(recursive=True))):  # a shell may end during a look
        if any(child.pid not in trackers and _runs(child) for child in descendants):
            return True
        seen = descendants
    return len(descendants) > _MANY_ENDED


def _runs(process: Any) -> bool:
    """Return whether a process exists and is no zombie."""
    import psutil

    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
