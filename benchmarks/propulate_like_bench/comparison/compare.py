"""What `propulate-like bench` does: measure what is missing, then write the page of all that the folder has."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from propulate_like.foundation.early_signals import INTERRUPTED
from propulate_like_bench.comparison import comparison
from propulate_like_bench.comparison.cells import Running, Store
from propulate_like_bench.comparison.comparison import Comparison
from propulate_like_bench.comparison.page import html, markdown
from propulate_like_bench.comparison.page.report import Chapter, Report
from propulate_like_bench.comparison.surroundings import surroundings
from propulate_like_bench.quality import peer_propulate


def compare(sources: Sequence[str], output: Path, *, quick: bool, page_only: bool, propulate: str | None) -> str:
    """Measure comparisons, and write their page.

    Args:
        sources: Names of comparisons, or their files; all that come with the package where there is none.
        output: The folder of the results and of the page.
        quick: Measure the small version.
        page_only: Measure nothing, and write the page of what there is.
        propulate: A Python that has Propulate and an MPI.

    Returns:
        What to print.

    Raises:
        ConfigError: A comparison is none.
    """
    if propulate:
        os.environ[peer_propulate.PYTHON] = propulate
    chosen = [Comparison.named(source, quick=quick) for source in sources or comparison.names()]
    output.mkdir(parents=True, exist_ok=True)
    found = surroundings()
    chapters = []
    for one in chosen:
        store = Store(output, one.name, found)
        if not page_only:
            try:
                Running(one, store).measure(lambda line: print(line, file=sys.stderr, flush=True))
            except KeyboardInterrupt:
                print("interrupted: the same command goes on from here", file=sys.stderr)
                sys.exit(INTERRUPTED)
        chapters.append(_chapter(one, store, _command(one.source, output=output, quick=quick, propulate=propulate)))
    report = Report(chapters, found, _command(*sources, output=output, quick=quick, propulate=propulate))
    text = markdown.write(report)
    (output / "page.md").write_text(text, encoding="utf-8")
    (output / "page.html").write_text(html.write(report), encoding="utf-8")
    return f"{text}\n\npage: {output / 'page.html'}"


def _chapter(one: Comparison, store: Store, command: str) -> Chapter:
    results = store.results(one)
    seconds, ended = store.spent(one)
    return Chapter(
        one.name, one.settings.title, one.measure.section(one.settings, results), one.text, command,
        quick=one.quick, cells=len(one.cells), measured=sum(bool(result.measured) for result in results),
        seconds=seconds, ended=ended,
        missing=sorted({result.missing for result in results if result.missing}),
    )  # fmt: skip


def _command(*sources: str, output: Path, quick: bool, propulate: str | None) -> str:
    words = ["propulate-like", "bench", *sources, "--output", str(output)]
    words += ["--quick"] if quick else []
    return shlex.join([*words, *(["--propulate", propulate] if propulate else [])])
