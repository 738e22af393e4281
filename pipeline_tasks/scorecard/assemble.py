"""From answers to a panel: outcomes, fallbacks for unanswered rows, and baselines on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.protocol import Features, Model
from models._kernel.settlement import settlement_of
from models._kernel.spec import Kind, ModelSpec
from models._kernel.splitter import Fold, walk_forward
from models._kernel.tenors import EPOCH
from models._kernel.yardstick import DataSetSpec, Yardstick
from pipeline_tasks.scorecard.decision_baselines import decision_comparators, position_of
from pipeline_tasks.scorecard.event_baselines import event_comparators
from pipeline_tasks.scorecard.joint import joint_of
from pipeline_tasks.scorecard.panel import KEY, Comparator, Money, Panel, TailView, aligned
from pipeline_tasks.scorecard.point_baselines import historical_quantiles, naive_week, point_comparators
from pipeline_tasks.scorecard.sources import DataAbsentError, DataSet
from pipeline_tasks.scorecard.tail_baselines import Asked, tail_comparators
from pipeline_tasks.scorecard.unit_panel import unit_panel
from pipeline_tasks.scorecard.walk import Walked
from pipeline_tasks.scorecard.window import Window

Array = npt.NDArray[np.float64]
Ablated = Mapping[str, pl.DataFrame]


def window_of(data: DataSet, spec: DataSetSpec, model: ModelSpec, start: date | None, end: date | None) -> Window:
    """The last `test_days` delivery dates with outcomes, or those between `start` and `end`; nothing is fixed to a calendar date.

    Raises:
        DataAbsentError: too little history before the window for the model's `min_history_days`.
    """
    priced = data.frame.filter(pl.col(model.outcome.column).is_not_null())["delivery_date"].unique().sort()
    dates = [d for d in priced.to_list() if end is None or d <= end]
    if not dates:
        raise DataAbsentError(
            f"{data.name}: no published {'status' if model.outcome.is_event else 'prices'}" + (f" up to {end}" if end else "")
        )
    first = max(start, dates[0]) if start else dates[-min(spec.test_days, len(dates))]
    history = [d for d in dates if d < first]
    if len(history) < model.min_history_days:
        raise DataAbsentError(
            f"{data.name}: {len(history)} priced days before the window that begins {first}; {model.name} needs {model.min_history_days}"
            " (later data or a shorter window would do)"
        )

    def folds_of(begin: date, last: date, refit_days: int) -> tuple[Fold, ...]:
        return walk_forward(
            priced.to_list(),
            gate=data.selection.market.gate,
            first_test=begin,
            last_test=last,
            refit_days=refit_days,
            embargo=spec.embargo_days,
            train_days=spec.train_days,
        )

    folds = folds_of(first, dates[-1], spec.refit_days)
    begin = max(first - timedelta(days=spec.calibration_days), history[0] + timedelta(days=60))
    warm: tuple[Fold, ...] = ()
    if spec.calibration_days and begin < first:
        warm = folds_of(begin, first - timedelta(days=1), max(spec.refit_days, 28))
    return Window(first, dates[-1], folds, warm)


def distribution_panel(
    model: ModelSpec, wanted: Sequence[str], data: DataSet, window: Window, walked: Walked, *, ablated: Ablated | None = None
) -> Panel:
    """The panel of a price distribution; unanswered rows get the week-ago price with bands from its own past errors."""
    frame = data.frame
    inside = _inside(frame, window)
    priced = frame["price_ccy_per_mwh"].is_not_null().to_numpy()
    chosen = inside & priced
    rows = frame.filter(pl.Series(chosen))
    levels = np.asarray(list(model.quantile_columns), dtype=np.float64)
    names = list(model.quantile_columns.values())
    answers = aligned(rows, walked.answers, [model.point_column, *names])
    unanswered = ~np.isfinite(answers).all(axis=1)
    if unanswered.any():
        missing = np.zeros(len(frame), dtype=bool)
        missing[np.flatnonzero(chosen)[unanswered]] = True
        naive = naive_week(frame)
        bands = historical_quantiles(frame, naive, levels, only=missing)[missing] if len(levels) else np.empty((int(missing.sum()), 0))
        point = naive[missing]
        answers[unanswered] = np.column_stack((point, np.where(np.isfinite(bands), bands, point[:, None])))
    others = [name for name in dict.fromkeys([*wanted, "naive_week"]) if name not in (ablated or {})]
    comparators, absent = point_comparators(others, data, window.folds, chosen, levels)
    for name, other in (ablated or {}).items():
        table = aligned(rows, other, [model.point_column, *names])
        comparators[name] = Comparator(name, table[:, 0], table[:, 1:])
    return Panel(
        rows=rows,
        outcome=rows["price_ccy_per_mwh"].cast(pl.Float64).to_numpy(),
        point=answers[:, 0],
        levels=levels,
        quantiles=answers[:, 1:],
        comparators=comparators,
        absent=absent,
        fallback_rows=int(unanswered.sum()),
        unpriced_rows=int((inside & ~priced).sum()),
        validation=walked.validation,
    )


def probability_panel(model: Model, yardstick: Yardstick, data: DataSet, window: Window, walked: Walked) -> Panel:
    """The panel of an event probability; unanswered rows get the hour-of-week climatology.

    The event is the model's own `label`, which every row can be given without a fit.

    Raises:
        DataAbsentError: the model defines no `label`, or no row of the window has an event.
    """
    frame = data.frame
    found = _labels(model, frame)
    events = pl.DataFrame({"event": found[:, 0], "threshold": found[:, 1]})
    inside = _inside(frame, window)
    chosen = inside & np.isfinite(found[:, 0])
    if not chosen.any():
        raise DataAbsentError(f"{data.name}: no row of the window has a known event (too little price history for a threshold)")
    rows = frame.filter(pl.Series(chosen))
    comparators, absent = event_comparators(
        [*dict.fromkeys([*_wanted(yardstick, data), "hour_of_week_climatology"])], data, events, window.folds, window.warm, chosen
    )
    alert_column = ["alert"] if "alert" in walked.answers.columns else []
    answers = aligned(rows, walked.answers, [model.spec.point_column, *alert_column])
    unanswered = ~np.isfinite(answers).all(axis=1)
    answers[unanswered, 0] = comparators["hour_of_week_climatology"].point[unanswered]
    answers[unanswered, 1:] = 0.0
    return Panel(
        rows=rows,
        outcome=found[chosen, 0],
        point=answers[:, 0],
        levels=np.empty(0),
        quantiles=np.empty((len(rows), 0)),
        comparators=comparators,
        absent=absent,
        alert=(answers[:, 1] > 0.5) if alert_column else None,
        fallback_rows=int(unanswered.sum()),
        unpriced_rows=int((inside & ~np.isfinite(found[:, 0])).sum()),
        validation=walked.validation,
    )


def decision_panel(
    model: ModelSpec, yardstick: Yardstick, data: DataSet, window: Window, walked: Walked, *, params: Mapping[str, Any], ablated: Ablated
) -> Panel:
    """The panel of a decision: that of the forecast it rests on, with what every policy cost; unanswered rows take no position."""
    rule = settlement_of(model, params)
    panel = distribution_panel(model, (), data, window, walked)
    inside = _inside(data.frame, window)
    rows = data.frame.filter(pl.Series(inside))  # whole days, also where an outcome is missing: that was decided too
    scored = rows["price_ccy_per_mwh"].is_not_null().to_numpy()
    comparators, absent = decision_comparators(
        _wanted(yardstick, data), data, model, rule, folds=window.folds, window=inside, answers=walked.answers, ablated=ablated
    )
    position = position_of(rows, walked.answers, model)
    none, outcome = np.zeros_like(position), rows["price_ccy_per_mwh"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    costs, oracle = rule.asset_costs(rows, position), rule.asset_costs(rows, rule.best(rows, outcome))
    money = Money(
        cost=np.sum(list(costs.values()), axis=0),
        idle=rule.cost(rows, none),
        oracle=np.sum(list(oracle.values()), axis=0),
        volume=rule.volume(rows),
        position=position,
        deviation=rule.deviation(rows, position),
        idle_deviation=rule.deviation(rows, none),
        breaches=rule.breaches(rows, position),
        asset_costs=costs,
        asset_oracles=oracle,
    ).at(scored)
    settled = {name: comparator.at(scored) for name, comparator in comparators.items()}
    return replace(panel, comparators=panel.comparators | settled, absent=absent, money=money)


def _labels(model: Model, frame: pl.DataFrame) -> Array:
    """Event (0, 1 or NaN) and threshold of every row by the model's own `label`, shape (n, 2)."""
    label: Any = getattr(model, "label", None)
    if label is None:
        raise DataAbsentError(f"model {model.spec.name} foretells an event without `label(data)`; say there what its event is")
    return aligned(frame, label(Features(frame, frame)), ["event", "threshold"])


