"""Great Expectations suites made from contracts: nulls, bounds, allowed values, the key, row rules.

Types are no matter of GX (its type expectations cannot pass on Nullable ClickHouse columns): the contract test compares
`system.columns`. A row rule becomes a flag column `rule__<name>`, computed in ClickHouse and expected to be true everywhere.
"""

from __future__ import annotations

import json
from typing import Any

from pipeline_tasks.contracts import Column, Database, Severity, Table
from pipeline_tasks.generation.marker import HEADER

SUITE_LAYERS = frozenset({Database.RAW, Database.STAGING, Database.INTERMEDIATE, Database.FEATURES, Database.CURATED, Database.MARTS})
RULE_PREFIX = "rule__"
_GX_SEVERITY = {Severity.BLOCK: "critical", Severity.WARN: "warning"}


def suite_of(table: Table) -> dict[str, Any]:
    """The suite of a table as JSON-able data; `name`, `meta` and `expectations` follow Great Expectations' own form.

    Each expectation's `meta` carries `check` (name in ops.check_results), `column`, `severity`, `meaning` and `remedy`.
    """
    expectations = [e for c in table.columns for e in _column_expectations(table, c)]
    expectations.append(_key_expectation(table))
    expectations.extend(
        _expectation(
            "expect_column_values_to_be_in_set",
            {"column": f"{RULE_PREFIX}{rule.name}", "value_set": [True]},
            rule.name,
            column="",
            severity=rule.severity,
            meaning=rule.meaning,
            remedy="Look at the rows below; correct the importer or the model that writes them.",
        )
        for rule in table.rules
    )
    return {"meta": {"generated": HEADER, "table": table.full_name}, "name": table.full_name, "expectations": expectations}


def suite_text(table: Table) -> str:
    """The suite as JSON text."""
    return json.dumps(suite_of(table), indent=2, ensure_ascii=False) + "\n"


def _expectation(
    kind: str, kwargs: dict[str, Any], check: str, *, column: str, severity: Severity, meaning: str, remedy: str
) -> dict[str, Any]:
    meta = {"check": check, "column": column, "severity": severity.value, "meaning": meaning, "remedy": remedy}
    return {"type": kind, "kwargs": kwargs, "severity": _GX_SEVERITY[severity], "meta": meta}


def _column_expectations(table: Table, column: Column) -> list[dict[str, Any]]:
    found = []
    where = f"{table.full_name}.{column.name}"
    if not column.nullable:
        kind = "expect_column_values_to_not_be_null"
        meaning = f"{column.name} is always known."
        remedy = f"Fill {where} at its source, or declare it nullable in its contract."
        found.append(
            _expectation(
                kind, {"column": column.name}, "not_null", column=column.name, severity=Severity.BLOCK, meaning=meaning, remedy=remedy
            )
        )
    if column.ge is not None or column.le is not None:
        bounds = {k: v for k, v in (("min_value", column.ge), ("max_value", column.le)) if v is not None}
        span = f"{'-inf' if column.ge is None else f'{column.ge:g}'} to {'inf' if column.le is None else f'{column.le:g}'}"
        meaning = f"{column.name} lies within {span} {column.unit}".rstrip() + "."
        remedy = f"Check unit, sign and sentinels of {where}; widen the bounds in its contract if the value is real."
        kind = "expect_column_values_to_be_between"
        found.append(
            _expectation(
                kind,
                {"column": column.name, **bounds},
                "bounds",
                column=column.name,
                severity=Severity.BLOCK,
                meaning=meaning,
                remedy=remedy,
            )
        )
    if column.allowed:
        kind = "expect_column_values_to_be_in_set"
        kwargs = {"column": column.name, "value_set": list(column.allowed)}
        meaning = f"{column.name} is one of {', '.join(column.allowed)}."
        remedy = f"Map the value in the importer, or add it to `allowed` of {where}."
        found.append(_expectation(kind, kwargs, "allowed", column=column.name, severity=Severity.BLOCK, meaning=meaning, remedy=remedy))
    return found


def _key_expectation(table: Table) -> dict[str, Any]:
    """Uniqueness of the key; in raw only a warning, for staging keeps the row loaded last of equal keys."""
    severity = Severity.WARN if table.database is Database.RAW else Severity.BLOCK
    columns = list(table.key)
    kind: str
    kwargs: dict[str, Any]
    meaning = f"One row per {', '.join(columns)}."
    remedy = "Two versions claim the same publication time: give corrections a later known_ts in the importer."
    if table.database is not Database.RAW:
        remedy = f"Look for a join that multiplies rows in {table.full_name}."
    if len(columns) == 1:
        kind, kwargs = "expect_column_values_to_be_unique", {"column": columns[0]}
    else:
        kind, kwargs = "expect_compound_columns_to_be_unique", {"column_list": columns, "ignore_row_if": "never"}
    return _expectation(kind, kwargs, "unique_key", column="", severity=severity, meaning=meaning, remedy=remedy)
