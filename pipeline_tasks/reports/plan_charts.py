"""Charts of a decision plan: price fans, change of prices, actions, profit and the frontier."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import altair as alt
import polars as pl

from pipeline_tasks.reports.charts import BLUE, GREEN, GREY, ORANGE, RED, SKY, WIDTH, local_times, to_svg

COLOURS = [BLUE, ORANGE, GREEN, RED, "#CC79A7"]
DASHES = [[1, 0], [6, 2], [2, 2], [8, 2, 2, 2], [4, 4]]
HOURS = alt.Axis(format="%H:%M", labelAngle=0, tickCount=12)
FEW_HOURS = alt.Axis(format="%H:%M", labelAngle=0, tickCount=6, labelFlush=False)


def price_fan(wide: pl.DataFrame, kind: str, *, zone: ZoneInfo, unit: str) -> str:
    """Fan of a price of one hub over the horizon.

    Args:
        wide: delivery_ts and the columns `<kind>_q05 ... q95_ccy_per_mwh` and `<kind>_mean_ccy_per_mwh`.
        kind: day_ahead or real_time.
        zone: of the axis.
        unit: of the price.
    """
    names = {q: f"{kind}_{q}_ccy_per_mwh" for q in ("q05", "q25", "q75", "q95", "mean")}
    frame = local_times(wide, zone, *names.values()).rename({v: k for k, v in names.items()})
    x = alt.X("local_ts:T", title=None, axis=FEW_HOURS)
    base = alt.Chart(frame).properties(width=WIDTH // 2 - 50, height=210)
    return to_svg(
        base.mark_area(color=SKY, opacity=0.35).encode(x=x, y=alt.Y("q05:Q", title=unit, scale=alt.Scale(zero=False)), y2="q95:Q")
        + base.mark_area(color=BLUE, opacity=0.35).encode(x=x, y="q25:Q", y2="q75:Q")
        + base.mark_line(color=BLUE, strokeWidth=2).encode(x=x, y="mean:Q")
    )


def lines(rows: pl.DataFrame, *, zone: ZoneInfo, title: str, steps: bool = False) -> str:
    """One line per place (columns delivery_ts, place, value); `steps` for what holds through an interval."""
    frame = local_times(rows, zone, "place", "value")
    mark = {"interpolate": "step-after"} if steps else {}
    places = frame["place"].unique(maintain_order=True).to_list()
    colour = alt.Color("place:N", scale=alt.Scale(domain=places, range=COLOURS), legend=alt.Legend(columns=5, symbolSize=250))
    chart = (
        alt.Chart(frame)
        .mark_line(strokeWidth=2, **mark)
        .encode(
            x=alt.X("local_ts:T", title=None, axis=HOURS),
            y=alt.Y("value:Q", title=title),
            color=colour,
            strokeDash=alt.StrokeDash("place:N", scale=alt.Scale(domain=places, range=DASHES), legend=None),
        )
        .properties(width=WIDTH, height=220)
    )
    zero = alt.Chart(pl.DataFrame({"value": [0.0]})).mark_rule(color=GREY).encode(y="value:Q")
    return to_svg(alt.layer(zero, chart))


def hedge_map(rows: pl.DataFrame, *, zone: ZoneInfo, unit: str) -> str:
    """Volume by hub and interval as a map of colours with the numbers in it (columns delivery_ts, place, value)."""
    frame = local_times(rows, zone, "place", "value").with_columns(pl.col("local_ts").dt.strftime("%H:%M").alias("start"))
    order = frame.sort("local_ts")["start"].unique(maintain_order=True).to_list()
    most = max(float(frame["value"].abs().max() or 0.0), 1e-9)  # type: ignore[arg-type]
    x = alt.X("start:O", sort=order, title=None, axis=alt.Axis(labelAngle=-90))
    base = alt.Chart(frame).properties(width=WIDTH, height=36 * frame["place"].n_unique())
    colour = alt.Color("value:Q", title=unit, scale=alt.Scale(domain=[-most, 0, most], range=[RED, "#f5f6f8", BLUE]))
    strong = alt.condition(f"abs(datum.value) > {0.6 * most}", alt.value("#fff"), alt.value("#3c4043"))
    cells = base.mark_rect(stroke="#fff").encode(x=x, y=alt.Y("place:N", title=None, sort=None), color=colour)
    text = alt.Text("value:Q", format=",.0f")
    return to_svg(cells + base.mark_text(fontSize=10).encode(x=x, y=alt.Y("place:N", sort=None), text=text, color=strong))


def frontier(points: pl.DataFrame, chosen: pl.DataFrame, others: pl.DataFrame, *, currency: str) -> str:
    """Expected profit over shortfall: the frontier, the plan, and others beside it (columns shortfall, expected, label)."""
    x = alt.X("shortfall:Q", title=f"expected shortfall, {currency}", scale=alt.Scale(zero=False))
    y = alt.Y("expected:Q", title=f"expected profit, {currency}", scale=alt.Scale(zero=False))
    base = alt.Chart(points).properties(width=WIDTH, height=260)
    layers = [
        base.mark_line(color=BLUE, point=alt.OverlayMarkDef(color=BLUE, size=45)).encode(x=x, y=y, order="label:Q"),
        base.mark_text(dy=-11, fontSize=11, color="#3c4043").encode(x=x, y=y, text=alt.Text("label:Q", format=".2~f")),
        alt.Chart(chosen).mark_point(color=RED, size=180, strokeWidth=2.5, shape="diamond").encode(x=x, y=y),
    ]
    if others.height:
        layers.append(alt.Chart(others).mark_point(color=GREY, size=140, strokeWidth=2, shape="cross").encode(x=x, y=y))
        layers.append(alt.Chart(others).mark_text(dy=14, fontSize=11, color="#5f6670").encode(x=x, y=y, text="label:N"))
    return to_svg(alt.layer(*layers))


def profit_curve(quantiles: pl.DataFrame, *, currency: str) -> str:
    """Quantiles of the day's profit (columns level, value, plan); steeper is surer."""
    chart = (
        alt.Chart(quantiles)
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("value:Q", title=f"profit of the horizon, {currency}", scale=alt.Scale(zero=False)),
            y=alt.Y("level:Q", title="share of scenarios below", axis=alt.Axis(format="%")),
            order="level:Q",
            color=alt.Color("plan:N", scale=alt.Scale(range=COLOURS)),
        )
        .properties(width=WIDTH, height=220)
    )
    return to_svg(chart)
