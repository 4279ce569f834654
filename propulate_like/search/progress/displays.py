"""Displays of progress: a bar on a terminal, a bar in a notebook, or lines."""

from __future__ import annotations

import contextlib
import html
import os
import sys
import time
from typing import Any, Protocol, TextIO

from propulate_like.foundation.console import inform

_LINE_SECONDS = 5.0
"""The time between two lines."""
_QUIET_SECONDS = 10.0
"""The time before the first line, where nobody asked for lines."""
_NOTEBOOK_SECONDS = 0.25
"""The least time between two pictures of the bar in a notebook."""


class Display(Protocol):
    """Shows how much of a total was reached, and a text."""

    def start(self) -> None:
        """Begin to show."""
        ...

    def show(self, reached: float, text: str, line: str, *, last: bool) -> None:
        """Show what was reached.

        Args:
            reached: The part of the total that was reached.
            text: A text to stand beside a bar.
            line: A whole line, which says what was reached too.
            last: Whether the search has ended.
        """
        ...

    def stop(self) -> None:
        """Leave what was shown last, and show nothing more."""
        ...


def display(total: float | None, *, wanted: bool) -> Display:
    """Return the display that fits where this program runs.

    Args:
        total: The total to reach, or None where it is not known.
        wanted: Whether the user asked for progress.
    """
    if sys.stderr is not None and sys.stderr.isatty():
        return TerminalBar(total)
    if "ipykernel" in sys.modules and "IPython" in sys.modules:
        return NotebookBar(total)
    return Lines(wanted=wanted)


class Lines:
    """A line every few seconds, and one at the end where there was one before, or it was asked for."""

    def __init__(self, *, wanted: bool) -> None:
        """Begin soon where lines were asked for, and otherwise after a while."""
        self._wanted = wanted
        self._due = 0.0
        self._shown = -1.0

    def start(self) -> None:
        """Begin to count the time."""
        self._due = time.monotonic() + (_LINE_SECONDS if self._wanted else _QUIET_SECONDS)

    def show(self, reached: float, text: str, line: str, *, last: bool) -> None:
        """Print the line if it is time to."""
        now = time.monotonic()
        if (last and (self._wanted or self._shown >= 0)) or (now >= self._due and reached > self._shown):
            self._due, self._shown = now + _LINE_SECONDS, reached
            inform(line)

    def stop(self) -> None:
        """Do nothing: each line stands for itself."""


class TerminalBar:
    """A bar of rich's on the terminal; what the program prints there stands above it."""

    def __init__(self, total: float | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._console = Console(file=_terminal(), force_terminal=True)
        self._progress = Progress(
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            console=self._console,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._progress.add_task("starting", total=total)
        self._streams: dict[str, tuple[TextIO, TextIO]] = {}

    def start(self) -> None:
        """Have standard output and standard error print above the bar where they are terminals."""
        from rich.file_proxy import FileProxy

        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            with contextlib.suppress(ValueError, AttributeError):  # it is closed, or there is none
                if stream.isatty():
                    proxy: Any = FileProxy(self._console, stream)
                    self._streams[name] = stream, proxy
                    setattr(sys, name, proxy)

    def show(self, reached: float, text: str, line: str, *, last: bool) -> None:
        """Draw the bar, for the first time or anew."""
        self._progress.start()
        self._progress.update(self._task, completed=int(reached), description=text)

    def stop(self) -> None:
        """Leave the bar, and give the streams back that a loss has not replaced."""
        for name, (stream, proxy) in self._streams.items():
            if getattr(sys, name) is proxy:
                proxy.flush()
                setattr(sys, name, stream)
        self._progress.stop()


def _terminal() -> TextIO:
    """Return a stream of one's own to the terminal that standard error is, as a loss may close that."""
    try:
        return os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8")
    except (OSError, AttributeError):  # it is an editor's window, which has no descriptor
        return sys.stderr


class NotebookBar:
    """A bar in the output of a notebook's cell."""

    def __init__(self, total: float | None) -> None:
        self._total = total
        self._handle: Any = None
        self._due = 0.0

    def start(self) -> None:
        """Make a place for the bar in the cell's output."""
        from IPython.display import display as show_in_cell

        self._handle = show_in_cell(self._picture(0.0, "starting"), display_id=True)

    def show(self, reached: float, text: str, line: str, *, last: bool) -> None:
        """Draw the bar anew, some times a second."""
        now = time.monotonic()
        if self._handle is not None and (last or now >= self._due):
            self._due = now + _NOTEBOOK_SECONDS
            self._handle.update(self._picture(reached, line))

    def stop(self) -> None:
        """Leave the bar as it is."""

    def _picture(self, reached: float, text: str) -> Any:
        from IPython.display import HTML

        share = "" if self._total is None else f' value="{reached:g}" max="{self._total:g}"'
        return HTML(f'<progress{share} style="width: 24em"></progress> {html.escape(text)}')
