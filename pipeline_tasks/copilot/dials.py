"""Dials turned: the features that a price model reads, or the network state that is dispatched, as they would be in the scenario."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from models._kernel.grid.outage_study import OutageStudy
from pipeline_tasks.copilot.request import Dials, PlanRequestError
from pipeline_tasks.cross_asset.settings import load_cross
from pipeline_tasks.simulate.market_case import RENEWABLE, MarketCase
from pipeline_tasks.sources.units import ENERGY_MWH

if TYPE_CHECKING:
    from config.markets import Market
    from models._kernel.grid.opf_types import OpfCase
    from pipeline_tasks.warehouse import Warehouse

PRICED = ("gas", "coal", "co2")
FORECASTS: Mapping[str, tuple[str, ...]] = {
    "load_pct": ("load_forecast_mw", "zonal_load_forecast_mw"),
    "wind_pct": ("wind_forecast_mw",),
    "solar_pct": ("solar_forecast_mw",),
}


def fuel_prices(warehouse: Warehouse, market: Market, as_of: datetime) -> dict[str, float]:
    """Last settlements known at `as_of`, currency per MWh of heat and per t of CO2; commodities without one are absent.

    Prices in another currency than the market's are left out: a dial moves what the market's own offers are made of.
    """
    frame = warehouse.query(
        "select commodity, hub, unit, price_ccy_per_unit as price from raw.commodities"
        " where market = {market:String} and currency = {currency:String} and known_ts <= {as_of:DateTime64(3, 'UTC')}"
        " order by delivery_ts desc, known_ts desc limit 1 by commodity, hub",
        {"market": market.key, "currency": market.currency, "as_of": as_of},
    )
    found = {}
    for row in frame.iter_rows(named=True):
        kind = row["commodity"]
        if kind in PRICED and row["hub"] == market.commodities.get(kind):
            found[kind] = row["price"] / (1.0 if kind == "co2" else ENERGY_MWH[kind, row["unit"]])
    return found


def offer_steps(dials: Dials, prices: Mapping[str, float], market: Market) -> dict[str, float]:
    """By how much the scenario moves what a MWh of power costs to make, by fuel, currency/MWh.

    Plants are those of config/assets/cross_commodity.yaml; fuels without a plant there do not move.

    Raises:
        PlanRequestError: a fuel dial is turned and no price of it is known.
    """
    turned = {kind: getattr(dials, f"{kind}_pct") for kind in PRICED}
    lacking = [f"{kind}_pct" for kind, change in turned.items() if change and kind not in prices]
    if lacking:
        raise PlanRequestError(f"dial(s) {', '.join(lacking)}: {market.key} has no such price in {market.currency}; leave them at 0")
    steps = {}
    for fuel in load_cross().plants.get(market.currency, {}):
        plant = load_cross().plant(market.currency, fuel, co2_priced="co2" in prices)
        own = plant.heat_rate * prices.get(fuel, 0.0) * turned.get(fuel, 0.0) / 100
        steps[fuel] = own + plant.intensity_t_per_mwh * prices.get("co2", 0.0) * turned["co2"] / 100
    return {fuel: step for fuel, step in steps.items() if step}


def dialed_case(state: MarketCase, dials: Dials, steps: Mapping[str, float]) -> OpfCase:
    """The dispatch question of the scenario: loads, wind and sun scaled, offers moved by their fuel, elements taken out.

    Raises:
        PlanRequestError: a line or unit is not in the network.
    """
    network, case = state.network, state.case
    units = network.generators
    fuel = np.array(units.fuel)
    high = np.array(units.p_max_mw if case.p_max_mw is None else case.p_max_mw, dtype=np.float64)
    for kind in RENEWABLE:
        high[fuel == kind] *= 1 + getattr(dials, f"{kind}_pct") / 100
    high = np.minimum(high, np.maximum(units.p_max_mw, 0.0))
    low = np.minimum(units.p_min_mw if case.p_min_mw is None else case.p_min_mw, high)
    load = network.buses.load_mw if case.load_mw is None else case.load_mw
    step = np.array([steps.get(name, 0.0) for name in fuel])
    cost = replace(units.cost, block_price=units.cost.block_price + step[units.cost.block_generator])
    changed = replace(case, load_mw=load * (1 + dials.load_pct / 100), p_min_mw=low, p_max_mw=high, cost=cost)
    lines, lost = _positions(network.branches.names, dials.lines, "line"), _positions(units.names, dials.units, "unit")
    if lost:
        gone = np.isin(np.arange(high.size), lost)
        changed = replace(changed, p_min_mw=np.where(gone, 0.0, low), p_max_mw=np.where(gone, 0.0, high))
    return replace(changed, outages=tuple(sorted({*case.outages, *lines})))


def price_change(state: MarketCase, dials: Dials, steps: Mapping[str, float]) -> tuple[np.ndarray, float, float]:
    """What the scenario does to one interval, dispatched exactly.

    Returns:
        Price change per bus, currency/MWh; the largest optimality residual of both dispatches; load that the scenario leaves unserved, MW.
    """
    study = OutageStudy(state.network, state.case, state.options)
    other = OutageStudy(state.network, dialed_case(state, dials, steps), state.options)
    worst = max(study.base.residual.worst, other.base.residual.worst)
    return other.base.lmp - study.base.lmp, worst, float(other.base.unserved_mw.sum())


def dialed_rows(rows: pl.DataFrame, dials: Dials, delivery_date: date) -> pl.DataFrame:
    """Day-ahead features with the scenario's fuel prices and forecasts on the delivery date; every column made of them follows.

    Raises:
        PlanRequestError: lines or units are named: a price model knows no network.
    """
    if dials.lines or dials.units:
        raise PlanRequestError(f"lines {list(dials.lines)} and units {list(dials.units)}: the market has no network model; leave them out")
    own = pl.col("delivery_date") == delivery_date
    scaled = {f"{kind}_price_ccy_per_unit": getattr(dials, f"{kind}_pct") for kind in PRICED}
    scaled |= {column: getattr(dials, dial) for dial, columns in FORECASTS.items() for column in columns}
    changed = rows.with_columns(
        pl.when(own).then(pl.col(c) * (1 + change / 100)).otherwise(pl.col(c)).alias(c) for c, change in scaled.items() if change
    )
    added = pl.sum_horizontal((changed[c] - rows[c]).fill_null(0.0) for c in ("wind_forecast_mw", "solar_forecast_mw"))
    moved = changed.with_columns((pl.col("renewables_forecast_mw") + added).alias("renewables_forecast_mw"))
    residual = pl.col("residual_load_forecast_mw")
    step = (moved["load_forecast_mw"] - rows["load_forecast_mw"]).fill_null(0.0) - moved.select(added).to_series()
    ratio = pl.when(residual.abs() > 1e-9).then((residual + step) / residual).otherwise(1.0)
    tightness = (pl.col("residual_load_tightness") * ratio).alias("residual_load_tightness")
    order = ["market", "hub", "product"]
    ramp = (residual - residual.shift(1).over(order)).alias("_ramp")
    return (
        moved.with_columns((residual + step).alias("residual_load_forecast_mw"), tightness)
        .sort(*order, "delivery_ts")
        .with_columns(ramp)
        .with_columns(
            pl.when(own & pl.col("residual_load_ramp_mw").is_not_null())
            .then(pl.coalesce("_ramp", "residual_load_ramp_mw"))
            .otherwise(pl.col("residual_load_ramp_mw"))
            .alias("residual_load_ramp_mw")
        )
        .drop("_ramp")
        .select(rows.columns)
    )


def _positions(names: tuple[str, ...], asked: tuple[str, ...], what: str) -> list[int]:
    where = {name: k for k, name in enumerate(names)}
    unknown = sorted(set(asked) - set(where))
    if unknown:
        near = ", ".join(sorted(names)[:5])
        raise PlanRequestError(f"{what}(s) {unknown} are not in the network; there are {near}, ... (raw.grid_branches, raw.grid_units)")
    return [where[name] for name in asked]


__all__ = ["dialed_case", "dialed_rows", "fuel_prices", "offer_steps", "price_change"]
