"""Rows of the curated tables of a delivery date: spreads and signals as known at its gate, effects of arrivals from what was known then."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl

from models._kernel.cross.effects import HAC_LAGS, Effect, Panel, instrumented, placebo, projections, random_cause
from models._kernel.cross.explained import explained
from models._kernel.cross.forests import causal_forest
from models._kernel.cross.netback import netback, supply_cost
from models._kernel.cross.signals import SIGNALS
from models._kernel.cross.spreads import clean_spread, fuel_spread, implied_heat_rate, switching_price
from pipeline_tasks.contracts.cross_asset import LNG_EFFECTS
from pipeline_tasks.cross_asset.backtest import signals_of
from pipeline_tasks.cross_asset.market_frame import MarketFrame, case_of
from pipeline_tasks.cross_asset.settings import CrossSettings

COMMODITY_MODEL, EFFECTS_MODEL = "cross_commodity", "lng_power"
HORIZONS = (0, 1, 2, 3, 5, 7, 10, 14)
PLACEBO_ROWS = 30


def spread_rows(found: MarketFrame, settings: CrossSettings, delivery: date) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Own columns of `cross_commodity` (one row) and `cross_signals` for a delivery date.

    Raises:
        ValueError: the frame has no row of the date; the message names the dates it has.
    """
    at = found.frame["delivery_date"].to_list()
    if delivery not in at:
        raise ValueError(f"{found.market.key} {found.hub}: no row of {delivery}; the frame reaches from {at[0]} to {at[-1]}")
    upto = found.frame["delivery_date"] <= delivery
    past = MarketFrame(found.market, found.hub, found.frame.filter(upto), found.setting, found.settled.filter(upto))
    signals = signals_of(case_of(past, settings))
    last = {name: float(signals[name][-1]) for name in signals.columns}
    ratio = {i: 1 + settings.hedge.tilt * last.get(f"{i}_learned", 0.0) for i in SIGNALS}
    row = past.frame.row(-1, named=True)
    known = {n: float("nan") if row[n] is None else float(row[n]) for n in ("power", "gas", "coal", "co2")}
    found_values = _spreads(found, known) | _cargoes(settings, row)
    found_values |= {f"{n}_ccy_per_{'t' if n == 'co2' else 'mwh'}": v for n, v in known.items()}
    values: dict[str, Any] = {n: v if np.isfinite(v) else None for n, v in found_values.items()}
    values |= {"arrival_pressure": last["lng_arrivals"], "missing_sessions": row["missing_sessions"]}
    values |= {f"{i}_hedge_ratio": r for i, r in ratio.items()}
    named = [(i, s, last[s]) for i in SIGNALS for s in SIGNALS[i]]
    named += [(i, s, last[f"{i}_{s}"]) for i in SIGNALS for s in ("mean", "learned") if f"{i}_{s}" in last]
    return pl.DataFrame([values]), pl.DataFrame(named, schema=["instrument", "signal", "value"], orient="row")


def _spreads(found: MarketFrame, known: Mapping[str, float]) -> dict[str, float]:
    power, gas, coal, co2 = (known[n] for n in ("power", "gas", "coal", "co2"))
    gas_plant, coal_plant = found.setting.gas_plant, found.setting.coal_plant
    carbon = co2 if gas_plant.co2_t_per_unit else 0.0
    priced = coal_plant.intensity_t_per_mwh > gas_plant.intensity_t_per_mwh
    return {
        "spark_ccy_per_mwh": float(fuel_spread(power, gas, gas_plant)),
        "dark_ccy_per_mwh": float(fuel_spread(power, coal, coal_plant)),
        "clean_spark_ccy_per_mwh": float(clean_spread(power, gas, carbon, gas_plant)),
        "clean_dark_ccy_per_mwh": float(clean_spread(power, coal, carbon, coal_plant)),
        "implied_heat_rate": float(implied_heat_rate(power, gas, carbon, gas_plant.co2_t_per_unit)),
        "switching_co2_ccy_per_t": float(switching_price(gas, coal, gas_plant, coal_plant)) if priced else float("nan"),
    }


