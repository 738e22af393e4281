"""The regime's gate in a run: the published regime of every forecast, and what it does to the forecast (config/gates.yaml)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field

from config.settings import REPO_ROOT
from models._kernel.gating import ALLOW, BLOCK, DOWN_WEIGHT, GateRule, exceedance, fallback_ladder, gateable, gated
from models._kernel.registry import RegistryError, spec_of
from models._kernel.spec import Kind, ModelSpec
from pipeline_tasks.steps.context import RunContext

if TYPE_CHECKING:
    from pipeline_tasks.warehouse import Warehouse

Array = npt.NDArray[np.float64]
GATES_FILE = REPO_ROOT / "config" / "gates.yaml"
REGIME = "regime"
UNKNOWN = "unknown"
ACTED = "_acted"
WHY = ("stressed_probability", "change_probability", "surprise_share")
INTERVAL = ["market", "hub", "product", "delivery_ts"]


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    act: bool = False
    model_share: float = Field(default=1.0, ge=0, le=1)
    widen: float = Field(default=1.0, ge=1, le=10)
    block: bool = True


class _Gates(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    models: dict[str, _Rule]


@lru_cache(maxsize=1)
def load_gates() -> dict[str, GateRule]:
    """What the gate does to each model that config/gates.yaml names.

    Raises:
        ValueError: the file breaks its schema, names no model, or wants the gate to act on one that it cannot act on.
    """
    told = _Gates.model_validate(yaml.safe_load(GATES_FILE.read_text(encoding="utf-8"))).models
    for name, rule in told.items():
        try:
            spec = spec_of(name)
        except RegistryError as error:
            raise ValueError(f"config/gates.yaml: {error}") from error
        if rule.act and not gateable(spec):
            raise ValueError(f"config/gates.yaml: models.{name}.act is true, and the gate cannot act on tails and events; set it to false")
    return {name: GateRule(**rule.model_dump()) for name, rule in told.items()}


@dataclass(frozen=True, slots=True)
class Gates:
    """Published regimes of a run's delivery dates, and the fallback forecasts of models that read day-ahead features.

    Attributes:
        spec: the model whose forecasts are meant.
        rule: what the gate does to it.
        regimes: market, hub, day, decided_ts, regime, gate and why; a row per hub and day.
        fallback: point and quantiles of the fallback by interval; empty where it is not needed.
    """

    spec: ModelSpec
    rule: GateRule
    regimes: pl.DataFrame
    fallback: pl.DataFrame

    @classmethod
    def of(cls, warehouse: Warehouse, spec: ModelSpec, run: RunContext, days: Sequence[date]) -> Gates:
        """Read what is published for the delivery dates (and the days under way when their intervals were decided)."""
        rule = load_gates().get(spec.name, GateRule())
        bound = {"market": run.selection.market.key, "first": min(days) - timedelta(days=2), "last": max(days)}
        where = "market = {market:String} and delivery_date between {first:Date32} and {last:Date32}"
        regimes = warehouse.query(
            f"select market, hub, delivery_date as day, as_of as decided_ts, regime, gate, {', '.join(WHY)}"
            f" from curated.v_regimes_daily where {where} order by hub, day",
            bound,
        )
        base = spec_of(REGIME)
        names = [*INTERVAL, base.point_column, *base.quantile_columns.values()]
        acted_on = regimes.filter(pl.col("gate") != ALLOW)["day"].unique().sort().to_list()
        fallback = pl.DataFrame()
        if rule.act and spec.inputs == base.inputs and acted_on:
            fallback = warehouse.query(
                f"select {', '.join(names)} from curated.v_regime where {where} and has({{days:Array(Date32)}}, delivery_date)",
                {**bound, "days": [day.isoformat() for day in acted_on]},
            )
        return cls(spec, rule, regimes, fallback)

    def applied(self, answer: pl.DataFrame, target: pl.DataFrame, run: RunContext) -> pl.DataFrame:
        """The answer after the gate, with the columns `regime`, and `ACTED`: what was done to the row.

        Args:
            answer: rows of the model's answer.
            target: the feature rows it was given (the spec's naive forecast is read from them).
            run: the run.
        """
        if self.spec.precedes_all:
            return answer.with_columns(pl.col("state").alias("regime"), pl.lit(ALLOW).alias(ACTED))
        made, found = self.acted(answer, target, run.selection.market.zone.key)
        return _told(made.with_columns(found["regime"], found["why"].alias("_why"), found[ACTED]))

    def acted(self, answer: pl.DataFrame, target: pl.DataFrame, zone: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The answer after the gate, and per row `day`, `regime`, `gate`, `stressed_probability`, `why` and `ACTED`.

        Args:
            answer: rows of the model's answer.
            target: the feature rows it was given.
            zone: the market's time zone.
        """
        found = self.found(answer, zone)
        fallback = self.fallback_of(answer, target) if self.rule.act else np.full((answer.height, len(_columns(self.spec))), np.nan)
        made, done = gated(answer, self.spec, found["gate"], fallback, self.rule)
        return made, found.with_columns(done.alias(ACTED))

    def found(self, answer: pl.DataFrame, zone: str) -> pl.DataFrame:
        """Regime, gate and why of every row: of its delivery date, or of the day under way when an interval was decided."""
        decided = pl.col("as_of").dt.convert_time_zone(zone).dt.date() if self.spec.intraday else pl.col("delivery_date")
        rows = answer.select("market", "hub", "as_of", decided.alias("day"))
        # a hub without a regime of its own (a system-wide product) has that of the market's most stressed hub
        worst = self.regimes.sort("stressed_probability", "hub", descending=[True, False]).unique(["market", "day"], keep="first")
        both = rows.join(self.regimes, on=["market", "hub", "day"], how="left", maintain_order="left").join(
            worst.drop("hub"), on=["market", "day"], how="left", maintain_order="left", suffix="_worst"
        )
        own = pl.col("regime").is_not_null()
        names = ("decided_ts", "regime", "gate", *WHY)
        found = both.select("as_of", "day", *(pl.when(own).then(pl.col(c)).otherwise(pl.col(f"{c}_worst")).alias(c) for c in names))
        known = pl.col("decided_ts") <= pl.col("as_of")
        return found.select(
            "day",
            pl.when(known).then(pl.col("regime").cast(pl.String)).otherwise(pl.lit(UNKNOWN)).alias("regime"),
            pl.when(known).then(pl.col("gate").cast(pl.String)).otherwise(pl.lit(ALLOW)).alias("gate"),
            pl.when(known).then(pl.col("stressed_probability").cast(pl.Float64)).alias("stressed_probability"),
            pl.format("stressed {}, change {}, surprise {}", *(pl.col(c).round(3) for c in WHY)).fill_null("").alias("why"),
        )

    def fallback_of(self, answer: pl.DataFrame, target: pl.DataFrame) -> Array:
        """Fallback of every row as `gated` takes it: the published one, or the naive forecast with the model's own band around it."""
        spec, base = self.spec, spec_of(REGIME)
        point = _columns(spec)
        nothing = np.full((answer.height, len(point)), np.nan)
        if answer.is_empty():
            return nothing
        if spec.inputs == base.inputs:
            if self.fallback.is_empty():
                return nothing
            table = _numbers(answer.select(INTERVAL).join(self.fallback, on=INTERVAL, how="left", maintain_order="left").drop(INTERVAL))
            levels = np.asarray(base.levels)
            if spec.kind is Kind.PROBABILITY:
                return exceedance(_numbers(answer.select(spec.threshold_column))[:, 0], levels, table[:, 1:])[:, None]
            return np.column_stack((table[:, 0], fallback_ladder(np.asarray(spec.levels), levels, table[:, 1:])))
        if spec.kind is Kind.PROBABILITY:
            return nothing
        key = [*INTERVAL, "as_of"]
        naive = answer.select(key).join(
            target.select(*key, pl.col(spec.naive_column).alias("_naive")), on=key, how="left", maintain_order="left"
        )
        own = _numbers(answer.select(pl.col(c).alias(str(n)) for n, c in enumerate(point)))
        return own + (_numbers(naive.select("_naive")) - own[:, :1])


def market_regime(warehouse: Warehouse, market: str, delivery_date: date, as_of: datetime) -> str:
    """Regime of a whole market on a delivery date as known at an instant: that of its most stressed hub; `UNKNOWN` where there is none."""
    found = warehouse.query(
        "select regime from curated.v_regimes_daily where market = {market:String} and delivery_date = {day:Date32}"
        " and as_of <= {as_of:DateTime64(3, 'UTC')} order by stressed_probability desc, hub limit 1",
        {"market": market, "day": delivery_date, "as_of": as_of},
    )
    return str(found.item(0, "regime")) if found.height else UNKNOWN


def _columns(spec: ModelSpec) -> list[str]:
    """Point (or probability) and quantiles of a model's answer."""
    return [spec.point_column, *spec.quantile_columns.values()]


def _numbers(frame: pl.DataFrame) -> Array:
    """A frame of numbers as an array, NaN where unknown."""
    return frame.select(pl.all().cast(pl.Float64).fill_null(float("nan"))).to_numpy()


def _told(answer: pl.DataFrame) -> pl.DataFrame:
    """The answer with what the gate did in `status_reason`; a blocked row is DEGRADED."""
    blocked, weighed = pl.col(ACTED) == BLOCK, pl.col(ACTED) == DOWN_WEIGHT
    said = pl.col("status_reason")
    added = (
        pl.when(blocked)
        .then(pl.format("regime gate: model blocked, fallback forecast published ({})", "_why"))
        .when(weighed)
        .then(pl.format("regime gate: down-weighted ({})", "_why"))
        .otherwise(pl.lit(""))
    )
    reason = pl.when(added == "").then(said).when(said == "").then(added).otherwise(pl.concat_str([said, added], separator="; "))
    status = pl.when(blocked).then(pl.lit("DEGRADED")).otherwise(pl.col("status"))
    return answer.with_columns(reason.alias("status_reason"), status.alias("status")).drop("_why")
