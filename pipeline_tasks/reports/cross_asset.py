"""The pages of cross-commodity views: spreads and hedge signals of a market, and the causal report on LNG arrivals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import altair as alt
import polars as pl

from pipeline_tasks.reports.charts import BLACK, BLUE, ORANGE, SKY, WIDTH, to_svg
from pipeline_tasks.warehouse import Warehouse

NEWEST = """
select *
from curated.v_{table}
where market = {{market:String}} and delivery_date <= {{last:Date32}}
order by delivery_date desc, hub
limit 1 by hub{key}"""
PRICES = """
select delivery_date, power_mean_ccy_per_mwh, gas_ccy_per_mwh, coal_ccy_per_mwh, co2_ccy_per_t
from marts.fact_cross_asset
where market = {market:String} and delivery_date <= {last:Date32} and hub = {hub:String}
order by delivery_date desc
limit 365"""
# Short heads, so that the widest table fits a page; units stand in the notes of the page.
SPREADS = {
    "hub": "hub",
    "power_ccy_per_mwh": "power",
    "gas_ccy_per_mwh": "gas",
    "coal_ccy_per_mwh": "coal",
    "co2_ccy_per_t": "CO2",
    "spark_ccy_per_mwh": "spark",
    "clean_spark_ccy_per_mwh": "clean spark",
    "dark_ccy_per_mwh": "dark",
    "clean_dark_ccy_per_mwh": "clean dark",
    "implied_heat_rate": "heat rate",
    "switching_co2_ccy_per_t": "switching CO2",
    "status": "status",
}
CARGO = {
    "netback_europe_usd_per_mmbtu": "netback here", "freight_usd_per_mmbtu": "freight", "boil_off_usd_per_mmbtu": "boil-off",
    "regas_usd_per_mmbtu": "regasification", "netback_asia_usd_per_mmbtu": "netback in Asia", "us_supply_usd_per_mmbtu": "US supply",
    "arbitrage_usd_per_mmbtu": "arbitrage",
}  # fmt: skip
CHECKS = {
    "placebo": "placebo arrivals, 30 rows too early (should be nought)",
    "random_cause": "largest change under a random common cause, standard errors (should be below one)",
    "first_stage_f": "effective first-stage F of the instruments (should be above ten)",
    "over_identification_p": "p-value that the instruments agree (should be above 0.05)",
    "gmm": "effect by instruments",
    "forest": "mean effect by causal forest",
    "r2_gain": "share of variance explained out of sample over AR, weather and storage",
    "placebo_r2": "the same with placebo arrivals (should be nought or below)",
}


@dataclass(frozen=True, slots=True)
class CrossData:
    """Newest published rows up to a date; empty where nothing is published."""

    spreads: pl.DataFrame = field(default_factory=pl.DataFrame)
    signals: pl.DataFrame = field(default_factory=pl.DataFrame)
    effects: pl.DataFrame = field(default_factory=pl.DataFrame)
    prices: pl.DataFrame = field(default_factory=pl.DataFrame)


def cross_data(warehouse: Warehouse, window: dict[str, object]) -> CrossData:
    """Read the newest spreads, signals and effects of a market up to the window's last date, and a year of its prices."""
    bound = {"market": window["market"], "last": window["last"]}
    spreads = warehouse.query(NEWEST.format(table="cross_commodity", key=""), bound)
    if spreads.is_empty():
        return CrossData()
    hub = {**bound, "hub": spreads["hub"][0]}
    return CrossData(
        spreads,
        warehouse.query(NEWEST.format(table="cross_signals", key=", instrument, signal"), bound),
        warehouse.query(NEWEST.format(table="lng_effects", key=", outcome, estimator, at"), bound),
        warehouse.query(PRICES, hub).sort("delivery_date"),
    )


