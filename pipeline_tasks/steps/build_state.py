"""What a layer was last built from, and so what must be rebuilt: nothing, some years, or everything."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl

from pipeline_tasks.contracts import STATIC_TABLES
from pipeline_tasks.contracts.features import ANCILLARY, DAY_AHEAD, INTRADAY, NODAL, SPREAD, UNIT_COMMIT
from pipeline_tasks.contracts.intermediate import INTRADAY_SLOTS, LAYER_BUILDS, MARKET_CALENDAR, MARKET_SETTINGS, UNIT_STATES
from pipeline_tasks.contracts.tables import Table
from pipeline_tasks.steps.dbt_process import PROJECT_DIR
from pipeline_tasks.warehouse import Warehouse

EVERYTHING = date(1990, 1, 1)
SOURCES = ("raw.prices", "raw.quantities", "raw.commodities", "raw.nodal_prices", "raw.units")
_RAW_ROWS = " union all ".join(f"select ingested_ts, delivery_ts from {t} where market = {{market:String}}" for t in SOURCES)
# a unit is foretold up to eight days after its last known hour
_UNIT_DATES = (
    "(select states.market as market, arrayJoin([states.delivery_date, states.delivery_date + 8]) as delivery_date"
    f" from {UNIT_STATES.full_name} as states inner join {MARKET_SETTINGS.full_name} as settings on states.market = settings.market"
    " where states.delivery_date >= ifNull(settings.unit_since_date, toDate32('1990-01-01')))"
)
_BUILT_ON = (
    *((table, MARKET_CALENDAR.full_name) for table in (DAY_AHEAD, SPREAD, ANCILLARY, NODAL)),
    (INTRADAY, INTRADAY_SLOTS.full_name),
    (UNIT_COMMIT, _UNIT_DATES),
)


@dataclass(frozen=True, slots=True)
class RawState:
    """Raw rows of a market: how many, and when the last one was loaded."""

    ingested_ts: datetime
    rows: int


@dataclass(frozen=True, slots=True)
class Build:
    """One successful build of a layer for a market."""

    fingerprint: str
    to_date: date
    raw: RawState


def fingerprint(wh: Warehouse, market: str) -> str:
    """SHA-256 of the dbt project's files, the market's settings and those of the series beside power."""
    digest = hashlib.sha256()
    for path in sorted(p for p in PROJECT_DIR.rglob("*") if p.suffix in {".sql", ".yml"} and "target" not in p.parts):
        digest.update(path.relative_to(PROJECT_DIR).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    sha = wh.scalar("select any(settings_sha) from intermediate.market_settings where market = {market:String}", {"market": market})
    series = wh.scalar("select any(settings_sha) from intermediate.series_settings")
    digest.update(f"{sha or ''}{series or ''}".encode())
    return digest.hexdigest()


def raw_state(wh: Warehouse, market: str) -> RawState:
    """State of the market's raw rows now."""
    row = wh.query(f"select max(ingested_ts) as last, count() as n from ({_RAW_ROWS})", {"market": market}).row(0, named=True)
    return RawState(row["last"], int(row["n"]))


def last_build(wh: Warehouse, names: Collection[str], market: str) -> Build | None:
    """The last successful build for the market under one of the names."""
    frame = wh.query(
        "select * from intermediate.layer_builds where market = {market:String} and layer in {names:Array(String)}"
        " order by at_ts desc limit 1",
        {"market": market, "names": sorted(names)},
    )
    if not frame.height:
        return None
    row = frame.row(0, named=True)
    return Build(row["fingerprint"], row["to_date"], RawState(row["raw_ingested_ts"], int(row["raw_rows"])))


def record_build(wh: Warehouse, layer: str, market: str, build: Build, from_date: date | None) -> None:
    """Remember a successful build of `layer`, or of the part of it that the name says."""
    row = {
        "market": market,
        "layer": layer,
        "fingerprint": build.fingerprint,
        "from_date": from_date or EVERYTHING,
        "to_date": build.to_date,
        "raw_ingested_ts": build.raw.ingested_ts,
        "raw_rows": build.raw.rows,
        "at_ts": datetime.now(UTC),
    }
    wh.insert(LAYER_BUILDS, pl.DataFrame([row], schema=LAYER_BUILDS.polars_schema()))


def first_changed_date(wh: Warehouse, market: str, last: Build, now: Build) -> date | None:
    """First delivery date whose features may differ from the last build's.

    Returns:
        None when nothing changed; `EVERYTHING` when the project, the settings or rows already seen changed; else a date
        that is not after the delivery date of any raw row loaded since.
    """
    if last.fingerprint != now.fingerprint:
        return EVERYTHING
    if last.raw == now.raw:
        return None
    sql = f"select count() as n, min(delivery_ts) as first from ({_RAW_ROWS}) where ingested_ts > {{seen:DateTime64(3, 'UTC')}}"
    row = wh.query(sql, {"market": market, "seen": last.raw.ingested_ts}).row(0, named=True)
    if last.raw.rows + int(row["n"]) != now.raw.rows:
        return EVERYTHING
    first: datetime = row["first"]
    return first.date() - timedelta(days=2)


def drop_drifted(wh: Warehouse, layer: str) -> list[str]:
    """Drop the layer's dbt tables whose live columns differ from their contract; dbt makes them anew.

    Returns:
        Names of the layer's tables that do not exist now, dropped or never built.
    """
    absent = []
    for table in (t for t in STATIC_TABLES if t.managed_by == "dbt" and t.database.value == layer):
        live = wh.query(
            "select name, type from system.columns where database = {database:String} and table = {name:String} order by position",
            {"database": table.database.value, "name": table.name},
        )
        if live.height and live.rows() == _declared(table):
            continue
        if live.height:
            wh.command(f"drop table if exists {table.full_name}")
        absent.append(table.full_name)
    return absent


def drop_stale_partitions(wh: Warehouse, market: str) -> list[str]:
    """Drop feature partitions (years, months) that the rows they are built on no longer have: replacing partitions never removes one.

    Returns:
        What was dropped, `table period`.
    """
    dropped = []
    for table, rows in _BUILT_ON:
        period = table.partition_by.removeprefix("(market, ").removesuffix(")")
        found = wh.query(
            f"select distinct {period} as period from {table.full_name} where market = {{market:String}} and period not in"
            f" (select {period} from {rows} where market = {{market:String}}) order by period",
            {"market": market},
        )
        for value in found["period"].to_list():
            wh.command(
                f"alter table {table.full_name} drop partition ({{market:String}}, {{period:UInt32}})", {"market": market, "period": value}
            )
            dropped.append(f"{table.full_name} {value}")
    return dropped


def _declared(table: Table) -> list[tuple[str, str]]:
    return [(c.name, c.clickhouse_type) for c in table.columns]
