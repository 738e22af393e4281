"""A gate: every table of a layer against its suite and its business rules; blocking breaks stop the run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from config.markets import MarketSelection
from config.settings import REPO_ROOT
from pipeline_tasks.catalog import tables_of
from pipeline_tasks.contracts import Table
from pipeline_tasks.quality.business import BUSINESS_DIR, judge, load_business_rules
from pipeline_tasks.quality.docs import keep_result
from pipeline_tasks.quality.engine import evaluate
from pipeline_tasks.quality.outcome import GateBlocked, Outcome, record
from pipeline_tasks.quality.window import FIRST_DATE, Window, last_delivery_date, read_rows
from pipeline_tasks.warehouse import Warehouse

SUITES_DIR = REPO_ROOT / "expectations" / "suites"


@dataclass(frozen=True, slots=True)
class GateResult:
    """What an open gate says.

    Attributes:
        outcomes: every check, in table order.
        rows_checked: rows read per table; tables without rows of the market are left out.
    """

    outcomes: tuple[Outcome, ...]
    rows_checked: dict[str, int]

    @property
    def warnings(self) -> tuple[Outcome, ...]:
        """Warnings that broke."""
        return tuple(o for o in self.outcomes if not o.success and o.severity == "warn")

    @property
    def degrading(self) -> tuple[Outcome, ...]:
        """Warnings that mark the run DEGRADED."""
        return tuple(o for o in self.warnings if o.degrades)


def run_gate(
    wh: Warehouse,
    layer: str,
    *,
    selection: MarketSelection,
    run_id: str,
    start_date: date | None = None,
    end_date: date | None = None,
    decided_at: datetime | None = None,
    tables: Sequence[str] = (),
    business_dir: Path = BUSINESS_DIR,
) -> GateResult:
    """Check a layer and write every result to ops.check_results, also when the gate shuts.

    Args:
        wh: warehouse (role pipeline).
        layer: database whose tables are checked.
        selection: market and hubs.
        run_id: run that asks.
        start_date: first delivery date looked at; the whole history (within the row budget) by default.
        end_date: delivery date decided for; the last one with a price by default. Nothing later is looked at.
        decided_at: decision time of a run within the day; the gate of `end_date` by default.
        tables: names of tables to look at; all of the layer when empty.
        business_dir: folder of the business rules.

    Raises:
        GateBlocked: a blocking check broke, or the market has no prices at all.
        ExpectationError: a suite cannot be evaluated.
    """
    last = end_date or last_delivery_date(wh, selection)
    at = datetime.now(UTC)
    if last is None:
        outcomes = [_nothing_there(selection)]
        record(wh, outcomes, run_id=run_id, at=at)
        raise GateBlocked.of(layer, selection.key, outcomes)
    window = Window(selection, start_date or FIRST_DATE, last, decided_at)
    checked: dict[str, int] = {}
    outcomes = []
    for table in tables_of(layer):
        if tables and table.full_name not in tables:
            continue
        if "market" not in table.column_names or not {"delivery_ts", "delivery_date"} & set(table.column_names):
            continue
        outcomes.extend(_suite_outcomes(wh, table, window, run_id, checked))
        outcomes.extend(_business_outcomes(wh, table, window, run_id, business_dir))
    record(wh, outcomes, run_id=run_id, at=at)
    breaks = [o for o in outcomes if not o.success and o.severity == "block"]
    if breaks:
        raise GateBlocked.of(layer, selection.key, breaks)
    return GateResult(tuple(outcomes), checked)


def load_suite(table: Table) -> dict[str, Any]:
    """The generated suite of a table.

    Raises:
        FileNotFoundError: it was not generated; the message says how.
    """
    path = SUITES_DIR / f"{table.full_name}.json"
    if not path.is_file():
        raise FileNotFoundError(f"expectation suite {path.name} is missing; run `desk gen`")
    suite: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return suite


def _suite_outcomes(wh: Warehouse, table: Table, window: Window, run_id: str, checked: dict[str, int]) -> Sequence[Outcome]:
    frame, covered = read_rows(wh, table, window)
    if not frame.height:
        return []
    checked[table.full_name] = frame.height
    outcomes, result = evaluate(load_suite(table), frame, seen=_seen(covered))
    keep_result(run_id, table.full_name, result)
    return outcomes


def _business_outcomes(wh: Warehouse, table: Table, window: Window, run_id: str, folder: Path) -> Sequence[Outcome]:
    rules = [rule for group in load_business_rules(folder) if group.table == table.full_name for rule in group.rules]
    if not rules:
        return []
    outcomes, result = judge(wh, table.full_name, rules, window.params(), seen=_seen(window))
    keep_result(run_id, f"{table.full_name}.business", result)
    return outcomes


def _seen(window: Window) -> dict[str, Any]:
    return {"from": window.start_date.isoformat(), "to": window.end_date.isoformat(), "as_of": window.as_of.isoformat()}


def _nothing_there(selection: MarketSelection) -> Outcome:
    return Outcome(
        table="raw.prices",
        check="market_has_prices",
        column="",
        severity="block",
        success=False,
        rows_checked=0,
        rows_failed=0,
        meaning=f"Market {selection.market.key} has at least one price.",
        remedy="Ingest it first (`desk ingest`), or name another market.",
    )
