"""The panel that is scored: every interval of the window once, with outcome, answer and baselines side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.yardstick import Slice

if TYPE_CHECKING:
    from pipeline_tasks.scorecard.joint import Joint

Array = npt.NDArray[np.float64]
KEY = ("market", "hub", "product", "delivery_ts", "as_of")


@dataclass(frozen=True, slots=True)
class Comparator:
    """A baseline on the panel's rows.

    Attributes:
        name: baseline name.
        point: point forecast or probability, shape (n,), NaN where it has none.
        quantiles: shape (n, k) on the panel's levels, NaN where it has none; None for points and probabilities.
        score: ranking score of a probability baseline, shape (n,); None means `point`.
        note: how it was made, for the reason of a row.
        cost: what its decisions cost, currency per row; None for forecasts.
        shortfalls: expected shortfall at the tail's levels, shape (n, t), NaN where it has none; None without a tail.
        breaches: broken obligations per row; None for forecasts.
    """

    name: str
    point: Array
    quantiles: Array | None = None
    score: Array | None = None
    note: str = ""
    cost: Array | None = None
    shortfalls: Array | None = None
    asset_costs: Mapping[str, Array] = field(default_factory=dict)
    breaches: Array | None = None

    def at(self, chosen: npt.NDArray[np.bool_]) -> Comparator:
        """The baseline on some of the rows."""
        names = ("point", "quantiles", "score", "cost", "shortfalls", "breaches")
        parts: dict[str, Any] = {name: None if getattr(self, name) is None else getattr(self, name)[chosen] for name in names}
        return replace(self, **parts, asset_costs={name: cost[chosen] for name, cost in self.asset_costs.items()})


@dataclass(frozen=True, slots=True)
class Money:
    """What decisions cost on the panel's rows; every array has shape (n,) but `position`, which has a column per position column.

    Attributes:
        cost: of the model's positions, currency.
        idle: of no position.
        oracle: of the best position had the outcome been known, within the same limits.
        volume: energy that costs are told per, MWh.
        position: the model's, in its own unit.
        deviation: energy settled at the balancing price, MWh; NaN where it was not measured.
        idle_deviation: the same without a position.
        breaches: broken obligations.
        asset_costs: `cost` by asset.
        asset_oracles: `oracle` by asset.
    """

    cost: Array
    idle: Array
    oracle: Array
    volume: Array
    position: Array
    deviation: Array
    idle_deviation: Array
    breaches: Array
    asset_costs: Mapping[str, Array] = field(default_factory=dict)
    asset_oracles: Mapping[str, Array] = field(default_factory=dict)

    def at(self, chosen: npt.NDArray[np.bool_]) -> Money:
        """The money of some of the rows."""
        parts: dict[str, Any] = {}
        for name in (f.name for f in fields(self)):
            values = getattr(self, name)
            parts[name] = {k: v[chosen] for k, v in values.items()} if isinstance(values, Mapping) else values[chosen]
        return Money(**parts)


@dataclass(frozen=True, slots=True)
class TailView:
    """What is said of tails, and what happened, on the panel's rows.

    Attributes:
        levels: levels of the shortfalls, each one of the panel's levels, shape (t,).
        shortfalls: expected shortfall, shape (n, t).
        probability: of a spike, shape (n,).
        alarm: shape (n,).
        event: 1 where a spike came; NaN where too little history gives no threshold, shape (n,).
        threshold: price above which it is a spike, shape (n,).
    """

    levels: Array
    shortfalls: Array
    probability: Array
    alarm: npt.NDArray[np.bool_]
    event: Array
    threshold: Array

    def part(self, chosen: npt.NDArray[np.bool_]) -> TailView:
        """Chosen rows."""
        return TailView(
            self.levels,
            self.shortfalls[chosen],
            self.probability[chosen],
            self.alarm[chosen],
            self.event[chosen],
            self.threshold[chosen],
        )


@dataclass(frozen=True, slots=True)
class UnitView:
    """What is said of starts, stops and ramps of units, and what happened, on the panel's rows.

    Attributes:
        events: `start` and `stop` -> 1 where it came within the horizon, NaN where that is not known, shape (n,).
        probabilities: the same -> the model's probability.
        baselines: the same -> baseline -> its probability, NaN where it has none.
        ramp_mw: output of the hour less that of the hour before, NaN where not known.
        ramps_mw: the model's ramp under "", and each baseline's.
        unseen: probability of a fit that had not seen the row's unit; NaN on rows of units that it had, and without such a fit.
    """

    events: Mapping[str, Array]
    probabilities: Mapping[str, Array]
    baselines: Mapping[str, Mapping[str, Array]]
    ramp_mw: Array
    ramps_mw: Mapping[str, Array]
    unseen: Array

    def at(self, chosen: npt.NDArray[np.bool_]) -> UnitView:
        """Chosen rows."""
        return UnitView(
            {k: v[chosen] for k, v in self.events.items()},
            {k: v[chosen] for k, v in self.probabilities.items()},
            {k: {b: v[chosen] for b, v in made.items()} for k, made in self.baselines.items()},
            self.ramp_mw[chosen],
            {k: v[chosen] for k, v in self.ramps_mw.items()},
            self.unseen[chosen],
        )


@dataclass(frozen=True, slots=True)
class Panel:
    """Scored rows in key order.

    Attributes:
        rows: key columns, delivery_date, local_hour and what else the features say; outcome under `price_ccy_per_mwh`.
        outcome: price, or event 0/1 for probability models, shape (n,).
        point: answer, shape (n,).
        levels: probability levels of `quantiles`, shape (k,); empty for probabilities.
        quantiles: shape (n, k).
        comparators: baselines by name.
        absent: baseline name -> why it could not be computed.
        alert: alerts of a probability model, shape (n,), or None.
        money: costs of a decision model, or None.
        tail: tails of a distribution that says more of them than quantiles, or None.
        units: starts, stops and ramps of units, or None.
        fallback_rows: rows the model did not answer, scored with the fallback.
        unpriced_rows: rows of the window without a published outcome; they cannot be scored.
        joint: scores of whole days where the yardstick has joint baselines, or None.
        validation: numbers the fits reported about their own search (weighted means over folds).
    """

    rows: pl.DataFrame
    outcome: Array
    point: Array
    levels: Array
    quantiles: Array
    comparators: dict[str, Comparator]
    absent: dict[str, str]
    alert: npt.NDArray[np.bool_] | None = None
    money: Money | None = None
    tail: TailView | None = None
    units: UnitView | None = None
    joint: Joint | None = None
    fallback_rows: int = 0
    unpriced_rows: int = 0
    validation: dict[str, float] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Rows scored."""
        return len(self.outcome)

    def part(self, where: Slice) -> Panel:
        """The rows of a slice."""
        alike = [
            (self.rows[column] == value).fill_null(value=False).to_numpy() for column, value in ((where.column, where.equals), *where.also)
        ]
        chosen = np.logical_and.reduce(alike)
        return self.only(chosen & self._moves() if where.moves_only else chosen)

    def only(self, chosen: npt.NDArray[np.bool_]) -> Panel:
        """Chosen rows."""
        return replace(
            self,
            rows=self.rows.filter(pl.Series(chosen)),
            outcome=self.outcome[chosen],
            point=self.point[chosen],
            quantiles=self.quantiles[chosen],
            comparators={name: c.at(chosen) for name, c in self.comparators.items()},
            money=None if self.money is None else self.money.at(chosen),
            alert=None if self.alert is None else self.alert[chosen],
            tail=None if self.tail is None else self.tail.part(chosen),
            units=None if self.units is None else self.units.at(chosen),
            joint=None,  # scores of whole days say nothing about a part of their rows
        )

    def _moves(self) -> npt.NDArray[np.bool_]:
        """Rows whose outcome differs from that of the interval right before; false where that one is unknown."""
        step = pl.duration(minutes=pl.col("resolution_min"))
        once = self.rows.select("market", "hub", "product", "delivery_ts", "resolution_min", "price_ccy_per_mwh").unique()
        before = once.select(
            "market", "hub", "product", (pl.col("delivery_ts") + step).alias("delivery_ts"), pl.col("price_ccy_per_mwh").alias("_before")
        )
        joined = self.rows.join(before, on=["market", "hub", "product", "delivery_ts"], how="left", maintain_order="left")
        return joined.select((pl.col("price_ccy_per_mwh") != pl.col("_before")).fill_null(value=False)).to_series().to_numpy()

    @property
    def days(self) -> npt.NDArray[np.int64]:
        """Delivery date of every row as days since 1970."""
        return self.rows["delivery_date"].cast(pl.Int32).cast(pl.Int64).to_numpy()

    @property
    def cells(self) -> list[npt.NDArray[np.int64]]:
        """Row numbers of every (hub, product, horizon, local time), each in time order: a row a day, whatever the resolution."""
        cell = [c for c in ("hub", "product", "horizon_min", "local_hour") if c in self.rows.columns]
        timed = self.rows.select(*cell, pl.col("delivery_ts").dt.minute().alias("minute")).with_row_index("row")
        grouped = timed.group_by(*cell, "minute", maintain_order=True).agg("row")
        return [np.asarray(r, dtype=np.int64) for r in grouped["row"].to_list()]

    @property
    def window(self) -> tuple[date, date]:
        """First and last scored delivery date."""
        days = self.rows["delivery_date"]
        first, last = days.min(), days.max()
        if not isinstance(first, date) or not isinstance(last, date):
            raise ValueError("the panel has no rows; nothing was scored")
        return first, last


def key_frame(rows: pl.DataFrame) -> pl.DataFrame:
    """Key columns of `rows` with a row number."""
    return rows.select(KEY).with_row_index("row")


def aligned(rows: pl.DataFrame, answers: pl.DataFrame, columns: list[str]) -> Array:
    """Columns of `answers` on the rows of `rows` (left join on the key), shape (n, len(columns)), NaN where absent."""
    once = list(dict.fromkeys(columns))  # a point forecast may be one of the quantiles
    joined = key_frame(rows).join(answers.select(*KEY, *once).unique(KEY, keep="first"), on=list(KEY), how="left").sort("row")
    wanted = [pl.col(c).cast(pl.Float64).fill_null(float("nan")).alias(str(i)) for i, c in enumerate(columns)]
    return joined.select(wanted).to_numpy().reshape(len(rows), len(columns))
