"""One rank of a run: it reads the configuration and searches; one rank prints the summary.

`propulate-like run` starts this module on every rank, so it loads neither typer nor rich.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import msgspec

from propulate_like.evaluation import loading
from propulate_like.evaluation.trial_study import ATTRIBUTES, STUDY_ATTRIBUTES
from propulate_like.foundation import early_signals
from propulate_like.foundation.console import pasteable, printable, public, short, tell
from propulate_like.foundation.parts import PartError
from propulate_like.foundation.values import short_text
from propulate_like.parallel import rank_status
from propulate_like.parallel.transport import announce, launched
from propulate_like.population.individual import Individual
from propulate_like.search.agreement import RanksDiffer
from propulate_like.search.config import Config, ConfigError, text_of
from propulate_like.search.on_ranks.process import RankOutcome, run_rank
from propulate_like.search.result import Result, SearchFailed, last_line
from propulate_like.search.session import Search
from propulate_like.search.specification import SearchSpecification
from propulate_like.storage.journal import TakenOver

_METRICS, _WIDTH = 20, 200  # the metrics that the summary shows, and the characters of each value
_LONGEST = 20_000  # characters of the first failure, where all failed
_FRONT = 5  # the individuals of a front that it shows, or a few more
_pack = msgspec.msgpack.encode
BAD_INPUT, FAILED = 2, 1
"""Exit statuses."""


class Order(msgspec.Struct, frozen=True):
    """What a rank runs.

    Attributes:
        source: The configuration's file, or a reference to a function.
        changes: The changes to the configuration, each as KEY=VALUE.
        run: The run's folder, or None for that of the configuration.
        command: The command that the user typed, for messages.
        fork: The folder of the fork to make of the run, or None.
    """

    source: str
    changes: list[str] = []
    run: str | None = None
    command: str = ""
    fork: str | None = None


def run(order: Order) -> int:
    """Search, and return the exit status.

    Returns:
        0; 1 where every evaluation failed or some could not be saved; 2 for bad input; 130 where it was interrupted.
    """
    return _run(order).status


def _run(order: Order) -> RankOutcome:
    """Search, and print and leave the result or the error."""
    rank, _ = launched() or (0, 1)
    first = rank == 0
    if launched() is not None:
        early_signals.record()
    try:
        result = _result(order, first=first)
    except SearchFailed as failure:
        result = failure.result
        status = _say(result.is_root, f"{failure}"[:_LONGEST], FAILED)
        return RankOutcome(status, bool(result.deaths))
    except (TakenOver, PartError) as error:  # on one rank; several end at once
        return RankOutcome(_say(True, str(error), FAILED))
    except RanksDiffer:  # rank 0 has said in what
        return RankOutcome(_leave(first, BAD_INPUT))
    except ConfigError as error:
        return RankOutcome(_say(first, str(error), BAD_INPUT))
    except ValueError as error:
        if not is_ours(error):
            raise
        return RankOutcome(_say(first, f"{order.source}: {error}", BAD_INPUT))
    status = FAILED if result.unsaved else early_signals.INTERRUPTED if result.reason == "interrupted" else 0
    if result.is_root:
        text = summary(result, order.command)
        if not rank_status.leave(rank_status.SUMMARY, text.encode(errors="backslashreplace")):
            tell(text)
        rank_status.leave_status(status)
    return RankOutcome(status, bool(result.deaths))


def _result(order: Order, *, first: bool) -> Result:
    """Search, and return the result, with the streams that there were before: Python could not flush any object."""
    streams = sys.stdout, sys.stderr
    try:
        return Search(lambda: _prepare(order, first=first), progress=True).run()
    finally:
        sys.stdout, sys.stderr = streams


class _Handover(msgspec.Struct, frozen=True):
    """What rank 0 read for all ranks.

    Attributes:
        order: What rank 0 was started with.
        text: The text of the configuration, or None where there is no file.
        folder: The configuration's folder.
        code: The objective's source code by path.
        error: The message of the error, or "".
    """

    order: Order
    text: bytes | None = None
    folder: str = ""
    code: dict[str, bytes] = {}
    error: str = ""


def _prepare(order: Order, *, first: bool) -> SearchSpecification:
    """Return the search's specification; only rank 0 reads the configuration and the objective's file.

    Raises:
        ConfigError: They are not valid, or this rank was started with another order than rank 0.
    """
    handover = msgspec.msgpack.decode(announce(_pack(_read(order)) if first else None), type=_Handover)
    if handover.error:
        raise ConfigError(handover.error)
    for name, option in _OPTIONS.items():
        own, rank_0s = getattr(order, name), getattr(handover.order, name)
        if own != rank_0s:
            message = f"it was started with {option} {_typed(own)}, rank 0 with {option} {_typed(rank_0s)}"
            raise ConfigError(message)
    loading.handed.update(handover.code)
    specification = Config.parse(handover.text, order.source, order.changes, order.run, handover.folder).located()
    fork = None if order.fork is None else Path(order.fork)
    return msgspec.structs.replace(specification, fork=fork)


def _read(order: Order) -> _Handover:
    """Read the configuration on rank 0, or say what is wrong with it; the others wait for either."""
    try:
        text = text_of(order.source)
        config = Config.parse(text, order.source, order.changes, order.run, finds=True)
        code = loading.code(config.located_objective())
    except (ValueError, OSError) as error:
        return _Handover(order, error=str(error) or type(error).__name__)
    return _Handover(order, text, str(config.folder.resolve()), code)


_OPTIONS = {"source": "CONFIG", "changes": "--set", "run": "--run", "fork": "--fork"}


def _typed(value: str | list[str] | None) -> str:
    """Return the value of an option as it was typed."""
    words = [value] if isinstance(value, str) else value or []
    return pasteable(words) or "nothing"


def summary(result: Result, command: str) -> str:
    """Return a summary of a search as text.

    Args:
        result: The search's result.
        command: The command that continues the search.
    """
    lines = []
    if result.succeeded:
        lines += _best(result) if result.losses == 1 else _front(result)
    elif result.least_violating is not None:
        lines += _least_violating(result.least_violating)
    failures = {status: count for status, count in result.statuses.items() if status != "ok"}
    failed = f" ({', '.join(f'{count} {status}' for status, count in failures.items())})" if failures else ""
    lines += [f"{short(str(death))}; its evaluations count" for death in result.deaths]
    lines.append(f"{result.evaluations} evaluations{failed} in {result.seconds:.1f} s, ended by {_why(result.reason)}")
    if result.failure is not None:
        lines.append(f"first failure: {result.failure.id}: {last_line(result.failure.cause)}")
    if result.run is not None:
        lines.append(f"run folder: {result.run}")
        if result.evaluations:
            lines.append(f"see more:   {pasteable(['propulate-like', 'results', result.run])}")
    if result.unsaved:
        lines.append(f"not saved:  {result.unsaved} evaluations, which the disk did not take")
    if not result.added:
        lines += _complete(result, command)
    if result.reason == "interrupted" and command:
        lines.append(f"continue:   {command}")
    return "\n".join(map(printable, lines))


_LARGER = {"evaluations": "{evaluations}", "seconds": "{seconds}", "target": "VALUE"}
"""The budget that goes on where the budget before is used up, by the reason for the end."""


def _complete(result: Result, command: str) -> list[str]:
    """Return the lines about a run that was complete before, and how to go on with it."""
    if result.reason not in _LARGER or not result.evaluations:
        return []
    numbers = {"evaluations": 2 * result.evaluations, "seconds": math.ceil(2 * result.seconds)}
    larger = _LARGER[result.reason].format(**numbers)
    lines = ["complete:   the run had met its budget before, so nothing was evaluated"]
    if command:
        lines.append(f"go on:      {command} --set budget.{result.reason}={larger}")
    return lines


def _best(result: Result) -> list[str]:
    """Return the lines about the best individual."""
    best = result.best
    if best is None:
        return []
    return [f"best {result.value:.6g}", *_details(best)]


def _least_violating(individual: Individual) -> list[str]:
    """Return the lines about the individual that violates its constraints least, where none is feasible."""
    return [f"nothing is feasible; the violation is {individual.violation:.6g} at least, at", *_details(individual)]


def _details(individual: Individual) -> list[str]:
    """Return the lines about an individual's params and metrics."""
    known = {name: value for name, value in individual.metrics.items() if name not in (ATTRIBUTES, STUDY_ATTRIBUTES)}
    metrics = [(f"[{name[:_WIDTH]}]", value) for name, value in islice(known.items(), _METRICS)]
    pairs = [*individual.params.items(), *metrics]
    width = max((len(name) for name, _ in pairs), default=0)
    more = [f"  and {len(known) - _METRICS} metrics more"] if len(known) > _METRICS else []
    return [*(f"  {name:<{width}}  {_written(value)}" for name, value in pairs), *more]


