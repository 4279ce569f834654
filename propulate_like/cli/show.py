"""The commands `status` and `results`: what they show of a run's folder."""

from __future__ import annotations

import csv
import heapq
import io
import json
import math
import os
import time
from collections.abc import Mapping
from itertools import islice
from typing import Any

from propulate_like.cli.earnings import Earnings
from propulate_like.cli.run_state import LIVE_SECONDS, RunState
from propulate_like.foundation.console import printable, short
from propulate_like.foundation.undisturbed import undisturbed
from propulate_like.foundation.values import short_text, typed_text
from propulate_like.parallel.coordination.stopping import Reason
from propulate_like.population.individual import Individual
from propulate_like.population.pareto import feasible_front
from propulate_like.search.progress import duration
from propulate_like.search.result import last_line
from propulate_like.search.rows import column_names, merged, nested_row, param_names, row
from propulate_like.storage.events import Evaluated
from propulate_like.storage.journal import read
from propulate_like.storage.run import Run

_COLUMNS = 100  # the largest number of columns of a table
_ISLANDS, _ORIGINS = 1000, 40  # the largest numbers of lines about islands and origins


def status(run: Run) -> dict[str, Any]:
    """Return a run's state as a mapping that JSON can hold."""
    state = RunState.of(run)
    summary, current = state.summary, state.current
    done, failure, total = summary.finished, summary.failure, run.budget.get("evaluations")
    seconds = max((max(state.latest, state.newest) - session.began for session in current.values()), default=0.0)
    idle = sum(state.closed[rank].idle for rank in current if rank in state.closed)
    latest, running = max(state.latest, state.newest), len(state.running)
    return {
        "run": str(run.folder),
        "state": _state(run.budget, done, state.ended_by, latest=latest, running=running),
        "ended_by": state.ended_by,
        "sessions": state.session_count,
        "evaluations": done,
        "of": total,
        "statuses": {str(status): count for status, count in sorted(summary.statuses.items())},
        **_best(run, summary.best),
        "ranks": sum(session.team for session in current.values()),
        "teams": len(current) if any(session.team > 1 for session in current.values()) else None,
        "devices": {str(rank): list(session.devices) for rank, session in sorted(current.items()) if session.devices},
        "died": [str(death) for death in state.died],
        "running": sorted(str(event.id) for rank, event in state.running.items() if rank in current),
        "failure": None if failure is None else {"id": str(failure.id), "cause": failure.cause},
        "session_seconds": seconds,
        "rate": _rate(run, state.newest, state.latest),
        "bred_by": _bred_by(run, state.earnings),
        "idle_share": idle / (seconds * len(current)) if state.ended_by and seconds > 0 else None,
        "islands": _islands(run, state),
    }


def _bred_by(run: Run, earnings: Earnings) -> dict[str, Any]:
    """Return what each propagator has contributed; of several losses, to the first."""
    return {
        origin: {
            "evaluations": earning.evaluations,
            "improvements": earning.improvements,
            "best": None if math.isinf(earning.best) else run.signs[0] * earning.best,
        }
        for origin, earning in earnings.table().items()
    }


def _islands(run: Run, state: RunState) -> dict[str, Any]:
    """Return the state of each island, with the best value of the first loss there."""
    bests, arrived = state.bests, state.arrived
    return {
        str(island): {
            "ranks": sum(session.island == island for session in state.current.values()),
            "evaluations": state.done_by[island],
            "best": run.signs[0] * bests[island] if island in bests else None,
            "arrived": arrived[island],
        }
        for island in sorted({session.island for session in state.current.values()} | set(state.done_by))
    }


def _best(run: Run, best: Individual | None) -> dict[str, Any]:
    """Return the best individual's value and params, or with several losses the size of the front.

    Where nothing is feasible, the params are those with the least violation.
    """
    violation = {"least_violation": best.violation} if best is not None and best.constraints else {}
    feasible = best if best is not None and best.feasible else None
    if len(run.signs) > 1:
        found = feasible_front(run.individuals())
        return {"best": None, "best_params": None, "front": len(found), **violation}
    value = None if feasible is None else -feasible.loss if run.maximize else feasible.loss
    return {"best": value, "best_params": None if best is None else best.params, "front": None, **violation}


