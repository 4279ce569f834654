"""The page as one HTML file that needs nothing else: styles and pictures are in it, in light and dark."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from propulate_like_bench.comparison.page import charts, words
from propulate_like_bench.comparison.page.report import Chapter, Report
from propulate_like_bench.comparison.page.section import Chart, Table

_SHOWN = 6
"""So many verdicts of a chapter are shown, but for those on Optuna's side, which all are."""
_NAMED = {"propulate-like": "propulate-like", "Optuna": "optuna", "Python": "Python"}


def write(report: Report) -> str:
    """Return the page."""
    style = (files(__package__) / "page.css").read_text(encoding="utf-8")
    return "\n".join(
        [
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{words.TITLE}</title>',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{style}{charts.style()}</style></head><body><main>",
            *_head(report),
            *(line for chapter in report.chapters for line in _chapter(chapter)),
            '<section id="surroundings"><h2>Measured with, and on</h2>',
            _table(Table("", [], [[name, value] for name, value in report.surroundings.items()])),
            "</section></main></body></html>",
        ]
    )


def _head(report: Report) -> Iterable[str]:
    links = " ".join(f'<a href="#{escape(each.name)}">{escape(each.title)}</a>' for each in report.chapters)
    found = report.surroundings
    machine = ", ".join(found[key] for key in ("processor", "memory") if key in found)
    versions = ", ".join(f"{name} {found[key]}" for name, key in _NAMED.items() if key in found)
    yield f"<header><h1>{words.TITLE}</h1><p class=when>{escape(words.when(report))} &middot; {escape(machine)}, "
    yield f"{escape(found['cores'])} cores &middot; {escape(versions)}</p>"
    yield f"<p class=lead>{words.LEAD}</p>{_command(report.command)}<nav>{links}</nav></header>"
    yield "<section class=summary>"
    for better, (title, none) in words.GROUPS.items():
        yield f"<div class={better}><h2>{title}</h2>"
        yield from list(_verdicts(report, better)) or [f"<p>{none}</p>"]
        yield "</div>"
    yield "</section>"


def _verdicts(report: Report, better: str) -> Iterable[str]:
    """Return the verdicts of each chapter, those after the first few folded."""
    for chapter in report.chapters:
        shown = None if better == "theirs" else _SHOWN
        lines = [f"<li>{escape(each.text)}</li>" for each in chapter.section.verdicts if each.better == better]
        if lines:
            yield f'<h3><a href="#{escape(chapter.name)}">{escape(chapter.title)}</a></h3>'
            yield f"<ul>{''.join(lines[:shown])}</ul>"
        if shown is not None and lines[shown:]:
            more = "".join(lines[shown:])
            yield f"<details><summary>{len(lines) - shown} more</summary><ul>{more}</ul></details>"


def _chapter(chapter: Chapter) -> Iterable[str]:
    section = chapter.section
    colors = charts.Colors(section)
    yield f'<section id="{escape(chapter.name)}"><h2>{escape(chapter.title)}</h2><p>{escape(section.compared)}</p>'
    yield f"<h3>Why it is fair</h3>{_list(section.fair)}<p><b>Intervals.</b> {escape(section.intervals)}</p>"
    for part in section.parts:
        yield _figure(part, colors) if isinstance(part, Chart) else _table(part)
    yield "".join(f"<p>{escape(note)}</p>" for note in section.notes)
    if chapter.missing:
        yield f"<h3>Not measured</h3>{_list(chapter.missing)}"
    yield f"<h3>Repeat it</h3><p>{escape(words.extent(chapter))}.</p>{_command(chapter.command)}"
    yield f"<details><summary>The config, to copy and change</summary><pre>{escape(chapter.config)}</pre></details>"
    yield "</section>"


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _command(command: str) -> str:
    return f"<pre class=command>{escape(command)}</pre>"


def _figure(chart: Chart, colors: charts.Colors) -> str:
    return f"<figure><figcaption>{escape(chart.caption)}</figcaption>{charts.draw(chart, colors)}</figure>"


def _small(text: str) -> str:
    """Write intervals, which stand in brackets at the end, small."""
    return re.sub(r" \(([^()]* to [^()]*)\)$", r" <small>\1</small>", escape(text))


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in table.head)
    rows = "".join(
        f"<tr{' class=ours' if row[0] in table.ours else ''}>{''.join(f'<td>{_small(text)}</td>' for text in row)}</tr>"
        for row in table.rows
    )
    caption = f"<figcaption>{escape(table.caption)}</figcaption>" if table.caption else ""
    top = f"<thead><tr>{head}</tr></thead>" if head else ""
    return f"<div class=wide>{caption}<table>{top}<tbody>{rows}</tbody></table></div>"
