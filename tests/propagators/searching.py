"""Small spaces, and searches of them: what the tests of propagators share."""

from random import Random

from propulate_like import Choice, Float, Int, Optimizer, Ordinal, Space


def cube(dimension):
    return Space({f"x{n}": Float(0, 1) for n in range(dimension)})


def every_kind():
    """Return a space of every kind of parameter, and a loss on it that is 0 at one point."""
    space = Space(
        {
            "layers": Int(1, 20),
            "width": Ordinal(16, 32, 64, 128),
            "kind": Choice("a", "b", "c"),
            "momentum": Float(0, 1, when={"kind": "b"}),
        }
    )

    def loss(one):
        params = one.params
        off = abs(params["layers"] - 13) + abs(params["width"] - 64) / 16
        return off + (params["kind"] != "b") + (params.get("momentum", 0.0) - 0.7) ** 2

    return space, loss


SECONDS = 1e-4
"""What an evaluation is said to take, whatever it took: a propagator's choices may depend on it."""


def search(propagator, loss, space, evaluations, ranks=1, seed=0, order=None):
    """Evaluate one at a time, of what the ranks have pending, in random order; give them in the order of their end."""
    optimizers = [Optimizer(space, propagator=propagator, seed=seed, workers=ranks, rank=n) for n in range(ranks)]
    order = order or Random(seed)
    pending, ended = [optimizer.ask() for optimizer in optimizers], []
    for _ in range(evaluations):
        rank = order.randrange(ranks)
        ended.append(optimizers[rank].tell(pending[rank], loss(pending[rank]), SECONDS))
        for optimizer in optimizers:
            if optimizer is not optimizers[rank]:
                optimizer.absorb(ended[-1])
        pending[rank] = optimizers[rank].ask()
    return ended


def lowest(individuals):
    return min(one.loss for one in individuals if one.has_loss)
