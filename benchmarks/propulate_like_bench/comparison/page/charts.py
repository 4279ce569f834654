"""Charts as SVG: lines with intervals, and rows of dots with intervals. Colors are the page's, in light and dark."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from propulate_like_bench.comparison.page.section import Chart, Point, Section, Series

_LIGHT = ("#0b63ce", "#d9480f", "#2b8a3e", "#9c36b5", "#b8860b", "#0c8599", "#c2255c", "#495057", "#5f3dc4", "#7b5b3a")
_DARK = ("#6eb0ff", "#ff9a62", "#6fcf83", "#d58cf0", "#f0c14b", "#4fd0e0", "#ff8fb3", "#b6bec9", "#a798ff", "#d3ac82")
_WIDTH, _HEIGHT, _ROW = 1000, 420, 30
_LEFT, _RIGHT, _TOP, _BOTTOM, _NAMES = 76, 275, 14, 46, 230
_BEYOND = 4.0
_ASIDE = 2.0  # lines lie so far beside each other, so that their intervals can be told apart
_MOST_DOTS = 12  # of a line; intervals of more points are a band
_GAP = 15  # between labels at the ends of lines
_TICKS = 6
_DASHES = ("", "7 4", "2 3", "9 3 2 3")

Scale = Callable[[float], float]


def style() -> str:
    """Return the colors as CSS."""
    light, dark = ("".join(f"--c{place}:{color};" for place, color in enumerate(each)) for each in (_LIGHT, _DARK))
    return f":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"


class Colors:
    """A color for each name of a series, the same in all charts of a section."""

    def __init__(self, section: Section) -> None:
        every = [series for part in section.parts if isinstance(part, Chart) for series in part.series]
        names = dict.fromkeys([s.name for s in every if s.ours] + [s.name for s in every if not s.ours])
        self._places = {name: place for place, name in enumerate(names)}

    def of(self, name: str) -> str:
        """Return a name's color."""
        return f"var(--c{self._places[name] % len(_LIGHT)})"

    def dashes(self, name: str) -> str:
        """Return a name's way of being dashed, which tells apart those that share a color."""
        return _DASHES[self._places[name] // len(_LIGHT) % len(_DASHES)]


def draw(chart: Chart, colors: Colors) -> str:
    """Return the chart as an SVG element."""
    drawn = [series for series in chart.series if series.points]
    if not drawn:
        return "<p>Nothing was measured.</p>"
    return _dots(chart, drawn, colors) if chart.kind == "dots" else _lines(chart, drawn, colors)


def _lines(chart: Chart, drawn: Sequence[Series], colors: Colors) -> str:
    points = [point for series in drawn for point in series.points]
    xs = [point.x for point in points]
    low, high = _range(points, log=chart.log_y)
    aside = _ASIDE * len(drawn) / 2
    x, x_ticks = _scale(min(xs), max(xs), _LEFT + aside, _WIDTH - _RIGHT - aside, log=chart.log_x, exact=True, at=xs)
    bottom, top = (_TOP, _HEIGHT - _BOTTOM) if chart.low_is_good else (_HEIGHT - _BOTTOM, _TOP)
    height, y_ticks = _scale(low, high, bottom, top, log=chart.log_y)

    def y(value: float) -> float:
        return min(max(height(value), _TOP), _HEIGHT - _BOTTOM)

    parts = [_open(_HEIGHT, chart)]
    for tick in y_ticks:
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(
            f'<text class="soft" x="{_LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{_number(tick)}</text>'
        )
    parts += _horizontal(x, x_ticks, _HEIGHT - _BOTTOM, _LEFT, _WIDTH - _RIGHT)
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text class="soft" x="{middle}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(chart.x)}</text>')
    turned = f"translate(14 {(_HEIGHT - _BOTTOM + _TOP) / 2}) rotate(-90)"
    parts.append(f'<text class="soft" transform="{turned}" text-anchor="middle">{escape(chart.y)}</text>')
    for place, series in enumerate(sorted(drawn, key=lambda each: each.ours)):
        parts += _line(series, colors, _moved(x, _ASIDE * (place - (len(drawn) - 1) / 2)), y)
    parts += _labels(drawn, colors, x, y)
    return "".join([*parts, "</svg>"])


def _range(points: Sequence[Point], *, log: bool) -> tuple[float, float]:
    """Return what the y axis has to show: means, and intervals as far as they do not make means look equal."""
    means = [point.y for point in points]
    if log:
        low, high = min(means) / _BEYOND, max(means) * _BEYOND
    else:
        beyond = max(max(means) - min(means), abs(max(means)) / _BEYOND)
        low, high = min(means) - beyond, max(means) + beyond
    return max(low, min(point.low for point in points)), min(high, max(point.high for point in points))


def _moved(scale: Scale, by: float) -> Scale:
    return lambda value: scale(value) + by


def _line(series: Series, colors: Colors, x: Scale, y: Scale) -> list[str]:
    color, points = colors.of(series.name), series.points
    upper = [f"{x(p.x):.1f},{y(p.high):.1f}" for p in points]
    lower = [f"{x(p.x):.1f},{y(p.low):.1f}" for p in reversed(points)]
    path = " ".join(f"{x(p.x):.1f},{y(p.y):.1f}" for p in points)
    dashes = colors.dashes(series.name)
    stroke = f'stroke="{color}" stroke-dasharray="{dashes}"' if dashes else f'stroke="{color}"'
    strong = ' class="ours"' if series.ours else ' stroke-width="1.8"'
    line = f'<polyline{strong} fill="none" {stroke} stroke-linejoin="round" points="{path}"/>'
    if len(points) > _MOST_DOTS:
        return [f'<polygon class="band" fill="{color}" points="{" ".join(upper + lower)}"/>', line]
    return [line, *(_dot(series, p, x(p.x), y(p.y), color, (y(p.low), y(p.high))) for p in points)]


def _dot(series: Series, point: Point, x: float, y: float, color: str, span: tuple[float, float]) -> str:
    low, high = span
    return (
        f'<g><title>{escape(series.name)}: {_told(point)}</title><line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" '
        f'y2="{high:.1f}" stroke="{color}" stroke-width="1.4"/><circle cx="{x:.1f}" cy="{y:.1f}" '
        f'r="{4 if series.ours else 3}" fill="{color}"/></g>'
    )


def _labels(drawn: Sequence[Series], colors: Colors, x: Scale, y: Scale) -> list[str]:
    """Name the lines at their right ends, moved apart where they would lie over each other."""
    ends = sorted(((y(each.points[-1].y), each) for each in drawn), key=lambda end: end[0])
    places: list[float] = []
    for wanted, _ in ends:
        places.append(max(wanted, places[-1] + _GAP) if places else max(wanted, _TOP + 6))
    lowest = float(_HEIGHT - _BOTTOM)
    for row in reversed(range(len(places))):
        places[row] = min(places[row], lowest)
        lowest = places[row] - _GAP
    parts = []
    for place, (wanted, series) in zip(places, ends, strict=True):
        end, label = x(series.points[-1].x), _WIDTH - _RIGHT + 18
        color, weight = colors.of(series.name), ' font-weight="700"' if series.ours else ""
        lead = f"{end + 5:.1f},{wanted:.1f} {_WIDTH - _RIGHT + 4},{place:.1f} {label - 4},{place:.1f}"
        parts.append(f'<polyline fill="none" stroke="{color}" stroke-width=".8" opacity=".6" points="{lead}"/>')
        parts.append(f'<text x="{label}" y="{place + 4:.1f}"{weight} style="fill:{color}">{escape(series.name)}</text>')
    return parts


def _dots(chart: Chart, drawn: Sequence[Series], colors: Colors) -> str:
    height = _TOP + _ROW * len(drawn) + _BOTTOM
    values = [value for series in drawn for point in series.points for value in (point.low, point.high)]
    values += [] if chart.log_y else [0.0]
    x, ticks = _scale(min(values), max(values), _NAMES, _WIDTH - 30, log=chart.log_y)
    parts = [_open(height, chart), *_horizontal(x, ticks, height - _BOTTOM, _NAMES, _WIDTH - 30, grid=True)]
    if not chart.log_y:
        parts.append(f'<line class="axis" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="{_TOP}" y2="{height - _BOTTOM}"/>')
    middle = (_NAMES + _WIDTH - 30) / 2
    parts.append(f'<text class="soft" x="{middle}" y="{height - 6}" text-anchor="middle">{escape(chart.y)}</text>')
    for row, series in enumerate(drawn):
        at, color = _TOP + _ROW * (row + 0.5), colors.of(series.name)
        weight = ' font-weight="700"' if series.ours else ""
        parts.append(f'<text x="{_NAMES - 14}" y="{at + 4}" text-anchor="end"{weight}>{escape(series.name)}</text>')
        parts += [
            f'<g><title>{escape(series.name)}: {_told(point)}</title><line x1="{x(point.low):.1f}" '
            f'x2="{x(point.high):.1f}" y1="{at}" y2="{at}" stroke="{color}" stroke-width="2.4"/>'
            f'<circle cx="{x(point.y):.1f}" cy="{at}" r="5" fill="{color}"/></g>'
            for point in series.points
        ]
    return "".join([*parts, "</svg>"])


def _open(height: float, chart: Chart) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(chart.caption)}">'


