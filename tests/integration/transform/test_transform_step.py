"""The transform step: results kept, failures named, unchanged layers skipped, no password on disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from config.settings import get_settings
from pipeline_tasks.steps import build_state, dbt_process
from pipeline_tasks.steps.dbt_process import TransformFailed, run_dbt
from pipeline_tasks.steps.transform import LAYERS, transform
from pipeline_tasks.warehouse import Warehouse


@pytest.fixture(scope="module")
def built(raw_rows: Callable[[str], Any]) -> dict[str, Any]:
    """All layers of a market with prices from December to January."""
    rows = raw_rows("t_step")
    starts = rows.starts(date(2024, 12, 20), date(2025, 1, 10), 60)
    rows.prices([(s, rows.market.gate(rows.local_date(s)) + timedelta(minutes=45), 10.0) for s in starts])
    return transform(*LAYERS, market="t_step", end_date=date(2025, 1, 12), run_id="step", force=True)


def test_results_are_kept(built: dict[str, Any], warehouse: Warehouse) -> None:
    assert not built["skipped"]
    assert built["layers"] == list(LAYERS)
    kept = dict(warehouse.query("select unique_id, status from ops.dbt_results where run_id = 'step'").iter_rows())
    assert kept["model.powerdesk.ftr_day_ahead"] == "success"
    assert set(kept.values()) <= {"success", "pass"}
    assert len(kept) == sum(built["nodes"].values())


def test_rows_reach_the_requested_date(built: dict[str, Any], warehouse: Warehouse) -> None:
    day = "from features.ftr_day_ahead where market = 't_step' and delivery_date = '2025-01-12'"
    columns = ("price_ccy_per_mwh", "price_lag_2d_ccy_per_mwh", "price_lag_1d_ccy_per_mwh")  # prices end two days before it
    assert warehouse.query(f"select count() as n, {', '.join(f'count({c})' for c in columns)} {day}").row(0) == (24, 0, 24, 0)


def test_unchanged_layers_are_skipped_and_new_rows_rebuild_their_years(
    built: dict[str, Any], warehouse: Warehouse, raw_rows: Callable[[str], Any]
) -> None:
    assert transform("staging", "intermediate", "features", market="t_step")["skipped"]
    rows = raw_rows("t_step")
    starts = rows.starts(date(2025, 1, 11), date(2025, 1, 12), 60)
    later = dbt_now(warehouse)
    rows.prices([(s, rows.market.gate(rows.local_date(s)) + timedelta(minutes=45), 11.0) for s in starts], ingested=later)
    before = _modified(warehouse)
    result = transform("staging", "intermediate", "features", market="t_step")
    after = _modified(warehouse)
    assert result["layers"] == ["intermediate", "features"]
    assert result["from_date"] >= "2025-01-08"
    assert [year for year in after if after[year] != before.get(year)] == ["2025"]
    assert warehouse.scalar("select max(delivery_date) from features.ftr_day_ahead where market = 't_step'") == date(2025, 1, 12)


def dbt_now(warehouse: Warehouse) -> Any:
    return warehouse.scalar("select now64(3, 'UTC')")


def _modified(warehouse: Warehouse) -> dict[str, Any]:
    """Part names of the market's feature partitions by year."""
    parts = warehouse.query(
        "select partition, groupArray(name) as names from (select partition, name from system.parts where database = 'features' and active"
        " and table = 'ftr_day_ahead' and partition like '%t_step%' order by name) group by partition"
    )
    return {p[-5:-1]: tuple(n) for p, n in parts.iter_rows()}


def test_failure_names_node_reason_and_compiled_sql(
    built: dict[str, Any], warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "transforms"
    shutil.copytree(dbt_process.PROJECT_DIR, project, ignore=shutil.ignore_patterns("target", "logs"))
    model = project / "models" / "staging" / "stg_units.sql"
    model.write_text(model.read_text(encoding="utf-8").replace("from one_per_key", "from no_such_table"), encoding="utf-8")
    monkeypatch.setattr(dbt_process, "PROJECT_DIR", project)
    monkeypatch.setattr(build_state, "PROJECT_DIR", project)
    with pytest.raises(TransformFailed, match=r"(?s)model\.powerdesk\.stg_units: .*no_such_table.*compiled SQL: \S*stg_units\.sql"):
        transform("staging", market="t_step", run_id="broken")
    kept = dict(warehouse.query("select unique_id, status from ops.dbt_results where run_id = 'broken'").iter_rows())
    assert kept["model.powerdesk.stg_units"] == "error"


def test_dbt_unit_tests_pass(built: dict[str, Any], warehouse: Warehouse) -> None:
    results = run_dbt(warehouse, ["test", "--select", "test_type:unit"])
    assert len(results) >= 3
    assert {r.status for r in results} == {"pass"}, [r.message for r in results]


def test_password_is_nowhere_on_disk(built: dict[str, Any], warehouse: Warehouse) -> None:
    files = [p for p in (get_settings().home / "dbt").rglob("*") if p.is_file()]
    assert files
    secret = warehouse.endpoint.password.encode()
    assert len(secret) > 8
    assert [p for p in files if secret in p.read_bytes()] == []


def test_marts_answer_an_analyst(built: dict[str, Any], analyst: Warehouse) -> None:
    hubs = analyst.scalar("select hub_count from marts.dim_market where market = 't_step'")
    assert hubs == 1
    assert analyst.scalar("select count() from marts.fct_forecast_outcome where market = 't_step'") == 0
    days = analyst.query(
        "select power_mean_ccy_per_mwh from marts.fact_cross_asset where market = 't_step' and delivery_date = '2025-01-05'"
    )
    assert days.item() == 10.0


def test_unknown_layer_is_refused() -> None:
    with pytest.raises(ValueError, match="layer 'mart' is not known"):
        transform("mart")  # type: ignore[arg-type]


def test_no_layer_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no layer is named; use some of staging"):
        transform()
