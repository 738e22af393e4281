"""The data dictionary: every table, column, unit and meaning, for people."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline_tasks.contracts import Column, Database, Table
from pipeline_tasks.generation.marker import HEADER
from pipeline_tasks.warehouse.ddl import view_name

LAYERS: dict[Database, str] = {
    Database.RAW: "What sources delivered, with when the market could know it. Append only; corrections are new rows.",
    Database.QUARANTINE: "Rows that broke a rule of their contract, as delivered, with the rule.",
    Database.STAGING: "Raw rows with one row per key and publication time.",
    Database.INTERMEDIATE: "Steps between staging and features.",
    Database.FEATURES: "Point-in-time inputs of models: one row per entity, delivery interval and decision time.",
    Database.CURATED: "Model output with its lineage. Read the views `v_*`: they show published, not revoked runs only.",
    Database.CURATED_SHADOW: "What challengers answered beside the champion. Written by the role `shadow` alone, never published.",
    Database.MARTS: "What analysts and reports read.",
    Database.OPS: "Loads, publications, checks, metrics, approvals and the audit chain.",
    Database.TRUTH: "What the simulated market knows of itself. For yardsticks alone: `pipeline` and `analyst` cannot read it.",
}


def dictionary_text(tables: Sequence[Table]) -> str:
    """Markdown with a table of contents, then one section per database and one table per contract."""
    parts = [f"<!-- {HEADER} -->", "# Data dictionary", "", *_conventions(), "## Contents", ""]
    parts.extend(_contents(tables))
    for database in Database:
        here = [t for t in tables if t.database is database]
        if here:
            parts.extend([f"## {database.value}", "", LAYERS[database], ""])
            parts.extend(line for table in here for line in _section(table))
    return "\n".join(parts).rstrip() + "\n"


def _conventions() -> list[str]:
    return [
        "Columns ending `_ts` are UTC instants (milliseconds), `_date` are market-local dates. An absent value means unknown,",
        "never zero. `currency/MWh` is in the currency of the row or of its market. Bounds are inclusive.",
        "",
    ]


def _contents(tables: Sequence[Table]) -> list[str]:
    lines = ["| table | rows | columns |", "|---|---|---|"]
    lines.extend(f"| [{t.full_name}](#{_anchor(t.full_name)}) | {_cell(t.meaning)} | {len(t.columns)} |" for t in tables)
    return [*lines, ""]


def _section(table: Table) -> list[str]:
    written = "dbt" if table.managed_by == "dbt" else "the pipeline"
    lines = [
        f"### {table.full_name}",
        "",
        table.meaning,
        "",
        f"One row per: {', '.join(f'`{k}`' for k in table.key)}. Written by {written}.",
    ]
    if table.partition_by:
        lines.append(f"Partitioned by `{table.partition_by}`.")
    if table.database is Database.CURATED and table.managed_by != "dbt":
        lines.append(f"Readers use `{view_name(table)}`.")
    lines.extend(["", "| column | type | unit | meaning | values |", "|---|---|---|---|---|"])
    lines.extend(_row(c) for c in table.columns)
    lines.append("")
    if table.rules:
        lines.extend(["Rules:", "", *(f"- `{r.name}` ({r.severity.value}): {r.meaning}" for r in table.rules), ""])
    return lines


def _row(column: Column) -> str:
    kind = column.clickhouse_type.replace("|", "\\|")
    return f"| `{column.name}` | `{kind}` | {_cell(column.unit)} | {_cell(column.meaning)} | {_values(column)} |"


def _values(column: Column) -> str:
    if column.allowed:
        return ", ".join(f"`{a}`" for a in column.allowed)
    parts = [f"{sign} {bound:g}" for sign, bound in (("≥", column.ge), ("≤", column.le)) if bound is not None]
    if column.nullable:
        parts.append("may be absent")
    return ", ".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _anchor(heading: str) -> str:
    return heading.replace(".", "")
