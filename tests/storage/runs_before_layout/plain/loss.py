import math


def mixed(rate, dropout, layers, units, optimizer, width, warm, momentum=0.5):
    if layers == 5:
        raise ArithmeticError("diverged\nwith many layers")
    if layers == 7:
        return math.nan
    if units > 200:
        return "no number"
    away = max(rate / 1e-3, 1e-3 / rate) / 100
    loss = away + abs(layers - 3) + (momentum - 0.9) * (momentum - 0.9) + dropout + width / 128 + (warm is None)
    good = loss < 2.0
    return {
        "loss": loss,
        "accuracy": 1.0 / (1.0 + loss),
        "good": good,
        "note": 'ü, "quoted"\nin two lines',
        "by": optimizer,
    }