def tail_panel(model: Model, yardstick: Yardstick, data: DataSet, window: Window, walked: Walked, *, ablated: Ablated) -> Panel:
    """The panel of a distribution that says more of its tails; an unanswered row's shortfall is its quantile, and it has no alarm."""
    spec = model.spec
    if spec.tail is None:
        raise DataAbsentError(f"model {spec.name} says nothing of tails")
    panel = distribution_panel(spec, ("naive_week",), data, window, walked)
    frame = data.frame
    labels = _labels(model, frame)
    chosen = _inside(frame, window) & frame["price_ccy_per_mwh"].is_not_null().to_numpy()
    tails = np.asarray(list(spec.tail.shortfalls), dtype=np.float64)
    at = [int(np.flatnonzero(np.isclose(panel.levels, level))[0]) for level in tails]
    extra = aligned(panel.rows, walked.answers, [*spec.tail.shortfalls.values(), spec.tail.probability, spec.tail.alarm])
    shortfalls = np.where(np.isfinite(extra[:, : len(at)]), extra[:, : len(at)], panel.quantiles[:, at])
    view = TailView(
        tails,
        shortfalls,
        np.nan_to_num(extra[:, -2]),
        np.nan_to_num(extra[:, -1]) > 0.5,
        labels[chosen, 0],
        labels[chosen, 1],
    )
    made, absent = tail_comparators(_wanted(yardstick, data), Asked(data, window, chosen, panel.levels, tails, labels[:, 1]))
    names = [*spec.quantile_columns.values(), *spec.tail.shortfalls.values(), spec.tail.probability]
    for name, answers in ablated.items():
        table = aligned(panel.rows, answers, names)
        k = len(panel.levels)
        made[name] = Comparator(name, table[:, list(panel.levels).index(0.5)], table[:, :k], table[:, -1], shortfalls=table[:, k:-1])
    return replace(panel, tail=view, comparators=panel.comparators | made, absent=absent)


