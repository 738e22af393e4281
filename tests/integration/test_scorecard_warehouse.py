"""The scorecard through the warehouse: a foreign data folder with a further market and later period, read with no edit."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from config.settings import get_settings
from models._kernel.yardstick import Baseline, DataSetSpec, Direction, MetricTarget, Yardstick
from models._template.model import TemplateModel
from models._template.spec import SPEC as TEMPLATE
from pipeline_tasks.contracts.ops import SCORECARD
from pipeline_tasks.scorecard import run_scorecard, runner
from pipeline_tasks.scorecard.sources import DataAbsentError, WarehouseSource
from pipeline_tasks.warehouse import connect

pytestmark = pytest.mark.slow
DAYS = 200
YARDSTICK = Yardstick(
    system="_template",
    identifier="X1",
    claim="c",
    data_sets=(DataSetSpec("epf_de", test_days=14, refit_days=7, calibration_days=0),),
    baselines=(Baseline("naive_week", "w"), Baseline("published_mean", "p")),
    metrics=(
        MetricTarget("mae", Direction.AT_MOST, baseline="naive_week", test="dm"),
        MetricTarget("mae", Direction.AT_MOST, baseline="published_mean", test="dm"),
    ),
    gate_metric="mae",
    gate_baseline="naive_week",
)


@pytest.fixture
def folder(tmp_path):
    """Synthetic hours of a market nobody declared in the yardstick, in the benchmark's layout, with published forecasts."""
    rng = np.random.default_rng(5)
    begin = datetime(2022, 1, 1)  # noqa: DTZ001 - the files carry naive local stamps
    stamps = [begin + timedelta(hours=h) for h in range(24 * DAYS)]
    hour = np.arange(24 * DAYS)
    load = 9000 + 1500 * np.sin(2 * np.pi * hour / 24) + 500 * np.sin(2 * np.pi * hour / 168)
    price = np.round(load / 100 + rng.normal(0, 4, hour.size), 2)
    benchmark, published = tmp_path / "epf_benchmark_5_markets", tmp_path / "epf_published_forecasts"
    benchmark.mkdir()
    published.mkdir()
    columns = {"date": stamps, "System load forecast": load, "Generation forecast": load * 1.1, "price": price}
    pl.DataFrame(columns).write_parquet(benchmark / "BE.parquet")
    forecast = {"date": stamps, "Real price": price, "LEAR Ensemble": price + 1, "DNN Ensemble": price + 2}
    pl.DataFrame(forecast).tail(24 * 20).write_parquet(published / "BE.parquet")
    return tmp_path


def test_a_further_market_in_another_folder_is_scored_and_recorded(warehouse, folder, monkeypatch):
    monkeypatch.setattr(runner, "spec_of", lambda _: replace(TEMPLATE, min_history_days=90))
    monkeypatch.setattr(runner, "yardstick_of", lambda _: YARDSTICK)
    monkeypatch.setattr(runner, "params_of", lambda *_: {})
    monkeypatch.setattr(runner, "model_class", lambda _: TemplateModel)
    home = get_settings().home
    rows = run_scorecard(models=["_template"], data_sets=["epf_be", "epf_fr"], data_dir=folder)
    assert get_settings().home == home
    found = {(r.data_set, r.metric, r.baseline): r for r in rows}
    mae = found["epf_be", "mae", "published_mean"]
    last = date(2022, 1, 1) + timedelta(days=DAYS - 1)
    assert (mae.n, mae.window_from, mae.window_to) == (14 * 24, last - timedelta(days=13), last)
    assert mae.baseline_value == pytest.approx(1.5)
    assert found["epf_fr", "mae", "naive_week"].verdict == "not_measurable"
    with connect() as wh:
        kept = wh.query(f"select * from {SCORECARD.full_name} where system = '_template'")
        assert wh.scalar("select count() from raw.prices where market = 'epf_be'") == 0
    assert kept.height == len(rows)
    mine = (pl.col("data_set") == "epf_be") & (pl.col("baseline") == "published_mean") & (pl.col("metric") == "mae")
    assert kept.filter(mine)["value"].to_list() == [pytest.approx(mae.value)]


def test_unknown_data_sets_and_absent_files_say_why(warehouse, tmp_path, monkeypatch):
    with pytest.raises(DataAbsentError, match="not configured"):
        WarehouseSource().load("atlantis", TEMPLATE.inputs, lambda _: None)
    monkeypatch.setenv("DESK_DATA_DIR", str(tmp_path / "nowhere"))
    get_settings.cache_clear()
    try:
        with pytest.raises(DataAbsentError, match="DESK_DATA_DIR"):
            WarehouseSource().load("epf_np", TEMPLATE.inputs, lambda _: None)
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()
