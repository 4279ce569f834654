import os
import signal
import time


def deadly(x, y, evaluation):
    time.sleep(0.02)
    if str(evaluation.id) == "0-1-5":
        died = evaluation.directory / "died"
        if not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return x * x + y * y