def panel_of(
    model: Model, yardstick: Yardstick, data: DataSet, window: Window, walked: Walked, *, params: Mapping[str, Any], ablated: Ablated
) -> Panel:
    """The panel of a model, by the shape of its answer.

    Args:
        model: an unfitted model.
        yardstick: its yardstick.
        data: data set.
        window: scored window.
        walked: its answers.
        params: its parameters, with the assets that decisions settle with.
        ablated: answers with other parameters, by the name of the baseline they are.
    """
    if model.spec.per_unit:
        return unit_panel(model.spec, _wanted(yardstick, data), data, window, walked, ablated=ablated)
    if model.spec.kind is Kind.DECISION:
        return decision_panel(model.spec, yardstick, data, window, walked, params=params, ablated=ablated)
    if model.spec.tail is not None:
        return tail_panel(model, yardstick, data, window, walked, ablated=ablated)
    if model.spec.kind is Kind.DISTRIBUTION:
        return distribution_panel(model.spec, _wanted(yardstick, data), data, window, walked, ablated=ablated)
    return probability_panel(model, yardstick, data, window, walked)


def with_joint(panel: Panel, model: ModelSpec, yardstick: Yardstick, data: DataSet, window: Window, answers: pl.DataFrame) -> Panel:
    """The panel with scores of whole days beside the yardstick's joint baselines.

    Args:
        panel: scored rows.
        model: the model.
        yardstick: its yardstick.
        data: data set.
        window: scored window.
        answers: answers of the window and of the days before it.
    """
    first, last = ((d - EPOCH).days for d in (window.first, window.last))
    joint = joint_of(model, data.frame, answers, first, last)
    nothing = np.full(panel.n, np.nan)
    beside = {b.name: Comparator(b.name, nothing) for b in yardstick.baselines if b.joint and (not b.data_sets or data.name in b.data_sets)}
    return replace(panel, joint=joint, comparators=panel.comparators | beside)


def _wanted(yardstick: Yardstick, data: DataSet) -> list[str]:
    """Names of the baselines that the yardstick declares for the data set."""
    return [b.name for b in yardstick.baselines if not b.joint and (not b.data_sets or data.name in b.data_sets)]


def _inside(frame: pl.DataFrame, window: Window) -> npt.NDArray[np.bool_]:
    """Rows of the window; a market's products are not mixed: the frame holds one."""
    return frame.select(pl.col("delivery_date").is_between(window.first, window.last)).to_series().to_numpy()


__all__ = ["KEY", "Window", "panel_of", "window_of", "with_joint"]
