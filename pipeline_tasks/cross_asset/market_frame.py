"""A market's daily cross-commodity frame as known at each gate, and what the hedge instruments did, from the warehouse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from config.markets import Market
from models._kernel.cross.hedge import Tape
from models._kernel.cross.netback import netback, supply_cost
from models._kernel.cross.signals import Setting
from models._kernel.cross.spreads import clean_spread
from pipeline_tasks.cross_asset.backtest import Case
from pipeline_tasks.cross_asset.settings import CrossSettings, MarketSeries, SeriesName
from pipeline_tasks.warehouse import Warehouse

Array = npt.NDArray[np.float64]
MWH_HOURS = 24.0


class NoSeriesError(LookupError):
    """A market has no fuels to look at; the message says what is missing."""


@dataclass(frozen=True)
class MarketFrame:
    """One market and hub by delivery date, without gaps in the dates.

    Attributes:
        market, hub: of what.
        frame: delivery_date, as_of; then as known at the gate: power (the last whole day's mean), gas, coal, co2, oil (market currency
            per MWh of heat, per t), gas_usd_per_mmbtu, hub_usd_per_mmbtu, asia_usd_per_mmbtu, gas_storage_gwh, lng_arrivals_gwh,
            arbitrage_per_mmbtu, missing_sessions; then what happened: power_outcome.
        setting: plants.
        settled: delivery_date, gas and co2 settlements for the day itself (last one on days without), gas_rolled, co2_rolled.
    """

    market: Market
    hub: str
    frame: pl.DataFrame
    setting: Setting
    settled: pl.DataFrame


def series_of(settings: CrossSettings, market: str) -> MarketSeries:
    """The market's series; only its own fuels where none are configured."""
    return settings.markets.get(market, MarketSeries(co2_priced=True))


def read_frame(
    warehouse: Warehouse, market: Market, hub: str, settings: CrossSettings, known_series: pl.DataFrame | None = None
) -> MarketFrame:
    """The frame of a market and hub; `known_series` is what `read_series` said of the market, where it was asked before.

    Raises:
        NoSeriesError: `marts.fact_cross_asset` has no row of them, or no gas price.
    """
    series = series_of(settings, market.key)
    facts = warehouse.query(
        "select delivery_date, power_mean_ccy_per_mwh as power_outcome, power_known_ts, gas_ccy_per_mwh as gas,"
        " coal_ccy_per_mwh as coal, co2_ccy_per_t as co2, oil_ccy_per_mwh as oil, fuels_missing_sessions as missing_sessions"
        " from marts.fact_cross_asset where market = {market:String} and hub = {hub:String} order by delivery_date",
        {"market": market.key, "hub": hub},
    )
    if facts.is_empty() or facts["gas"].null_count() == facts.height:
        raise NoSeriesError(f"{market.key} {hub}: marts.fact_cross_asset has no gas price; name the market's fuels in config/markets.yaml")
    span = {"market": market.key, "first": facts["delivery_date"][0], "last": facts["delivery_date"][-1]}
    days = warehouse.query(
        "select delivery_date, as_of from intermediate.market_days where market = {market:String}"
        " and delivery_date between {first:Date32} and {last:Date32} order by delivery_date",
        span,
    ).join(facts, on="delivery_date", how="left", maintain_order="left")
    known = days.select("power_known_ts", power="power_outcome").drop_nulls().sort("power_known_ts")
    frame = (
        days.sort("as_of").join_asof(known, left_on="as_of", right_on="power_known_ts", strategy="backward").drop("power_known_ts_right")
    )
    long = read_series(warehouse, market) if known_series is None else known_series
    frame = _joined(frame, long, series.of("oil"), f"price_{market.currency.lower()}_per_mwh", "oil")
    frame = _joined(frame, long, _own_gas(market), "price_usd_per_mmbtu", "gas_usd_per_mmbtu")
    frame = _joined(frame, long, series.of("hub_abroad"), "price_usd_per_mmbtu", "hub_usd_per_mmbtu")
    frame = _joined(frame, long, series.of("asia"), "price_usd_per_mmbtu", "asia_usd_per_mmbtu")
    frame = _joined(frame, long, series.of("storage"), "value", "gas_storage_gwh")
    frame = _joined(frame, long, series.of("lng"), "value", "lng_arrivals_gwh")
    plants = [settings.plant(market.currency, fuel, co2_priced=series.co2_priced) for fuel in ("gas", "coal")]
    frame = frame.with_columns(_arbitrage(frame, settings)).sort("delivery_date")
    return MarketFrame(market, hub, frame, Setting(*plants), _settled(long, market, series, frame))


def _own_gas(market: Market) -> tuple[SeriesName, ...]:
    return (("price", "gas", market.commodities["gas"]),) if "gas" in market.commodities else ()


def read_series(warehouse: Warehouse, market: Market) -> pl.DataFrame:
    """All series of a market as known at each gate, in key order."""
    return warehouse.query(
        "select delivery_date, kind, series, place, period_date, contract_date, value, price_eur_per_unit, price_usd_per_unit,"
        " price_eur_per_mwh, price_usd_per_mwh, price_usd_per_mmbtu from intermediate.int_series_asof where market = {market:String}"
        " order by delivery_date, kind, series, place",
        {"market": market.key},
    )


