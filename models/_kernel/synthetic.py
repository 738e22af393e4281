"""Synthetic features: a small seeded market in the shape of features.ftr_day_ahead and ftr_intraday, for laws and demonstrations.

Prices follow residual load, fuel and a persistent disturbance, with spikes when the residual load is high; two hubs share
the weather. Prices of a delivery day become known at 13:00 local time the day before, decisions fall at 12:00. Columns
without a counterpart here (temperature, coal, oil, zonal load, generation, renewables) are null. Real-time prices follow the day-ahead
ones with a persistent deviation and become known 20 minutes after their hour. Never real data.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline_tasks.contracts import TS_DTYPE, Table
from pipeline_tasks.contracts.features import DAY_AHEAD, INTRADAY, INTRADAY_BACK, INTRADAY_WINDOWS_MIN, LAG_DAYS, NODAL

ZONE = ZoneInfo("Europe/Berlin")
GATE = time(12)
PUBLISHED = time(13)
HORIZONS_MIN = (15, 60)
RT_KNOWN_MIN = 80
_SLOT = ["hub", "delivery_date", "local_hour"]


@dataclass(frozen=True, slots=True)
class SyntheticMarket:
    """What to make.

    Attributes:
        first: first local delivery date.
        last: last local delivery date.
        hubs: names of hubs.
        seed: seed; the same seed and dates give the same frame.
        market: market key written into the rows.
    """

    first: date
    last: date
    hubs: tuple[str, ...] = ("HUB_A", "HUB_B")
    seed: int = 20_26
    market: str = "synthetic"


def gate(delivery_date: date) -> datetime:
    """Decision time of a delivery date, UTC."""
    return _local(delivery_date - timedelta(days=1), GATE)


def day_ahead_features(what: SyntheticMarket) -> pl.DataFrame:
    """A frame of the contract features.ftr_day_ahead, in key order, 23- and 25-hour days included."""
    grid = _grid(what)
    weather = _weather(grid, np.random.default_rng(what.seed))
    hubs = [_hub(weather, hub, np.random.default_rng([what.seed, number])) for number, hub in enumerate(what.hubs)]
    frame = pl.concat(hubs).with_columns(
        market=pl.lit(what.market),
        product=pl.lit("da"),
        currency=pl.lit("EUR"),
        resolution_min=pl.lit(60, pl.Int64),
    )
    return _in_contract(_forecast_lags(_price_lags(frame)), DAY_AHEAD)


def intraday_features(what: SyntheticMarket) -> pl.DataFrame:
    """A frame of the contract features.ftr_intraday, in key order: hourly real-time prices, decisions 15 and 60 minutes before delivery."""
    rng = np.random.default_rng([what.seed, 99])
    hubs = day_ahead_features(what).sort("hub", "delivery_ts").partition_by("hub", maintain_order=True)
    frame = pl.concat(
        hub.with_columns(
            price_da_ccy_per_mwh=pl.col("price_ccy_per_mwh"),
            price_ccy_per_mwh=(pl.col("price_ccy_per_mwh") + 6.0 * _ar(rng, hub.height, 0.9)).round(2),
            load_actual_mw=pl.col("load_forecast_mw") + 200.0 * _ar(rng, hub.height, 0.9),
        )
        for hub in hubs
    ).with_columns(
        product=pl.lit("rt"),
        price_known_ts=pl.col("delivery_ts") + pl.duration(minutes=RT_KNOWN_MIN),
        local_minute=pl.col("local_hour") * 60,
    )
    return _in_contract(pl.concat(_decisions(_slots(frame), horizon) for horizon in HORIZONS_MIN), INTRADAY)


def nodal_features(what: SyntheticMarket) -> pl.DataFrame:
    """A frame of the contract features.ftr_nodal, in key order: the hubs of `intraday_features` as nodes."""
    last = pl.col("price_last_ccy_per_mwh")
    system = last.mean().over("delivery_ts", "horizon_min")
    frame = intraday_features(what).with_columns(
        pl.when(last.is_not_null()).then(system).alias("price_system_last_ccy_per_mwh"),
        ((last - system).abs() > 10).cast(pl.Int64).alias("is_apart"),
    )
    return _in_contract(frame.select(pl.col(c) for c in frame.columns if c in NODAL.column_names), NODAL)


def _in_contract(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """The table's columns in key order; those that the frame lacks are null."""
    schema = table.polars_schema()
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in frame.columns]
    return frame.with_columns(absent).select(pl.col(n).cast(t) for n, t in schema.items()).sort(table.key)


def _slots(frame: pl.DataFrame) -> pl.DataFrame:
    """Prices of the same local hour on earlier days."""
    frame = frame.drop("price_lag_1d_ccy_per_mwh", "price_lag_7d_ccy_per_mwh")
    days = {k: "price_lag_1d_ccy_per_mwh" if k == 1 else f"price_lag_{k}d_ccy_per_mwh" if k == 7 else f"_{k}d" for k in range(1, 8)}
    for k, name in days.items():
        frame = _shifted(frame, {"price_ccy_per_mwh": name}, k)
    return frame.with_columns(pl.mean_horizontal(*days.values()).alias("price_slot_mean_7d_ccy_per_mwh"))


