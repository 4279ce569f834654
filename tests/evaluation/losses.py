"""Losses for the tests of isolation, in a file that a child process can import."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SLEEPER = "import sys, time; time.sleep(1000)  # left-behind-by-a-test"


def hostile(kind: str, x: float, evaluation: Any) -> float:
    """Do what `kind` says."""
    del evaluation
    match kind:
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "hang":
            ctypes.CDLL(None).usleep(100_000_000)
        case "memory":
            hoard = [bytearray(20_000_000) for _ in range(100)]
            time.sleep(len(hoard))
        case "chatter":
            for _ in range(20):
                print("x" * 1_000_000)
        case "family":
            for own_session in (False, True):
                subprocess.Popen([sys.executable, "-c", SLEEPER], start_new_session=own_session)
        case "family and exit":
            subprocess.Popen([sys.executable, "-c", SLEEPER], start_new_session=True)
            os._exit(0)
        case "error":
            message = "as told"
            raise ValueError(message)
    return x * x


def place(x: float) -> dict[str, Any]:
    """Say in which process this runs, and what that sees of the launcher."""
    launched = [name for name in os.environ if name.startswith(("OMPI_COMM", "PMI", "PMIX"))]
    return {"loss": x * x, "pid": os.getpid(), "session": os.getsid(0), "launched": len(launched)}


def fails_at_first(x: float, evaluation: Any) -> float:
    """Crash in the first two attempts of every evaluation."""
    attempts = Path(evaluation.directory, "attempts")
    with attempts.open("a") as file:
        file.write("x")
    if attempts.stat().st_size < 3:
        os._exit(1)
    return x


def prints(x: float) -> float:
    """Print something, unless x is negative, by Python and beneath it."""
    if x >= 0:
        print(f"x is {x}")
        os.write(2, b"beneath\n")
    return x


def falling(x: float, evaluation: Any) -> Any:
    """Report twenty steps."""
    for step in range(1, 21):
        if evaluation.report(x + 1 / step):
            return None
    return x


def yielding(x: float) -> Iterator[float]:
    """Yield twenty losses."""
    for step in range(1, 21):
        yield x + 1 / step


def yielding_pairs(x: float) -> Iterator[float]:
    """Yield, and return a loss of its own."""
    yield from yielding(x)
    return x


def describes(x: float, evaluation: Any) -> dict[str, Any]:
    """Say what the context is, and save something; read what the first parent saved."""
    Path(evaluation.directory, "saved").write_text(str(x))
    parents = evaluation.parents
    return {
        "loss": x,
        "id": str(evaluation.id),
        "directory": str(evaluation.directory),
        "parents": " ".join(str(parent.id) for parent in parents),
        "parent_saved": Path(parents[0].directory, "saved").read_text() if parents else "",
    }


def draws(x: float, evaluation: Any) -> dict[str, float]:
    """Draw a random number."""
    return {"loss": x, "drawn": evaluation.generator.random()}


class Evil(float):
    """A number that is none."""

    def __float__(self) -> float:
        raise RuntimeError


def odd(x: float, kind: str, evaluation: Any) -> Any:
    """Do something odd, as `kind` says."""
    match kind:
        case "base exception":
            raise BaseException("no Exception")  # noqa: TRY002
        case "generator exit":
            raise GeneratorExit
        case "undecodable error":
            raise ValueError("file \udcff")
        case "undecodable metric":
            return {"loss": x, "\udcff": "\udcff"}
        case "huge metric":
            return {"loss": x, "count": 10**30, "more": 10**400}
        case "no float":
            return Evil(x)
        case "huge step":
            evaluation.report(x, 10**30)
        case "no stdout":
            sys.stdout = None  # type: ignore[assignment]
        case "closed stdout":
            sys.stdout.close()
        case "closed files":
            os.closerange(3, 256)
    return x
