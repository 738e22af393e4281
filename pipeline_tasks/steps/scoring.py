"""Scoring of published or candidate forecasts against outcomes: the same for every model, by the shape of its answer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel import metrics
from models._kernel.spec import Kind, ModelSpec

Array = npt.NDArray[np.float64]
ROW = ("market", "hub", "product", "delivery_ts")
OUTCOME = "price_ccy_per_mwh"
WEEK_AGO = "price_lag_7d_ccy_per_mwh"
NOMINAL = 0.9


def with_outcomes(forecasts: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    """Forecast rows beside their outcomes, key order; rows whose outcome is unknown are left out.

    Args:
        forecasts: rows of a model's output.
        outcomes: feature rows, as known at the evaluation time.
    """
    columns = [OUTCOME, WEEK_AGO, "local_hour", "day_of_week"]
    known = outcomes.filter(pl.col(OUTCOME).is_not_null()).select(*ROW, *columns)
    return forecasts.join(known, on=list(ROW), how="inner").sort(*ROW)


def day_metrics(spec: ModelSpec, rows: pl.DataFrame) -> dict[str, float]:
    """Metrics of a model on rows of `with_outcomes`, by name; those that cannot be computed are left out.

    A distribution: mae, rmse, bias, correlation, rmae (against the week-ago price), crps, coverage_90, width_90, winkler_90. A
    probability: brier, log_score, event_rate, mean_probability, auc (on days with and without events), alert_rate.
    """
    found = _distribution(spec, rows) if spec.kind is Kind.DISTRIBUTION else _probability(spec, rows)
    return {name: value for name, value in found.items() if np.isfinite(value)}


def row_losses(spec: ModelSpec, rows: pl.DataFrame, metric: str) -> Array:
    """Loss of every row.

    Raises:
        ValueError: the metric is not a loss of this kind of model; the message lists those that are.
    """
    losses: dict[str, Callable[[], Array]]
    if spec.kind is Kind.DISTRIBUTION:
        levels, ladder = _ladder(spec, rows)
        losses = {
            "mae": lambda: np.abs(_column(rows, OUTCOME) - _column(rows, spec.point_column)),
            "crps": lambda: metrics.crps_losses(_column(rows, OUTCOME), ladder, levels),
            "pinball": lambda: metrics.pinball_losses(_column(rows, OUTCOME), ladder, levels).mean(axis=1),
        }
    else:
        losses = {"brier": lambda: (_column(rows, spec.point_column) - events(spec, rows)) ** 2}
    if metric not in losses:
        raise ValueError(
            f"model {spec.name}: gate metric {metric!r} is none of {sorted(losses)}; change it in models/{spec.name}/yardstick.py"
        )
    return losses[metric]()


def baseline_losses(spec: ModelSpec, rows: pl.DataFrame, history: pl.DataFrame, *, metric: str) -> Array:
    """Loss of the naive baseline on the same rows: the week-ago price, or the climatology of the hour of the week.

    Args:
        spec: the model.
        rows: rows of `with_outcomes`, without gaps in the baseline's input.
        history: feature rows known at the cutoff; the climatology counts how often the same hour of the week exceeded the
            row's own threshold.
        metric: name of the loss.
    """
    if spec.kind is Kind.DISTRIBUTION:
        error = np.abs(_column(rows, OUTCOME) - _column(rows, WEEK_AGO))
        return error / 2 if metric == "pinball" else error
    return (_climatology(spec, rows, history) - events(spec, rows)) ** 2


def covered(spec: ModelSpec, rows: pl.DataFrame) -> npt.NDArray[np.bool_] | None:
    """Whether the outcome fell into the 90 % interval, per row; None for models without one."""
    interval = _interval(spec)
    if interval is None:
        return None
    outcome, low, high = (_column(rows, name) for name in (OUTCOME, *interval))
    return np.asarray((outcome >= low) & (outcome <= high))


def events(spec: ModelSpec, rows: pl.DataFrame) -> Array:
    """1 where the outcome exceeds the row's own threshold, the model's one column that ends `_threshold_ccy_per_mwh`."""
    return np.asarray(_column(rows, OUTCOME) > _column(rows, threshold_column(spec)), dtype=np.float64)


def threshold_column(spec: ModelSpec) -> str:
    """Name of the threshold that defines a probability model's event.

    Raises:
        ValueError: the spec has none, or several.
    """
    found = [c.name for c in spec.output if c.name.endswith("_threshold_ccy_per_mwh")]
    if len(found) != 1:
        raise ValueError(f"model {spec.name}: output columns {found} end in _threshold_ccy_per_mwh; a probability model needs exactly one")
    return found[0]


def _distribution(spec: ModelSpec, rows: pl.DataFrame) -> dict[str, float]:
    outcome, point = _column(rows, OUTCOME), _column(rows, spec.point_column)
    found = {
        "mae": metrics.mae(outcome, point),
        "rmse": metrics.rmse(outcome, point),
        "bias": metrics.bias(outcome, point),
        "correlation": metrics.correlation(outcome, point),
    }
    both = rows.filter(pl.col(WEEK_AGO).is_not_null())
    if both.height:
        found["rmae"] = metrics.rmae(_column(both, OUTCOME), _column(both, spec.point_column), _column(both, WEEK_AGO))
    if spec.quantile_columns:
        levels, ladder = _ladder(spec, rows)
        found["crps"] = metrics.crps_from_quantiles(outcome, ladder, levels)
    interval = _interval(spec)
    if interval is not None:
        low, high = (_column(rows, name) for name in interval)
        found["coverage_90"] = metrics.coverage(outcome, low, high)
        found["width_90"] = float(np.mean(high - low))
        found["winkler_90"] = metrics.winkler(outcome, low, high, alpha=1 - NOMINAL)
    return found


def _probability(spec: ModelSpec, rows: pl.DataFrame) -> dict[str, float]:
    event, probability = events(spec, rows), _column(rows, spec.point_column)
    found = {
        "brier": metrics.brier(event, probability),
        "log_score": metrics.log_score(event, probability),
        "event_rate": float(np.mean(event)),
        "mean_probability": float(np.mean(probability)),
        "auc": metrics.auc(event, probability),
    }
    if "alert" in rows.columns:
        found["alert_rate"] = float(np.mean(_column(rows, "alert")))
    return found


def _climatology(spec: ModelSpec, rows: pl.DataFrame, history: pl.DataFrame) -> Array:
    same = ["market", "hub", "product", "local_hour", "day_of_week"]
    past = history.filter(pl.col(OUTCOME).is_not_null()).select(*same, pl.col(OUTCOME).alias("_past"))
    asked = rows.select(*same, pl.col(threshold_column(spec)).alias("_threshold")).with_row_index("_row")
    share = asked.join(past, on=same, how="left").group_by("_row").agg((pl.col("_past") > pl.col("_threshold")).mean().alias("_share"))
    return _column(asked.join(share, on="_row", how="left").sort("_row").with_columns(pl.col("_share").fill_null(0.0)), "_share")


def _interval(spec: ModelSpec) -> tuple[str, str] | None:
    """Columns of the central 90 % interval."""
    by_level = {round(level, 6): name for level, name in spec.quantile_columns.items()}
    low, high = by_level.get(round((1 - NOMINAL) / 2, 6)), by_level.get(round((1 + NOMINAL) / 2, 6))
    return (low, high) if low and high else None


def _ladder(spec: ModelSpec, rows: pl.DataFrame) -> tuple[Array, Array]:
    names = list(spec.quantile_columns.values())
    ladder = rows.select(names).to_numpy().astype(np.float64) if names else np.empty((rows.height, 0))
    return np.asarray(list(spec.quantile_columns), dtype=np.float64), ladder


def _column(rows: pl.DataFrame, name: str) -> Array:
    return rows.get_column(name).cast(pl.Float64).to_numpy()
