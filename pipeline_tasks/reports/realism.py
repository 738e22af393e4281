"""The realism page: stylised facts of the twin beside those of real markets, from ops.stylised_facts."""

from __future__ import annotations

from typing import Any

import polars as pl

from config.markets import load_markets
from pipeline_tasks.reports import realism_charts
from pipeline_tasks.twin.realism.assess import Finding, Verdict, assess, compared, summary, typical
from pipeline_tasks.twin.realism.catalogue import BY_KEY, GROUPS
from pipeline_tasks.twin.realism.report import data_sets

TAGS = {
    Verdict.INSIDE: "ok",
    Verdict.NEAR: "dim",
    Verdict.BELOW: "bad",
    Verdict.ABOVE: "bad",
    Verdict.OUTSIDE: "bad",
    Verdict.ALONE: "dim",
    Verdict.ABSENT: "dim",
}
CURVES = (
    ("daily_shape", "da", "Daily shape of the day-ahead price", "local hour", "over the mean"),
    ("daily_shape", "rt", "Daily shape of the real-time price", "local hour", "over the mean"),
    ("daily_shape", "load", "Daily shape of load", "local hour", "over the mean"),
    ("quantile_ratio", "da", "Quantiles of the day-ahead price", "quantile, %", "over the mean"),
    ("quantile_ratio", "rt", "Quantiles of the real-time price", "quantile, %", "over the mean"),
    ("price_by_load_tenth", "da", "Day-ahead price by tenth of residual load", "tenth, low to high", "over the mean"),
    ("price_by_load_tenth", "rt", "Real-time price by tenth of residual load", "tenth, low to high", "over the mean"),
    ("weekly_shape", "rt", "Weekly shape of the real-time price", "weekday, 1 is Monday", "over the mean"),
)


def realism_page(facts: pl.DataFrame) -> dict[str, Any]:
    """Values of the page's template.

    Args:
        facts: rows of ops.stylised_facts, the newest of every data set; at least one row.
    """
    findings = assess(facts)
    names = data_sets(facts)
    judged = set(map(id, compared(findings)))
    own = [f for f in findings if id(f) in judged]
    rest = [f for f in findings if id(f) not in judged]
    return {
        "sentences": summary(findings),
        "twin": names[0],
        "real": names[1:],
        "groups": [{"title": g, "rows": rows} for g in GROUPS if (rows := [_row(f, names) for f in own if f.fact.group == g])],
        "rest": [_row(f, names) for f in rest],
        "off": [f.sentence for f in sorted(own, key=lambda f: -f.gap) if f.verdict.is_off],
        "windows": _windows(facts, names),
        "figures": _figures(facts, names),
    }


def _row(finding: Finding, names: list[str]) -> dict[str, Any]:
    text = finding.fact.text
    return {
        "fact": finding.name,
        "meaning": finding.fact.meaning,
        "twin": finding.twin_text,
        "cells": [text(finding.real.get(n)) for n in names[1:]],
        "range": "–" if finding.wide_low is None else f"{text(finding.wide_low)} to {text(finding.wide_high)}",
        "verdict": finding.verdict.value,
        "tag": TAGS[finding.verdict],
    }


def _windows(facts: pl.DataFrame, names: list[str]) -> list[dict[str, Any]]:
    """What each column is computed from."""
    markets = load_markets()
    rows = []
    for name in names:
        own = facts.filter((pl.col("data_set") == name) & (pl.col("span") == "whole"))
        if not own.height:
            continue
        years = facts.filter((pl.col("data_set") == name) & (pl.col("span") == "year"))["window_from"].dt.year().unique().sort().to_list()
        rows.append(
            {
                "data set": name,
                "market": markets[name].label if name in markets else name,
                "class": "synthetic" if own["data_class"][0] == "twin" else "real",
                "from": own["window_from"].min(),
                "to": own["window_to"].max(),
                "whole years": ", ".join(map(str, years)) or "none: the whole window is shown",
                "facts": own.select("fact", "slice").unique().height,
                "computed (UTC)": own["at_ts"].max(),
                "code": own["code_sha"][0],
            }
        )
    return rows


def _figures(facts: pl.DataFrame, names: list[str]) -> list[dict[str, str]]:
    values = typical(facts)
    made = []
    for fact, series, title, x_title, y_title in CURVES:
        points = values.filter((pl.col("fact") == fact) & pl.col("slice").str.starts_with(f"{series} ")).select(
            "data_set", x=pl.col("slice").str.extract(r"(\d+)$").cast(pl.Int64), y="value"
        )
        if points["data_set"].n_unique() >= 2:
            svg = realism_charts.curves(points.sort("x"), names, x_title=x_title, y_title=y_title, logarithmic=fact == "quantile_ratio")
            made.append({"title": title, "svg": svg, "caption": BY_KEY[fact].meaning})
    return made
