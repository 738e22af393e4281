"""Day vectors: the rows of one series (market, hub, product) as arrays with one entry per delivery day and decision time.

Inputs are vectors over the 24 local hours (means where intervals are shorter); prices are vectors over the intervals of
the day. The missing hour of a 23-hour day is interpolated, the repeated hour of a 25-hour day is averaged; rows are
answered one by one, so both rows of a repeated hour get the hour's answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline_tasks.contracts.features import FORECASTS

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HOURS = 24
PRICE_LAGS = (1, 2, 3, 7, 14)
LAG_COLUMNS = tuple(f"price_lag_{k}d_ccy_per_mwh" for k in PRICE_LAGS)
FORECAST_COLUMNS = {q: (f"{q}_forecast_mw", f"{q}_forecast_lag_1d_mw", f"{q}_forecast_lag_7d_mw") for q in FORECASTS}
HOURLY = (
    "price_hour_mean_28d_ccy_per_mwh",
    "residual_load_forecast_mw",
    "load_error_7d_mw",
    "wind_error_7d_mw",
    "temperature_forecast_degc",
)
DAILY = (
    "price_last_ccy_per_mwh",
    "price_mean_7d_ccy_per_mwh",
    "price_std_7d_ccy_per_mwh",
    "gas_price_ccy_per_unit",
    "coal_price_ccy_per_unit",
    "co2_price_ccy_per_unit",
    "oil_price_ccy_per_unit",
)
FUELS = DAILY[3:]
OPTIONAL = (*LAG_COLUMNS, *(c for columns in FORECAST_COLUMNS.values() for c in columns), *HOURLY, *DAILY)
SERIES = ("market", "hub", "product")
NEVER = np.iinfo(np.int64).max
FINEST_SLOT_MIN = 15


@dataclass(frozen=True, slots=True)
class Panel:
    """Arrays over D entries (delivery day, decision time), sorted by both.

    Attributes:
        date: delivery date, days since 1970-01-01, shape (D,).
        as_of: decision time, ms since 1970, shape (D,).
        known: when all prices of the day were known, ms; NEVER where they were not.
        price: prices, shape (D, slots); NaN where absent.
        hourly: column -> values by local hour, shape (D, 24), gaps filled where neighbours or older values allow.
        daily: column -> value, shape (D,).
        missing: column -> share of the entry's rows without a value, shape (D,).
        weekday: 0 Monday to 6 Sunday. holiday: 1 on public holidays. day_of_year: 1 to 366.
    """

    date: Ints
    as_of: Ints
    known: Ints
    price: Array
    hourly: dict[str, Array]
    daily: dict[str, Array]
    missing: dict[str, Array]
    weekday: Ints
    holiday: Array
    day_of_year: Array

    @property
    def days(self) -> int:
        """Number of entries."""
        return int(self.date.size)

    @property
    def slots(self) -> int:
        """Intervals per day of the price vectors."""
        return int(self.price.shape[1])

    def take(self, index: npt.NDArray[np.intp]) -> Panel:
        """The entries at `index`."""
        return Panel(
            self.date[index],
            self.as_of[index],
            self.known[index],
            self.price[index],
            {k: v[index] for k, v in self.hourly.items()},
            {k: v[index] for k, v in self.daily.items()},
            {k: v[index] for k, v in self.missing.items()},
            self.weekday[index],
            self.holiday[index],
            self.day_of_year[index],
        )


def slots_of(frame: pl.DataFrame) -> int:
    """Intervals per day in which the prices of a frame are modelled: its finest resolution, but no finer than 15 minutes."""
    finest = int(frame["resolution_min"].min() or 60)  # type: ignore[arg-type]
    usable = max(finest, FINEST_SLOT_MIN)
    return 1440 // (usable if 60 % usable == 0 else 60)


def slot_of_row(frame: pl.DataFrame, slots: int) -> Ints:
    """First slot of every row, from local hour and minute within the hour, shape (rows,)."""
    minute = frame["local_hour"].cast(pl.Int64).to_numpy() * 60 + frame["delivery_ts"].dt.minute().cast(pl.Int64).to_numpy()
    return np.asarray(np.minimum(minute * slots // 1440, slots - 1), dtype=np.int64)


def build(frame: pl.DataFrame, slots: int, *, with_price: bool) -> tuple[Panel, Ints]:
    """Day vectors of the rows of ONE series.

    Args:
        frame: rows of features.ftr_day_ahead; optional columns may be absent.
        slots: intervals per day, see `slots_of`.
        with_price: read target prices; False leaves them NaN and unknown (target rows: never read).

    Returns:
        The panel and the entry of every row, shape (rows,).
    """
    present = [c for c in OPTIONAL if c in frame.columns]
    clean = frame.with_columns(_finite(c) for c in present)
    keys = clean.select("delivery_date", "as_of").unique().sort("delivery_date", "as_of").with_row_index("entry")
    entry = clean.select("delivery_date", "as_of").join(keys, on=["delivery_date", "as_of"], how="left", maintain_order="left")["entry"]
    rows = entry.cast(pl.Int64).to_numpy()
    days = keys.height
    hour = clean["local_hour"].cast(pl.Int64).to_numpy()
    hourly = {c: _by_hour(clean[c], rows, hour, days) for c in (*LAG_COLUMNS, *_forecasts(present), *HOURLY) if c in present}
    counts = np.maximum(np.bincount(rows, minlength=days), 1)
    first = clean.with_columns(entry).group_by("entry").first().sort("entry")
    price, known = np.full((days, slots), np.nan), np.full(days, NEVER, dtype=np.int64)
    if with_price:
        price = _by_slot(clean, rows, slots, days)
        stamp = clean["price_known_ts"].dt.epoch("ms").fill_null(NEVER).to_numpy()
        known = np.full(days, np.iinfo(np.int64).min, dtype=np.int64)
        np.maximum.at(known, rows, stamp)
    panel = Panel(
        date=keys["delivery_date"].cast(pl.Int32).cast(pl.Int64).to_numpy(),
        as_of=keys["as_of"].dt.epoch("ms").to_numpy(),
        known=known,
        price=price,
        hourly=_filled(hourly),
        daily={c: first[c].cast(pl.Float64).fill_null(np.nan).to_numpy() for c in DAILY if c in present},
        missing={c: np.bincount(rows, clean[c].is_null().to_numpy().astype(float), minlength=days) / counts for c in present},
        weekday=first["day_of_week"].cast(pl.Int64).to_numpy() - 1,
        holiday=first["is_holiday"].fill_null(value=False).cast(pl.Float64).to_numpy() if "is_holiday" in frame.columns else np.zeros(days),
        day_of_year=first["day_of_year"].cast(pl.Float64).to_numpy(),
    )
    return panel, rows


def _finite(column: str) -> pl.Expr:
    value = pl.col(column).cast(pl.Float64)
    return pl.when(value.is_finite()).then(value).otherwise(None).alias(column)


def _forecasts(present: list[str]) -> list[str]:
    return [c for columns in FORECAST_COLUMNS.values() if columns[0] in present for c in columns]


def _by_hour(values: pl.Series, rows: Ints, hour: Ints, days: int) -> Array:
    """Mean by entry and local hour, shape (days, 24); NaN where there is none."""
    numbers = values.fill_null(np.nan).to_numpy()
    good = np.isfinite(numbers)
    cell = rows[good] * HOURS + hour[good]
    count = np.bincount(cell, minlength=days * HOURS)
    total = np.bincount(cell, numbers[good], minlength=days * HOURS)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).reshape(days, HOURS)


def _by_slot(frame: pl.DataFrame, rows: Ints, slots: int, days: int) -> Array:
    """Mean price by entry and slot; a row longer than a slot fills all slots it covers."""
    value = frame["price_ccy_per_mwh"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    length = 1440 // slots
    start, span = slot_of_row(frame, slots), np.maximum(frame["resolution_min"].cast(pl.Int64).to_numpy() // length, 1)
    count, total = np.zeros(days * slots), np.zeros(days * slots)
    for step in range(int(span.max(initial=1))):
        use = np.isfinite(value) & (step < span) & (start + step < slots)
        cell = rows[use] * slots + start[use] + step
        count += np.bincount(cell, minlength=days * slots)
        total += np.bincount(cell, value[use], minlength=days * slots)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).reshape(days, slots)


def _filled(hourly: dict[str, Array]) -> dict[str, Array]:
    """Gaps: up to two hours interpolated, longer ones from the next older value of the same hour, the rest from neighbours."""
    chains = [LAG_COLUMNS, *FORECAST_COLUMNS.values()]
    older = {c: [o for o in chain[i + 1 :] if o in hourly] for chain in chains for i, c in enumerate(chain)}
    return {c: _fill(v, [hourly[o] for o in older.get(c, [])]) for c, v in hourly.items()}


def _fill(values: Array, older: list[Array]) -> Array:
    short = interpolated(values, longest=2)
    chained = reduce(lambda a, b: np.where(np.isfinite(a), a, b), older, short)
    return interpolated(chained, longest=HOURS)


def interpolated(values: Array, *, longest: int) -> Array:
    """Rows with at most `longest` missing entries (and one present), linearly interpolated, ends repeated; others as they are."""
    gap = ~np.isfinite(values)
    count = gap.sum(axis=1)
    todo = np.flatnonzero((count > 0) & (count <= longest) & (count < values.shape[1]))
    if todo.size == 0:
        return values
    result, grid = values.copy(), np.arange(values.shape[1], dtype=np.float64)
    for i in todo:
        result[i, gap[i]] = np.interp(grid[gap[i]], grid[~gap[i]], values[i, ~gap[i]])
    return result
