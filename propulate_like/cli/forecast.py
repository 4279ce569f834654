"""The plot of simulated runs: the best value over time, and the cost of coordination, for several numbers of ranks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from propulate_like.foundation.files import replacing
from propulate_like.foundation.undisturbed import undisturbed


@undisturbed
def draw(
    series: Sequence[tuple[str, Sequence[tuple[float, float]]]], rows: Sequence[dict[str, Any]], path: Path
) -> None:
    """Write an HTML page with a line for each series and bars for the rows of the table.

    Args:
        series: The name and the points (seconds, best value) of each line.
        rows: The table's rows, as `Forecast.row` returns them.
        path: The page.

    Raises:
        ImportError: plotly is not installed.
    """
    try:
        from plotly import graph_objects as go
        from plotly.subplots import make_subplots
    except ImportError:
        message = 'a plot needs plotly: pip install "propulate-like[plots]"'
        raise ImportError(message) from None
    costs = [("idle %", "idle %"), ("messages/evaluation", "messages per evaluation")]
    figure = make_subplots(
        rows=1, cols=3, column_widths=[0.5, 0.25, 0.25], subplot_titles=["best value", *[title for _, title in costs]]
    )
    for name, points in series:
        times, values = zip(*points, strict=True) if points else ((), ())
        figure.add_trace(go.Scatter(x=times, y=values, name=name, mode="lines", line_shape="hv"), row=1, col=1)
    ranks = [str(row["ranks"]) for row in rows]
    for column, (key, _) in enumerate(costs, 2):
        bars = go.Bar(x=ranks, y=[row[key] for row in rows], showlegend=False, marker_color="#636efa")
        figure.add_trace(bars, row=1, col=column)
        figure.update_xaxes(title_text="ranks", type="category", row=1, col=column)
    figure.update_xaxes(title_text="simulated seconds", row=1, col=1)
    positive = all(value > 0 for _, points in series for _, value in points)
    figure.update_yaxes(type="log" if positive else "linear", exponentformat="power", row=1, col=1)
    figure.update_layout(template="plotly_white", legend={"orientation": "h", "y": -0.2}, height=450)
    with replacing(path) as file:
        file.write(figure.to_html(include_plotlyjs=True).encode())
