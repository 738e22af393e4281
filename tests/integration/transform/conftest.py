"""Markets and raw rows made up for the transform tests: real time zones with clock changes, prices that tell their instant.

A build of dbt takes as long for one small market as for six, so all modules share a warehouse and two builds. A module says in `publish` which
rows its markets get, and in `poison` which absurd rows come after a decision: nothing that was known by then may change with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import config.markets as markets_module
from config.markets import Market, load_markets
from pipeline_tasks.bench.core import scratch_home
from pipeline_tasks.contracts import TS_DTYPE, Table
from pipeline_tasks.contracts.grid import GRID_BUSES, NODAL_PRICES
from pipeline_tasks.contracts.raw import COMMODITIES, PRICES, QUANTITIES, UNITS
from pipeline_tasks.steps.transform import transform
from pipeline_tasks.warehouse import Warehouse, connect
from pipeline_tasks.warehouse.migrate import migrate

MARKETS_YAML = """
markets:
  t_berlin:
    label: Test market with European clock changes
    time_zone: Europe/Berlin
    currency: EUR
    gate_time: "12:00"
    price_floor: -500
    price_cap: 4000
    hubs: [B]
    holidays: DE
    commodities: {gas: T_GAS}
  t_step:
    label: Test market of the step's own tests
    time_zone: Europe/Berlin
    currency: EUR
    gate_time: "12:00"
    price_floor: -500
    price_cap: 4000
    hubs: [T]
    holidays: DE
  t_york:
    label: Test market with American clock changes and quarter hours
    time_zone: America/New_York
    currency: USD
    product: rt
    resolution_min: 15
    gate_time: "10:00"
    price_floor: -500
    price_cap: 4000
    hubs: [Y]
    holidays: US-NY
  t_quarter:
    label: Test market decided shortly before delivery, with American clock changes and an hourly hub beside a quarter-hourly one
    time_zone: America/New_York
    currency: USD
    gate_time: "10:00"
    price_floor: -500
    price_cap: 4000
    hubs: [Q, R]
    holidays: US-NY
    intraday: {product: rt, horizons_min: [15, 60]}
    nodal: {product: rt, resolution_min: 15, horizons_min: [15, 60], step_min: 15}
  t_nodal:
    label: Test market with nodes
    time_zone: Europe/Berlin
    currency: EUR
    gate_time: "12:00"
    price_floor: -500
    price_cap: 4000
    hubs: [NORTH, SOUTH]
    holidays: DE
    nodal: {product: rt, resolution_min: 15, horizons_min: [30], step_min: 30}
  t_leak:
    label: Test market of the leak test
    time_zone: Europe/Berlin
    currency: EUR
    gate_time: "12:00"
    price_floor: -500
    price_cap: 4000
    hubs: [L, M]
    holidays: DE
    commodities: {gas: T_GAS}
  t_spread:
    label: Test market with a balancing price
    time_zone: Europe/Berlin
    currency: EUR
    balancing_product: rt
    gate_time: "12:00"
    price_floor: -500
    price_cap: 4000
    hubs: [S]
    holidays: DE
  t_reserve:
    label: Test market with system-wide reserves and a change of their design
    time_zone: Europe/Berlin
    currency: EUR
    gate_time: "12:00"
    price_floor: -500
    price_cap: 4000
    hubs: [A, B, C]
    holidays: DE
    ancillary: {products: [regup, regdn], price_hub: system, hubs: [A, B], changes: [2024-10-25]}
  t_units:
    label: Test market with generating units
    time_zone: Europe/Berlin
    currency: EUR
    gate_time: "12:00"
    price_floor: -500
    price_cap: 4000
    hubs: [U]
    holidays: DE
    units: {hub: U, decision_hours: [6], horizons_min: [60, 1440], exclude_fuels: [storage], since: 2024-10-10}
  t_series:
    label: Test market with fuels, a currency and storage
    time_zone: Europe/Berlin
    currency: EUR
    gate_time: "12:00"
    price_floor: -500
    price_cap: 4000
    hubs: [F]
    holidays: DE
    commodities: {gas: TTF, coal: API2, co2: EUA, oil: BRENT}
