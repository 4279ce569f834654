"""The commands of `propulate-like`."""

from __future__ import annotations

import json
import os
import sys
from enum import StrEnum
from typing import Annotated

import typer

import propulate_like
from propulate_like.cli import export as exporting
from propulate_like.cli import rank, show, slurm, starter
from propulate_like.cli import simulate as forecasts
from propulate_like.cli.command_group import CommandGroup
from propulate_like.cli.dry_run import dry_run
from propulate_like.cli.forecast import draw
from propulate_like.cli.launch import launch
from propulate_like.cli.opened import opened
from propulate_like.foundation import early_signals
from propulate_like.foundation.console import pasteable, public
from propulate_like.foundation.files import refuse_link
from propulate_like.foundation.parts import PartError
from propulate_like.foundation.user_paths import user_path
from propulate_like.parallel.launching.hosts import Hosts
from propulate_like.parallel.launching.job import Placement
from propulate_like.parallel.launching.launcher import RESTARTS
from propulate_like.parallel.launching.mpiexec import LaunchError
from propulate_like.parallel.transport import launched
from propulate_like.parallel.transport.simulated import Network
from propulate_like.search.config import Config, ConfigError
from propulate_like.search.schema import schema_text
from propulate_like.storage.run import check_folder

app = typer.Typer(
    cls=CommandGroup,
    help="Asynchronous evolutionary search for hyperparameters, on every MPI rank.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)

ConfigArgument = Annotated[str, typer.Argument(metavar="CONFIG", help="A YAML file, or file.py:function.")]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's folder.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting: budget.evaluations=500")
]


class Format(StrEnum):
    """How results are written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


_WRITERS = {Format.TABLE: show.table, Format.JSON: show.as_json, Format.CSV: show.as_csv}


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"propulate-like {propulate_like.__version__}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version, and exit.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


@app.command()
def init(
    folder: Annotated[str, typer.Argument(help="Where to write search.yaml and objective.py.")] = ".",
) -> None:
    """Write a starter YAML and script, and the schema by which an editor completes and explains the YAML."""
    written = starter.write(user_path(folder))
    command = pasteable(["propulate-like", "run", written[0], "-n", "2"])
    typer.echo(public(f"wrote {', '.join(map(str, written[:-1]))} and {written[-1]}; next: {command}"))


@app.command()
def check(config: ConfigArgument, changes: SetOption = None) -> None:
    """Validate a configuration, running nothing."""
    read = Config.checked(config, changes or [])
    try:
        check_folder(read.run)
    except ValueError as error:
        raise read.error("run", str(error)) from None
    known = read.specification.space
    space = "that the function itself tells" if known is None else f"of {', '.join(known.names)}"
    objective = read.objective
    what = objective if isinstance(objective, str) else f"the command {pasteable(objective.words)}"
    typer.echo(public(f"{config} is valid: {what}, a space {space}, run folder {read.run}"))


@app.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of a configuration, for editors."""
    typer.echo(schema_text())


@app.command()
def run(
    config: ConfigArgument,
    ranks: Annotated[int, typer.Option("-n", "--ranks", min=1, help="How many ranks search together.")] = 1,
    folder: Annotated[str | None, typer.Option("--run", metavar="DIR", help="The run's folder.")] = None,
    fork: Annotated[
        str | None, typer.Option("--fork", metavar="NEW", help="Leave the run as it is, and go on in a copy of it.")
    ] = None,
    changes: SetOption = None,
    restarts: Annotated[
        int, typer.Option(min=0, help="How often to start again ranks that died, without progress between.")
    ] = RESTARTS,
    hosts: Annotated[
        str | None, typer.Option(metavar="HOSTS", help="node1:4,node2:4 (for how many ranks), or a file.")
    ] = None,
    agent: Annotated[
        str | None, typer.Option(metavar="PROGRAM", help="What starts processes on hosts, called as ssh is.")
    ] = None,
    network: Annotated[
        str | None, typer.Option(metavar="NETWORK", help="The network that hosts share: 10.77.0.0/24, or ib0.")
    ] = None,
    only_check: Annotated[bool, typer.Option("--check", help="Only say what would be done.")] = False,
) -> None:
    """Start a run, or continue it."""
    if only_check:
        read = Config.checked(config, changes or [], folder)
        typer.echo(public(dry_run(read)))
        return
    fork = None if fork is None else str(user_path(fork))
    order = rank.Order(config, changes or [], folder, _continuing_command(fork), fork)
    if launched() is not None or (ranks == 1 and hosts is None):
        raise typer.Exit(rank.run(order))
    read = Config.checked(config, order.changes, folder)
    if fork is None:
        check_folder(read.run)
    raise typer.Exit(launch(order, ranks, read, Placement(Hosts.of(hosts), agent, network), restarts))


