"""The command `simulate`: the run that a configuration describes, on several numbers of virtual ranks."""

from __future__ import annotations

import math
import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from propulate_like.cli import show
from propulate_like.evaluation import loading
from propulate_like.evaluation.calling import Call
from propulate_like.evaluation.command import Command
from propulate_like.evaluation.context import Tasks, never_stop
from propulate_like.evaluation.inline import InlineEvaluator
from propulate_like.foundation import declarations, early_signals
from propulate_like.foundation.console import say
from propulate_like.foundation.durations import seconds_in
from propulate_like.foundation.user_paths import user_path
from propulate_like.parallel.coordination.termination import SessionSummary
from propulate_like.parallel.transport.simulated import Network
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import OK, Outcome, Status
from propulate_like.search.config import Config
from propulate_like.search.simulation import Simulation, Trace
from propulate_like.search.specification import SearchSpecification
from propulate_like.storage.run import Run

Seconds = Callable[[Individual, Random], float]
Evaluate = Callable[[Individual], Individual]
_LONGEST = 1e9  # the longest evaluation in seconds
_LARGE, _WIDEST = {"seconds", "kB/rank"}, 10  # columns of numbers such as 1.2346e+06, which are that wide
_FORMS = "60 or 10m, lognormal:60,1 (mean and sigma) or the folder of a run"


class Assumptions(msgspec.Struct, frozen=True):
    """The assumptions of a simulation.

    Attributes:
        seconds: The duration of evaluations: a number, lognormal:MEAN,SIGMA, or a run's folder, from whose durations
            it is drawn.
        losses: The losses: "objective" to call the objective, "random", or a run's folder, of which the nearest
            individual's loss is used.
        failures: The share of evaluations that fail, 0 to 1.
        network: The latency and bandwidth of messages.
    """

    seconds: str
    losses: str = "objective"
    failures: float = 0.0
    network: Network = Network()


class Forecast(msgspec.Struct, frozen=True):
    """The result of a simulation.

    Attributes:
        ranks: The number of ranks.
        islands: The number of islands.
        summary: The summary of the search.
        trace: Each improvement of the best loss, as (seconds, loss).
    """

    ranks: int
    islands: int
    summary: SessionSummary
    trace: list[tuple[float, float]]

    def row(self, *, maximize: bool) -> dict[str, Any]:
        """Return the result as one row of a table.

        Args:
            maximize: Whether the loss is maximized.
        """
        summary = self.summary
        evaluations = summary.evaluations.finished
        best = summary.evaluations.best
        loss = best.loss if best is not None and best.feasible else None
        return {
            "ranks": self.ranks,
            "islands": self.islands,
            "evaluations": evaluations,
            "seconds": summary.seconds,
            "idle %": round(100 * summary.idle_share, 3),
            "tail %": round(100 * summary.tail_share, 3),
            "messages/rank": summary.batches / self.ranks,
            "messages/evaluation": summary.batches / max(evaluations, 1),
            "kB/rank": summary.volume / self.ranks / 1000,
            "best": None if loss is None else -loss if maximize else loss,
        }