def spreads_page(data: CrossData) -> dict[str, Any]:
    """Values of the page of spreads."""
    first = data.spreads.row(0, named=True)
    signals = data.signals.filter(pl.col("hub") == first["hub"]).sort("instrument", "signal")
    known = {c: n for c, n in CARGO.items() if data.spreads[c].null_count() < data.spreads.height} if first[next(iter(CARGO))] else {}
    return {
        "about": f"Known at {first['as_of']:%Y-%m-%d %H:%M} UTC for {first['delivery_date']}; inputs: config/assets/cross_commodity.yaml.",
        "spread_rows": data.spreads.sort("hub").select(pl.col(c).alias(n) for c, n in SPREADS.items()).to_dicts(),
        "cargo_rows": data.spreads.head(1).select(pl.col(c).alias(n) for c, n in known.items()).to_dicts() if known else [],
        "signal_rows": signals.select("instrument", "signal", pl.col("value") + 0.0).to_dicts(),  # no minus zero
        "ratio_rows": data.spreads.head(1).select("gas_hedge_ratio", "co2_hedge_ratio", "arrival_pressure").to_dicts(),
        "price_svg": price_chart(data.prices) if data.prices.height > 1 else "",
    }


NO_INSTRUMENT = "first-stage F: not estimated, no instrument covers enough of this history; the effect is not identified by instruments"


def effects_page(data: CrossData) -> dict[str, Any]:
    """Values of the causal report: one part per outcome."""
    return {"parts": [_part(data.effects.filter(pl.col("outcome") == o), str(o)) for o in data.effects["outcome"].unique().sort()]}


def _part(rows: pl.DataFrame, outcome: str) -> dict[str, Any]:
    checks = [
        {"check": CHECKS[r["estimator"]], **{c: r[c] for c in ("estimate", "low_95", "high_95", "p_value", "days")}}
        for r in rows.sort("estimator").iter_rows(named=True)
        if r["estimator"] in CHECKS
    ]
    if "first_stage_f" not in rows["estimator"]:
        checks.append({"check": NO_INSTRUMENT, **dict.fromkeys(("estimate", "low_95", "high_95", "p_value", "days"))})
    tight = rows.filter(pl.col("estimator") == "forest_by_tightness").sort("at")
    return {
        "title": {"gas": "Log price of gas", "spark": "Clean spark spread, currency/MWh"}.get(outcome, outcome),
        "svg": effect_chart(rows.filter(pl.col("estimator") == "projection")),
        "checks": checks,
        "tight_rows": tight.select(pl.col("at").alias("quantile_of_tightness"), "estimate", "low_95", "high_95").to_dicts(),
        "as_of": rows["as_of"][0],
    }


def effect_chart(rows: pl.DataFrame) -> str:
    """Effect per TWh by days after the arrival, with its 95 % band."""
    frame = rows.select("at", "estimate", "low_95", "high_95").sort("at")
    x = alt.X("at:Q", title="days after the arrival")
    base = alt.Chart(frame).properties(width=WIDTH, height=260)
    band = base.mark_area(color=SKY, opacity=0.35).encode(x=x, y=alt.Y("low_95:Q", title="effect per TWh"), y2=alt.Y2("high_95:Q"))
    line = base.mark_line(color=BLUE, strokeWidth=2, point=True).encode(x=x, y="estimate:Q")
    zero = alt.Chart(pl.DataFrame({"zero": [0.0]})).mark_rule(color=BLACK, strokeDash=[4, 3]).encode(y="zero:Q")
    return to_svg(alt.layer(band, line, zero))


def price_chart(prices: pl.DataFrame) -> str:
    """A year of power, gas and carbon as known at each gate (power: as it came)."""
    named = {"power_mean_ccy_per_mwh": "power", "gas_ccy_per_mwh": "gas, per MWh of heat", "co2_ccy_per_t": "carbon, per t"}
    long = prices.select("delivery_date", *(pl.col(c).alias(n) for c, n in named.items()))
    long = long.unpivot(index="delivery_date", variable_name="series", value_name="price").drop_nulls()
    scale = alt.Scale(domain=list(named.values()), range=[BLUE, ORANGE, BLACK])
    chart = (
        alt.Chart(long)
        .mark_line(strokeWidth=1.5)
        .encode(x=alt.X("delivery_date:T", title=None), y=alt.Y("price:Q", title="currency"), color=alt.Color("series:N", scale=scale))
        .properties(width=WIDTH, height=260)
    )
    return to_svg(chart)