def _front(result: Result) -> list[str]:
    """Return the lines about the Pareto front."""
    front = result.front
    shown = front[:: max(len(front) // _FRONT, 1)]
    lines = [f"front of {len(front)}" + (", some of which are" if len(front) > len(shown) else "")]
    for individual in shown:
        values = ", ".join(f"{value:.6g}" for value in individual.values)
        params = ", ".join(f"{name}={_written(value)}" for name, value in individual.params.items())
        lines.append(f"  {values}  at {params}")
    return lines


def _why(reason: str) -> str:
    """Return the reason for the end as the summary names it."""
    return "interruption" if reason == "interrupted" else reason


def _written(value: object) -> str:
    """Return a value as the summary shows it."""
    text = short_text(value, 6)
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}..."


def _say(first: bool, message: str, status: int) -> int:
    """Print a message and leave the exit status where this is the `first` rank; return the status."""
    if first:
        tell(public(message), error=True)
    return _leave(first, status)


def _leave(first: bool, status: int) -> int:
    """Leave the exit status where this is the `first` rank, and return it."""
    if first:
        rank_status.leave_status(status)
    return status


def is_ours(error: BaseException) -> bool:
    """Return whether this package raised an error, because of bad input, and not the code of an objective."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    package = Path(__file__).parent.parent
    return trace is None or package in Path(trace.tb_frame.f_code.co_filename).parents


def main(arguments: Sequence[str]) -> int:
    """Run the order in the arguments on this rank, and leave the exit status where the launcher expects it."""
    return run_rank(lambda: _run(msgspec.json.decode(arguments[0], type=Order)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
