"""Scoring of published or candidate forecasts against outcomes: the same for every model, by the shape of its answer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel import metrics
from models._kernel.registry import params_of
from models._kernel.settlement import positions_of, settlement_of
from models._kernel.spec import Kind, ModelSpec
from models._kernel.unit_markov import Markov
from pipeline_tasks.contracts.features import OUTCOMES

Array = npt.NDArray[np.float64]
ROW = ("market", "hub", "product", "delivery_ts", "as_of")
NAIVE = "naive_ccy_per_mwh"
BESIDE = (
    "local_hour",
    "day_of_week",
    "is_holiday",
    "resolution_min",
    "load_deviation_abs_28d_share",
    "is_energy",
    "gas_price_ccy_per_unit",
    "co2_price_ccy_per_unit",
    "unit_class",
    "online_last",
    "horizon_min",
)
NOMINAL = 0.9


def with_outcomes(spec: ModelSpec, forecasts: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    """Forecast rows beside their outcomes and the spec's naive forecast, key order; rows whose outcome is unknown are left out.

    Args:
        spec: the model.
        forecasts: rows of a model's output.
        outcomes: feature rows, as known at the evaluation time.
    """
    happened = [name for values in OUTCOMES.values() for name in values if name in outcomes.columns]
    beside = [c for c in BESIDE if c in outcomes.columns and c not in forecasts.columns]
    columns = [pl.col(spec.naive_column).alias(NAIVE), *(pl.col(c) for c in (*happened, *beside))]
    known = outcomes.filter(pl.col(spec.outcome.column).is_not_null()).select(*ROW, *columns)
    return forecasts.join(known, on=list(ROW), how="inner").sort(*ROW)


def day_metrics(spec: ModelSpec, rows: pl.DataFrame) -> dict[str, float]:
    """Metrics of a model on rows of `with_outcomes`, by name; those that cannot be computed are left out.

    A distribution: mae, rmse, bias, correlation, rmae (against the naive forecast), crps, coverage_90, width_90, winkler_90. A decision:
    those of the forecast it rests on, cost_per_mwh, saving_per_mwh (over no position), pnl (that saving in currency),
    hedge_effectiveness (share of the variance of costs that the positions take away; Ederington 1979). A probability: brier,
    log_score, event_rate, mean_probability, auc (on days with and without events), alert_rate.
    """
    found = _probability(spec, rows) if spec.kind is Kind.PROBABILITY else _distribution(spec, rows)
    found |= _decision(spec, rows) if spec.kind is Kind.DECISION else {}
    return {name: value for name, value in found.items() if np.isfinite(value)}


def row_losses(spec: ModelSpec, rows: pl.DataFrame, metric: str) -> Array:
    """Loss of every row.

    Raises:
        ValueError: the metric is not a loss of this kind of model; the message lists those that are.
    """
    losses: dict[str, Callable[[], Array]]
    if spec.kind is not Kind.PROBABILITY:
        levels, ladder = _ladder(spec, rows)
        losses = {
            **({"cost": lambda: _costs(spec, rows)[0]} if spec.decision else {}),
            "mae": lambda: np.abs(_column(rows, spec.outcome.column) - _column(rows, spec.point_column)),
            "crps": lambda: metrics.crps_losses(_column(rows, spec.outcome.column), ladder, levels),
            "pinball": lambda: metrics.pinball_losses(_column(rows, spec.outcome.column), ladder, levels).mean(axis=1),
        }
    else:
        losses = {"brier": lambda: (_column(rows, spec.point_column) - events(spec, rows)) ** 2}
    if metric not in losses:
        raise ValueError(
            f"model {spec.name}: gate metric {metric!r} is none of {sorted(losses)}; change it in models/{spec.name}/yardstick.py"
        )
    return losses[metric]()


def baseline_losses(spec: ModelSpec, rows: pl.DataFrame, history: pl.DataFrame, *, metric: str) -> Array:
    """Loss of the naive baseline on the same rows: the spec's naive column, the climatology of the hour of the week, or no position.

    Of an outcome that is an event: the Markov forecast of the unit by hour of the week (`unit_markov`).

    Args:
        spec: the model.
        rows: rows of `with_outcomes`, without gaps in the baseline's input.
        history: feature rows known at the cutoff; the climatology counts how often the same hour of the week exceeded the
            row's own threshold.
        metric: name of the loss.
    """
    if metric == "cost":
        return _costs(spec, rows)[1]
    if spec.kind is not Kind.PROBABILITY:
        error = np.abs(_column(rows, spec.outcome.column) - _column(rows, NAIVE))
        return error / 2 if metric == "pinball" else error
    expected = _markov(spec, rows, history) if spec.outcome.is_event else _climatology(spec, rows, history)
    return (expected - events(spec, rows)) ** 2


def covered(spec: ModelSpec, rows: pl.DataFrame) -> npt.NDArray[np.bool_] | None:
    """Whether the outcome fell into the 90 % interval, per row; None for models without one."""
    interval = _interval(spec)
    if interval is None:
        return None
    outcome, low, high = (_column(rows, name) for name in (spec.outcome.column, *interval))
    return np.asarray((outcome >= low) & (outcome <= high))


def events(spec: ModelSpec, rows: pl.DataFrame) -> Array:
    """1 where the event happened: the outcome itself, or that it exceeds the row's own threshold.

    The threshold is the model's one column that ends `_threshold_ccy_per_mwh`.
    """
    if spec.outcome.is_event:
        return _column(rows, spec.outcome.column)
    return np.asarray(_column(rows, spec.outcome.column) > _column(rows, threshold_column(spec)), dtype=np.float64)


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
    outcome, point = _column(rows, spec.outcome.column), _column(rows, spec.point_column)
    found = {
        "mae": metrics.mae(outcome, point),
        "rmse": metrics.rmse(outcome, point),
        "bias": metrics.bias(outcome, point),
        "correlation": metrics.correlation(outcome, point),
    }
    both = rows.filter(pl.col(NAIVE).is_not_null())
    if both.height:
        found["rmae"] = metrics.rmae(_column(both, spec.outcome.column), _column(both, spec.point_column), _column(both, NAIVE))
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


def _decision(spec: ModelSpec, rows: pl.DataFrame) -> dict[str, float]:
    costs, unhedged, volumes = _costs(spec, rows)
    cost, idle, volume = (float(v.sum()) for v in (costs, unhedged, volumes))
    found = {"pnl": idle - cost}
    found |= {"cost_per_mwh": cost / volume, "saving_per_mwh": (idle - cost) / volume} if volume else {}
    risk = float(np.var(unhedged))
    return found | ({"hedge_effectiveness": 1 - float(np.var(costs)) / risk} if risk > 0 else {})


def _costs(spec: ModelSpec, rows: pl.DataFrame) -> tuple[Array, Array, Array]:
    """Cost of the published positions, of none, and the energy they are told per."""
    rule = settlement_of(spec, params_of(spec.name) if spec.decision else {})
    positions = positions_of(rows, spec)
    return rule.cost(rows, positions), rule.cost(rows, np.zeros_like(positions)), rule.volume(rows)


def _probability(spec: ModelSpec, rows: pl.DataFrame) -> dict[str, float]:
    event, probability = events(spec, rows), _column(rows, spec.point_column)
    found = {
        "brier": metrics.brier(event, probability),
        "log_score": metrics.log_score(event, probability),
        "event_rate": float(np.mean(event)),
        "mean_probability": float(np.mean(probability)),
        "auc": metrics.auc(event, probability),
    }
    if spec.per_unit:  # a pool of units that hardly ever change looks skilful whatever is said of the others
        parts = rows.select("unit_class", pl.Series("loss", (event - probability) ** 2)).group_by("unit_class").agg(pl.col("loss").mean())
        found |= {f"brier_{name}": loss for name, loss in parts.sort("unit_class").iter_rows()}
    if "alert" in rows.columns:
        found["alert_rate"] = float(np.mean(_column(rows, "alert")))
    return found


def _climatology(spec: ModelSpec, rows: pl.DataFrame, history: pl.DataFrame) -> Array:
    same = ["market", "hub", "product", "local_hour", "day_of_week"]
    past = history.filter(pl.col(spec.outcome.column).is_not_null()).select(*same, pl.col(spec.outcome.column).alias("_past"))
    asked = rows.select(*same, pl.col(threshold_column(spec)).alias("_threshold")).with_row_index("_row")
    share = asked.join(past, on=same, how="left").group_by("_row").agg((pl.col("_past") > pl.col("_threshold")).mean().alias("_share"))
    return _column(asked.join(share, on="_row", how="left").sort("_row").with_columns(pl.col("_share").fill_null(0.0)), "_share")


def _markov(spec: ModelSpec, rows: pl.DataFrame, history: pl.DataFrame) -> Array:
    event = spec.outcome.column
    return Markov.of(history.filter(pl.col(event).is_not_null()), event).probability(rows)


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
