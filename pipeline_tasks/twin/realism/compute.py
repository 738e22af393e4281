"""Stylised facts of one market, computed in ClickHouse from the raw tables."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jinja2
import polars as pl

from config.markets import Market
from pipeline_tasks.twin.realism.rules import Rules
from pipeline_tasks.warehouse import Warehouse

SQL_FOLDER = Path(__file__).parent / "sql"
FAMILIES = ("prices", "shapes", "autocorrelation", "spread", "congestion", "load", "renewables", "forecasts", "units", "reserves")
RAW = ("prices", "quantities", "units")
COLUMNS = ("fact", "slice", "span", "unit", "value", "hub_low", "hub_high", "n", "window_from", "window_to")


@cache
def family_sql(family: str) -> str:
    """The select of one family of facts, with `{name:Type}` placeholders for `Rules.parameters`.

    Raises:
        ValueError: there is no such family; the message lists those there are.
    """
    if family not in FAMILIES:
        raise ValueError(f"family {family!r} of facts is not known; use one of {', '.join(FAMILIES)}")
    loader = jinja2.FileSystemLoader(SQL_FOLDER)
    environment = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - SQL, not HTML
    body = environment.get_template(f"{family}.sql").render()
    return environment.get_template("_facts.sql").render(family=body)


def compute_facts(warehouse: Warehouse, market: Market, rules: Rules, families: Sequence[str] = FAMILIES) -> pl.DataFrame:
    """Facts of one market over its whole window and by calendar year.

    A fact that the market's tables cannot give has no row; nothing is filled in.

    Args:
        warehouse: a connection that may read raw.
        market: the market; its zone makes local hours.
        rules: thresholds and exceptions.
        families: families of facts to compute.

    Returns:
        fact, slice, span, unit, value, hub_low, hub_high, n, window_from, window_to; sorted by fact, slice, span, window_from.
    """
    parameters = rules.parameters(market)
    parts = []
    for family in families:
        sql = family_sql(family)
        used = {name: value for name, value in parameters.items() if f"{{{name}:" in sql}
        parts.append(warehouse.query(sql, used).rename({"n_total": "n"}).select(COLUMNS))
    return pl.concat(parts).sort("fact", "slice", "span", "window_from")


def markets_with_prices(warehouse: Warehouse) -> frozenset[str]:
    """Keys of the markets that have rows in raw.prices."""
    found = warehouse.query("select distinct toString(market) as market from raw.prices")
    return frozenset(found["market"].to_list())


def inputs_sha(warehouse: Warehouse, market: Market, rules: Rules) -> str:
    """SHA-256 of all that the facts of a market depend on: the state of its raw tables, the SQL and what it binds."""
    state = warehouse.query(
        " union all ".join(
            f"select '{t}' as name, count() as n, max(ingested_ts) as newest from raw.{t} where market = {{market:String}}" for t in RAW
        ),
        {"market": market.key},
    ).sort("name")
    said = [state.write_json(), json.dumps(rules.parameters(market), sort_keys=True, default=str), *(family_sql(f) for f in FAMILIES)]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()
