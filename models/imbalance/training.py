"""Training of imbalance: boosters on what was known, and a calibration block answered by boosters that never saw it."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.replay import Past
from models.imbalance import boosting
from models.imbalance.features import OPTIONAL, design, with_optional
from models.imbalance.params import Params
from models.imbalance.storage import Fitted, Series

Array = npt.NDArray[np.float64]
SERIES = ("market", "hub", "product")
RARELY_MISSING = 0.01
FEWEST_DAYS = 30


def series_of(rows: pl.DataFrame) -> list[Series]:
    """(market, hub, product) of every row."""
    return [(str(m), str(h), str(p)) for m, h, p in rows.select(SERIES).iter_rows()]


def inputs_of(rows: pl.DataFrame, series: tuple[Series, ...], names: tuple[str, ...] | None = None) -> tuple[Array, tuple[str, ...]]:
    """Inputs of the boosters and their names: those of `names`, or all that have a value in some row; NaN where unknown."""
    number = {s: float(k) for k, s in enumerate(series)}
    frame = design(with_optional(rows)).with_columns(
        pl.Series("series", [number.get(s, np.nan) for s in series_of(rows)], dtype=pl.Float64)
    )
    kept = names or tuple(c for c in frame.columns if frame[c].null_count() < frame.height)
    return frame.select(pl.col(c).fill_null(float("nan")) for c in kept).to_numpy(), kept


def train(rows: pl.DataFrame, params: Params, *, cutoff: datetime, seed: int) -> Fitted:
    """Train on rows with a known spread, in key order.

    Raises:
        ValueError: too few delivery dates.
    """
    days = rows["delivery_date"].unique().sort()
    if len(days) < FEWEST_DAYS:
        raise ValueError(
            f"imbalance: {len(days)} delivery dates with a known spread at {cutoff}; {FEWEST_DAYS} are needed, give a longer history"
        )
    rows = rows.filter(pl.col("delivery_date") > days[-1] - timedelta(days=params.train_days))
    series = tuple(sorted(set(series_of(rows))))
    inputs, names = inputs_of(rows, series)
    spread = rows["price_ccy_per_mwh"].to_numpy()
    past = _calibration(rows, inputs, names, params, series, seed=seed) if params.aci_gamma else {s: _none(params) for s in series}
    optional = with_optional(rows)
    return Fitted(
        boosters=boosting.train(inputs, names, spread, params, seed=seed),
        series=series,
        past=past,
        expected=tuple(c for c in OPTIONAL if optional[c].null_count() <= RARELY_MISSING * rows.height),
        slots=24 * 60 // int(rows["resolution_min"].to_numpy().min()),
        cutoff=cutoff,
    )


def _calibration(
    rows: pl.DataFrame, inputs: Array, names: tuple[str, ...], params: Params, series: tuple[Series, ...], *, seed: int
) -> dict[Series, Past]:
    """The last days answered by boosters trained on what was known before the first of them."""
    days = rows["delivery_date"].unique().sort().to_list()
    first: date = days[-min(params.calibration_days, len(days) // 3)]
    later = (rows["delivery_date"] >= first).to_numpy()
    begins = rows.filter(pl.Series(later))["as_of"].min()
    earlier = ~later & (rows["price_known_ts"] <= begins).to_numpy()
    early = boosting.train(inputs[earlier], names, rows["price_ccy_per_mwh"].to_numpy()[earlier], params, seed=seed)
    quantiles, block = early.quantiles(inputs[later]), rows.filter(pl.Series(later))
    keys = series_of(block)
    return {s: _past_of(block, quantiles, np.array([k == s for k in keys])) for s in series}


def _past_of(block: pl.DataFrame, quantiles: Array, mine: npt.NDArray[np.bool_]) -> Past:
    return Past.of(block.filter(pl.Series(mine, dtype=pl.Boolean)), quantiles[mine])


def _none(params: Params) -> Past:
    whole = np.empty(0, dtype=np.int64)
    return Past(whole, whole, whole, np.empty((0, len(params.knots))), np.empty(0), whole)
