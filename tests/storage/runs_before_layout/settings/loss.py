import propulate_like as pl


def train(rate, layers, epochs):
    return rate * layers / epochs


@pl.objective(x=pl.Float(0.0, 1.0))
def decorated(x):
    return x * x
