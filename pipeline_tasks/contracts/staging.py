"""Staging: raw rows typed, without exact duplicates, units and signs normalised; every revision kept."""

from __future__ import annotations

from dataclasses import replace

from pipeline_tasks.contracts.columns import Column, flag, symbol
from pipeline_tasks.contracts.grid import LNG_EVENTS, OFFERS
from pipeline_tasks.contracts.raw import COMMODITIES, INTERFACES, PRICES, PROVENANCE, QUANTITIES, UNITS
from pipeline_tasks.contracts.tables import Database, Table

_SOURCE = symbol("source", "Source of the row; of equal keys the row loaded last.")
_NOT_STAGED = {column.name for column in PROVENANCE}


def _staged(raw: Table, *extra: Column) -> Table:
    """The staging table of a raw table: its own columns (bounds checked on load), then `extra`, then the source."""
    columns = tuple(replace(column, ge=None, le=None) for column in raw.columns if column.name not in _NOT_STAGED)
    return Table(
        database=Database.STAGING,
        name=f"stg_{raw.name}",
        columns=(*columns, *extra, _SOURCE),
        key=raw.key,
        meaning=f"raw.{raw.name}, one row per key and known_ts. {raw.meaning}",
        managed_by="dbt",
    )


STG_PRICES = _staged(PRICES)
STG_QUANTITIES = _staged(QUANTITIES)
STG_COMMODITIES = _staged(COMMODITIES)
STG_INTERFACES = _staged(INTERFACES)
STG_UNITS = _staged(UNITS)
STG_OFFERS = _staged(
    OFFERS, flag("is_withheld", "A balancing price of 9,000 or more in size: submitted so that the unit is not called, no price of energy.")
)

STG_LNG_EVENTS = _staged(LNG_EVENTS)

STAGING_TABLES: tuple[Table, ...] = (STG_PRICES, STG_QUANTITIES, STG_COMMODITIES, STG_INTERFACES, STG_UNITS, STG_OFFERS, STG_LNG_EVENTS)
