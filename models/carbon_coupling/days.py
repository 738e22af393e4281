"""Days of a hub: its base price once all of it is known, and what was known at its gate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.carbon_hedge import Levels

Array = npt.NDArray[np.float64]
SERIES = ("market", "hub", "product")
CENTRE, BEFORE = "price_mean_7d_ccy_per_mwh", "price_prev_day_mean_ccy_per_mwh"
GAS, COAL, CO2, LOAD = "gas_price_ccy_per_unit", "coal_price_ccy_per_unit", "co2_price_ccy_per_unit", "residual_load_forecast_mw"
OPTIONAL = (CENTRE, BEFORE, GAS, CO2, LOAD, "price_hour_mean_28d_ccy_per_mwh", "price_std_7d_ccy_per_mwh")
NAMES = ("intercept", "price_distance", "residual_load_change", "gas_change", "co2_change", "is_weekend", "is_holiday")
WEEK = 7


@dataclass(frozen=True, slots=True)
class HubDays:
    """Delivery dates of one hub, ascending.

    Attributes:
        dates: delivery dates.
        base: mean price of the day, NaN where not all of it is known, shape (n,).
        known_ms: when all of it was known, ms since 1970; -1 where not all of it is, shape (n,).
        as_of: when each day was decided.
        centre: mean of the seven days before as known at the gate; NaN where unknown.
        inputs: `NAMES`, gaps as 0, shape (n, k).
        gas, coal, co2, load: as known at the gate, NaN where unknown, shape (n,).
    """

    dates: list[Any]
    base: Array
    known_ms: npt.NDArray[np.int64]
    as_of: list[datetime]
    centre: Array
    inputs: Array
    gas: Array
    coal: Array
    co2: Array
    load: Array

    def last_known(self, instant: datetime) -> int:
        """Position of the newest day that is known at the instant, all complete days before it too; -1 for none."""
        late = np.flatnonzero(self.known_ms > round(instant.timestamp() * 1000))
        before = np.flatnonzero(np.isfinite(self.base[: late[0] if len(late) else None]))
        return int(before[-1]) if len(before) else -1

    def levels(self, end: int, assets: int) -> Levels:
        """Known prices of the days before position `end`: those with every price; gas, or gas and carbon."""
        hedges = np.column_stack((self.gas, self.co2))[:end, :assets]
        good = np.isfinite(self.base[:end]) & np.isfinite(self.gas[:end]) & np.isfinite(self.co2[:end])
        spread = np.nanstd(self.load[:end][good]) if np.isfinite(self.load[:end][good]).any() else 1.0
        return Levels(self.base[:end][good], hedges[good], self.load[:end][good] / max(float(spread), 1e-9))


def days_of(rows: pl.DataFrame) -> dict[tuple[str, ...], HubDays]:
    """Days of every hub and product in the rows."""
    wanted = (CENTRE, BEFORE, GAS, COAL, CO2, LOAD)
    lacking = [pl.lit(None, pl.Float64).alias(c) for c in wanted if c not in rows.columns]
    whole = rows.with_columns(lacking).with_columns(pl.col(c).cast(pl.Float64).fill_nan(None) for c in wanted)
    price = pl.col("price_ccy_per_mwh").cast(pl.Float64).fill_nan(None)
    complete = price.is_not_null().all() & pl.col("price_known_ts").is_not_null().all()
    daily = whole.group_by(*SERIES, "delivery_date").agg(
        pl.when(complete).then(price.mean()).alias("base"),
        pl.when(complete).then(pl.col("price_known_ts").max().dt.epoch("ms")).otherwise(-1).alias("known"),
        pl.col("as_of").max(),
        *(pl.col(c).drop_nulls().first() for c in (CENTRE, BEFORE, GAS, COAL, CO2)),
        pl.col(LOAD).mean(),
        pl.col("day_of_week").first(),
        pl.col("is_holiday").first(),
    )
    found = {}
    for key, part in daily.sort(*SERIES, "delivery_date").group_by(SERIES, maintain_order=True):
        found[tuple(str(k) for k in key)] = _hub_days(part)
    return found


def _hub_days(part: pl.DataFrame) -> HubDays:
    def column(name: str) -> Array:
        return part[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()

    gas, co2, load, centre = column(GAS), column(CO2), column(LOAD), column(CENTRE)
    inputs = np.column_stack(
        (
            np.ones(part.height),
            column(BEFORE) - centre,
            _change(load),
            _change(gas),
            _change(co2),
            (part["day_of_week"].to_numpy() >= 6).astype(np.float64),
            part["is_holiday"].cast(pl.Float64).fill_null(0.0).to_numpy(),
        )
    )
    return HubDays(
        dates=part["delivery_date"].to_list(),
        base=column("base"),
        known_ms=part["known"].to_numpy().astype(np.int64),
        as_of=part["as_of"].to_list(),
        centre=centre,
        inputs=np.nan_to_num(inputs),
        gas=gas,
        coal=column(COAL),
        co2=co2,
        load=load,
    )


def _change(values: Array) -> Array:
    """Value less the mean of the seven days before, NaN where either is unknown."""
    before = np.full(len(values), np.nan)
    for n in range(1, len(values)):
        past = values[max(n - WEEK, 0) : n]
        past = past[np.isfinite(past)]
        before[n] = past.mean() if len(past) else np.nan
    return np.asarray(values - before)
