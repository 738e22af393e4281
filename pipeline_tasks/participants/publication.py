"""What was learned of a market's participants as rows of the curated tables and as an artifact."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from models._kernel.artifacts import save_arrays, save_json, seal
from models._kernel.behaviour.bid_policy import BidPolicies, group_of, weights_of_kinds
from models._kernel.behaviour.entropy_irl import REWARDS, StorePolicy
from models._kernel.behaviour.habits import LEVELS
from models._kernel.behaviour.hourly_bids import CANDIDATES
from models._kernel.behaviour.hourly_bids import KINDS as BID_KINDS
from models._kernel.behaviour.learned_offers import KINDS, STORES, THERMAL, Learned
from pipeline_tasks.contracts import with_lineage
from pipeline_tasks.contracts.participants import OFFER_CURVES, PARTICIPANT_POLICIES
from pipeline_tasks.participants.daily import DailyBook
from pipeline_tasks.participants.hourly import SIDES, HourlyBook

MODEL = "irl_participants"
ALL = "ALL"
LOW, MIDDLE, HIGH = (int(np.argmin(np.abs(LEVELS - level))) for level in (0.1, 0.5, 0.9))
MARKUP_INPUTS = ("constant", "tightness", "above_median", "above_upper_quartile", "above_90_pct", "outage_share", "evening", "night")


@dataclass(frozen=True)
class Policies:
    """Rows and artifact of one learning.

    Attributes:
        policies, curves: own columns of the two tables, product, delivery_ts and status_reason.
        arrays: of the artifact.
        facts: of the artifact: JSON.
        metrics: numbers for the training run.
    """

    policies: pl.DataFrame
    curves: pl.DataFrame
    arrays: dict[str, Any]
    facts: dict[str, Any]
    metrics: dict[str, float] = field(default_factory=dict)

    def save(self, directory: Path) -> str:
        """Write and seal the artifact; its SHA-256."""
        save_arrays(directory, "policies", self.arrays)
        save_json(directory, "facts", self.facts)
        return seal(directory, model=MODEL)


def of_bids(book: HourlyBook, policies: BidPolicies, delivery: date) -> Policies:
    """Policies of a balancing mechanism's units, and their offers and bids for each hour of a delivery date."""
    (begin, end), units = book.market.day_bounds(delivery), np.array(book.units)
    kinds = np.array(BID_KINDS)[policies.kind]
    span = book.hours_of(delivery, date.fromordinal(delivery.toordinal() + 1))
    series, hour = (a.ravel() for a in np.meshgrid(np.arange(2 * len(units)), np.arange(span.start, span.stop), indexing="ij"))
    candidates = book.bids.candidates(series, hour)
    told = np.isfinite(candidates).any(axis=1)
    series, hour = series[told], hour[told]
    quantiles = policies.quantiles(book.bids, series, hour)
    curves = pl.DataFrame(
        {
            "unit_id": units[series // 2],
            "kind": kinds[series // 2],
            "product": np.array(SIDES)[series % 2],
            "hour": hour - span.start,
            "price_ccy_per_mwh": quantiles[:, MIDDLE],
            "price_q10_ccy_per_mwh": quantiles[:, LOW],
            "price_q90_ccy_per_mwh": quantiles[:, HIGH],
        }
    ).with_columns((pl.lit(begin) + pl.duration(hours="hour")).alias("delivery_ts"),
                   *_empty("start_mw", "block_mw", "cost_ccy_per_mwh", "markup_ccy_per_mwh"),
                   pl.lit("interval").alias("window"), pl.lit(0, dtype=pl.Int64).alias("block"))  # fmt: skip
    weights = policies.habits.candidate_weights(group_of(book.bids, series, hour))
    first = np.unique(series, return_index=True)[1]
    rows = [
        {"unit_id": str(units[series[k] // 2]), "kind": str(kinds[series[k] // 2]), "product": SIDES[series[k] % 2]}
        | {"parameter": CANDIDATES[c], "value": float(weights[k, i])}
        for k in first.tolist()
        for i, c in enumerate(policies.columns)
    ]  # fmt: skip
    table = _policy_rows(rows, "habits", window="interval", block=0).with_columns(pl.lit(begin).alias("delivery_ts"))
    arrays = {
        "weights": policies.habits.weights,
        "types": policies.habits.types,
        "kind": policies.kind,
        "columns": np.array(policies.columns),
    }
    facts = {"units": list(book.units), "habits": weights_of_kinds(policies), "until": end.isoformat()}
    return Policies(table, curves, arrays, facts, {"units": float(len(units))})


def of_offers(book: DailyBook, learned: Learned, stores: dict[str, StorePolicy], delivery: date) -> Policies:
    """Policies of a pool's units, and their offers for each part of a delivery date."""
    day = book.day_of(delivery)
    span = slice(day, day + 1)
    price, cost = book.forecast(learned, span)[0], learned.cost(book.fuels[span], book.fuel_names)[0]
    begin = book.market.day_bounds(delivery)[0]
    kinds = np.array(KINDS)[learned.kind]
    floats = {"price_ccy_per_mwh": price, "cost_ccy_per_mwh": cost, "markup_ccy_per_mwh": price - cost}
    curves = book.columns.select("unit_id", "window", "block", "start_mw", "block_mw").with_columns(
        pl.Series("kind", kinds), *(pl.Series(n, v).fill_nan(None) for n, v in floats.items()),
        *_empty("price_q10_ccy_per_mwh", "price_q90_ccy_per_mwh"),
        pl.lit("da").alias("product"), pl.lit(begin).alias("delivery_ts"),
    ).filter(pl.col("price_ccy_per_mwh").is_not_null())  # fmt: skip
    rows = pl.concat([_learned_rows(book, learned, kinds), _reward_rows(stores)]).with_columns(
        pl.lit("da").alias("product"), pl.lit(begin).alias("delivery_ts")
    )
    arrays = {
        "markup": learned.markup.coefficients,
        "markup_types": learned.markup.types,
        "knots": learned.markup.knots,
        "kind": learned.kind,
        "cost_column": learned.cost_column,
        "newest": learned.newest,
        "rewards": np.array([stores[u].theta for u in sorted(stores)]).reshape(-1, len(REWARDS)),
    }
    facts = {"columns": book.columns.select("unit_id", "window", "block").rows(), "fuels": list(book.fuel_names), "stores": sorted(stores)}
    losses = [f.loss for f in learned.fits if f is not None]
    return Policies(rows, curves, arrays, facts, {"units": float(book.columns["unit_id"].n_unique()), "cost_loss": float(np.mean(losses))})


def _learned_rows(book: DailyBook, learned: Learned, kinds: Any) -> pl.DataFrame:
    frames, place = [], book.columns.select("unit_id", "window", "block").rows()
    costs, prices, markups = [], [], []
    for column, (unit, window, block) in enumerate(place):
        at = {"unit_id": unit, "kind": str(kinds[column]), "window": window, "block": block}
        fit, store = learned.fits[learned.cost_column[column]], learned.stores[column]
        if learned.kind[column] in THERMAL and fit is not None:
            fuel = learned.offers.fuel[column]
            names = [*(n for n in book.fuel_names if n.startswith((f"{fuel}/", "co2/"))), "constant"]
            costs += [at | {"parameter": n, "value": float(v)} for n, v in zip(names, fit.theta, strict=True)]
            markups += [
                at | {"parameter": n, "value": float(v)} for n, v in zip(MARKUP_INPUTS, learned.markup.coefficients[column], strict=True)
            ]
        if learned.kind[column] in STORES and store is not None:
            prices += [at | {"parameter": n, "value": float(v)} for n, v in zip(("recent_price", "constant"), store.theta, strict=True)]
    frames = [_policy_rows(r, policy) for r, policy in ((costs, "marginal_cost"), (markups, "markup"), (prices, "store_price")) if r]
    return pl.concat(frames)


def _reward_rows(stores: dict[str, StorePolicy]) -> pl.DataFrame:
    rows = [
        {"unit_id": u, "kind": "storage", "parameter": n, "value": float(v)}
        for u in sorted(stores)
        for n, v in zip(REWARDS, stores[u].theta, strict=True)
    ]
    schema = {"unit_id": pl.String, "kind": pl.String, "parameter": pl.String, "value": pl.Float64}
    return _policy_rows(rows, "store_reward", window="all", block=0, schema=schema)


def _policy_rows(
    rows: list[dict[str, Any]], policy: str, *, window: str = "", block: int | None = None, schema: Any = None
) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=schema)
    extra = [pl.lit(policy).alias("policy")]
    extra += [pl.lit(window).alias("window")] if window else []
    extra += [pl.lit(block, dtype=pl.Int64).alias("block")] if block is not None else []
    made = frame.with_columns(extra)
    return made.select(
        "unit_id", "kind", *(["product"] if "product" in made.columns else []), "window", "block", "policy", "parameter", "value"
    )


def _empty(*names: str) -> list[pl.Expr]:
    return [pl.lit(None, dtype=pl.Float64).alias(n) for n in names]


def rows_of_tables(found: Policies, lineage: dict[str, Any]) -> dict[str, pl.DataFrame]:
    """Rows of both tables with the lineage every curated row carries, in key order."""
    own = ((PARTICIPANT_POLICIES, found.policies), (OFFER_CURVES, found.curves))
    return {table.name: with_lineage(table, frame, lineage) for table, frame in own}


def lineage_of(values: dict[str, Any], *, as_of: datetime, market: str, delivery: date) -> dict[str, Any]:
    """The lineage columns that are the same for all rows."""
    return values | {
        "model": MODEL, "status": "OK", "status_reason": "",
        "as_of": as_of, "market": market, "hub": ALL, "delivery_date": delivery,
    }  # fmt: skip
