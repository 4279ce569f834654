"""The objective of searches that are killed: it takes some milliseconds, from the environment."""

import os
import time
from random import Random

_MEAN = float(os.environ.get("MEAN_SECONDS", "0.01"))
_random = Random(os.getpid())


def sphere(x: float, y: float) -> float:
    """Take some time, and return the sum of squares."""
    if _MEAN:
        time.sleep(_random.expovariate(1 / _MEAN))
    return x * x + y * y


def failing(x: float, y: float) -> float:
    """Fail now and then."""
    if _random.randrange(100) == 0:
        message = "an evaluation that fails"
        raise RuntimeError(message)
    return sphere(x, y)
