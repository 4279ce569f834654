"""Starting a contestant of a benchmark on some ranks of its own environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from propulate_like.cli.mpiexec import Mpiexec, rank_environment


def measure(python: str, script: Path, ranks: int, *arguments: object) -> str:
    """Run a script with `python` and that environment's mpiexec, and return what it printed; end where it fails."""
    command = [python, str(script), *map(str, arguments)]
    if ranks > 1:
        command = [*Mpiexec(str(Path(python).parent / "mpiexec")).command(ranks), *command]
    ended = subprocess.run(command, env=rank_environment(ranks), capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{ended.stderr[-2000:]}")
    return ended.stdout
