import os
import time


def slow(x, y, c):
    time.sleep(0.05)
    if c == "c" and x > 0.5:
        print("crashing", flush=True)
        os._exit(3)
    return x * x + y * y + (c == "b")
