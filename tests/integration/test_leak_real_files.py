"""Leak test on real data: whatever became known after a decision is changed, and no registered model's answer moves.

Real rows of one market are ingested and transformed; every model of the registry learns and answers as of one gate. Then each raw value
known later is replaced, features are built anew, models learn anew. Skipped where DESK_DATA_DIR is absent; run with `pytest -m slow`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from config.markets import MarketSelection, resolve_market
from models._kernel.frames import outcomes_known
from models._kernel.protocol import Features
from models._kernel.registry import model_class, model_names, params_of, spec_of
from models._kernel.spec import ModelSpec
from pipeline_tasks.contracts import RAW_TABLES, Table
from pipeline_tasks.sources.protocol import SourceError
from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.steps.exact import one_blas_thread
from pipeline_tasks.steps.ingest import ingest
from pipeline_tasks.steps.reading import features_of, known_rows, lacks_input
from pipeline_tasks.steps.transform import transform
from pipeline_tasks.warehouse import Warehouse

pytestmark = [pytest.mark.data, pytest.mark.slow, pytest.mark.timeout(1500)]  # ingest once, transform twice, every model twice
MARKET = "be"  # quarter hours, an imbalance price, weather: rows in every feature table of the price models
FIRST, DECISION, LAST = date(2024, 6, 1), date(2024, 9, 10), date(2024, 9, 14)


@dataclass(frozen=True)
class Answers:
    """Answers by model, before and after; reasons why a model gives none; raw rows that were changed, by table."""

    before: dict[str, pl.DataFrame]
    after: dict[str, pl.DataFrame]
    inapplicable: dict[str, str]
    poisoned: dict[str, int]


@pytest.fixture(scope="module")
def answers(warehouse: Warehouse, data_dir: Path) -> Iterator[Answers]:
    """Every model's answer as of one gate, before and after the future was replaced."""
    selection = resolve_market(MARKET)
    try:
        ingest(RunContext(source="files", market=MARKET, delivery_date=LAST))
    except SourceError as error:
        pytest.skip(str(error))
    gate = selection.market.gate(DECISION)
    try:
        _build()
        missing = {n: reason for n in model_names() if (reason := lacks_input(warehouse, spec_of(n), selection))}
        names = [n for n in model_names() if n not in missing]
        before = {n: _answer(warehouse, spec_of(n), selection, gate) for n in names}
        poisoned = {t.full_name: _poison(warehouse, t, gate) for t in RAW_TABLES if "known_ts" in t.column_names}
        _build(force=True)
        yield Answers(before, {n: _answer(warehouse, spec_of(n), selection, gate) for n in names}, missing, poisoned)
    finally:
        for table in RAW_TABLES:
            if "market" in table.column_names:
                warehouse.command(f"alter table {table.full_name} delete where market = '{MARKET}' settings mutations_sync = 2")


def _build(*, force: bool = False) -> None:
    transform("staging", "intermediate", "features", market=MARKET, end_date=LAST, run_id="leak_real", force=force)


def _poison(warehouse: Warehouse, table: Table, gate: datetime) -> int:
    """Replace every number of the market's rows known after the gate; says how many rows."""
    numbers = [c.name for c in table.columns if c.type.polars == pl.Float64 and c.name not in table.key]
    where = f"market = '{MARKET}' and known_ts > {{gate:DateTime64(3, 'UTC')}}"
    changed = int(warehouse.scalar(f"select count() from {table.full_name} where {where}", {"gate": gate}))
    if changed and numbers:
        values = ", ".join(f"{name} = 777 - 3 * {name}" for name in numbers)
        warehouse.command(f"alter table {table.full_name} update {values} where {where} settings mutations_sync = 2", {"gate": gate})
    return changed


def _answer(warehouse: Warehouse, spec: ModelSpec, selection: MarketSelection, gate: datetime) -> pl.DataFrame:
    """What the model answers, trained and asked as of the gate: the delivery date, or what was decided of the day before it."""
    rows = known_rows(warehouse, spec, selection, start=FIRST, end=DECISION, as_of=gate)
    data = features_of(spec, rows, [DECISION - timedelta(days=1) if spec.intraday else DECISION])
    asked = Features(data.history, outcomes_known(data.target, pl.col("as_of")))
    with one_blas_thread():
        learned = rows.filter(pl.col("delivery_date") < DECISION)
        model = model_class(spec.name)(params_of(spec.name, "test"))
        model.fit(Features(learned, learned.clear()), cutoff=gate, seed=7)
        return model.predict(asked, as_of=gate).frame


@pytest.mark.parametrize("name", model_names())
def test_what_became_known_later_changes_no_answer(answers: Answers, name: str) -> None:
    if name in answers.inapplicable:
        pytest.skip(answers.inapplicable[name])
    assert answers.before[name].height > 0
    assert answers.after[name].equals(answers.before[name])


def test_the_future_was_replaced_and_features_after_it_show_it(answers: Answers, warehouse: Warehouse) -> None:
    assert answers.poisoned["raw.prices"] > 100
    later = warehouse.query(
        "select min(price_lag_1d_ccy_per_mwh) as low from features.ftr_day_ahead where market = {m:String} and delivery_date > {d:Date32}",
        {"m": MARKET, "d": DECISION + timedelta(days=1)},
    )
    assert later["low"][0] < 777 - 3 * 100  # prices above 100 became such: the poison was there to be found


def test_most_models_of_the_registry_are_covered(answers: Answers) -> None:
    assert {"curve_dist", "imbalance", "price_prediction", "spike_risk"} <= set(answers.before)
