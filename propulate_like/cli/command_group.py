"""The commands of `propulate-like`: those of this distribution, and those of others, declared as entry points."""

from __future__ import annotations

from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from propulate_like.foundation.console import say
from propulate_like.foundation.entry_points import EntryPoints

_DECLARED = EntryPoints("command", "propulate_like.commands")
_KNOWN = {
    "bench": "the command 'bench' is a distribution of its own, which no package index has: "
    "pip install -e benchmarks in a clone"
}
"""Commands of distributions that may not be installed, each with a message that says how to install it."""
_ANYTHING = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


class CommandGroup(TyperGroup):
    """A group that finds a command first in this distribution, then among the entry points `propulate_like.commands`.

    An entry point names a function with typer's annotations, or a `typer.Typer`; its docstring is the command's help.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        own, declared = super().list_commands(ctx), _DECLARED.names()
        for name in declared:
            if name in own:
                say(f"the command {name!r} of {_DECLARED.origin(name)} is not used: the name is taken")
        return [*own, *sorted(set(declared).difference(own))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return super().get_command(ctx, cmd_name) or _declared(cmd_name)


def _declared(name: str) -> Any:
    """Return the command that a distribution declares, or None.

    Where the command cannot run, the result is one that says why.
    """
    try:
        found = _DECLARED.load(name)
        if found is not None:
            return _as_command(name, found)
    except ValueError as error:
        return _unusable(name, str(error))
    return _unusable(name, _KNOWN[name]) if name in _KNOWN else None


def _as_command(name: str, found: Any) -> Any:
    """Return a function or a Typer app as a command.

    Args:
        name: The command's name.
        found: The function or the app.

    Raises:
        ValueError: Typer accepts neither.
    """
    app = found
    if not isinstance(found, typer.Typer):
        app = typer.Typer(add_completion=False)
        app.command(name)(found)
    try:
        command = typer.main.get_command(app)
    except Exception as error:  # noqa: BLE001 (typer raises several kinds, by what is wrong with a signature)
        message = f"what {_DECLARED.origin(name)} declares as the command {name!r} is none: {error}"
        raise ValueError(message) from None
    command.name = name
    return command


def _unusable(name: str, reason: str) -> Any:
    """Return a command that accepts any arguments and fails with the reason."""
    app = typer.Typer(add_completion=False)

    @app.command(help=reason, context_settings=_ANYTHING)
    def refuse() -> NoReturn:
        raise ValueError(reason)

    return _as_command(name, app)
