"""The page as Markdown, which is what the terminal shows: all but the charts."""

from __future__ import annotations

from collections.abc import Iterable

from propulate_like_bench.comparison.page import words
from propulate_like_bench.comparison.page.report import Chapter, Report
from propulate_like_bench.comparison.page.section import Table


def write(report: Report) -> str:
    """Return the text."""
    parts = [f"# {words.TITLE}", words.LEAD]
    for better, (title, none) in words.GROUPS.items():
        parts += [f"## {title}", *(list(_verdicts(report, better)) or [none])]
    for chapter in report.chapters:
        parts += _chapter(chapter)
    found = [[name, value] for name, value in report.surroundings.items()]
    parts += ["## Measured with, and on", _table(Table("", ["", ""], found)), _code(report.command)]
    return "\n\n".join(parts)


def _verdicts(report: Report, better: str) -> Iterable[str]:
    for chapter in report.chapters:
        lines = [f"- {verdict.text}" for verdict in chapter.section.verdicts if verdict.better == better]
        if lines:
            yield f"{chapter.title}:\n\n" + "\n".join(lines)


def _chapter(chapter: Chapter) -> list[str]:
    section = chapter.section
    tables = [part for part in section.parts if isinstance(part, Table)]
    return [
        f"## {chapter.title}",
        section.compared,
        "\n".join(f"- {line}" for line in section.fair),
        section.intervals,
        *[text for table in tables for text in (f"**{table.caption}**", _table(table))],
        *section.notes,
        *[f"Not measured: {reason}" for reason in chapter.missing],
        f"{words.extent(chapter)}.",
        _code(chapter.command),
    ]


def _table(table: Table) -> str:
    lines = [table.head, ["---"] * len(table.head), *table.rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _code(command: str) -> str:
    return f"```console\n$ {command}\n```"
