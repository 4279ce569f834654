"""Optuna's storages: what has to run for one."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from propulate_like.evaluation.process import signal_at_parents_death
from propulate_like_bench.comparison.measures import Missing

STORAGES = ("memory", "journal", "sqlite", "postgresql", "grpc")
_USERS = ("postgres", "nobody")
_START_SECONDS = 30.0
_PROXY = """
import sys
from optuna.storages import get_storage, run_grpc_proxy_server
run_grpc_proxy_server(get_storage(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]))
"""


@contextmanager
def serving(storage: str, folder: Path) -> Iterator[str]:
    """Run what a storage needs, and yield the place that workers open.

    Raises:
        Missing: What it needs is not installed.
    """
    if storage == "postgresql":
        with _postgresql() as place:
            yield place
    elif storage == "grpc":
        if find_spec("grpc") is None:
            message = "Optuna's gRPC proxy needs: pip install grpcio protobuf"
            raise Missing(message)
        with _postgresql() as database, _proxy(database) as place:
            yield place
    else:
        yield f"sqlite:///{folder / 'study.db'}?timeout=100" if storage == "sqlite" else str(folder / "study.log")


@contextmanager
def _postgresql() -> Iterator[str]:
    """Start a server of its own, with PostgreSQL's own settings."""
    if shutil.which("initdb") is None or shutil.which("postgres") is None:
        message = "no PostgreSQL: its programs initdb and postgres are not on PATH"
        raise Missing(message)
    driver = next((name for name in ("psycopg2", "psycopg", "pg8000") if find_spec(name)), None)
    if driver is None:
        message = "no driver of PostgreSQL: pip install psycopg2-binary"
        raise Missing(message)
    user, port = _server_user(), _free_port()
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder:
        if user is not None:
            shutil.chown(folder, user)
        _call("initdb", "--no-sync", "-A", "trust", "-U", "optuna", "-D", f"{folder}/data", user=user, cwd=folder)
        options = ["-D", f"{folder}/data", "-p", str(port), "-h", "127.0.0.1", "-k", folder]
        with _process(["postgres", *options], port, user=user, cwd=folder):
            yield f"postgresql+{driver}://optuna@127.0.0.1:{port}/postgres"


@contextmanager
def _proxy(database: str) -> Iterator[str]:
    port = _free_port()
    with _process([sys.executable, "-c", _PROXY, database, str(port)], port):
        yield str(port)


@contextmanager
def _process(command: list[str], port: int, **options: Any) -> Iterator[None]:
    """Run a server until it is no longer needed; it begins to listen first."""
    death = partial(signal_at_parents_death, 9)
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=death, **options  # noqa: PLW1509
    )  # fmt: skip
    try:
        _wait_for(process, port)
        yield
    finally:
        process.terminate()
        try:
            process.wait(5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    said = b"" if process.poll() is None or process.stderr is None else process.stderr.read()
    message = f"{process.args!r:.80} does not listen: {said.decode(errors='replace')[-200:]}"
    raise RuntimeError(message)


def _call(*command: str, **options: Any) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if ended.returncode != 0:
        message = f"{command[0]} failed: {ended.stderr[-200:]}"
        raise RuntimeError(message)


def _server_user() -> str | None:
    """Name whom the server runs as, where it cannot as root; None for whom this process does."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    for user in _USERS:
        if user in known:
            return user
    message = f"PostgreSQL does not run as {getpass.getuser()}, and there is no user {' or '.join(_USERS)}"
    raise Missing(message)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
