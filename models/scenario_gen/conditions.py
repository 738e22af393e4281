"""What paths are conditioned on: numbers of the delivery date that are known at its gate. Regimes are filtered, never realised ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.market_days import OBSERVED, SERIES, Scales, calendar, daily
from models._kernel.markov_switching import Switching

Array = npt.NDArray[np.float64]
DAY = [*SERIES, "delivery_date"]
STATES = ("normal", "transition", "stressed")
STATE = tuple(f"{s}_probability" for s in STATES)
NATURAL = ("renewables_share", "tightness", "load_change_7d_share")
CALENDAR = ("is_idle", "season_sin", "season_cos")
RECENT = ("recent_bias", "recent_log_scale")
FACTS = (*STATE[1:], *NATURAL, *(f"{name}_standing" for name in OBSERVED if name != "tightness"), *CALENDAR)
CONDITIONS = (*FACTS, *RECENT)
CLIP = 4.0
USUAL = 0.98
_READ = ("load_forecast_mw", "load_forecast_lag_7d_mw", "wind_forecast_mw", "solar_forecast_mw", "renewables_forecast_mw")


def facts(rows: pl.DataFrame, switching: Switching, scales: Scales) -> pl.DataFrame:
    """`FACTS`, all state probabilities, of every series and delivery date of the rows; null where unknown.

    Args:
        rows: feature rows decided so far, all hubs.
        switching: the hidden states.
        scales: of the observed numbers.
    """
    days = daily(rows)
    series, dates, observed = calendar(days, scales)
    state, _ = switching.filtered(observed)
    parts = [
        pl.DataFrame(
            {
                **dict(zip(SERIES, key, strict=True)),
                "delivery_date": dates,
                **{name: state[n, :, k] for k, name in enumerate(STATE)},
                **{f"{name}_standing": observed[n, :, k] for k, name in enumerate(OBSERVED)},
            }
        )
        for n, key in enumerate(series)
    ]
    told = _told(rows).join(pl.concat(parts), on=DAY, how="left")
    numbers = [pl.col(c).cast(pl.Float64).fill_nan(None) for c in (*STATE[:1], *FACTS)]
    return told.select(*DAY, "as_of", *numbers).sort(DAY)


def _told(rows: pl.DataFrame) -> pl.DataFrame:
    """Forecasts and calendar of every day."""
    lacking = [pl.lit(None, pl.Float64).alias(c) for c in (*_READ, "residual_load_tightness") if c not in rows.columns]
    read = rows.with_columns(lacking).with_columns(pl.col(c).cast(pl.Float64).fill_nan(None) for c in (*_READ, "residual_load_tightness"))
    load, green = pl.col("load_forecast_mw"), pl.col("renewables_forecast_mw")
    parts = pl.sum_horizontal("wind_forecast_mw", "solar_forecast_mw")
    green = green.fill_null(
        pl.when(pl.col("wind_forecast_mw").is_null() & pl.col("solar_forecast_mw").is_null()).then(None).otherwise(parts)
    )
    both = load.is_not_null() & green.is_not_null()
    idle = (pl.col("day_of_week") >= 6) | pl.col("is_holiday").fill_null(value=False)
    year = 2 * np.pi * pl.col("day_of_year").first() / 365.25
    days = read.group_by(DAY).agg(
        pl.col("as_of").max(),
        renewables_share=pl.when(both.any()).then(green.filter(both).sum().clip(0) / load.filter(both).sum()),
        tightness=pl.col("residual_load_tightness").max(),
        load_change_7d_share=load.mean() / pl.col("load_forecast_lag_7d_mw").mean() - 1,
        is_idle=idle.first().cast(pl.Float64),
        season_sin=year.sin(),
        season_cos=year.cos(),
    )
    numbers = ("renewables_share", "load_change_7d_share")
    return days.with_columns(pl.when(pl.col(c).is_finite()).then(pl.col(c)).alias(c) for c in numbers)


@dataclass(frozen=True, slots=True)
class Standard:
    """Scale of the conditions in training.

    Attributes:
        mean, spread: shape (k,); an unknown condition counts as its mean.
        expected: conditions that are usually known.
    """

    mean: Array
    spread: Array
    expected: tuple[str, ...]

    @classmethod
    def of(cls, values: Array) -> Standard:
        """Scale of conditions, shape (n, k), NaN where unknown."""
        known = np.isfinite(values)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, values, 0.0).sum(axis=0) / count
        spread = np.sqrt((np.where(known, values - mean, 0.0) ** 2).sum(axis=0) / count)
        share = known.mean(axis=0)
        return cls(mean, np.where(spread > 1e-9, spread, 1.0), tuple(n for n, s in zip(CONDITIONS, share, strict=True) if s >= USUAL))

    def scaled(self, values: Array) -> Array:
        """Standardised and bounded conditions, shape (n, k)."""
        return np.asarray(np.clip(np.where(np.isfinite(values), (values - self.mean) / self.spread, 0.0), -CLIP, CLIP))


def overlaid(values: Array, wanted: Mapping[str, float]) -> Array:
    """Conditions with some of them set.

    Raises:
        ValueError: a name is not a condition, or a value is not finite.
    """
    made = values.copy()
    for name, value in wanted.items():
        if name not in CONDITIONS or not np.isfinite(value):
            raise ValueError(f"scenario_gen: condition {name!r} = {value}; give finite values of {', '.join(CONDITIONS)}")
        made[..., CONDITIONS.index(name)] = value
    return made
