"""Charts as self-contained SVG: Okabe-Ito colours, readable in print, no script and no network."""

from __future__ import annotations

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import altair as alt
import numpy as np
import numpy.typing as npt
import polars as pl
import vl_convert as vlc
from altair.utils import schemapi

BLUE, SKY, ORANGE, GREEN, RED, GREY, BLACK = "#0072B2", "#56B4E9", "#E69F00", "#009E73", "#D55E00", "#8a8f98", "#1b1f24"
WIDTH, HEIGHT = 860, 300
DATE = alt.Detail("delivery_date:N")
CONFIG: dict[str, Any] = {
    "view": {"continuousWidth": 300, "continuousHeight": 300, "stroke": None},
    "axis": {
        "gridColor": "#e6e8eb",
        "domainColor": "#9aa0a6",
        "tickColor": "#9aa0a6",
        "labelColor": "#3c4043",
        "titleColor": "#3c4043",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "labelLimit": 280,
    },
    "legend": {"orient": "top", "labelFontSize": 12, "title": None},
}
"""Look of all charts. Given as a dictionary, because each `configure_` of Altair copies the whole chart."""


def to_svg(chart: alt.Chart | alt.LayerChart | alt.VConcatChart | alt.HConcatChart | dict[str, Any]) -> str:
    """Render an Altair chart or a Vega-Lite dictionary to SVG that scales with the page.

    Charts are checked against the Vega-Lite schema unless Altair's debug mode is off.
    """
    spec = chart if isinstance(chart, dict) else {**chart.to_dict(validate=schemapi.DEBUG_MODE), "config": CONFIG}
    svg: str = vlc.vegalite_to_svg(spec)
    return svg.replace("<svg ", '<svg role="img" preserveAspectRatio="xMidYMid meet" ', 1)


def local_times(frame: pl.DataFrame, zone: ZoneInfo, *columns: str) -> pl.DataFrame:
    """Local time `local_ts` and the named columns: a chart carries all it is given, drawn or not."""
    local = pl.col("delivery_ts").dt.convert_time_zone(zone.key).dt.replace_time_zone(None, ambiguous="earliest", non_existent="null")
    return frame.select(local.alias("local_ts"), *dict.fromkeys(columns))


def fan_chart(
    forecasts: pl.DataFrame, outcomes: pl.DataFrame, quantiles: dict[float, str], point: str, *, zone: ZoneInfo, day: date, unit: str
) -> str:
    """Fan (5-95 % and 25-75 %), point forecast, outcome, for the last three delivery dates of one hub.

    The date that the run forecasts is the newest; the dates before it are the previous vintages with their outcome.
    """
    low, high = band_columns(quantiles, 0.05, 0.95)
    inner_low, inner_high = band_columns(quantiles, 0.25, 0.75)
    frame = local_times(forecasts, zone, "delivery_date", low, high, inner_low, inner_high, point)
    x = alt.X("local_ts:T", title=None, axis=alt.Axis(format="%a %d %b %H:%M", labelAngle=0, labelFlush=False, tickCount=8))
    base = alt.Chart(frame).properties(width=WIDTH, height=HEIGHT)
    layers: list[alt.Chart] = [
        base.mark_area(color=SKY, opacity=0.35).encode(x=x, y=alt.Y(f"{low}:Q", title=unit), y2=alt.Y2(f"{high}:Q"), detail=DATE),
        base.mark_area(color=BLUE, opacity=0.35).encode(x=x, y=alt.Y(f"{inner_low}:Q"), y2=alt.Y2(f"{inner_high}:Q"), detail=DATE),
        base.mark_line(color=BLUE, strokeWidth=2).encode(x=x, y=alt.Y(f"{point}:Q"), detail=DATE),
    ]
    known = local_times(outcomes.filter(pl.col("price_ccy_per_mwh").is_not_null()), zone, "price_ccy_per_mwh")
    if known.height:
        outcome = alt.Chart(known).mark_line(color=BLACK, strokeWidth=1.6, strokeDash=[4, 3])
        layers.append(outcome.encode(x=x, y=alt.Y("price_ccy_per_mwh:Q")))
    mark = pl.DataFrame({"local_ts": [frame.filter(pl.col("delivery_date") == day)["local_ts"].min()]})
    layers.append(alt.Chart(mark).mark_rule(color=ORANGE, strokeWidth=1.5).encode(x=x))
    return to_svg(alt.layer(*layers))


def band_columns(quantiles: dict[float, str], low: float, high: float) -> tuple[str, str]:
    """Columns of the two quantiles nearest to the levels `low` and `high`."""

    def nearest(level: float) -> str:
        return quantiles[min(quantiles, key=lambda q: abs(q - level))]

    return nearest(low), nearest(high)


def probability_chart(forecasts: pl.DataFrame, point: str, *, zone: ZoneInfo) -> str:
    """Bars of the probability by delivery interval for one hub."""
    frame = local_times(forecasts, zone, point)
    chart = (
        alt.Chart(frame)
        .mark_bar(color=RED, opacity=0.8)
        .encode(
            x=alt.X("local_ts:T", title=None, axis=alt.Axis(format="%a %d %b %H:%M", labelAngle=0, labelFlush=False, tickCount=8)),
            y=alt.Y(f"{point}:Q", title="probability", axis=alt.Axis(format="%")),
        )
        .properties(width=WIDTH, height=220)
    )
    return to_svg(chart)


