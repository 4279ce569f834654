"""Run all three: python -m propulate_like_bench.isolation."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from propulate_like.parallel.launching.mpiexec import rank_environment
from propulate_like_bench.launching import command

HERE = Path(__file__).parent


def main() -> None:
    """Run each script on its number of ranks; what it prints is the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=["hostile", "overhead", "absorption"], metavar="SCRIPT")
    chosen = parser.parse_args()
    for script, ranks in (("hostile", 4), ("overhead", 1), ("absorption", 4)):
        if chosen.only and script not in chosen.only:
            continue
        words = command(ranks, HERE / f"{script}.py")
        print(f"{script}, {ranks} {'rank' if ranks == 1 else 'ranks'}", flush=True)
        ended = subprocess.run(words, env=rank_environment(ranks), check=False)
        if ended.returncode != 0:
            sys.exit(f"{' '.join(words)} exited with status {ended.returncode}")


if __name__ == "__main__":
    main()