@app.command()
def status(
    folder: RunArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how far a run is, live or ended."""
    known = show.status(opened(folder))
    typer.echo(json.dumps(known, indent=2) if as_json else show.status_text(known))


@app.command()
def results(
    folder: RunArgument,
    top: Annotated[int, typer.Option(min=1, help="How many to show.")] = 5,
    form: Annotated[Format, typer.Option("--format", help="How to write them.")] = Format.TABLE,
    failed: Annotated[
        bool, typer.Option("--failed", help="Show the latest failures and their causes instead.")
    ] = False,
) -> None:
    """Show the best individuals of a run, or the latest failures."""
    run = opened(folder)
    found = (show.failures if failed else show.best)(run, top)
    if failed and not found and form is Format.TABLE:
        typer.echo("no evaluation has failed")
        return
    rows = (show.nested_rows if form is Format.JSON else show.rows_of)(found, run)
    typer.echo(_WRITERS[form](rows), nl=form is not Format.CSV)


@app.command()
def export(
    folder: RunArgument,
    target: Annotated[
        str, typer.Argument(metavar="PATH", help="A file; for optuna, a journal file or a database's URL.")
    ],
    form: Annotated[exporting.Form, typer.Option("--to", help="What to write.")],
    study: Annotated[
        str | None, typer.Option(metavar="NAME", help="The study's name; by default, the one of the run's folder.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Go on adding to the study what is evaluated, until the search ends.")
    ] = False,
) -> None:
    """Hand a run to other tools: every individual, as a study of Optuna's or as a table."""
    typer.echo(public(exporting.export(opened(folder), form, target, study, live=live)))


@app.command()
def simulate(
    config: ConfigArgument,
    ranks: Annotated[str, typer.Option("-n", "--ranks", help="One or several numbers of ranks: 64,256,1024.")] = "64",
    seconds: Annotated[
        str,
        typer.Option(
            "--seconds-per-evaluation", metavar="TIME", help="60, lognormal:60,1 (mean, sigma), or a run's folder."
        ),
    ] = "lognormal:60,1",
    losses: Annotated[
        str, typer.Option(metavar="HOW", help="objective (it is called), random, or a run's folder.")
    ] = "objective",
    failures: Annotated[float, typer.Option(help="The share of evaluations that fail.")] = 0.0,
    latency: Annotated[float, typer.Option(help="Seconds a message takes.")] = Network().latency,
    bandwidth: Annotated[float, typer.Option(help="Bytes a second that a link carries.")] = Network().bandwidth,
    plot: Annotated[str | None, typer.Option(metavar="FILE", help="Write an HTML page with a plot.")] = None,
    changes: SetOption = None,
    form: Annotated[Format, typer.Option("--format", help="How to write the table.")] = Format.TABLE,
) -> None:
    """Predict what a run costs and reaches on many ranks: the same program, on virtual ranks in virtual time."""
    read = (Config.checked if losses == "objective" else Config.read)(config, changes or [])
    assumptions = forecasts.Assumptions(seconds, losses, failures, forecasts.network(latency, bandwidth))
    if read.specification.pruner is not None:
        print("the pruner is left out: every evaluation takes its whole time", file=sys.stderr, flush=True)
    if read.specification.warm_start.declaration() is not None:
        print("the warm start is left out: the search begins knowing nothing", file=sys.stderr, flush=True)
    page = None if plot is None else user_path(plot)
    if page is not None:
        refuse_link(page)
        page.open("ab").close()  # rather than find out after a long simulation that it cannot be written
    numbers, maximize = forecasts.numbers(ranks), read.specification.maximize
    found: list[forecasts.Forecast] = []
    for each in forecasts.until_interrupted(read, numbers, assumptions):
        found.append(each)
        if form is Format.TABLE:
            typer.echo(forecasts.line(each.row(maximize=maximize), headed=len(found) == 1))
        else:
            print(f"simulated {each.ranks} ranks", file=sys.stderr, flush=True)
    rows = [each.row(maximize=maximize) for each in found]
    if form is not Format.TABLE:
        typer.echo(_WRITERS[form](rows), nl=form is not Format.CSV)
    if page is not None and found:
        sign = -1.0 if maximize else 1.0
        series = [(f"{each.ranks} ranks", [(when, sign * loss) for when, loss in each.trace]) for each in found]
        draw(series, rows, page)
        typer.echo(public(f"plot: {page}"))
    if len(found) < len(numbers):
        raise typer.Exit(early_signals.INTERRUPTED)


@app.command("slurm")
def write_slurm(
    config: ConfigArgument,
    nodes: Annotated[int, typer.Option(min=1, help="How many nodes.")],
    time: Annotated[str, typer.Option(help="How long each job may take: 2h, 90m, 1-12:00:00.")],
    gpus: Annotated[int, typer.Option("--gpus-per-node", min=0, help="How many GPUs each node gives.")] = 0,
    ranks: Annotated[
        int | None, typer.Option("--ranks-per-node", min=1, help="How many ranks on each; by default, one a GPU.")
    ] = None,
    partition: Annotated[str | None, typer.Option(help="Where to run.")] = None,
    account: Annotated[str | None, typer.Option(help="Who pays.")] = None,
    folder: Annotated[str | None, typer.Option("--run", metavar="DIR", help="The run's folder.")] = None,
    changes: SetOption = None,
    output: Annotated[str, typer.Option(metavar="FILE", help="The script; - for standard output.")] = "job.sbatch",
) -> None:
    """Write a Slurm batch script that continues itself until the budget is met."""
    job = slurm.Job(nodes, time, gpus, ranks, partition, account)
    text = slurm.script(job, config, changes or [], folder)
    if output == "-":
        typer.echo(text, nl=False)
        return
    path = user_path(output)
    if os.path.lexists(path):
        message = f"{path} exists already: name another file with --output"
        raise ValueError(message)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    typer.echo(public(f"wrote {path}; next: {pasteable(['sbatch', path])}"))


def main() -> None:
    """Run a command; bad input is one line on standard error and exit status 2."""
    try:
        _check_words(sys.argv[1:])
        app(prog_name="propulate-like")
    except (ConfigError, LaunchError, PartError) as error:
        _fail(error)
    except ValueError as error:
        if not rank.is_ours(error):
            raise
        _fail(error)
    except OSError as error:
        _fail(error)


def _check_words(words: list[str]) -> None:
    """Check that the command's words are UTF-8, as everything that is written of them is.

    Raises:
        ValueError: One is not.
    """
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            message = f"{word!r} is not UTF-8"
            raise ValueError(message) from None


def _fail(error: BaseException) -> None:
    print(public(str(error)), file=sys.stderr)
    sys.exit(rank.BAD_INPUT)


def _continuing_command(fork: str | None) -> str:
    """Return the command that continues what this one began; a fork is a run of its own, once it is there."""
    words = sys.argv[1:]
    if fork is not None:
        places = [place for place, word in enumerate(words) if word == "--fork" or word.startswith("--fork=")]
        for place in reversed(places):
            del words[place : place + 2 - ("=" in words[place])]
        words += ["--run", fork]
    return pasteable(["propulate-like", *words])
