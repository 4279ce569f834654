"""What was measured with, and on what: versions and machine."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import psutil

import propulate_like
from propulate_like_bench.quality import peer_propulate

_DISTRIBUTIONS = (
    "optuna", "cmaes", "torch", "numpy", "scipy", "scikit-learn", "ioh", "mpi4py", "SQLAlchemy", "psycopg2-binary",
    "grpcio",
)  # fmt: skip


def surroundings() -> dict[str, str]:
    """Name versions and machine; what is not installed is left out."""
    found = {"propulate-like": propulate_like.__version__}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if os.environ.get(peer_propulate.PYTHON):
        found["propulate"] = peer_propulate.version()
    found["Python"] = platform.python_version()
    found["SQLite"] = sqlite3.sqlite_version
    found |= {"PostgreSQL": _says("postgres", "--version"), "MPI": _says(_mpiexec(), "--version")}
    found["processor"] = _processor()
    found["cores"] = str(len(os.sched_getaffinity(0)))
    found["memory"] = f"{psutil.virtual_memory().total / 2**30:.0f} GiB"
    found["system"] = f"{platform.system()} {platform.release()}"
    return {name: value for name, value in found.items() if value}


def _mpiexec() -> str:
    beside = Path(sys.executable).with_name("mpiexec")
    return str(beside) if beside.exists() else "mpiexec"


def _says(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return ""
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    return re.sub(r"^mpiexec \((.*)\)", r"\1", lines[0].removeprefix("postgres (PostgreSQL) ")) if lines else ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
