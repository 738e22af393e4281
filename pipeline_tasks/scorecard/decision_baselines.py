"""Baselines of decisions: policies that use the same limits and the same optimiser as the model, with a poorer forecast."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.settlement import Settlement
from models._kernel.spec import ModelSpec
from models._kernel.splitter import Fold
from pipeline_tasks.scorecard.panel import Comparator, aligned
from pipeline_tasks.scorecard.point_baselines import persistence, point_comparators
from pipeline_tasks.scorecard.sources import DataSet

Array = npt.NDArray[np.float64]
POLICIES = ("zero_position", "yesterday_sign", "mean_outcome", "hour_mean")


def decision_comparators(
    names: list[str],
    data: DataSet,
    spec: ModelSpec,
    rule: Settlement,
    *,
    folds: tuple[Fold, ...],
    window: npt.NDArray[np.bool_],
    ablated: Mapping[str, pl.DataFrame],
) -> tuple[dict[str, Comparator], dict[str, str]]:
    """Named baselines on the window's rows: policies with their cost, ablations of the model, and forecasts without a policy.

    Args:
        names: baselines asked for.
        data: data set; its frame is in key order.
        spec: the decision model.
        rule: its settlement.
        folds: the walk's folds.
        window: rows that are scored.
        ablated: answers of the model with other parameters, by baseline name.
    """
    rows = data.frame.filter(pl.Series(window))
    levels = np.asarray(spec.levels, dtype=np.float64)
    made: dict[str, Comparator] = {}
    for name in (n for n in names if n in POLICIES):
        expected = expectation(name, data.frame)[window]
        position = np.zeros(len(rows)) if name == "zero_position" else rule.best(rows, expected)
        made[name] = Comparator(name, expected, cost=rule.cost(rows, position))
    for name, answers in ablated.items():
        found = aligned(rows, answers, [spec.point_column, *spec.quantile_columns.values()])
        cost = rule.cost(rows, position_of(rows, answers, spec))
        made[name] = Comparator(name, found[:, 0], found[:, 1:], note="the model itself with other parameters", cost=cost)
    forecasts = [n for n in names if n not in made]
    points, absent = point_comparators(forecasts, data, folds, window, levels)
    return made | points, absent


def position_of(rows: pl.DataFrame, answers: pl.DataFrame, spec: ModelSpec) -> Array:
    """Positions of `answers` on `rows`; none where a row was not answered."""
    column = spec.decision.position_column if spec.decision else spec.point_column
    return np.nan_to_num(aligned(rows, answers, [column])[:, 0], nan=0.0)


def expectation(policy: str, frame: pl.DataFrame) -> Array:
    """What a policy expects the outcome to be, from what each row's decision knew; NaN (no position) where it knew nothing.

    zero_position expects nothing; yesterday_sign the sign of the newest outcome of the same local time, one standard deviation of the
    last week strong; mean_outcome the mean of all outcomes known; hour_mean the mean of the same local time over 28 days.
    """
    if policy == "yesterday_sign":
        scale = frame["price_std_7d_ccy_per_mwh"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return np.asarray(np.sign(persistence(frame)) * scale, dtype=np.float64)
    if policy == "mean_outcome":
        return known_mean(frame)
    if policy == "hour_mean":
        return frame["price_hour_mean_28d_ccy_per_mwh"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return np.zeros(len(frame))


def known_mean(frame: pl.DataFrame) -> Array:
    """Mean of all outcomes of the row's hub that were known at its as_of; NaN where none was."""
    result = np.full(len(frame), np.nan)
    for numbers in frame.with_row_index("row").group_by("hub", maintain_order=True).agg("row")["row"].to_list():
        part = frame[numbers].select("as_of", "price_known_ts", "price_ccy_per_mwh")
        known = part.drop_nulls().sort("price_known_ts")
        total = np.concatenate(([0.0], np.cumsum(known["price_ccy_per_mwh"].to_numpy())))
        count = np.searchsorted(known["price_known_ts"].dt.epoch("ms").to_numpy(), part["as_of"].dt.epoch("ms").to_numpy(), side="right")
        result[numbers] = np.divide(total[count], count, out=np.full(len(part), np.nan), where=count > 0)
    return result
