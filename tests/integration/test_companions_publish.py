"""Companion tables on a real server: staged, published by partition, read through views, hidden by the kill switch, exported with units."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models._kernel.frames import companion
from models._kernel.registry import spec_of
from models._kernel.shortfall import expected_shortfall, value_at_risk
from models.curve_dist.tables import RISK_LEVELS, SCENARIOS, TENOR_LEVELS, TENOR_RISK, TENOR_SCENARIOS, level_name
from pipeline_tasks.contracts import LINEAGE
from pipeline_tasks.reports.export import export_table
from pipeline_tasks.warehouse import Warehouse
from pipeline_tasks.warehouse.publish import StageError, publish_staged, stage
from pipeline_tasks.warehouse.switch import set_kill_switch

DAY, MARKET, RUN, COUNT = date(2024, 3, 31), "companions", "nightly:companions:2024-03-31", 30
START = datetime(2024, 3, 30, 23, tzinfo=UTC)


def _lineage(hub: str, hours: int) -> pl.DataFrame:
    rows = [
        {
            "run_id": RUN, "model": "curve_dist", "model_version": "3", "artifact_sha": "a", "code_sha": "c", "data_version": "d",
            "regime": "unknown", "status": "OK", "status_reason": "", "as_of": START - timedelta(hours=12), "market": MARKET, "hub": hub,
            "product": "da", "delivery_ts": START + timedelta(hours=h), "delivery_date": DAY,
        }
        for h in range(hours)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema={c.name: c.type.polars for c in LINEAGE})


def _frames() -> dict[str, pl.DataFrame]:
    """A 23-hour day of two hubs: paths, their day mean and its risk."""
    rng = np.random.default_rng(1)
    parts: dict[str, list[pl.DataFrame]] = {t.name: [] for t in (SCENARIOS, TENOR_SCENARIOS, TENOR_RISK)}
    for hub in ("A", "B"):
        keys = _lineage(hub, 23)
        paths = 40 + rng.standard_normal((23, COUNT)).cumsum(axis=0)
        scenario = np.arange(1, COUNT + 1)
        wide = keys[np.repeat(np.arange(23), COUNT)]
        parts[SCENARIOS.name].append(
            wide.with_columns(pl.Series("scenario", np.tile(scenario, 23)), pl.Series("price_ccy_per_mwh", paths.ravel()))
        )
        own = paths.mean(axis=0)
        day = keys[:1].with_columns(tenor=pl.lit("day"))
        parts[TENOR_SCENARIOS.name].append(day.join(pl.DataFrame({"scenario": scenario, "price_ccy_per_mwh": own}), how="cross"))
        risk = {"method": "schaake_shuffle", "period_first_date": DAY, "period_last_date": DAY, "known_days": 0, "forecast_days": 1,
                "scenarios": COUNT, "mean_ccy_per_mwh": own.mean()}  # fmt: skip
        risk |= {f"q{round(100 * p):02d}_ccy_per_mwh": float(np.quantile(own, p)) for p in TENOR_LEVELS}
        for p in RISK_LEVELS:
            for side, loss in (("", own), ("long_", own.mean() - own)):
                risk[f"{side}var_{level_name(p)}_ccy_per_mwh"] = float(value_at_risk(loss, p))
                risk[f"{side}es_{level_name(p)}_ccy_per_mwh"] = float(expected_shortfall(loss, p))
        parts[TENOR_RISK.name].append(day.join(pl.DataFrame([risk]), how="cross"))
    return {name: pl.concat(frames) for name, frames in parts.items()}


@pytest.fixture(scope="module")
def published(warehouse: Warehouse) -> dict[str, pl.DataFrame]:
    frames = _frames()
    for table in spec_of("curve_dist").companions:
        own = frames[table.name].select(table.column_names)
        assert companion(table, own).height == own.height
        stage(warehouse, table, own, run_id=RUN)
        done = publish_staged(warehouse, table, run_id=RUN, model="curve_dist")
        assert [(p.hub, p.row_count) for p in done] == [(h, own.height // 2) for h in ("A", "B")]
        assert publish_staged(warehouse, table, run_id=RUN, model="curve_dist") == done
    return frames


def test_readers_find_scenarios_that_add_up(published: dict[str, pl.DataFrame], analyst: Warehouse) -> None:
    gap = analyst.query(
        "select max(abs(d.price_ccy_per_mwh - h.price)) as gap, count() as n from curated.v_curve_tenor_scenarios as d inner join"
        " (select hub, scenario, avg(price_ccy_per_mwh) as price from curated.v_curve_scenarios where market = {m:String}"
        " group by hub, scenario) as h on d.hub = h.hub and d.scenario = h.scenario where d.market = {m:String} and d.tenor = 'day'",
        {"m": MARKET},
    )
    assert gap.item(0, "n") == 2 * COUNT
    assert gap.item(0, "gap") <= 1e-6


def test_the_kill_switch_of_the_model_hides_its_companions(
    published: dict[str, pl.DataFrame], warehouse: Warehouse, analyst: Warehouse
) -> None:
    sql = "select count() from curated.v_curve_tenors where market = {m:String}"
    assert analyst.scalar(sql, {"m": MARKET}) == 2
    set_kill_switch(warehouse, scope="market", target=MARKET, active=True, reason="drill", actor="tester")
    assert analyst.scalar(sql, {"m": MARKET}) == 0
    set_kill_switch(warehouse, scope="market", target=MARKET, active=False, reason="drill over", actor="tester")
    assert analyst.scalar(sql, {"m": MARKET}) == 2


def test_a_shortfall_inside_its_value_at_risk_is_refused(published: dict[str, pl.DataFrame], warehouse: Warehouse) -> None:
    bad = published[TENOR_RISK.name].select(TENOR_RISK.column_names).with_columns(pl.col("es_95_ccy_per_mwh") - 100, run_id=pl.lit("bad"))
    with pytest.raises(StageError, match="shortfall_beyond_var"):
        stage(warehouse, TENOR_RISK, bad, run_id="bad")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_export_names_units(published: dict[str, pl.DataFrame], tmp_path: Path, suffix: str) -> None:
    done = export_table("curated.v_curve_scenarios", tmp_path / f"fan{suffix}", market=MARKET)
    assert done["rows"] == 2 * 23 * COUNT
    schema = json.loads(Path(done["schema_path"]).read_text())
    assert schema["columns"]["price_ccy_per_mwh"]["unit"] == "currency/MWh"
