"""Step ingest against a real server: rows add up, repeats load nothing, corrections of a date extend the history."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml

from pipeline_tasks.contracts import TRUTH_TABLES
from pipeline_tasks.sources import SourceError
from pipeline_tasks.sources.files import FilesSource
from pipeline_tasks.sources.twin import TwinSource
from pipeline_tasks.steps import ingest as step
from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.twin.profiles import load_profile
from pipeline_tasks.warehouse import Warehouse, connect

DAY = date(2026, 1, 25)
TWIN = RunContext(source="twin", market="twin", delivery_date=DAY)


def _adds_up(summary: dict[str, object]) -> bool:
    done = summary["objects"]
    assert isinstance(done, list)
    per_object = all(o["rows_read"] == o["rows_loaded"] + o["rows_quarantined"] + o["rows_duplicate"] for o in done)
    return per_object and all(summary[name] == sum(o[name] for o in done) for name in step.COUNTS)


def test_twin_rows_add_up_and_a_repeat_loads_nothing(warehouse: Warehouse) -> None:
    first = step.ingest(TWIN)
    assert _adds_up(first)
    assert first["rows_quarantined"] == 1  # the garbled price of day 60
    sql = "select count() from raw.prices where market = 'twin' and delivery_ts < toDateTime64('2026-01-25 23:00:00', 3, 'UTC')"
    count = warehouse.scalar(sql)
    again = step.ingest(TWIN)
    assert again["rows_read"] == 0, "what is whole in the warehouse is not read again"
    assert warehouse.scalar(sql) == count
    quarantined = warehouse.query("select row_sha, row_number from quarantine.prices where source_object like 'garbled_prices/%'")
    assert quarantined.height == quarantined.unique().height == 1


def test_rows_that_were_lost_are_read_and_loaded_again(warehouse: Warehouse) -> None:
    step.ingest(TWIN)
    count = "select count() from raw.commodities where market = 'twin' and source = 'twin'"
    before = warehouse.scalar(count)
    warehouse.command("alter table raw.commodities drop partition ('twin', 2025)")
    assert warehouse.scalar(count) < before
    mended = step.ingest(TWIN)
    assert {o["table"] for o in mended["objects"]} == {"raw.commodities"}
    assert mended["rows_loaded"] > 0
    assert warehouse.scalar(count) == before
    assert step.ingest(TWIN)["rows_read"] == 0


def test_truth_is_loaded_beside_the_market(warehouse: Warehouse) -> None:
    step.ingest(TWIN)
    with connect("yardstick") as wh:
        counts = {t.name: wh.scalar(f"select count() from {t.full_name} where market = 'twin'") for t in TRUTH_TABLES}
        assert all(counts[name] for name in ("ptdf", "shadow_prices", "unit_costs", "lng_effect", "regimes")), counts
        days = wh.scalar("select count() from truth.regimes where market = 'twin'")
        priced = wh.scalar(
            "select uniqExact(toDate(delivery_ts, 'Europe/Berlin')) from raw.prices where market = 'twin' and hub = 'HUB_EAST' and product = 'da'"
        )
        assert days == priced


def test_a_later_date_adds_only_its_own_rows(warehouse: Warehouse) -> None:
    step.ingest(TWIN)
    later = step.ingest(TWIN.on(date(2026, 1, 26)))
    assert {o["source_object"].split("@")[0].split("/")[1] for o in later["objects"]} == {"2026-01-26..2026-01-26"}
    days = warehouse.query(
        "select toDate(delivery_ts, 'Europe/Berlin') as d, count() as n from raw.prices where market = 'twin' and product = 'da' "
        "and delivery_ts >= toDateTime64('2026-01-24 23:00:00', 3, 'UTC') and delivery_ts < toDateTime64('2026-01-26 23:00:00', 3, 'UTC') "
        "group by d order by d"
    )
    assert days["n"].to_list() == [120, 120]


def test_only_the_objects_asked_for_are_loaded(warehouse: Warehouse) -> None:
    summary = step.ingest(TWIN.on(date(2026, 1, 27)), objects=frozenset({"commodities"}))
    assert [o["source_object"].split("/")[0] for o in summary["objects"]] == ["commodities"]


def test_another_twin_than_the_one_in_the_warehouse_is_refused_before_anything_is_loaded(warehouse: Warehouse) -> None:
    step.ingest(TWIN)
    profile = load_profile("test")
    other = profile.model_copy(update={"bad_row_every_days": 7})
    shifted = profile.model_copy(update={"start_date": date(2026, 1, 20)})
    for twin, ctx in ((other, TWIN.on(date(2025, 12, 2))), (shifted, TWIN.on(date(2026, 1, 28)))):  # few days of either are simulated
        with pytest.raises(SourceError, match="take a fresh state folder"):
            step.ingest(ctx, source=TwinSource(twin, processes=1), objects=frozenset({"commodities", "garbled_prices"}))


def test_refused_rows_reach_quarantine_with_what_the_file_said(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {
        "id": "prices",
        "files": "x.csv",
        "market": "nyiso",
        "time": {"column": "t", "dst": "fold_by_order", "resolution_min": 60},
        "targets": [
            {
                "table": "prices",
                "columns": {"hub": "z", "price_ccy_per_mwh": "p"},
                "constants": {"product": "rt", "currency": "USD"},
                "known": {"rule": "interval_end", "minutes": 60},
            }
        ],
    }
    (tmp_path / "i").mkdir()
    (tmp_path / "i" / "demo.yaml").write_text(yaml.safe_dump({"dataset": "demo", "objects": [entry]}), encoding="utf-8")
    rows = [
        "2030-03-10 01:00,10",
        "2030-03-10 02:00,11",
        "2030-03-10 03:00,x",
        "2030-03-10 04:00,1e9",
        "2030-03-10 05:00,1",
        "2030-03-10 05:00,2",
    ]
    (tmp_path / "x.csv").write_text("z,t,p\n" + "".join(f"WEST,{r}\n" for r in rows), encoding="utf-8")
    monkeypatch.setattr(step, "get_source", lambda _name: FilesSource(tmp_path, tmp_path / "i"))
    summary = step.ingest(RunContext(source="files", market="nyiso_west", delivery_date=date(2030, 3, 10)))
    assert _adds_up(summary)
    assert {k: summary[k] for k in step.COUNTS} == {"rows_read": 6, "rows_loaded": 1, "rows_quarantined": 5, "rows_duplicate": 0}
    held = warehouse.query("select row_json, broken_rules from quarantine.prices where source_object like 'x.csv#prices%'")
    text = "\n".join(held["row_json"])
    for said in ("2030-03-10 02:00 on the file's clock", '"x"', "the key is given twice", "the value is no number"):
        assert said in text
    assert all(held["broken_rules"])