def _horizontal(
    x: Scale, ticks: Sequence[float], at: float, left: float, right: float, *, grid: bool = False
) -> list[str]:
    parts = [f'<line class="axis" x1="{left}" x2="{right}" y1="{at}" y2="{at}"/>']
    for tick in ticks:
        top = _TOP if grid else at - 4
        kind = "grid" if grid else "axis"
        parts.append(f'<line class="{kind}" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top}" y2="{at}"/>')
        parts.append(f'<text class="soft" x="{x(tick):.1f}" y="{at + 17}" text-anchor="middle">{_number(tick)}</text>')
    return parts


def _scale(
    low: float, high: float, begin: float, end: float, *, log: bool, exact: bool = False, at: Sequence[float] = ()
) -> tuple[Scale, list[float]]:
    """Return where values lie, and round values to name; `at` are named themselves where they are few."""
    if log:
        low = max(low, 1e-300)
    if not exact:
        margin = (high / low) ** 0.04 if log else (high - low) * 0.05 or abs(high) * 0.05 or 1.0
        low, high = (low / margin, high * margin) if log else (low - margin, high + margin)
    forward: Scale = (lambda value: math.log10(max(value, low))) if log else (lambda value: value)
    first, last = forward(low), forward(high)
    width = last - first or 1.0

    def place(value: float) -> float:
        return begin + (forward(value) - first) / width * (end - begin)

    few = sorted(set(at))
    if 0 < len(few) <= _TICKS + 2:
        return place, few
    return place, _round_powers(low, high) if log else _round_steps(low, high)


def _round_powers(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1,) if last - first > _TICKS else (1, 3) if last - first > 2 else (1, 2, 5)  # noqa: PLR2004
    skip = max((last - first) // 8, 1)
    powers = [factor * 10.0**power for power in range(first, last + 1, skip) for factor in factors]
    return [value for value in powers if low <= value <= high]


def _round_steps(low: float, high: float) -> list[float]:
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _told(point: Point) -> str:
    return f"{point.y:,.4g} ({point.low:,.4g} to {point.high:,.4g}) at {point.x:,.4g}"


def _number(value: float) -> str:
    if value != 0 and not 1e-3 <= abs(value) < 1e6:  # noqa: PLR2004
        return f"{value:.0e}".replace("e+0", "e").replace("e-0", "e-")
    return f"{value:,.6g}"
