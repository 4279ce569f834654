"""What coordination costs on simulated ranks: messages, latency, idle time, and the simulation's own speed."""

from __future__ import annotations

import math
import statistics
import time
from itertools import count
from random import Random

import msgspec

from propulate_like.parallel.coordination.termination import SessionSummary
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import OK, Outcome
from propulate_like.problem.budget import Budget
from propulate_like.problem.parameters import Float
from propulate_like.problem.space import Space
from propulate_like.propagators import auto
from propulate_like.search.optimizer import Optimizer
from propulate_like.search.simulation import Simulation
from propulate_like.search.specification import SearchSpecification

SPACE = Space({"x": Float(-5.12, 5.12), "y": Float(-5.12, 5.12)})
_HOUR, _QUICK, _OBSERVED = 3600.0, 1e-4, 0.5  # seconds


def sphere(individual: Individual) -> Individual:
    """Evaluate the sum of squares, which costs nothing."""
    loss = sum((10.24 * gene - 5.12) ** 2 for gene in individual.genome)
    return individual.evaluated(Outcome(OK, loss))


def search(ranks: int, evaluations: int, mean: float, *, sigma: float = 1.0, seed: int = 0) -> SessionSummary:
    """Search with lognormal evaluation times, or all alike with sigma 0, and say what it came to."""
    simulation = Simulation(
        SearchSpecification(objective=sphere, space=SPACE, budget=Budget(evaluations), seed=seed),
        ranks,
        sphere,
        lambda _, generator: mean * math.exp(sigma * generator.gauss(0.0, 1.0) - sigma * sigma / 2),
    )
    ending = simulation.run()
    if ending is None:
        raise RuntimeError
    return ending


class Speed(msgspec.Struct, frozen=True):
    """How long a simulation took, in seconds of the wall clock, and whether it repeats to the bit."""

    seconds: float
    repeats: bool


def speed(ranks: int = 1024, evaluations: int = 100_000) -> Speed:
    """Simulate twice with one seed."""
    endings, seconds = [], []
    for _ in range(2):
        began = time.perf_counter()
        endings.append(msgspec.json.encode(search(ranks, evaluations, 60.0)))
        seconds.append(time.perf_counter() - began)
    return Speed(max(seconds), endings[0] == endings[1])


class Latency(msgspec.Struct, frozen=True):
    """Seconds from the end of an evaluation until a free peer has its record in its population."""

    known: int
    median: float
    most: float
    """What 99 % are at most."""
    longest: float


def latency(ranks: int = 64, *, of_busy: bool) -> Latency:
    """Let half of the ranks be deaf in evaluations of an hour, and measure among the others, which are quick.

    `of_busy`: what the deaf ranks found, as each of them comes round once in the time observed; otherwise, what the
    quick ones did. Every evaluation is better than all before, so that each is published.
    """
    ever_better = count(0, -1)
    budget, propagator = Budget(seconds=_HOUR), auto(100_000)
    simulation = Simulation(
        SearchSpecification(objective=sphere, space=SPACE, budget=budget, propagator=propagator),
        ranks,
        lambda individual: individual.evaluated(Outcome(OK, float(next(ever_better)))),
        _hour_or_less,
        silent=lambda rank: rank % 2 == 1,
    )
    delays: list[float] = []
    for rank in simulation.ranks[::2]:
        _observe(simulation, rank.worker.optimizer, delays, of_busy=of_busy)
    simulation.run(until=_OBSERVED)
    delays.sort()
    return Latency(len(delays), statistics.median(delays), delays[len(delays) * 99 // 100], delays[-1])


def _hour_or_less(individual: Individual, generator: Random) -> float:
    if individual.id.rank % 2 == 0:
        return _QUICK * math.exp(generator.gauss(0.0, 1.0) - 0.5)
    return generator.uniform(0.0, _OBSERVED) if individual.id.serial == 0 else _HOUR


def _observe(simulation: Simulation, optimizer: Optimizer, delays: list[float], *, of_busy: bool) -> None:
    absorb = optimizer.absorb

    def observed(individual: Individual) -> bool:
        kept = absorb(individual)
        if kept and individual.id.rank != optimizer.rank and (individual.id.rank % 2 == 1) == of_busy:
            delays.append(simulation.now - individual.ended)
        return kept

    optimizer.absorb = observed  # type: ignore[method-assign]