def position_chart(forecasts: pl.DataFrame, position: str, *, zone: ZoneInfo, unit: str) -> str:
    """Steps of the position by delivery interval for one hub."""
    frame = local_times(forecasts, zone, position)
    chart = (
        alt.Chart(frame)
        .mark_bar(color=GREEN, opacity=0.8)
        .encode(
            x=alt.X("local_ts:T", title=None, axis=alt.Axis(format="%a %d %b %H:%M", labelAngle=0, labelFlush=False, tickCount=8)),
            y=alt.Y(f"{position}:Q", title=unit),
        )
        .properties(width=WIDTH, height=180)
    )
    return to_svg(chart)


def error_by_hour(errors: pl.DataFrame, *, unit: str) -> str:
    """Mean absolute error and bias by local hour (columns local_hour, mae, bias)."""
    base = alt.Chart(errors).properties(width=WIDTH, height=220)
    x = alt.X("local_hour:O", title="local hour", axis=alt.Axis(labelAngle=0))
    bars = base.mark_bar(color=SKY).encode(x=x, y=alt.Y("mae:Q", title=f"mean absolute error, {unit}"))
    line = base.mark_line(color=RED, point=alt.OverlayMarkDef(color=RED)).encode(x=x, y=alt.Y("bias:Q"))
    zero = alt.Chart(pl.DataFrame({"bias": [0.0]})).mark_rule(color=GREY).encode(y=alt.Y("bias:Q"))
    return to_svg(alt.layer(bars, zero, line))


def driver_bars(drivers: pl.DataFrame, *, unit: str) -> str:
    """Mean contribution of the strongest features (columns feature, contribution)."""
    longest = max(drivers["feature"].str.len_chars().to_list(), default=0)
    room = min(280.0, 7.4 * longest)  # the browser's font is wider than the one the SVG was laid out with: names would be cut
    chart = (
        alt.Chart(drivers)
        .mark_bar()
        .encode(
            y=alt.Y("feature:N", sort=None, title=None, axis=alt.Axis(labelLimit=280, minExtent=room)),
            x=alt.X("contribution:Q", title=f"mean contribution, {unit}"),
            color=alt.condition("datum.contribution >= 0", alt.value(RED), alt.value(BLUE)),
        )
        .properties(width=WIDTH, height=max(110, 24 * drivers.height + 50), autosize=alt.AutoSizeParams(type="fit", contains="padding"))
    )
    return to_svg(chart)


def metric_lines(metrics: pl.DataFrame, *, title: str, target: float | None = None) -> str:
    """One metric by delivery date, one line per hub (columns delivery_date, hub, value)."""
    base = alt.Chart(metrics).properties(width=WIDTH, height=200)
    colours = [BLUE, ORANGE, GREEN, RED, "#CC79A7", SKY, GREY]
    layers: list[alt.Chart] = [
        base.mark_line(point=True).encode(
            x=alt.X("delivery_date:T", title=None, axis=alt.Axis(format="%d %b", labelAngle=0)),
            y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=False)),
            color=alt.Color("hub:N", scale=alt.Scale(range=colours)),
        )
    ]
    if target is not None:
        layers.append(alt.Chart(pl.DataFrame({"value": [target]})).mark_rule(color=GREY, strokeDash=[5, 4]).encode(y=alt.Y("value:Q")))
    return to_svg(alt.layer(*layers))


def recalibration_fans(fans: dict[str, npt.NDArray[np.float64]], price: npt.NDArray[np.float64]) -> alt.HConcatChart:
    """90 % and 50 % bands with the outcome, one panel per ladder, on one price axis.

    Args:
        fans: title -> quantiles, shape (days, slots, levels); the outermost pair is the 90 % band, the third from the ends the 50 % one.
        price: outcomes, shape (days, slots).
    """
    step = np.arange(price.size)
    panels = []
    for title, ladder in fans.items():
        flat = ladder.reshape(price.size, -1)
        frame = pl.DataFrame(
            {"step": step, "low": flat[:, 0], "high": flat[:, -1], "q25": flat[:, 2], "q75": flat[:, -3], "price": price.ravel()}
        ).filter(pl.col("low").is_finite())
        base = alt.Chart(frame).encode(x=alt.X("step:Q", title="interval")).properties(width=WIDTH // 2 - 40, height=HEIGHT, title=title)
        y = alt.Y("low:Q", title="currency/MWh", scale=alt.Scale(zero=False))
        panels.append(
            base.mark_area(color=SKY, opacity=0.35).encode(y=y, y2="high:Q")
            + base.mark_area(color=BLUE, opacity=0.35).encode(y="q25:Q", y2="q75:Q")
            + base.mark_line(color=BLACK, strokeWidth=1).encode(y="price:Q")
        )
    return alt.hconcat(*panels).resolve_scale(y="shared")
