"""Columns that every model output carries, so that any number can be traced to run, data, model and code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from pipeline_tasks.contracts.columns import Column, day, instant, number, string, symbol
from pipeline_tasks.contracts.tables import Database, Rule, Table

LINEAGE: tuple[Column, ...] = (
    string("run_id", "Run that made the row; the same data interval always has the same run_id."),
    symbol("model", "Model name."),
    symbol("model_version", "Version in the model registry."),
    symbol("artifact_sha", "SHA-256 of the model artifact."),
    symbol("code_sha", "Git commit of the code, or a content hash outside git."),
    string("data_version", "SHA-256 of the feature rows the model read."),
    symbol(
        "regime",
        "State of the market known at as_of (curated.regimes_daily): normal, transition, stressed; 'unknown' where none was published.",
    ),
    symbol("status", "OK, or DEGRADED when an input was missing or stale.", allowed=("OK", "DEGRADED")),
    string("status_reason", "Why the row is DEGRADED, and what the regime's gate did to it; empty otherwise."),
    instant("as_of", "Decision time: nothing known later was used."),
    symbol("market", "Market key."),
    symbol("hub", "Hub, zone or settlement point."),
    symbol("product", "Product that is forecast (da, rt, imbalance, ...)."),
    instant("delivery_ts", "Start of the delivery interval, UTC."),
    day("delivery_date", "Market-local delivery date."),
)


def curated_table(name: str, columns: tuple[Column, ...], meaning: str, *, rules: tuple[Rule, ...] = ()) -> Table:
    """The curated table of a model: lineage columns, then the model's own.

    Partitioned by (market, hub, delivery_date): one publication replaces exactly one partition.
    """
    return Table(
        database=Database.CURATED,
        name=name,
        columns=(*LINEAGE, *columns),
        key=("market", "hub", "product", "delivery_ts", "as_of"),
        meaning=meaning,
        partition_by="(market, hub, delivery_date)",
        rules=rules,
    )


def drivers_table(model: str) -> Table:
    """The table of a model's additive contributions (SHAP values), published beside its forecasts.

    Per delivery interval the contributions, the feature "(base)" included, add up to the explained output.
    """
    columns = (
        symbol("explained_output", "What is explained, with its scale (e.g. the median price, or log-odds)."),
        symbol("feature", "Feature, or (base) for the expected value."),
        number("contribution", "Additive contribution to the explained output.", unit="see explained_output"),
    )
    table = curated_table(f"{model}_drivers", columns, f"Contributions of the features to each forecast of {model}.")
    return replace(table, key=(*table.key, "feature"))


def companion_table(name: str, columns: tuple[Column, ...], meaning: str, *, key: tuple[str, ...], rules: tuple[Rule, ...] = ()) -> Table:
    """A further table that a model publishes beside its forecasts: lineage columns, then its own.

    Args:
        name: table name, not that of a model.
        columns: its own columns.
        meaning: what a row is.
        key: those of `columns` that tell rows of one delivery interval and decision apart.
        rules: row rules.
    """
    table = curated_table(name, columns, meaning, rules=rules)
    return replace(table, key=(*table.key, *key))


def shadow_table(curated: Table) -> Table:
    """The table of `curated_shadow` for a curated one: the same contract; nothing there is ever published."""
    return replace(curated, database=Database.CURATED_SHADOW, meaning=f"Unpublished answers of challengers. {curated.meaning}")


def with_lineage(table: Table, own: pl.DataFrame, values: Mapping[str, Any]) -> pl.DataFrame:
    """Rows of a curated table in key order: own columns, and the lineage that all rows share.

    Args:
        table: the contract.
        own: the model's columns; a lineage column that it has stays as it is. Empty: the empty table.
        values: lineage columns by name.
    """
    if own.is_empty():
        return table.empty()
    types = {c.name: c.type.polars for c in LINEAGE}
    filled = own.with_columns(pl.lit(v).cast(types[n]).alias(n) for n, v in values.items() if n not in own.columns)
    return filled.select(pl.col(c.name).cast(c.type.polars) for c in table.columns).sort(table.key)
