"""The command `propulate-like bench`, which is declared as an entry point in this distribution's pyproject.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def bench(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="overhead, quality, training, or a YAML file; all.")
    ] = None,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where results and the page are written.")] = Path(
        "bench"
    ),
    quick: Annotated[bool, typer.Option("--quick", help="A small version, of a few minutes.")] = False,
    show: Annotated[
        str | None, typer.Option("--show", metavar="NAME", help="Print a comparison's YAML, and measure nothing.")
    ] = None,
    page_only: Annotated[bool, typer.Option("--page", help="Write the page of what has been measured.")] = False,
    propulate: Annotated[
        str | None, typer.Option(metavar="PYTHON", help="A Python that has propulate and an MPI.")
    ] = None,
) -> None:
    """Measure beside Optuna, and write a page of it; what has been measured is not measured again."""
    from propulate_like_bench.comparison import compare, comparison

    if show is not None:
        typer.echo(comparison.text_of(show), nl=False)
        return
    typer.echo(compare.compare(names or [], output, quick=quick, page_only=page_only, propulate=propulate))
