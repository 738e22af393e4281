"""Charts of the realism page: the twin as a thick black line, real markets in Okabe-Ito colours with dashes of their own."""

from __future__ import annotations

import altair as alt
import polars as pl

from pipeline_tasks.reports.charts import BLACK, BLUE, GREEN, GREY, ORANGE, RED, SKY, to_svg

COLOURS = (BLUE, ORANGE, GREEN, RED, "#CC79A7", SKY, GREY)
DASHES = ([1, 0], [6, 2], [2, 2], [8, 2, 2, 2], [4, 4], [10, 3], [1, 3])
WIDTH, HEIGHT = 380, 230


def curves(points: pl.DataFrame, names: list[str], *, x_title: str, y_title: str, logarithmic: bool = False) -> str:
    """One line per data set as SVG.

    Args:
        points: data_set, x, y.
        names: data sets, the twin first; absent ones get no line and no entry of the legend.
        x_title: title of the horizontal axis.
        y_title: title of the vertical axis.
        logarithmic: whether distances above 1 are shown as ratios (values below zero stay on the chart).
    """
    shown = [n for n in names if n in set(points["data_set"].to_list())]
    look = {n: (COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]) for i, n in enumerate(names[1:])}  # the same in every chart
    look |= {names[0]: (BLACK, [1, 0])}
    scale = {"domain": shown}
    y_scale = alt.Scale(type="symlog", constant=0.5) if logarithmic else alt.Scale(zero=False)
    y_axis = alt.Axis(values=[-1, 0, 0.5, 1, 2, 5, 10, 20], format="~g") if logarithmic else alt.Axis()
    base = alt.Chart(points.filter(pl.col("data_set").is_in(shown))).properties(width=WIDTH, height=HEIGHT)
    lines = base.mark_line(interpolate="linear").encode(
        x=alt.X("x:Q", title=x_title, axis=alt.Axis(labelAngle=0, grid=False, tickMinStep=1), scale=alt.Scale(nice=False)),
        y=alt.Y("y:Q", title=y_title, scale=y_scale, axis=y_axis),
        color=alt.Color(
            "data_set:N", scale=alt.Scale(**scale, range=[look[n][0] for n in shown]), legend=alt.Legend(columns=5, symbolSize=250)
        ),
        strokeDash=alt.StrokeDash("data_set:N", scale=alt.Scale(**scale, range=[look[n][1] for n in shown]), legend=None),
        strokeWidth=alt.condition(alt.datum.data_set == names[0], alt.value(3.2), alt.value(1.7)),
    )
    rule = alt.Chart(pl.DataFrame({"y": [1.0]})).mark_rule(color=GREY, strokeDash=[3, 3]).encode(y="y:Q")
    return to_svg(alt.layer(rule, lines))
