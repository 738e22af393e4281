"""What a day tells of the market's state: numbers of each delivery date as known at its gate, all of them higher in stress."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[np.float64]
SERIES = ("market", "hub", "product")
OBSERVED = ("range", "spread", "move", "gas_move", "tightness")
FUEL_DAYS = 5  # settlements between which a fuel's move is taken
NEEDED = (
    "price_prev_day_mean_ccy_per_mwh",
    "price_prev_day_min_ccy_per_mwh",
    "price_prev_day_max_ccy_per_mwh",
    "price_mean_7d_ccy_per_mwh",
    "price_std_7d_ccy_per_mwh",
    "gas_price_ccy_per_unit",
    "residual_load_tightness",
)
CLIP = 6.0
MEMORY_DAYS, LEAST_DAYS = 365, 60
LEAST_SHARE = 0.1  # of the spread in training: what a quiet year is measured by at least


def daily(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per series and delivery date: when it was decided, and `OBSERVED`, null where unknown.

    The columns of a day's rows that are read are the same in all of its intervals, but for tightness, of which the highest counts.
    """
    lacking = [pl.lit(None, pl.Float64).alias(c) for c in NEEDED if c not in rows.columns]
    known = rows.with_columns(lacking).with_columns(pl.col(c).cast(pl.Float64).fill_nan(None) for c in NEEDED)
    days = known.group_by(*SERIES, "delivery_date").agg(
        pl.col("as_of").max(),
        *(pl.col(c).drop_nulls().max() for c in NEEDED),
    )
    days = days.sort(*SERIES, "delivery_date")
    gas = pl.col("gas_price_ccy_per_unit")
    low, high = pl.col("price_prev_day_min_ccy_per_mwh"), pl.col("price_prev_day_max_ccy_per_mwh")
    gap = (pl.col("price_prev_day_mean_ccy_per_mwh") - pl.col("price_mean_7d_ccy_per_mwh")).abs()
    return days.select(
        *SERIES,
        "delivery_date",
        "as_of",
        range=(high - low + 1).log(),
        spread=(pl.col("price_std_7d_ccy_per_mwh") + 1).log(),
        move=(gap + 1).log(),
        gas_move=pl.when(gas > 0).then((gas / gas.shift(FUEL_DAYS).over(SERIES)).log().abs()),
        tightness=pl.col("residual_load_tightness"),
    ).with_columns(pl.when(pl.col(c).is_finite()).then(pl.col(c)) for c in OBSERVED)


Scales = Mapping[str, tuple[tuple[float, float], ...]]
POOLED = ""


def scales_of(days: pl.DataFrame) -> dict[str, tuple[tuple[float, float], ...]]:
    """Median and spread (1.48 median absolute deviations) of every number by hub, and over all under `POOLED`."""
    parts = {POOLED: days} | {str(key[0]): part for key, part in days.sort(*SERIES, "delivery_date").group_by("hub", maintain_order=True)}
    found = {}
    for hub, part in parts.items():
        pairs = []
        for name in OBSERVED:
            values = part[name].drop_nulls().to_numpy()
            centre = float(np.median(values)) if len(values) else 0.0
            spread = 1.4826 * float(np.median(np.abs(values - centre))) if len(values) else 1.0
            pairs.append((centre, spread if spread > 1e-6 else max(float(np.std(values)) if len(values) else 1.0, 1e-6)))
        found[hub] = tuple(pairs)
    return found


def standing(days: pl.DataFrame, scales: Scales) -> pl.DataFrame:
    """The numbers of every day in spreads from their middle over the `MEMORY_DAYS` days before it, so that stress is relative to the year.

    The middle is the median, the spread half the distance of the 16 % and 84 % quantiles; a day with fewer than `LEAST_DAYS` before it is
    measured by `scales` instead. Numbers are cut at `CLIP`.
    """
    parts = []
    for key, part in days.group_by(SERIES, maintain_order=True):
        fixed = scales.get(str(key[1]), scales[POOLED])
        made = []
        for name, (centre, spread) in zip(OBSERVED, fixed, strict=True):
            past = pl.col(name).shift(1)
            low, high = (past.rolling_quantile(q, window_size=MEMORY_DAYS, min_samples=LEAST_DAYS) for q in (0.16, 0.84))
            middle = past.rolling_median(MEMORY_DAYS, min_samples=LEAST_DAYS).fill_null(centre)
            width = pl.when(high.is_null()).then(spread).otherwise(pl.max_horizontal((high - low) / 2, pl.lit(LEAST_SHARE * spread)))
            made.append(((pl.col(name) - middle) / width).clip(-CLIP, CLIP).alias(name))
        parts.append(part.with_columns(made))
    return pl.concat(parts) if parts else days


def calendar(days: pl.DataFrame, scales: Scales) -> tuple[list[tuple[str, ...]], list[object], Array]:
    """Series, calendar dates from the first to the last, and `standing` numbers, shape (series, dates, numbers), NaN where unknown."""
    first, last = days["delivery_date"].min(), days["delivery_date"].max()
    dates: pl.Series = pl.date_range(first, last, eager=True).alias("delivery_date")  # type: ignore[arg-type, assignment]
    keys, parts = [], []
    for key, part in standing(days, scales).group_by(SERIES, maintain_order=True):
        whole = dates.to_frame().join(part, on="delivery_date", how="left", maintain_order="left")
        keys.append(tuple(str(v) for v in key))
        parts.append(np.column_stack([whole[c].fill_null(float("nan")).to_numpy() for c in OBSERVED]))
    return keys, dates.to_list(), np.stack(parts)


def severity(observed: Array) -> Array:
    """Mean of a day's known standardised numbers, NaN where none is known, shape (..., n)."""
    known = np.isfinite(observed)
    count = known.sum(axis=-1)
    total = np.where(known, observed, 0.0).sum(axis=-1)
    return np.asarray(np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0))