def status_text(known: dict[str, Any]) -> str:
    """Return a run's state, as `status` returns it, as text."""
    total = f" of {known['of']}" if known["of"] else ""
    counts = ", ".join(f"{count} {name}" for name, count in known["statuses"].items()) or "none yet"
    lines = [
        f"run          {known['run']}, {known['state']}",
        f"evaluations  {known['evaluations']}{total} ({counts})",
        f"best         {'none yet' if known['best'] is None else format(known['best'], '.6g')}",
    ]
    if known["front"] is not None:
        lines[-1] = f"front        {known['front']} individuals"
    if known.get("least_violation"):
        lines[-1] = f"best         nothing is feasible; the violation is {known['least_violation']:.6g} at least, at"
    lines += [f"  {short(name)} = {short(typed_text(value))}" for name, value in (known["best_params"] or {}).items()]
    ranks = f"{known['ranks']} in {known['teams']} teams" if known["teams"] else known["ranks"]
    session = f", in the last of {known['sessions']} sessions" if known["sessions"] > 1 else ""
    rate, seconds = known["rate"], duration(known["session_seconds"])
    lines.append(f"ranks        {ranks}, {rate:.4g} evaluations/s, {seconds}{session}")
    lines += [f"{'':<13}{short(death)}" for death in known["died"]]
    for rank, devices in known["devices"].items():
        lines.append(f"{f'rank {rank}':<13}{short(', '.join(devices))}")
    lowest = "best" if known["front"] is None else "first loss at best"
    if len(known["islands"]) > 1:
        for island, facts in islice(known["islands"].items(), _ISLANDS):
            best = "none yet" if facts["best"] is None else f"{facts['best']:.6g}"
            lines.append(
                f"{f'island {island}':<13}{facts['ranks']} of the ranks, {facts['evaluations']} evaluations, "
                f"{lowest} {best}, {facts['arrived']} sent to it"
            )
        if len(known["islands"]) > _ISLANDS:
            lines.append(f"{'':<13}and {len(known['islands']) - _ISLANDS} islands more")
    lowest_so_far = "best so far" if known["front"] is None else "first loss best so far"
    shown = {short(origin): earned for origin, earned in islice(known["bred_by"].items(), _ORIGINS)}
    width = max(map(len, shown), default=0)
    for origin, earned in shown.items():
        best = "none" if earned["best"] is None else f"{earned['best']:.6g}"
        lines.append(
            f"{'bred by':<13}{origin:<{width}}  {_times(earned['evaluations'], 'evaluation')}, {lowest_so_far} "
            f"{_times(earned['improvements'], 'time')}, at best {best}"
        )
    if len(known["bred_by"]) > _ORIGINS:
        lines.append(f"{'':<13}and {_times(len(known['bred_by']) - _ORIGINS, 'origin')} more")
    if known["running"]:
        what = "under way" if known["state"].startswith("running") else "unfinished"
        lines.append(f"{what:<13}{', '.join(known['running'])}")
    if known["failure"]:
        lines.append(f"a failure    {known['failure']['id']}: {last_line(known['failure']['cause'])}")
    if known["idle_share"] is not None:
        lines.append(f"idle         {100 * known['idle_share']:.2f} %{session}")
    return "\n".join(map(printable, lines))


def best(run: Run, top: int) -> list[Individual]:
    """Return the `top` best individuals of a run, best first; with several losses, those of the front.

    Infeasible ones come last, and with several losses only where none is feasible: that with the least violation first.
    """
    front = feasible_front(run.individuals())[:top] if len(run.signs) > 1 else []
    succeeded = (individual for individual in run.individuals() if individual.has_loss)
    return front or heapq.nsmallest(top, succeeded, key=lambda individual: individual.precedence)


def failures(run: Run, top: int) -> list[Individual]:
    """Return the `top` latest failures of a run, the last one first."""
    failed = (individual for individual in run.individuals() if individual.failed)
    return heapq.nlargest(top, failed, key=lambda individual: (individual.ended, individual.id))


def rows_of(individuals: list[Individual], run: Run) -> list[dict[str, Any]]:
    """Return individuals as flat rows, all with the columns of all parameters, in the order of the space."""
    params = param_names(individuals)
    return [_told(_completed(run_row(each, run), params), each) for each in individuals]


def nested_rows(individuals: list[Individual], run: Run) -> list[dict[str, Any]]:
    """Return individuals as JSON has them, with their params as a mapping."""
    return [_told(_placed(nested_row(each), run), each) for each in individuals]


def run_row(individual: Individual, run: Run) -> dict[str, Any]:
    """Return an individual of a run as a flat row, with its directory."""
    return _placed(row(individual.in_directions(run.signs)), run)


def _placed(shown: dict[str, Any], run: Run) -> dict[str, Any]:
    """Return a row with the individual's directory, where it has one, and without a rung where there is no fidelity."""
    if not run.config.get("fidelity"):
        del shown["rung"]
    directory = os.path.join(run.folder, "trials", shown["id"])  # noqa: PTH118 (a Path takes ten times as long)
    return {**shown, "directory": directory} if os.path.lexists(directory) else shown


def _completed(shown: dict[str, Any], params: list[str]) -> dict[str, Any]:
    """Return a row with these parameters in this order; those that are not active have None."""
    return {name: shown.get(name) for name in column_names([shown], params)}


