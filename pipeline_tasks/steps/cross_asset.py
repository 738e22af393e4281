"""Cross-asset step: spreads, netbacks, signals and effects of LNG arrivals of a delivery date, published like a forecast."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.steps.learned import publish_rows

if TYPE_CHECKING:
    from pipeline_tasks.cross_asset.market_frame import MarketFrame
    from pipeline_tasks.warehouse import Warehouse

TREES = {"demo": 0, "test": 0, "full": 500}  # a forest takes longer than all the rest: small profiles do without


def publish_cross_asset(
    context: RunContext, say: Callable[[str], None] = lambda _: None, *, seed: int = 7, effects: bool = True
) -> dict[str, Any]:
    """Publish `curated.cross_commodity`, `curated.cross_signals` and, where the market has arrivals, `curated.lng_effects`.

    All from what was known at the gate of the run's delivery date; the same state gives the same rows, and the same market and date
    replaces what was published before. A market without arrivals has spreads only; that is said in `effects`.

    Returns:
        `hubs` that were published, `publications`, `effects` (rows, or why there are none), `skipped` (why a market has no such views, or
        empty), `seconds`.

    Raises:
        ValueError: the marts do not reach the delivery date.
    """
    from pipeline_tasks.contracts import with_lineage
    from pipeline_tasks.contracts.cross_asset import CROSS_COMMODITY, CROSS_SIGNALS, LNG_EFFECTS
    from pipeline_tasks.cross_asset.lng_panel import NoArrivalsError
    from pipeline_tasks.cross_asset.market_frame import NoSeriesError, read_frame, read_series
    from pipeline_tasks.cross_asset.publication import COMMODITY_MODEL, EFFECTS_MODEL, spread_rows
    from pipeline_tasks.cross_asset.settings import load_cross
    from pipeline_tasks.steps.exact import one_blas_thread
    from pipeline_tasks.steps.gates import market_regime
    from pipeline_tasks.warehouse import connect

    began, settings, published = time.perf_counter(), load_cross(), []
    told: str | int = "not asked for"
    skipped, hubs = "", []
    with connect() as warehouse, one_blas_thread():
        regime = market_regime(warehouse, context.selection.market.key, context.delivery_date, context.as_of)
        staged: dict[str, list[pl.DataFrame]] = {t.name: [] for t in (CROSS_COMMODITY, CROSS_SIGNALS, LNG_EFFECTS)}
        known = read_series(warehouse, context.selection.market)
        for number, hub in enumerate(context.selection.hubs):
            try:
                found = read_frame(warehouse, context.selection.market, hub, settings, known)
            except NoSeriesError as error:
                skipped = str(error)
                break
            hubs.append(hub)
            own, signals = spread_rows(found, settings, context.delivery_date)
            line = {**_lineage(context, found, COMMODITY_MODEL, own), "regime": regime}
            staged[CROSS_COMMODITY.name].append(with_lineage(CROSS_COMMODITY, own, line))
            staged[CROSS_SIGNALS.name].append(with_lineage(CROSS_SIGNALS, signals, line))
            if effects and not number:  # arrivals are of the market, not of a hub: published under its first
                say(f"{context.market}: effects of arrivals")
                try:
                    rows = _effects(warehouse, context, found, seed)
                except (NoArrivalsError, ValueError) as error:
                    told = str(error)
                else:
                    told = rows.height
                    line = {**_lineage(context, found, EFFECTS_MODEL, own), "regime": regime}
                    staged[LNG_EFFECTS.name].append(with_lineage(LNG_EFFECTS, rows, line))
        for table, model in ((CROSS_COMMODITY, COMMODITY_MODEL), (CROSS_SIGNALS, COMMODITY_MODEL), (LNG_EFFECTS, EFFECTS_MODEL)):
            if staged[table.name]:
                published += publish_rows(warehouse, table, pl.concat(staged[table.name]), run_id=context.run_id, model=model)
    return {
        "run_id": context.run_id,
        "hubs": hubs,
        "publications": published,
        "effects": told,
        "skipped": skipped,
        "seconds": round(time.perf_counter() - began, 3),
    }


def _effects(warehouse: Warehouse, context: RunContext, found: MarketFrame, seed: int) -> pl.DataFrame:
    from config.settings import get_settings
    from pipeline_tasks.cross_asset.lng_panel import panels_of
    from pipeline_tasks.cross_asset.publication import effect_rows

    return effect_rows(panels_of(warehouse, found, as_of=context.as_of), seed=seed, trees=TREES[get_settings().profile])


def _lineage(context: RunContext, found: MarketFrame, model: str, own: pl.DataFrame) -> dict[str, Any]:
    """Lineage of a table's rows but their regime; a missing day of a fuel makes them DEGRADED."""
    from pipeline_tasks.cross_asset.publication import lineage
    from pipeline_tasks.steps.code_version import code_sha

    upto = found.frame.filter(pl.col("delivery_date") <= context.delivery_date)
    sha = hashlib.sha256(upto.drop("power_outcome", "power_known_ts").write_csv().encode()).hexdigest()
    missing = int(own["missing_sessions"][0] or 0)
    unknown = [c for c in ("power", "gas") if own[f"{c}_ccy_per_mwh"][0] is None]
    reason = ", ".join([*(f"{c} is unknown" for c in unknown), *([f"{missing} sessions of a fuel are missing"] if missing else [])])
    run = {"run_id": context.run_id, "model_version": "rules", "artifact_sha": "", "code_sha": code_sha(), "data_version": sha}
    begin = context.selection.market.day_bounds(context.delivery_date)[0]
    return lineage(
        run, model=model, as_of=context.as_of, market=context.selection.market.key, hub=found.hub, product="spread", begin=begin,
        day=context.delivery_date, reason=reason,
    )  # fmt: skip
