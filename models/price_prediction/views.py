"""Thin views on `PricePredictionModel.predict`: by horizon, and with an interval of a stated confidence."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from models._kernel.frames import ANSWER
from models._kernel.protocol import Features
from models.price_prediction.model import PricePredictionModel
from models.price_prediction.spec import QUANTILES, SPEC


def predict_all_horizons(model: PricePredictionModel, data: Features, *, as_of: datetime) -> dict[int, pl.DataFrame]:
    """The answer by horizon in minutes, ascending; every frame is in key order with all columns of the spec."""
    answer = model.predict(data, as_of=as_of).frame
    return {minutes: answer.filter(pl.col("horizon_min") == minutes) for minutes in answer["horizon_min"].unique().sort().to_list()}


def predict_with_confidence(model: PricePredictionModel, data: Features, *, as_of: datetime, confidence: float = 0.8) -> pl.DataFrame:
    """Point forecast with the calibrated central interval.

    Args:
        model: a fitted model.
        data: history and target rows.
        as_of: latest decision time.
        confidence: 0.5, 0.8 or 0.9: the intervals that the model calibrates.

    Returns:
        Key columns, horizon_min, the point forecast, `low_ccy_per_mwh` and `high_ccy_per_mwh`.

    Raises:
        ValueError: no interval of that confidence is calibrated; the message lists those that are.
    """
    named = {round(level, 6): column for level, column in QUANTILES.items()}
    ends = [named.get(round((1 + sign * confidence) / 2, 6)) for sign in (-1, 1)]
    if None in ends:
        offered = sorted({round(abs(2 * level - 1), 6) for level in named} - {0.0})
        raise ValueError(f"confidence is {confidence}; calibrated intervals are those of {', '.join(map(str, offered))}")
    low, high = ends
    answer = model.predict(data, as_of=as_of).frame
    return answer.select(
        *ANSWER[:6],
        "horizon_min",
        SPEC.point_column,
        pl.col(str(low)).alias("low_ccy_per_mwh"),
        pl.col(str(high)).alias("high_ccy_per_mwh"),
    )