def _cargoes(settings: CrossSettings, row: Mapping[str, Any]) -> dict[str, float]:
    lng = settings.lng
    here, there, hub = (float("nan") if row[f"{n}_usd_per_mmbtu"] is None else row[f"{n}_usd_per_mmbtu"] for n in ("gas", "asia", "hub"))
    sold = netback(here, lng.europe.route)
    cost = supply_cost(hub, fuel_share=lng.liquefaction.fuel_share, tolling_per_mmbtu=lng.liquefaction.tolling_per_mmbtu)
    return {
        "netback_europe_usd_per_mmbtu": float(sold.netback),
        "freight_usd_per_mmbtu": float(sold.freight),
        "boil_off_usd_per_mmbtu": float(sold.boil_off),
        "regas_usd_per_mmbtu": float(sold.regas),
        "netback_asia_usd_per_mmbtu": float(netback(there, lng.asia.route).netback),
        "us_supply_usd_per_mmbtu": float(cost),
        "arbitrage_usd_per_mmbtu": float(sold.netback - cost),
    }


def effect_rows(panels: Mapping[str, Panel], *, seed: int, trees: int) -> pl.DataFrame:
    """Own columns of `lng_effects`; an estimator that the history is too short for is left out.

    Args:
        panels: outcome -> panel, cut at what was known.
        seed: of the forest and the random causes.
        trees: of the forest; 0 for none.
    """
    rows: list[tuple[Any, ...]] = []
    for outcome, panel in panels.items():
        rows += [(outcome, "projection", float(h), *_told(e)) for h, e in projections(panel, HORIZONS).items()]
        rows.append((outcome, "placebo", 0.0, *_told(placebo(panel, PLACEBO_ROWS))))
        rows.append((outcome, "random_cause", 0.0, random_cause(panel, seed=seed), None, None, None, panel.day.size))
        if panel.instruments.shape[1]:
            found = instrumented(panel, lags=HAC_LAGS)
            rows.append((outcome, "gmm", 0.0, *_told(found.effect)))
            rows.append((outcome, "first_stage_f", 0.0, found.effective_f, None, None, None, found.effect.n))
            if np.isfinite(found.j_p_value):
                rows.append((outcome, "over_identification_p", 0.0, found.j_p_value, None, None, None, found.effect.n))
        if trees:
            forest = causal_forest(panel, seed=seed, trees=trees)
            rows.append((outcome, "forest", 0.0, *_told(forest.mean)))
            rows += [(outcome, "forest_by_tightness", q, *_told(e)) for q, e in forest.by_tightness.items()]
        rows += _variance(outcome, panel, seed)
    names = ["outcome", "estimator", "at", "estimate", "low_95", "high_95", "p_value", "days"]
    return pl.DataFrame(rows, schema={n: LNG_EFFECTS.polars_schema()[n] for n in names}, orient="row")


def _told(effect: Effect) -> tuple[float, float, float, float, int]:
    return effect.estimate, *effect.interval, effect.p_value, effect.n


def _variance(outcome: str, panel: Panel, seed: int) -> list[tuple[Any, ...]]:
    try:
        found = explained(panel)
    except ValueError:  # less than a year and a bit of history: nothing is out of sample
        return []
    return [(outcome, "r2_gain", 0.0, found.gain, *found.interval(seed=seed), None, found.day.size)]


def lineage(run: Mapping[str, Any], *, model: str, as_of: datetime, market: str, hub: str, product: str, begin: datetime, day: date,
            reason: str = "") -> dict[str, Any]:  # fmt: skip
    """Lineage columns of one table of a run; DEGRADED where there is a reason."""
    return {
        **run, "model": model, "status": "DEGRADED" if reason else "OK", "status_reason": reason, "as_of": as_of,
        "market": market, "hub": hub, "product": product, "delivery_ts": begin, "delivery_date": day,
    }  # fmt: skip