def _joined(frame: pl.DataFrame, long: pl.DataFrame, names: tuple[SeriesName, ...], column: str, name: str) -> pl.DataFrame:
    """Add the sum of some series; unknown where one is, and left as it is where none is named."""
    if not names:
        return frame if name in frame.columns else frame.with_columns(pl.lit(None, dtype=pl.Float64).alias(name))
    wanted = pl.DataFrame(names, schema=["kind", "series", "place"], orient="row")
    rows = (
        long.join(wanted, on=["kind", "series", "place"])
        .group_by("delivery_date")
        .agg(pl.col(column).sum().alias("_v"), pl.col(column).count().alias("_n"))
    )
    whole = rows.filter(pl.col("_n") == len(names)).select("delivery_date", pl.col("_v").alias(name))
    return frame.drop(name, strict=False).join(whole, on="delivery_date", how="left", maintain_order="left")


def _arbitrage(frame: pl.DataFrame, settings: CrossSettings) -> pl.Series:
    """Netback of a US cargo sold here less its cost there, USD/MMBtu."""
    lng = settings.lng
    price, hub = (frame[c].cast(pl.Float64).fill_null(float("nan")).to_numpy() for c in ("gas_usd_per_mmbtu", "hub_usd_per_mmbtu"))
    worth = netback(price, lng.europe.route).netback
    cost = supply_cost(hub, fuel_share=lng.liquefaction.fuel_share, tolling_per_mmbtu=lng.liquefaction.tolling_per_mmbtu)
    return pl.Series("arbitrage_per_mmbtu", worth - cost).fill_nan(None)


def _settled(long: pl.DataFrame, market: Market, series: MarketSeries, frame: pl.DataFrame) -> pl.DataFrame:
    """First published settlements of the hedge instruments for each day itself, in the market's currency per MWh of heat and per t."""
    gas = series.of("gas_hedge") or _own_gas(market)
    carbon = (("price", "co2", market.commodities["co2"]),) if series.co2_priced and "co2" in market.commodities else ()
    days = frame.select("delivery_date")
    for name, chosen, unit in (("gas", gas, "mwh"), ("co2", carbon, "unit")):
        rows = _instrument(long, market, chosen[0], unit) if chosen else None
        if rows is None:
            days = days.with_columns(pl.lit(None, dtype=pl.Float64).alias(name), pl.lit(False).alias(f"{name}_rolled"))
            continue
        named = rows.select("delivery_date", pl.col("price").alias(name), pl.col("contract_date").alias("_contract"))
        joined = days.join(named, on="delivery_date", how="left", maintain_order="left").with_columns(
            pl.col(name, "_contract").forward_fill()
        )
        rolled = (pl.col("_contract").shift(-1) != pl.col("_contract")).fill_null(value=False)
        days = joined.with_columns(rolled.alias(f"{name}_rolled")).drop("_contract")
    return days


def _instrument(long: pl.DataFrame, market: Market, name: SeriesName, per: str) -> pl.DataFrame:
    """Settlement of each day as the first gate saw it, with the rate known then."""
    price = pl.col(f"price_{market.currency.lower()}_per_{per}").alias("price")
    own = long.filter(pl.col("kind") == name[0], pl.col("series") == name[1], pl.col("place") == name[2], price.is_not_null())
    first = own.sort("delivery_date").unique("period_date", keep="first", maintain_order=True)
    return first.select(pl.col("period_date").alias("delivery_date"), price, "contract_date")


def case_of(found: MarketFrame, settings: CrossSettings) -> Case:
    """The market as a case of the backtest."""
    tape, names = tape_of(found, settings)
    day = (found.frame["delivery_date"].to_numpy().astype("datetime64[D]") - np.datetime64("1970-01-01")).astype(np.int64)
    return Case(day, found.frame, found.setting, tape, names)


def tape_of(found: MarketFrame, settings: CrossSettings) -> tuple[Tape, tuple[str, ...]]:
    """What happened to the plant and its hedge instruments, and their names; a day without settlement moves nothing."""
    hedge, plant = settings.hedge, found.setting.gas_plant
    names = [n for n in ("gas", "co2") if found.settled[n].null_count() < found.settled.height]
    price = np.column_stack([found.settled[n].to_numpy() for n in names]).astype(np.float64)
    rolled = np.column_stack([found.settled[f"{n}_rolled"].to_numpy() for n in names]).astype(bool)
    move = np.vstack((np.diff(price, axis=0), np.zeros((1, len(names)))))
    move = np.where(np.isfinite(move) & ~rolled, move, 0.0)
    daily = hedge.plant_mw * MWH_HOURS
    need = {"gas": plant.heat_rate, "co2": plant.intensity_t_per_mwh}
    volume = np.array([daily * hedge.tenor_days * need[n] for n in names])
    outcome = {c: found.frame[c].cast(pl.Float64).fill_null(float("nan")).to_numpy() for c in ("power_outcome", "gas", "co2")}
    carbon = np.nan_to_num(outcome["co2"]) if plant.co2_t_per_unit else 0.0
    margin = np.nan_to_num(np.maximum(clean_spread(outcome["power_outcome"], outcome["gas"], carbon, plant), 0.0)) * daily
    return Tape(np.nan_to_num(price), move, rolled, volume, margin), tuple(names)