"""
INGESTED = datetime(2024, 12, 31, tzinfo=UTC)


@pytest.fixture(scope="package", autouse=True)
def test_markets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Market]]:
    """The markets above instead of the configured ones."""
    path: Path = tmp_path_factory.mktemp("markets") / "markets.yaml"
    path.write_text(MARKETS_YAML, encoding="utf-8")
    before = markets_module.MARKETS_FILE
    markets_module.MARKETS_FILE = path
    load_markets.cache_clear()
    yield load_markets()
    markets_module.MARKETS_FILE = before
    load_markets.cache_clear()


class RawRows:
    """Writes raw rows of one market straight into the warehouse."""

    def __init__(self, wh: Warehouse, market: Market) -> None:
        self.wh = wh
        self.market = market

    def starts(self, first: date, last: date, minutes: int) -> list[datetime]:
        """Starts of all intervals of the local days, UTC."""
        begin, end = self.market.day_bounds(first)[0], self.market.day_bounds(last)[1]
        return [begin + timedelta(minutes=m) for m in range(0, int((end - begin).total_seconds() // 60), minutes)]

    def local_date(self, instant: datetime) -> date:
        return instant.astimezone(self.market.zone).date()

    def _insert(self, table: Table, rows: list[dict[str, Any]], ingested: datetime) -> None:
        provenance = {"source": "test", "source_object": "synthetic", "row_sha": "0" * 64, "ingested_ts": ingested}
        frame = pl.DataFrame([dict.fromkeys(table.column_names) | r | provenance for r in rows], schema=table.polars_schema())
        self.wh.insert(table, frame)

    def prices(
        self,
        rows: list[tuple[datetime, datetime, float]],
        *,
        hub: str | None = None,
        product: str | None = None,
        minutes: int | None = None,
        ingested: datetime = INGESTED,
    ) -> None:
        """Rows of (delivery_ts, known_ts, price), of the market's own product and resolution unless others are named."""
        m = self.market
        what = {"product": product or m.product, "resolution_min": minutes or m.resolution_min}
        fixed = {"market": m.key, "hub": hub or m.hubs[0], "currency": m.currency} | what
        self._insert(PRICES, [fixed | {"delivery_ts": d, "known_ts": k, "price_ccy_per_mwh": p} for d, k, p in rows], ingested)

    def quantities(
        self,
        quantity: str,
        kind: str,
        rows: list[tuple[datetime, datetime, float]],
        *,
        minutes: int = 60,
        unit: str = "MW",
        ingested: datetime = INGESTED,
    ) -> None:
        """Rows of (delivery_ts, known_ts, value) of the market's area."""
        fixed = {
            "market": self.market.key,
            "area": self.market.area,
            "quantity": quantity,
            "kind": kind,
            "resolution_min": minutes,
            "unit": unit,
        }
        self._insert(QUANTITIES, [fixed | {"delivery_ts": d, "known_ts": k, "value": v} for d, k, v in rows], ingested)

    def nodal_prices(self, rows: list[tuple[datetime, datetime, float]], *, node: str, product: str, minutes: int) -> None:
        """Rows of (delivery_ts, known_ts, price) of a node."""
        fixed = {"market": self.market.key, "node": node, "product": product, "resolution_min": minutes, "currency": self.market.currency}
        self._insert(NODAL_PRICES, [fixed | {"delivery_ts": d, "known_ts": k, "price_ccy_per_mwh": p} for d, k, p in rows], INGESTED)

    def bus(self, name: str, *, hub: str, since: datetime) -> None:
        """A bus of the network model."""
        fixed = {"market": self.market.key, "bus": name, "hub": hub, "base_kv": 380.0, "load_share": 0.5}
        self._insert(GRID_BUSES, [fixed | {"delivery_ts": since, "known_ts": since}], INGESTED)

    def units(self, unit: str, fuel: str, rows: list[tuple[datetime, datetime, float]], *, ingested: datetime = INGESTED) -> None:
        """Hourly outputs of a unit: rows of (delivery_ts, known_ts, MW)."""
        fixed = {"market": self.market.key, "unit_id": unit, "fuel": fuel, "resolution_min": 60}
        self._insert(UNITS, [fixed | {"delivery_ts": d, "known_ts": k, "output_mw": v} for d, k, v in rows], ingested)

    def gas(self, rows: list[tuple[datetime, datetime, float]]) -> None:
        """Daily settlements: rows of (delivery_ts, known_ts, price)."""
        self.commodity("gas", "T_GAS", rows)

    def commodity(
        self,
        commodity: str,
        hub: str,
        rows: list[tuple[datetime, datetime, float]],
        *,
        currency: str = "EUR",
        unit: str = "MWh",
        minutes: int = 1440,
    ) -> None:
        """Settlements of a commodity: rows of (delivery_ts, known_ts, price)."""
        fixed = {"market": self.market.key, "commodity": commodity, "hub": hub, "resolution_min": minutes}
        fixed |= {"currency": currency, "unit": unit}
        self._insert(COMMODITIES, [fixed | {"delivery_ts": d, "known_ts": k, "price_ccy_per_unit": p} for d, k, p in rows], INGESTED)


