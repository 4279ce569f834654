import time


def bowl(x, y, z):
    time.sleep(0.01)
    if x > 3.5:
        raise ValueError("beyond the edge")
    return x * x + y * y + z
