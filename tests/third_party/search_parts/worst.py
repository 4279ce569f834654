"""A command: the individuals of a run that one would rather not see again."""

from pathlib import Path
from typing import Annotated

import typer

import propulate_like as pl


def worst(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")],
    count: Annotated[int, typer.Option("--count", min=1, help="How many to show.")] = 1,
) -> None:
    """Show the worst individuals of a run."""
    known = [individual for individual in pl.Run(folder).individuals() if individual.has_loss]
    for individual in sorted(known, key=lambda one: one.loss or 0.0, reverse=True)[:count]:
        typer.echo(f"{individual.loss:.6g} at {dict(individual.params)}")
