"""The scorecard's drift system on synthetic features: every fault has a row, absent data say so, nothing claims to be real."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from config.markets import resolve_market
from models._kernel.synthetic import SyntheticMarket, day_ahead_features
from models._kernel.yardstick import DataClass
from pipeline_tasks.contracts import Table
from pipeline_tasks.scorecard import run_scorecard
from pipeline_tasks.scorecard.drift import KINDS
from pipeline_tasks.scorecard.sources import DataAbsentError, DataSet, Say
from pipeline_tasks.steps.market_days import holiday_names

LAST = date(2020, 4, 30)


class Synthetic:
    """Features of a synthetic market under the name of a configured one; other names are absent."""

    def load(self, name: str, table: Table, say: Say) -> DataSet:
        if name != "epf_de":
            raise DataAbsentError(f"no data of {name}")
        rows = day_ahead_features(SyntheticMarket(date(2019, 1, 1), LAST, hubs=("DE",), market="epf_de")).select(table.column_names)
        known = holiday_names(resolve_market(name).market, date(2019, 1, 1), LAST)
        absent = ("gas_price_ccy_per_unit", "co2_price_ccy_per_unit", "solar_forecast_mw", "wind_forecast_mw")
        kept = rows.with_columns(
            pl.col("delivery_date").is_in(list(known)).alias("is_holiday"), *(pl.lit(None, pl.Float64).alias(n) for n in absent)
        )
        return DataSet(name, DataClass.TWIN, resolve_market(name), kept, Path())


@pytest.fixture(scope="module")
def rows() -> dict[tuple[str, str], dict[str, object]]:
    found = run_scorecard(
        models=["drift"], data_sets=["epf_de", "epf_np"], start=LAST - timedelta(days=62), end=LAST, source=Synthetic(), record=False
    )
    return {(r.data_set, r.metric): r.to_dict() for r in found}


def test_every_fault_and_the_alarms_have_a_row_with_target_interval_and_baseline(rows: dict[tuple[str, str], dict[str, object]]) -> None:
    for metric in (*(f"detection_{kind}" for kind in KINDS), "false_alarms_per_quarter"):
        row = rows["epf_de", metric]
        assert row["verdict"] in {"pass", "miss"}
        assert row["baseline_value"] is not None
        assert row["n"]
        assert "synthetic" in str(row["reason"])
        assert row["target"] == (1.0 if metric == "false_alarms_per_quarter" else 0.95)


@pytest.mark.parametrize("kind", ["unit_1000", "stuck_sensor", "category_swap"])
def test_plain_faults_are_always_reported(rows: dict[tuple[str, str], dict[str, object]], kind: str) -> None:
    assert rows["epf_de", f"detection_{kind}"]["value"] == 1.0


def test_absent_data_are_not_measurable(rows: dict[tuple[str, str], dict[str, object]]) -> None:
    row = rows["epf_np", "detection_stuck_sensor"]
    assert row["verdict"] == "not_measurable"
    assert row["reason"] == "no data of epf_np"
    assert row["value"] is None
