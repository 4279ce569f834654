import time


def together(x, layers, optimizer, evaluation, momentum=0.5):
    time.sleep(0.02)
    if layers == 3 and evaluation.rank == 1:
        raise RuntimeError("the second member fails")
    if evaluation.rank:
        return None
    return {"loss": x * x + layers + momentum * momentum + (optimizer == "adam"), "members": evaluation.size}
