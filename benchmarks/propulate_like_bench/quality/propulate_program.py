"""Propulate by ask and tell, a line of JSON each; runs in an environment that has it."""

import json
import math
import random
import sys
from typing import Any

from propulate.utils import get_default_propagator


def limit(levels: int | None, ordered: bool) -> tuple[Any, ...]:
    """Return a coordinate as Propulate writes it."""
    if levels is None:
        return (0.0, 1.0)
    return (0, levels - 1) if ordered else tuple(str(value) for value in range(levels))


def main() -> None:
    """Answer each line with one, up to the end of the input."""
    say = sys.stdout
    start = json.loads(sys.stdin.readline())
    limits = {name: limit(*form) for name, form in start["limits"].items()}
    propagators = [
        get_default_propagator(
            pop_size=start["population"], limits=limits, crossover_prob=0.7, mutation_prob=0.4, random_init_prob=0.1,
            rng=random.Random(f"{start['seed']}/propulate/{worker}"),
        )
        for worker in range(start["workers"])
    ]  # fmt: skip
    bred: list[Any] = []
    population: list[Any] = []
    print("true", file=say, flush=True)
    for line in sys.stdin:
        message = json.loads(line)
        if "ask" in message:
            individual = propagators[message["ask"]](population)
            individual.rank, individual.generation = message["ask"], len(bred)
            bred.append(individual)
            values = {name: float(individual[name]) for name in limits}
            answer: Any = [len(bred) - 1, values]
        else:
            individual = bred[message["tell"]]
            individual.loss = math.inf if message["loss"] is None else message["loss"]
            population.append(individual)
            answer = True
        print(json.dumps(answer), file=say, flush=True)


if __name__ == "__main__":
    main()
