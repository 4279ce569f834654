"""Ranks that stay: one mpiexec, whose ranks run short programs one after the other.

To start four ranks costs four times what Python and the package's imports cost, which is nearly all that a short
program takes. Here it is paid once. Each program runs as `__main__`, in its test's folder, with its own arguments, on a
communicator of as many ranks as it needs, which stands in for MPI.COMM_WORLD. What it prints is kept in files.

Not for programs that change the package, get or send signals, or are to fail: these are really started.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

from propulate_like.foundation.early_signals import SIGNALS
from propulate_like.parallel import transport
from propulate_like.parallel.launching.mpiexec import Mpiexec, rank_environment

SIZE = 4
TEMPORARY = tempfile.gettempdir()  # not that of a test: a socket's path must be short


class RankPool:
    """The ranks, as seen by the tests. They are started when they are first needed, and again after a failure."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._ranks: list[socket.socket] = []

    def run(
        self, path: Path, arguments: list[str], ranks: int, folder: Path, seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """Run a Python script on so many ranks. Return its status, of any rank that failed, and what all ranks printed.

        TimeoutExpired where that takes longer than `seconds`; the ranks are then ended, as where one fails.
        """
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._start()
        job = json.dumps({"path": str(path), "arguments": arguments, "ranks": ranks, "folder": str(folder)})
        waiting = self._ranks[:ranks]
        for rank in waiting:
            rank.sendall(job.encode() + b"\n")
        status = 0
        while waiting and status == 0:
            ready, _, _ = select.select(waiting, [], [], seconds)
            if not ready:
                self.close()
                raise subprocess.TimeoutExpired(str(path), seconds, *_printed(folder))
            for rank in ready:
                status = status or _status_from(rank)
                waiting.remove(rank)
        if status:
            self.close()
        return subprocess.CompletedProcess(str(path), status, *_printed(folder))

    def close(self) -> None:
        """End the ranks, whatever they do."""
        for rank in self._ranks:
            rank.close()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5.0)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process, self._ranks = None, []

    def _start(self) -> None:
        folder = tempfile.mkdtemp(prefix="ranks-", dir=TEMPORARY)
        address = f"{folder}/socket"
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(address)
            listening.listen(SIZE)
            listening.settimeout(60.0)
            self._process = subprocess.Popen(
                [*Mpiexec().command(SIZE), sys.executable, __file__, address],
                env=rank_environment(SIZE),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
            connected = {}
            for _ in range(SIZE):
                rank, _ = listening.accept()
                connected[int(rank.recv(16))] = rank
        self._ranks = [connected[rank] for rank in range(SIZE)]
        shutil.rmtree(folder)


def _status_from(rank: socket.socket) -> int:
    """Return the exit status that a rank tells, or 1 where it has died."""
    try:
        return int(rank.recv(16) or b"1")
    except ConnectionError:
        return 1


def _printed(folder: Path) -> tuple[str, str]:
    """Return what the ranks printed, and forget it."""
    said = []
    for stream in ("stdout", "stderr"):
        files = sorted(folder.glob(f".rank-*-{stream}"))
        said.append("".join(file.read_text(encoding="utf-8", errors="replace") for file in files))
        for file in files:
            file.unlink()
    return said[0], said[1]


def serve(address: str) -> None:
    """Run programs on this rank, until nobody asks for any more."""
    from mpi4py import MPI

    import propulate_like.parallel.transport.mpi  # noqa: F401 (what every program needs)

    world = MPI.COMM_WORLD
    asked = socket.socket(socket.AF_UNIX)
    asked.connect(address)
    asked.sendall(str(world.rank).encode())
    group = world.Get_group()
    for line in asked.makefile():
        job = json.loads(line)
        MPI.COMM_WORLD = world.Create_group(group.Incl(range(job["ranks"])))
        status = _run(job, world.rank)
        if status == 0:
            MPI.COMM_WORLD.Free()
        asked.sendall(str(status).encode())


def _run(job: dict, rank: int) -> int:
    """Run a program as if this process had been started for it, and return its exit status."""
    folder = job["folder"]
    os.chdir(folder)
    environment, modules, path, tempdir = dict(os.environ), set(sys.modules), list(sys.path), tempfile.tempdir
    handlers = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGALRM)}
    for names in transport._LAUNCHERS:
        if names[0] in os.environ:
            os.environ |= {names[0]: str(rank), names[1]: str(job["ranks"])}
    sys.argv = [job["path"], *job["arguments"]]
    sys.path[0] = str(Path(job["path"]).parent)
    tempfile.tempdir = folder
    status = 0
    with _into_files(folder, rank):
        try:
            runpy.run_path(job["path"], run_name="__main__")
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:  # noqa: BLE001 (as Python itself does at its end)
            traceback.print_exc()
            status = 1
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(folder):
            del sys.modules[name]
    for number, handler in handlers.items():
        signal.signal(number, handler)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:], tempfile.tempdir = path, tempdir
    return status


@contextlib.contextmanager
def _into_files(folder: str, rank: int):
    """Let what this process and its children print go to files of this rank."""
    kept = [os.dup(stream) for stream in (1, 2)]
    for stream, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(f"{folder}/.rank-{rank}-{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, stream)
        os.close(file)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for stream, file in zip((1, 2), kept):
            os.dup2(file, stream)
            os.close(file)


if __name__ == "__main__":
    serve(sys.argv[1])