def _told(shown: dict[str, Any], individual: Individual) -> dict[str, Any]:
    """Return a row without what it has nothing to tell of: a cause, or what a failure has no value of."""
    left_out = {"cause"} if individual.has_loss else {"value", "values", "loss", "losses"}
    return {name: value for name, value in shown.items() if name.partition(".")[0] not in left_out}


@undisturbed
def table(rows: list[dict[str, Any]]) -> str:
    """Return rows as a table in text form."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text  # does not interpret words in brackets as markup

    if not rows:
        return "there is none yet"
    hidden = {"ended", "origin", "parents", "directory"} | ({"status"} if "cause" not in rows[0] else set())
    names = [name for name in names_of(rows) if name not in hidden and not _is_of_no_use(name, rows)][:_COLUMNS]
    drawn = Table(box=None, pad_edge=False)
    for name in names:
        drawn.add_column(Text(last_line(name.removeprefix("params.").removeprefix("metrics."))))
    for each in rows:
        drawn.add_row(*[Text(written(name, each.get(name))) for name in names])
    console = Console(file=io.StringIO(), width=max(80, 14 * len(names)))
    console.print(drawn)
    output: Any = console.file
    return "\n".join(line.rstrip() for line in output.getvalue().rstrip().splitlines())


def _is_of_no_use(name: str, rows: list[dict[str, Any]]) -> bool:
    """Return whether a column tells a reader nothing: a loss beside its value, or a parameter that no row has."""
    if name.partition(".")[0] == "loss":
        return name.replace("loss", "value", 1) in rows[0]
    return name.startswith("params.") and all(each.get(name) is None for each in rows)


def as_json(rows: list[dict[str, Any]]) -> str:
    """Return rows as JSON, which has no infinity: it becomes a text."""
    return json.dumps([_finite(each) for each in rows], indent=2)


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Return rows as CSV with a header."""
    output = io.StringIO()
    names = names_of(rows)
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(cell("", name) for name in names)
    writer.writerows([cell(name, each.get(name)) for name in names] for each in rows)
    return output.getvalue()


def names_of(rows: list[dict[str, Any]]) -> list[str]:
    """Return the names of all columns, in the order of the rows."""
    return merged(dict.fromkeys(map(tuple, rows)))


def written(column: str, value: Any) -> str:
    """Return a value as a table shows it; of a parameter, so that 1, 1.0 and "1" do not look alike."""
    if value is None:
        return ""
    if column.startswith("params."):
        return last_line(short_text(value, 5))
    return f"{value:.5g}" if isinstance(value, float) else last_line(str(value))


def _finite(value: Any) -> Any:
    """Return a value, or a list or mapping of values, with texts in place of infinities."""
    if isinstance(value, dict):
        return {name: _finite(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(member) for member in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def cell(column: str, value: Any) -> Any:
    """Return a value as a CSV file holds it, without control characters.

    Of a parameter, 1, 1.0 and "1" are not the same there.
    """
    if not isinstance(value, str):
        return value
    return typed_text(value) if column.startswith("params.") else printable(value, kept="\n\t")


_ENDS: dict[str, str] = {
    Reason.EVALUATIONS: "complete",
    Reason.TARGET: "complete: the target was reached",
    Reason.SECONDS: "ended by seconds: --set budget.seconds=MORE goes on",
    Reason.INTERRUPTED: "interrupted: the same command continues it",
    Reason.FAILING: "ended, as every evaluation failed",
}
"""A run's state by the reason for the end of its newest session."""


def _state(budget: Mapping[str, Any], done: int, ended_by: str | None, *, latest: float, running: int) -> str:
    """Return a run's state in words.

    Args:
        budget: The run's budget.
        done: The number of evaluations.
        ended_by: Why the newest session ended, or None where not all its ranks ended in good order.
        latest: The time of the latest event, in Unix time.
        running: The number of evaluations in progress.
    """
    if done >= budget.get("evaluations", math.inf):
        return "complete"
    if ended_by is not None:
        return _ENDS.get(ended_by, "ended")
    if time.time() - latest < LIVE_SECONDS or running:
        return "running, or cut off a moment ago"
    return "cut off: the same command continues it"


def _rate(run: Run, since: float, until: float) -> float:
    """Return the evaluations per second between two times, in Unix time."""
    if until <= since:
        return 0.0
    found = (event for _, event in read(run.folder, run.shape) if isinstance(event, Evaluated))
    return sum(event.individual.ended >= since for event in found) / (until - since)


def _times(count: int, noun: str) -> str:
    """Return a count and its noun in the right number."""
    return f"{count} {noun}{'s' * (count != 1)}"
