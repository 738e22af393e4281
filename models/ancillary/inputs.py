"""Inputs of the boosters: every row from itself alone, and forecasts of the other products of the same hub and interval beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from models.ancillary.spec import SPEC
from pipeline_tasks.contracts.features import FORECASTS, OUTCOMES

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Series = tuple[str, str, str]
SERIES = ("market", "hub", "product")
INTERVAL = ("market", "hub", "delivery_ts", "as_of")
KEYS = (*SERIES, "delivery_ts", "delivery_date", "dst_fold", "resolution_min", "as_of", "currency", "month", "is_energy")
OUTCOME_COLUMNS = tuple(name for known, values in OUTCOMES.items() for name in (known, *values))
NUMBERS = tuple(c for c in SPEC.inputs.column_names if c not in {*KEYS, *OUTCOME_COLUMNS, "day_of_year", "local_hour"})
OPTIONAL = tuple(c.name for c in SPEC.inputs.columns if c.nullable and c.name not in OUTCOME_COLUMNS)
CO = "co_"
FAMILIES = {
    "own price": ("price_",),
    "energy price": ("energy_price_",),
    "other reserve prices": ("reserve_price_",),
    "forecasts of other products": (CO,),
    "fuels": ("gas_", "coal_", "co2_", "oil_"),
    "calendar": ("local_", "day_of_", "season_", "is_holiday", "reserve_regime", "hub"),
}
REST = "load and weather"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows in the form the boosters take.

    Attributes:
        rows: the rows, in key order, with every optional input.
        inputs: shape (n, d), NaN where unknown.
        names: names of the inputs.
        product: product of every row.
        interval: number of the (hub, interval, decision) of every row: rows of one are about the same time and place.
    """

    rows: pl.DataFrame
    inputs: Array
    names: tuple[str, ...]
    product: npt.NDArray[np.str_]
    interval: Whole

    def of(self, product: str) -> npt.NDArray[np.bool_]:
        """Rows of a product."""
        return np.asarray(self.product == product, dtype=np.bool_)


def with_optional(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` with every optional input present, absent ones as nulls."""
    return rows.with_columns(pl.lit(None, dtype=pl.Float64).alias(c) for c in OPTIONAL if c not in rows.columns)


def series_of(rows: pl.DataFrame) -> list[Series]:
    """(market, hub, product) of every row."""
    return [(str(m), str(h), str(p)) for m, h, p in rows.select(SERIES).iter_rows()]


def table_of(rows: pl.DataFrame, hubs: Sequence[tuple[str, str]], names: tuple[str, ...] | None = None) -> Table:
    """The table of rows in key order; inputs are those of `names`, or all that have a value in some row.

    Args:
        rows: feature rows in key order.
        hubs: (market, hub) known from training; their number is an input.
        names: inputs of a trained model.
    """
    full = with_optional(rows)
    number = {hub: float(k) for k, hub in enumerate(hubs)}
    frame = _design(full).with_columns(
        pl.Series("hub", [number.get((str(m), str(h)), np.nan) for m, h in full.select("market", "hub").iter_rows()], dtype=pl.Float64)
    )
    kept = names or tuple(c for c in frame.columns if frame[c].null_count() < frame.height)
    inputs = frame.select(pl.col(c).fill_null(float("nan")) for c in kept).to_numpy()
    interval = full.select(pl.struct(INTERVAL).rank("dense").cast(pl.Int64) - 1)
    return Table(full, inputs, kept, full["product"].cast(pl.String).to_numpy().astype(str), interval.to_series().to_numpy())


def _design(rows: pl.DataFrame) -> pl.DataFrame:
    turn = 2 * math.pi / 365.25
    changes = [
        (pl.col(f"{q}_forecast_mw") - pl.col(f"{q}_forecast_lag_{k}d_mw")).alias(f"{q}_change_{k}d_mw") for q in FORECASTS for k in (1, 7)
    ]
    expressions = [
        *(pl.col(c) for c in NUMBERS),
        (pl.col("local_hour") + pl.col("delivery_ts").dt.minute() / 60).alias("local_time_h"),
        (pl.col("day_of_year") * turn).sin().alias("season_sin"),
        (pl.col("day_of_year") * turn).cos().alias("season_cos"),
        *changes,
    ]
    frame = rows.select(e.cast(pl.Float64, strict=False) for e in expressions)
    return frame.with_columns(pl.when(pl.all().is_finite()).then(pl.all()))


def co_names(products: Sequence[str], levels: Sequence[float]) -> tuple[str, ...]:
    """Names of the inputs that are forecasts of the products."""
    return tuple(f"{CO}{product}_q{round(100 * level):02d}" for product in products for level in levels)


def beside(table: Table, products: Sequence[str], forecasts: Array) -> Array:
    """Forecasts of every product in each row's hub and interval, shape (n, products x levels); NaN where there is none.

    Args:
        table: the rows.
        products: products in order.
        forecasts: own forecasts of every row, shape (n, levels).
    """
    wide = np.full((int(table.interval.max(initial=-1)) + 1, len(products), forecasts.shape[1]), np.nan)
    for k, product in enumerate(products):
        mine = table.of(product)
        wide[table.interval[mine], k] = forecasts[mine]
    return wide[table.interval].reshape(len(table.interval), len(products) * forecasts.shape[1])


def family_of(name: str) -> str:
    """Family of an input, for contributions."""
    return next((family for family, starts in FAMILIES.items() if name.startswith(starts)), REST)