def _decisions(frame: pl.DataFrame, horizon: int) -> pl.DataFrame:
    """Rows of one horizon: what the last hour known at the decision says."""
    back = -(-(RT_KNOWN_MIN + horizon) // 60)
    price = pl.col("price_ccy_per_mwh")

    def known(expression: pl.Expr, name: str) -> pl.Expr:
        return expression.shift(back).over("hub", order_by="delivery_ts").alias(name)

    windows = []
    for minutes in INTRADAY_WINDOWS_MIN:
        n = minutes // 60
        rolled = {
            "mean": price.rolling_mean(n, min_samples=1),
            "min": price.rolling_min(n, min_samples=1),
            "max": price.rolling_max(n, min_samples=1),
        }
        windows += [known(expression, f"price_{name}_{minutes}m_ccy_per_mwh") for name, expression in rolled.items()]
    windows += [known(price.rolling_std(m // 60, min_samples=2), f"price_std_{m}m_ccy_per_mwh") for m in INTRADAY_WINDOWS_MIN if m > 60]
    made = frame.with_columns(
        pl.lit(horizon).alias("horizon_min"),
        (pl.col("delivery_ts") - pl.duration(minutes=horizon)).alias("as_of"),
        known(price, "price_last_ccy_per_mwh"),
        *(known(price.shift(k), f"price_before_{k}_ccy_per_mwh") for k in INTRADAY_BACK),
        *windows,
        *(known(pl.col(f"price_{c}_ccy_per_mwh"), f"price_last_{c}_ccy_per_mwh") for c in ("lag_1d", "lag_7d", "slot_mean_7d", "da")),
        known(pl.col("load_actual_mw"), "load_last_mw"),
        known(pl.col("load_actual_mw").diff(), "load_last_change_60m_mw"),
        (pl.col("residual_load_forecast_mw") - pl.col("residual_load_forecast_mw").shift(back).over("hub", order_by="delivery_ts")).alias(
            "residual_load_forecast_change_mw"
        ),
    )
    others = (pl.col("price_last_ccy_per_mwh").sum().over("delivery_ts") - pl.col("price_last_ccy_per_mwh")) / (
        pl.col("price_last_ccy_per_mwh").count().over("delivery_ts") - 1
    )
    known_at_all = pl.col("price_last_ccy_per_mwh").is_not_null()
    return made.with_columns(
        pl.when(others.is_finite()).then(others).alias("price_others_last_ccy_per_mwh"),
        pl.when(known_at_all).then(0).alias("price_unchanged_min"),
        pl.when(known_at_all).then(60 * back).alias("price_last_age_min"),
    )


def _local(day: date, at: time) -> datetime:
    return datetime.combine(day, at, tzinfo=ZONE).astimezone(UTC)


def _grid(what: SyntheticMarket) -> pl.DataFrame:
    """One row per delivery hour with its calendar and its instants."""
    start, end = _local(what.first, time(0)), _local(what.last + timedelta(days=1), time(0))
    hours = [start + timedelta(hours=h) for h in range(int((end - start).total_seconds() // 3600))]
    local = [h.astimezone(ZONE) for h in hours]
    days = [moment.date() for moment in local]
    return pl.DataFrame(
        {
            "delivery_ts": pl.Series(hours, dtype=TS_DTYPE),
            "delivery_date": days,
            "local_hour": [moment.hour for moment in local],
            "dst_fold": [moment.fold for moment in local],
            "as_of": pl.Series([gate(d) for d in days], dtype=TS_DTYPE),
            "price_known_ts": pl.Series([_local(d - timedelta(days=1), PUBLISHED) for d in days], dtype=TS_DTYPE),
            "day_of_week": [d.isoweekday() for d in days],
            "month": [d.month for d in days],
            "day_of_year": [d.timetuple().tm_yday for d in days],
            "is_holiday": [(d.month, d.day) in {(1, 1), (5, 1), (10, 3), (12, 25), (12, 26)} for d in days],
        }
    )


def _ar(rng: np.random.Generator, n: int, phi: float) -> npt.NDArray[np.float64]:
    """AR(1) with unit variance."""
    shocks = rng.standard_normal(n) * np.sqrt(1 - phi**2)
    values = np.empty(n)
    state = rng.standard_normal()
    for i in range(n):
        state = phi * state + shocks[i]
        values[i] = state
    return values


def _weather(grid: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Load, wind, solar forecasts (MW) and fuels, shared by the hubs."""
    hour, n = grid["local_hour"].to_numpy(), grid.height
    season = np.cos(2 * np.pi * (grid["day_of_year"].to_numpy() - 20) / 365.25)
    idle = (grid["day_of_week"].to_numpy() >= 6) | grid["is_holiday"].to_numpy()
    daily = 6 * np.sin(np.pi * (hour - 5) / 15).clip(-0.4) + 3 * np.exp(-(((hour - 19) / 2.5) ** 2))
    load = 1_000 * (45 + 5 * season + daily - 6 * idle + 1.5 * _ar(rng, n, 0.97))
    wind = 1_000 * (11 + 2 * season) * np.exp(0.6 * _ar(rng, n, 0.985) - 0.18)
    sun = np.sin(np.pi * (hour - 6) / 13).clip(0) * (hour >= 6) * (hour <= 19)
    solar = 1_000 * 16 * (1 - 0.6 * season) * sun * (0.75 + 0.2 * np.tanh(_ar(rng, n, 0.98)))
    days = grid["delivery_date"].rle_id().to_numpy()
    peak = pl.Series(load - wind - solar).rolling_max(28 * 24, min_samples=7 * 24).shift(24)
    gas = 18 + 3 * _ar(rng, int(days[-1]) + 1, 0.99)[days]
    carbon = 25 + 2 * _ar(rng, int(days[-1]) + 1, 0.99)[days]
    return grid.with_columns(
        load_forecast_mw=load,
        wind_forecast_mw=wind,
        solar_forecast_mw=solar,
        residual_load_forecast_mw=load - wind - solar,
        residual_load_ramp_mw=pl.Series(load - wind - solar).diff(),
        residual_load_tightness=pl.Series(load - wind - solar) / peak,
        load_error_7d_mw=300 * _ar(rng, n, 0.9),
        wind_error_7d_mw=300 * _ar(rng, n, 0.9),
        gas_price_ccy_per_unit=gas,
        co2_price_ccy_per_unit=carbon,
    )


def _hub(weather: pl.DataFrame, hub: str, rng: np.random.Generator) -> pl.DataFrame:
    """Prices of one hub: merit order, disturbance, spikes."""
    residual = weather["residual_load_forecast_mw"].to_numpy() / 1_000
    fuel = weather["gas_price_ccy_per_unit"].to_numpy() * 1.6 + weather["co2_price_ccy_per_unit"].to_numpy() * 0.35
    merit = fuel * (0.55 + 0.018 * (residual - 15)) + 0.010 * np.maximum(residual - 38, 0) ** 3
    noise = 3.0 * _ar(rng, weather.height, 0.9) + 1.5 * rng.standard_normal(weather.height)
    chance = 0.25 / (1 + np.exp(-(residual - 44) / 1.5))
    spike = (rng.random(weather.height) < chance) * rng.exponential(70, weather.height)
    return weather.with_columns(hub=pl.lit(hub), price_ccy_per_mwh=np.round(merit + noise + spike, 2))


def _shifted(frame: pl.DataFrame, columns: dict[str, str], days: int) -> pl.DataFrame:
    """Values of the same hub and local hour `days` before (the first of a repeated hour), under new names."""
    past = frame.filter(pl.col("dst_fold") == 0).select(
        "hub", pl.col("delivery_date") + timedelta(days=days), "local_hour", *(pl.col(old).alias(new) for old, new in columns.items())
    )
    return frame.join(past, on=_SLOT, how="left", maintain_order="left")


def _price_lags(frame: pl.DataFrame) -> pl.DataFrame:
    """Price features; at the gate of day D all prices up to the end of day D - 1 are known."""
    for k in LAG_DAYS:
        frame = _shifted(frame, {"price_ccy_per_mwh": f"price_lag_{k}d_ccy_per_mwh"}, k)
    price = pl.col("price_ccy_per_mwh")
    daily = frame.group_by("hub", "delivery_date").agg(
        price.mean().alias("mean"), price.min().alias("min"), price.max().alias("max"), price.sort_by("delivery_ts").last().alias("last")
    )
    daily = daily.sort("hub", "delivery_date").select(
        "hub",
        pl.col("delivery_date") + timedelta(days=1),
        pl.col("last").alias("price_last_ccy_per_mwh"),
        *(pl.col(s).alias(f"price_prev_day_{s}_ccy_per_mwh") for s in ("mean", "min", "max")),
        pl.col("mean").rolling_mean(7).over("hub").alias("price_mean_7d_ccy_per_mwh"),
        pl.col("mean").rolling_std(7).over("hub").alias("price_std_7d_ccy_per_mwh"),
        pl.col("max").rolling_max(7).over("hub").alias("price_max_7d_ccy_per_mwh"),
        (pl.col("mean") - pl.col("mean").mean().over("delivery_date")).alias("price_prev_day_spread_to_market_ccy_per_mwh"),
    )
    hourly = frame.filter(pl.col("dst_fold") == 0).sort("hub", "local_hour", "delivery_date")
    hourly = hourly.select(
        "hub",
        pl.col("delivery_date") + timedelta(days=1),
        "local_hour",
        price.rolling_mean(28, min_samples=14).over("hub", "local_hour").alias("price_hour_mean_28d_ccy_per_mwh"),
    )
    return frame.join(daily, on=["hub", "delivery_date"], how="left").join(hourly, on=_SLOT, how="left")


def _forecast_lags(frame: pl.DataFrame) -> pl.DataFrame:
    for days in (1, 7):
        frame = _shifted(frame, {f"{q}_forecast_mw": f"{q}_forecast_lag_{days}d_mw" for q in ("load", "wind", "solar")}, days)
    return frame
