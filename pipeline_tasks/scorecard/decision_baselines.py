"""Baselines of decisions: policies that use the same limits and the same optimiser as the model, with a poorer forecast."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.settlement import Settlement
from models._kernel.spec import Decision, ModelSpec
from models._kernel.splitter import Fold
from pipeline_tasks.scorecard.panel import Comparator, aligned
from pipeline_tasks.scorecard.point_baselines import persistence, point_comparators
from pipeline_tasks.scorecard.sources import DataSet

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a policy may look at.

    Attributes:
        frame: all rows of the data set, in key order.
        window: rows that are decided on, whole days.
        rule: the settlement.
        acted_on: what the model's own decisions of these rows act on, shape (n,); NaN where it did not answer.
        columns: position columns.
    """

    frame: pl.DataFrame
    window: npt.NDArray[np.bool_]
    rule: Settlement
    acted_on: Array
    columns: int

    @property
    def rows(self) -> pl.DataFrame:
        """Rows that are decided on."""
        return self.frame.filter(pl.Series(self.window))


Policy = Callable[[Asked], tuple[Array, Array]]  # what it expects, (n,), and its positions, (n, k)


def decision_comparators(
    names: list[str],
    data: DataSet,
    spec: ModelSpec,
    rule: Settlement,
    *,
    folds: tuple[Fold, ...],
    window: npt.NDArray[np.bool_],
    answers: pl.DataFrame,
    ablated: Mapping[str, pl.DataFrame],
) -> tuple[dict[str, Comparator], dict[str, str]]:
    """Named baselines on the window's rows: policies with their cost, ablations of the model, and forecasts without a policy.

    Args:
        names: baselines asked for.
        data: data set; its frame is in key order.
        spec: the decision model.
        rule: its settlement.
        folds: the walk's folds.
        window: rows that are decided on, also those whose outcome is not known.
        answers: answers of the model.
        ablated: answers of the model with other parameters, by baseline name.
    """
    decision = decision_of(spec)
    rows = data.frame.filter(pl.Series(window))
    acted_on = aligned(rows, answers, [decision.acts_on or spec.point_column])[:, 0]
    asked = Asked(data.frame, window, rule, acted_on, len(decision.position_columns))
    policies = policies_of(decision.settlement)
    made: dict[str, Comparator] = {}
    for name in (n for n in names if n in policies):
        expected, position = policies[name](asked)
        made[name] = _settled(Comparator(name, expected), rule, rows, position)
    for name, other in ablated.items():
        found = aligned(rows, other, [spec.point_column, *spec.quantile_columns.values()])
        forecast = Comparator(name, found[:, 0], found[:, 1:], note="the model itself with other parameters")
        made[name] = _settled(forecast, rule, rows, position_of(rows, other, spec))
    forecasts = [n for n in names if n not in made]
    points, absent = point_comparators(forecasts, data, folds, window, np.asarray(spec.levels, dtype=np.float64))
    return made | points, absent


def _settled(forecast: Comparator, rule: Settlement, rows: pl.DataFrame, position: Array) -> Comparator:
    costs = rule.asset_costs(rows, position)
    return replace(forecast, cost=np.sum(list(costs.values()), axis=0), asset_costs=costs, breaches=rule.breaches(rows, position))


def decision_of(spec: ModelSpec) -> Decision:
    """What a model decides.

    Raises:
        ValueError: it decides nothing.
    """
    if spec.decision is None:
        raise ValueError(f"model {spec.name} decides nothing; give its spec a Decision")
    return spec.decision


def position_of(rows: pl.DataFrame, answers: pl.DataFrame, spec: ModelSpec) -> Array:
    """Positions of `answers` on `rows`, shape (n, k); none where a row was not answered."""
    return np.nan_to_num(aligned(rows, answers, list(decision_of(spec).position_columns)), nan=0.0)


def policies_of(settlement: str) -> Mapping[str, Policy]:
    """Policies that can be settled by a rule, by name."""
    from pipeline_tasks.scorecard import reserve_policies

    own = {"imbalance": IMBALANCE_POLICIES, "cooptimisation": reserve_policies.POLICIES}
    return {"zero_position": _nothing, **own.get(settlement, {})}


def _nothing(asked: Asked) -> tuple[Array, Array]:
    n = int(asked.window.sum())
    return np.zeros(n), np.zeros((n, asked.columns))


def _by_expectation(policy: str) -> Policy:
    def decide(asked: Asked) -> tuple[Array, Array]:
        expected = expectation(policy, asked.frame)[asked.window]
        return expected, asked.rule.best(asked.rows, expected)

    return decide


IMBALANCE_POLICIES: Mapping[str, Policy] = {name: _by_expectation(name) for name in ("yesterday_sign", "mean_outcome", "hour_mean")}


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