@pytest.fixture(scope="package")
def warehouse(desk_home: Path) -> Iterator[Warehouse]:
    """A migrated warehouse that holds the markets above and nothing else: builds of all markets stay small."""
    with scratch_home(), connect() as wh:
        migrate(wh)
        yield wh


@pytest.fixture(scope="package")
def analyst(warehouse: Warehouse) -> Iterator[Warehouse]:
    """The same server as the role `analyst`."""
    with connect("analyst") as wh:
        yield wh


@pytest.fixture(scope="package")
def raw_rows(warehouse: Warehouse, test_markets: dict[str, Market]) -> Callable[[str], RawRows]:
    """Writer of raw rows by market key."""
    return lambda key: RawRows(warehouse, test_markets[key])


Features = Callable[..., pl.DataFrame]
TABLES = ("ftr_day_ahead", "ftr_intraday", "ftr_spread", "ftr_ancillary", "ftr_nodal", "ftr_unit_commit")


def _build(request: pytest.FixtureRequest, warehouse: Warehouse, raw_rows: Callable[[str], RawRows], what: str) -> Features:
    """Have every module write its rows, build all markets, and keep the features as they are then."""
    ours = [i for i in request.session.items if isinstance(i, pytest.Function) and i.path.parent == Path(__file__).parent]
    for module in dict.fromkeys(item.module for item in ours):
        if hasattr(module, what):
            getattr(module, what)(raw_rows)
    transform("staging", "intermediate", "features", run_id=what)
    kept = {table: _read(warehouse, table) for table in TABLES}
    kept["int_series_asof"] = warehouse.query(
        "select * from intermediate.int_series_asof order by market, delivery_date, kind, series, place"
    )
    return lambda market, table="ftr_day_ahead": kept[table].filter(pl.col("market") == market)


def _read(warehouse: Warehouse, table: str) -> pl.DataFrame:
    rows = warehouse.query(f"select * from features.{table} order by market, hub, product, delivery_ts, as_of")
    return rows.with_columns(pl.col("^(delivery_ts|as_of|(price|status)_known_ts)$").cast(TS_DTYPE))


@pytest.fixture(scope="package")
def published(request: pytest.FixtureRequest, warehouse: Warehouse, raw_rows: Callable[[str], RawRows]) -> Features:
    """Features of what was published: `published(market, table)`, in key order."""
    return _build(request, warehouse, raw_rows, "publish")


@pytest.fixture(scope="package")
def poisoned(request: pytest.FixtureRequest, published: Features, warehouse: Warehouse, raw_rows: Callable[[str], RawRows]) -> Features:
    """Features after the absurd rows were added."""
    return _build(request, warehouse, raw_rows, "poison")


@pytest.fixture(scope="package")
def features(warehouse: Warehouse) -> Callable[[str], pl.DataFrame]:
    """A feature table of all markets as it is now, in key order."""
    return lambda table: _read(warehouse, table)
