"""Read everything a report shows from the warehouse; a figure that is not in ClickHouse is not in the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import polars as pl

from config.markets import MarketSelection, resolve_market
from models._kernel.registry import specs
from models._kernel.spec import PRICE, ModelSpec
from pipeline_tasks.reports import queries
from pipeline_tasks.reports.cross_asset import CrossData, cross_data
from pipeline_tasks.reports.grid import GridData, grid_data
from pipeline_tasks.reports.nodes import NodesData, nodes_data
from pipeline_tasks.scorecard.stored import LATEST
from pipeline_tasks.twin.realism.store import stored_facts
from pipeline_tasks.warehouse import Warehouse
from pipeline_tasks.warehouse.ddl import view_name

HISTORY_DAYS = 14


@dataclass(frozen=True, slots=True)
class ModelData:
    """What one model's page shows.

    Attributes:
        spec: the model.
        forecasts: published rows of the last `HISTORY_DAYS` delivery dates; of several horizons the longest.
        drivers: published contributions of the newest of these delivery dates; empty when the model explains nothing.
        metrics: ops.model_metrics of the same dates.
        training: the newest training run of the published version.
        companions: published rows of the companion tables for the newest of these delivery dates, by table name.
    """

    spec: ModelSpec
    forecasts: pl.DataFrame
    drivers: pl.DataFrame
    metrics: pl.DataFrame
    training: pl.DataFrame
    companions: Mapping[str, pl.DataFrame] = field(default_factory=dict)

    @property
    def newest(self) -> date | None:
        """Newest delivery date with forecasts: the run's own, or where decisions fall within the day the one before it."""
        day = self.forecasts.get_column("delivery_date").max() if self.forecasts.height else None
        return day if isinstance(day, date) else None


@dataclass(frozen=True, slots=True)
class WatchData:
    """What the watch found in the run: rows of ops.drift, ops.parity, ops.schema_versions, ops.shadow_verdicts; changes of champion."""

    drift: pl.DataFrame = field(default_factory=pl.DataFrame)
    parity: pl.DataFrame = field(default_factory=pl.DataFrame)
    schemas: pl.DataFrame = field(default_factory=pl.DataFrame)
    verdicts: pl.DataFrame = field(default_factory=pl.DataFrame)
    champions: pl.DataFrame = field(default_factory=pl.DataFrame)


@dataclass(frozen=True, slots=True)
class SiteData:
    """Everything of one report site, read once.

    Attributes:
        run_id: run the site reports on.
        selection: market and hubs.
        delivery_date: market-local delivery date.
        models: pages, in registry order, those with published rows only.
        outcomes: first published prices (delivery_ts, hub, product, price).
        steps, publications, loads, checks, dbt, freshness, scorecard: rows of the ops tables.
        stylised_facts: newest facts of the simulated and of real markets; empty when none were computed.
        watch: drift, parity, schemas, verdicts and changes of champion.
        nodes: the newest embedding of the market's nodes.
        cross: the newest spreads, signals and effects of LNG arrivals.
        grid: the newest learned limits and outage study.
    """

    run_id: str
    selection: MarketSelection
    delivery_date: date
    outcomes: pl.DataFrame
    steps: pl.DataFrame
    publications: pl.DataFrame
    loads: pl.DataFrame
    quarantine: pl.DataFrame
    checks: pl.DataFrame
    dbt: pl.DataFrame
    freshness: pl.DataFrame
    scorecard: pl.DataFrame
    models: list[ModelData] = field(default_factory=list)
    stylised_facts: pl.DataFrame = field(default_factory=pl.DataFrame)
    watch: WatchData = field(default_factory=WatchData)
    nodes: NodesData = field(default_factory=NodesData)
    cross: CrossData = field(default_factory=CrossData)
    grid: GridData = field(default_factory=GridData)

    @property
    def degraded(self) -> pl.DataFrame:
        """Publications of this run that are DEGRADED."""
        return self.publications.filter(pl.col("status") == "DEGRADED") if self.publications.height else self.publications


def collect(warehouse: Warehouse, *, run_id: str, market: str, delivery_date: date) -> SiteData:
    """Read the site's data for one market and delivery date."""
    selection = resolve_market(market)
    first = delivery_date - timedelta(days=HISTORY_DAYS - 1)
    window = {"market": selection.market.key, "hubs": list(selection.hubs), "first": first, "last": delivery_date, "run_id": run_id}
    models = [_model_data(warehouse, spec, window) for spec in specs()]
    return SiteData(
        run_id=run_id,
        selection=selection,
        delivery_date=delivery_date,
        models=[m for m in models if m.forecasts.height],
        outcomes=warehouse.query(queries.outcomes(sorted({s.inputs.full_name for s in specs() if s.outcome == PRICE})), window),
        steps=warehouse.query(queries.STEPS, window).sort("at_ts"),
        publications=warehouse.query(queries.PUBLICATIONS, window),
        loads=warehouse.query(queries.LOADS, window),
        quarantine=warehouse.query(queries.quarantine(), window),
        checks=warehouse.query(queries.CHECKS, window),
        dbt=warehouse.query(queries.DBT, window),
        freshness=warehouse.query(queries.FRESHNESS, window).sort("table_name", "series"),
        scorecard=warehouse.query(LATEST),
        stylised_facts=stored_facts(warehouse),
        nodes=nodes_data(warehouse, window),
        cross=cross_data(warehouse, window),
        grid=grid_data(warehouse, window),
        watch=_watch_data(warehouse, {**window, "ending": f"__{selection.key}"}),
    )


def _watch_data(warehouse: Warehouse, window: dict[str, object]) -> WatchData:
    return WatchData(
        drift=warehouse.query(queries.DRIFT, window),
        parity=warehouse.query(queries.PARITY, window),
        schemas=warehouse.query(queries.SCHEMAS),
        verdicts=warehouse.query(queries.VERDICTS, window),
        champions=warehouse.query(queries.CHAMPIONS, window),
    )


def _model_data(warehouse: Warehouse, spec: ModelSpec, window: dict[str, object]) -> ModelData:
    bound = {**window, "model": spec.name}
    rows = warehouse.query(queries.forecasts(f"curated.v_{spec.curated.name}"), window)
    shown = rows.filter(pl.col("horizon_min") == pl.col("horizon_min").max()) if spec.intraday and rows.height else rows
    newest = {**window, "last": shown.get_column("delivery_date").max() if shown.height else window["last"]}
    return ModelData(
        spec=spec,
        forecasts=shown,
        drivers=warehouse.query(queries.forecasts(f"curated.v_{spec.drivers.name}", newest_only=True), newest),
        metrics=warehouse.query(queries.METRICS, bound),
        training=warehouse.query(queries.TRAINING, bound),
        companions={t.name: warehouse.query(queries.forecasts(view_name(t), newest_only=True), newest) for t in spec.companions},
    )