def forecast(
    config: Config, ranks: int, assumptions: Assumptions, begins: Callable[[], None] = lambda: None
) -> Forecast:
    """Simulate a configuration's run.

    Args:
        config: The configuration.
        ranks: The number of ranks.
        assumptions: The assumptions.
        begins: Called where all is known to be valid, and the simulation begins.

    Raises:
        ValueError: The configuration cannot be simulated, or an assumption is not valid.
    """
    budget = config.specification.budget
    if config.specification.fidelity is not None:
        message = "fidelity: a simulation has no rungs: it would not know how long each of them takes"
        raise ValueError(message)
    if budget.evaluations is None and budget.finite_seconds is None:
        message = "budget: a simulation needs evaluations or seconds, as it may never reach a target"
        raise ValueError(message)
    specification, evaluate = _losses(config, assumptions)
    traces: list[Trace] = []

    def journal(_rank: int) -> Trace:
        traces.append(Trace())
        return traces[-1]

    simulation = Simulation(
        specification,
        max(ranks // specification.evaluation.ranks_per_worker, 1),
        evaluate,
        read_seconds(assumptions.seconds),
        network=assumptions.network,
        journal=journal,
    )
    begins()
    summary = simulation.run()
    if summary is None:
        message = "a simulation without an end came to one"
        raise RuntimeError(message)
    return Forecast(ranks, len(simulation.archipelago.layout), summary, _improvements(traces))


def calls(config: Config, count: int) -> str:
    """Return a line that says how often the objective is called, for people whose objective is expensive.

    Args:
        config: The configuration.
        count: The number of simulations.
    """
    evaluations = config.specification.budget.evaluations
    often = "once for each evaluation" if evaluations is None else f"up to {evaluations} times"
    each = " for each number of ranks" if count > 1 else ""
    return f"{config.objective} is called {often}{each}; with --losses random, nothing is called"


def line(row: Mapping[str, Any], *, headed: bool) -> str:
    """Return a row of a table that is printed row by row, below the names of its columns where it is `headed`."""
    widths = [max(len(name), _WIDEST if name in _LARGE else 0) for name in row]
    lines = [list(row)] * headed + [[show.written(name, value) for name, value in row.items()]]
    return "\n".join("  ".join(map(str.ljust, words, widths)).rstrip() for words in lines)


def until_interrupted(config: Config, numbers: Sequence[int], assumptions: Assumptions) -> Iterator[Forecast]:
    """Yield the simulation on each number of ranks as it ends; none any more once a signal has interrupted one.

    Before the first one, say that the objective is called, where it is.

    Raises:
        ValueError: As for `forecast`.
    """

    def say_calls() -> None:
        if assumptions.losses == "objective":
            say(calls(config, len(numbers)))

    for number in early_signals.SIGNALS:
        signal.signal(number, signal.default_int_handler)
    for place, ranks in enumerate(numbers):
        try:
            found = forecast(config, ranks, assumptions, say_calls if place == 0 else lambda: None)
        except KeyboardInterrupt:
            say(f"interrupted: nothing is known of {', '.join(map(str, numbers[place:]))} ranks")
            return
        yield found


def network(latency: float, bandwidth: float) -> Network:
    """Return a network.

    Args:
        latency: The latency in seconds, at least 0.
        bandwidth: The bandwidth in bytes per second, above 0.

    Raises:
        ValueError: A value is out of its range.
    """
    for name, value in (("latency", latency), ("bandwidth", bandwidth)):
        if not math.isfinite(declarations.number(name, value, above=name == "bandwidth")):
            message = f"{name}={value!r} must be finite"
            raise ValueError(message)
    return Network(latency, bandwidth)


def numbers(form: str) -> list[int]:
    """Return the numbers of ranks in a text such as 64,256.

    Raises:
        ValueError: They are not valid.
    """
    try:
        return [declarations.whole("ranks", int(part), 1) for part in form.split(",")]
    except ValueError:
        message = f"--ranks {form}: must be numbers of ranks such as 64 or 64,256,1024"
        raise ValueError(message) from None


def read_seconds(form: str) -> Seconds:
    """Return the function that draws the duration of an evaluation in seconds.

    Args:
        form: Seconds such as 60 or 10m, lognormal:MEAN,SIGMA, or a run's folder, from whose durations it is drawn.

    Raises:
        ValueError: The text has another form, or the run has no evaluations.
    """
    found = re.fullmatch(r"lognormal:([^,]+),([^,]+)", form)
    try:
        if found:
            mean, sigma = _seconds(found[1]), float(found[2])
            declarations.number("mean", mean, 0.0, _LONGEST, above=True)
            declarations.number("sigma", sigma)
            return lambda _, generator: mean * math.exp(sigma * generator.gauss(0.0, 1.0) - sigma * sigma / 2)
        if not Path(os.path.expanduser(form)).is_dir():  # noqa: PTH111 (a Path refuses ~ of nobody)
            seconds = declarations.number("seconds", _seconds(form), 0.0, _LONGEST)
            return lambda _individual, _generator: seconds
    except ValueError:
        message = f"{form!r} must be a number of seconds such as {_FORMS}"
        raise ValueError(message) from None
    times = [individual.seconds for individual in Run(user_path(form)).individuals()]
    if not times:
        message = f"{form} holds no evaluation whose time could be taken"
        raise ValueError(message)
    return lambda _, generator: generator.choice(times)


def _seconds(text: str) -> float:
    """Return the seconds in a number or a text such as 10m; ValueError for any other."""
    try:
        return float(text)
    except ValueError:
        return seconds_in(text)


def _losses(config: Config, assumptions: Assumptions) -> tuple[SearchSpecification, Evaluate]:
    """Return the specification with a known space, and the function that evaluates an individual in no simulated time.

    Raises:
        ValueError: The objective cannot be called, or the run that losses come from does not fit.
    """
    if assumptions.losses == "objective":
        specification, evaluate = _objective(config)
    else:
        specification = config.specification
        if specification.space is None:
            specification = _objective(config)[0]
        random = assumptions.losses == "random"
        evaluate = _random(specification) if random else _nearest(Run(user_path(assumptions.losses)), specification)
    share = declarations.number("failures", assumptions.failures, 0.0, 1.0)
    if not share:
        return specification, evaluate
    chance = Random(f"{specification.seed or 0}/failures")
    failure = Outcome(Status.ERROR, cause="simulated")
    return specification, lambda each: each.evaluated(failure) if chance.random() < share else evaluate(each)


def _objective(config: Config) -> tuple[SearchSpecification, Evaluate]:
    """Return the specification with a known space, and a function that calls the objective.

    Raises:
        ValueError: The objective is a command, or cannot be loaded.
    """
    config.check_objective()
    reference = config.located_objective()
    if isinstance(reference, Command):
        message = "a command is not run by a simulation: add --losses random, or --losses with the folder of a run"
        raise ValueError(message)
    loss = loading.load(reference, Path())
    specification = config.specification.loaded(loss)
    call = Call(loss, specification.known_space, signs=specification.signs)
    evaluator = InlineEvaluator(call, Tasks(specification.seed or 0, ""))
    return specification, lambda individual: evaluator(individual, never_stop)


def _random(specification: SearchSpecification) -> Evaluate:
    """Return a function that gives each individual losses drawn from [0, 1)."""
    generator, count = Random(specification.seed or 0), specification.losses
    if count == 1:
        return lambda individual: individual.evaluated(Outcome(OK, generator.random()))
    return lambda individual: individual.evaluated(Outcome.of([generator.random() for _ in range(count)]))


def _nearest(run: Run, specification: SearchSpecification) -> Evaluate:
    """Return a function that gives each individual the losses of the one in a run with the nearest genome.

    Raises:
        ValueError: The run has another space, another number of losses, or no successful evaluation.
    """
    import numpy as np

    if run.space.asked_for:
        message = (
            f"{run.folder} has individuals of different parameters, as its objective asks a trial: --losses random"
        )
        raise ValueError(message)
    known = [individual for individual in run.individuals() if individual.has_loss]
    if run.space.declaration() != specification.known_space.declaration() or not known:
        message = f"{run.folder} holds {'another space' if known else 'no evaluation that succeeded'}"
        raise ValueError(message)
    if len(run.signs) != specification.losses:
        message = f"{run.folder} holds individuals of {len(run.signs)} losses, not {specification.losses}"
        raise ValueError(message)
    genomes = np.array([individual.genome for individual in known])

    def evaluate(individual: Individual) -> Individual:
        distances = ((genomes - np.array(individual.genome)) ** 2).sum(axis=1)
        nearest = known[int(distances.argmin())]
        return individual.evaluated(Outcome(OK, nearest.loss, losses=nearest.losses).constrained(nearest.constraints))

    return evaluate


def _improvements(traces: list[Trace]) -> list[tuple[float, float]]:
    """Return each improvement of the best loss of all ranks, as (seconds, loss)."""
    best, found = math.inf, []
    for time, loss in sorted(point for trace in traces for point in trace.losses):
        if loss < best:  # which NaN, of what is infeasible or failed, is not
            best = loss
            found.append((time, loss))
    return found
