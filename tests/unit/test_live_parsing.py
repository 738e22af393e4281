"""Captured answers of the providers: values read by hand, units, time stamps, row counts. The answers stay in the shared data folder."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from config.markets import Market
from pipeline_tasks.contracts.raw import PROVENANCE
from pipeline_tasks.sources.live.answers import members
from pipeline_tasks.sources.live.catalog import PRODUCTS
from pipeline_tasks.sources.live.drift import drift_of
from pipeline_tasks.sources.live.product import SAID, Ask
from pipeline_tasks.warehouse.validation import check_rows, delivered_columns

ZONES = {
    "caiso": "America/Los_Angeles", "ercot": "America/Chicago", "pjm": "America/New_York", "miso": "Etc/GMT+5", "nyiso": "America/New_York",
    "isone": "America/New_York", "spp": "America/Chicago", "ieso": "Etc/GMT+5", "entsoe": "Europe/Berlin", "elexon": "Europe/London",
    "aemo": "Australia/Brisbane", "eia": "America/New_York",
}  # fmt: skip
D = date
Case = tuple[str, str, date, date, dict[str, str], int, int, dict[str, Any], float]
# product, file, first and last local day, regions, records, rows, one row by its key, its value (read by hand from the file)
CASES: list[Case] = [
    ("caiso/load_forecast_7da", "US_CA/20250219_20250227_SLD_FCST_7DA_20250221_01_09_58_v1.zip", D(2025, 2, 19), D(2025, 2, 26), {"AVA": "AVA"}, 6432, 192,
     {"area": "AVA", "delivery_ts": datetime(2025, 2, 19, 8, tzinfo=UTC), "resolution_min": 60, "unit": "MW"}, 1275.14),
    ("caiso/renewables_forecast_da", "US_CA/20250204_20250211_SLD_REN_FCST_DAM_20250214_04_52_10_v1.zip", D(2025, 2, 4), D(2025, 2, 10), {}, 1008, 1344,
     {"area": "NP15", "quantity": "solar", "delivery_ts": datetime(2025, 2, 4, 17, tzinfo=UTC)}, 702.26),
    ("ercot/load_forecast_da", "US_ERCOT/load_forecast_specific_reportid.zip", D(2025, 3, 13), D(2025, 3, 13), {}, 192, 24,
     {"delivery_ts": datetime(2025, 3, 13, 5, tzinfo=UTC), "resolution_min": 60}, 43797.76989746094),
    ("ercot/wind_actual", "US_ERCOT/wind_specific_reportid.zip", D(2025, 3, 11), D(2025, 3, 11), {}, 216, 11,
     {"quantity": "wind", "kind": "actual", "delivery_ts": datetime(2025, 3, 11, 18, tzinfo=UTC)}, 15527.49),
    ("ercot/solar_actual", "US_ERCOT/solar_specific_reportid.zip", D(2025, 3, 12), D(2025, 3, 12), {}, 216, 24,
     {"quantity": "solar", "delivery_ts": datetime(2025, 3, 12, 6, tzinfo=UTC)}, 0.95),
    ("ercot/solar_forecast_da", "US_ERCOT/solar_specific_reportid.zip", D(2025, 3, 11), D(2025, 3, 11), {}, 216, 11,
     {"quantity": "solar", "kind": "forecast", "delivery_ts": datetime(2025, 3, 11, 18, tzinfo=UTC)}, 24108.1),
    ("pjm/load_forecast", "US_PJM/compressed_pjm_load_forecast_2025-03-19.gz", D(2025, 3, 19), D(2025, 3, 26), {"RTO_COMBINED": "system"}, 168, 162,
     {"area": "system", "delivery_ts": datetime(2025, 3, 26, 3, tzinfo=UTC), "known_ts": datetime(2025, 3, 19, 9, 17, 53, tzinfo=UTC)}, 85054),
    ("pjm/generation_by_fuel", "US_PJM/gen_by_fuel.json", D(2025, 2, 8), D(2025, 2, 9), {}, 220, 220,
     {"quantity": "coal", "delivery_ts": datetime(2025, 2, 9, 0, tzinfo=UTC), "unit": "MW"}, 16908.0),
    ("pjm/solar_forecast", "US_PJM/pjm_solar_forecast_2025-02-24.json", D(2025, 2, 23), D(2025, 2, 24), {}, 1061, 1061,
     {"delivery_ts": datetime(2025, 2, 24, 22, tzinfo=UTC), "known_ts": datetime(2025, 2, 24, 10, tzinfo=UTC)}, 637.059),
    ("miso/wind_forecast", "US_MISO/DataBrokerServicesgetWindForecast.asmx.json", D(2025, 3, 10), D(2025, 3, 11), {}, 48, 44,
     {"delivery_ts": datetime(2025, 3, 12, 4, tzinfo=UTC), "known_ts": datetime(2025, 3, 10, 9, tzinfo=UTC)}, 15321.0),
    ("nyiso/load_forecast_da", "US_NY/20250219isolf.csv", D(2025, 2, 19), D(2025, 2, 19), {}, 144, 288,
     {"quantity": "load", "area": "system", "delivery_ts": datetime(2025, 2, 19, 5, tzinfo=UTC)}, 18054),
    ("nyiso/fuel_mix", "US_NY/20250201rtfuelmix_csv.zip", D(2025, 2, 1), D(2025, 2, 1), {}, -1, -1,
     {"quantity": "dual_fuel", "delivery_ts": datetime(2025, 2, 1, 5, tzinfo=UTC), "resolution_min": 5}, 4613.0),
    ("isone/wind_forecast", "US_NEISO/seven_day_wind_power_forecast_20250225.csv", D(2025, 2, 25), D(2025, 2, 25), {}, 168, 168,
     {"delivery_ts": datetime(2025, 2, 26, 5, tzinfo=UTC), "known_ts": datetime(2025, 2, 25, 15, 8, 14, tzinfo=UTC)}, 205),
    ("isone/load_forecast", "US_NEISO/day_ahead_load_forecast_20250317.xml", D(2025, 3, 17), D(2025, 3, 17), {}, 48, 48,
     {"delivery_ts": datetime(2025, 3, 17, 4, tzinfo=UTC), "known_ts": datetime(2025, 3, 16, 13, 23, 32, tzinfo=UTC)}, 9950),
    ("isone/load_actual", "US_NEISO/day_ahead_load_forecast_20250317.xml", D(2025, 3, 17), D(2025, 3, 17), {}, 131, 131,
     {"delivery_ts": datetime(2025, 3, 17, 4, 5, tzinfo=UTC), "resolution_min": 5}, 10010.675),
    ("isone/interchange", "US_NEISO/exchange_CA-NB_US-NE-ISNE.json", D(2025, 3, 26), D(2025, 3, 26), {}, 221, 221,
     {"interface": ".I.SALBRYNB345 1", "delivery_ts": datetime(2025, 3, 26, 4, tzinfo=UTC)}, -112.412),
    ("spp/nodal_rt", "US_SPP/RTBM-LMP-SL-202503310840.csv", D(2025, 3, 31), D(2025, 3, 31), {}, 1234, 1234,
     {"node": "AEC", "delivery_ts": datetime(2025, 3, 31, 13, 35, tzinfo=UTC), "resolution_min": 5}, 35.6875),
    ("ieso/generator_output", "CA_ON/gen_output_capability_20250228.xml", D(2025, 2, 28), D(2025, 2, 28), {}, 7, 7,
     {"unit_id": "BRUCEA-G1", "delivery_ts": datetime(2025, 2, 28, 5, tzinfo=UTC)}, 826),
    ("ieso/demand_forecast", "CA_ON/adequacy_report_20250228.xml", D(2025, 2, 28), D(2025, 2, 28), {}, 24, 19,
     {"delivery_ts": datetime(2025, 2, 28, 10, tzinfo=UTC), "known_ts": datetime(2025, 2, 28, 9, 22, 51, tzinfo=UTC)}, 16942),
    ("ieso/variable_generation_forecast", "CA_ON/var_gen_forecast_summary_report_20250228.xml", D(2025, 2, 28), D(2025, 3, 1), {}, 1008, 96,
     {"quantity": "solar", "delivery_ts": datetime(2025, 2, 28, 14, tzinfo=UTC), "known_ts": datetime(2025, 2, 28, 13, 34, 8, tzinfo=UTC)}, 586.7),
    ("entsoe/prices_da", "ENTSOE/ES_day_ahead_price.xml", D(2025, 9, 29), D(2025, 10, 2), {"10YES-REE------0": "ES"}, 240, 240,
     {"hub": "ES", "delivery_ts": datetime(2025, 9, 29, 1, tzinfo=UTC), "resolution_min": 60, "currency": "EUR"}, 32),
    ("entsoe/prices_da", "ENTSOE/FR_prices.xml", D(2023, 5, 7), D(2023, 5, 8), {"10YFR-RTE------C": "FR"}, 48, 48,
     {"hub": "FR", "delivery_ts": datetime(2023, 5, 6, 22, tzinfo=UTC), "resolution_min": 60}, 106.78),
    ("entsoe/load_actual", "ENTSOE/DK-DK1_consumption.xml", D(2023, 12, 28), D(2023, 12, 30), {"x": "DK1"}, 47, 47,
     {"area": "DK1", "delivery_ts": datetime(2023, 12, 28, 15, tzinfo=UTC)}, 3031),
    ("entsoe/generation_actual", "ENTSOE/NO-NO5_production-negatives.xml", D(2023, 5, 9), D(2023, 5, 11), {"x": "NO5"}, 235, 188,
     {"quantity": "gas", "delivery_ts": datetime(2023, 5, 9, 10, tzinfo=UTC)}, -0.5),
    ("entsoe/renewables_forecast_da", "ENTSOE/wind_solar_forecast_FI_DAY_AHEAD.xml", D(2024, 2, 8), D(2024, 2, 10), {"x": "FI"}, 576, 576,
     {"quantity": "solar", "delivery_ts": datetime(2024, 2, 7, 23, tzinfo=UTC), "resolution_min": 15}, 0),
    ("entsoe/generation_forecast_da", "ENTSOE/SE-SE3_generation_forecast.xml", D(2023, 12, 28), D(2023, 12, 30), {"x": "SE3"}, 72, 72,
     {"quantity": "generation", "delivery_ts": datetime(2023, 12, 28, 0, tzinfo=UTC)}, 10183),
    ("entsoe/flows_actual", "ENTSOE/DK-DK1_GB_exchange_exports.xml", D(2023, 12, 28), D(2023, 12, 30), {"DK1>GB": "DK1>GB"}, 44, 44, {}, 0),
    ("aemo/demand_forecast", "AEMO/PUBLIC_FORECAST_OPERATIONAL_DEMAND_HH_202504011800_20250401173353.zip", D(2025, 4, 1), D(2025, 4, 1), {}, 1985, 1985,
     {"area": "NSW1", "delivery_ts": datetime(2025, 4, 1, 7, 30, tzinfo=UTC), "known_ts": datetime(2025, 4, 1, 7, 27, 41, tzinfo=UTC), "resolution_min": 30}, 8407),
    ("eia/demand", "EIA/US_NW_BPAT-consumption.json", D(2023, 5, 1), D(2023, 5, 1), {"BPAT": "BPAT"}, 2, 2,
     {"quantity": "load", "kind": "actual", "delivery_ts": datetime(2023, 5, 1, 10, tzinfo=UTC)}, 6215),
    ("eia/generation_by_fuel", "EIA/US-NW-PGE-with-nulls.json", D(2022, 10, 31), D(2022, 10, 31), {"PGE": "PGE"}, 2, -1, {}, 0),
    ("eia/generation_by_fuel", "EIA/US_CAL_IID-battery_storage.json", D(2024, 2, 27), D(2024, 2, 27), {"EIA": "EIA"}, 1, 1,
     {"quantity": "storage", "delivery_ts": datetime(2024, 2, 27, 10, tzinfo=UTC)}, 1),
    ("eia/interchange", "EIA/US-FLA-FPC_US-FLA-FPL_exchange.json", D(2020, 1, 6), D(2020, 1, 7), {"FPC>FPL": "FPC>FPL"}, 25, 25,
     {"interface": "FPC>FPL", "delivery_ts": datetime(2020, 1, 6, 5, tzinfo=UTC)}, -329),
    ("elexon/physical_notifications", "GB/bmvalues.json", D(2024, 12, 16), D(2024, 12, 16), {}, 1, 1,
     {"unit_id": "CRAIGB", "delivery_ts": datetime(2024, 12, 16, 10, tzinfo=UTC), "resolution_min": 30}, 120),
    ("elexon/physical_notifications", "GB/boalf.json", D(2024, 12, 16), D(2024, 12, 16), {}, 1, 1, {"unit_id": "CRAIGB"}, 120),
]  # fmt: skip
MEASURED = {
    "prices": "price_ccy_per_mwh",
    "nodal_prices": "price_ccy_per_mwh",
    "quantities": "value",
    "interfaces": "flow_mw",
    "units": "output_mw",
}


@pytest.fixture(scope="module")
def captured(data_dir: Path) -> Path:
    folder = data_dir / "api_responses"
    if not folder.is_dir():
        pytest.skip(f"captured answers not found at {folder}")
    return folder


def market_of(provider: str) -> Market:
    return Market(
        key="m", label="m", time_zone=ZONES[provider], currency="EUR" if provider == "entsoe" else "USD", gate_time=time(12), price_floor=-500,
        price_cap=5000, hubs=("H",),
    )  # fmt: skip


def ask_of(provider: str, first: date, last: date, regions: dict[str, str]) -> Ask:
    market = market_of(provider)
    return Ask(
        market, regions, first, last, market.day_bounds(first)[0], market.day_bounds(last)[1], fetched_ts=datetime(2026, 1, 1, tzinfo=UTC)
    )


def parsed(product: str, file: Path, ask: Ask) -> tuple[pl.DataFrame, pl.DataFrame]:
    found = PRODUCTS[product]
    (member,) = members(file.read_bytes())[:1]
    records = found.records(member, ask)
    drift = drift_of(records, found)
    assert (drift.added, drift.broken) == ((), ()), drift
    return records, found.rows(records, ask)


@pytest.mark.data
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]}:{c[1].rpartition('/')[2][:24]}")
def test_a_captured_answer_reads_as_a_person_reads_it(captured: Path, case: Case) -> None:
    product, file, first, last, regions, record_count, row_count, key, wanted = case
    if file.endswith(".xls"):
        pytest.importorskip("xlrd")
    ask = ask_of(product.partition("/")[0], first, last, regions)
    records, rows = parsed(product, captured / file, ask)
    table = PRODUCTS[product].table
    assert record_count in {records.height, -1}
    assert row_count in {rows.height, -1}
    names = delivered_columns(table, [c.name for c in PROVENANCE])
    known = (
        rows
        if "known_ts" in rows.columns
        else rows.with_columns(pl.lit(datetime(2026, 1, 1, tzinfo=UTC)).dt.cast_time_unit("ms").alias("known_ts"))
    )
    if "kind" in rows.columns and "known_ts" not in rows.columns:
        known = known.with_columns(
            pl.when(pl.col("kind") == "forecast").then(pl.col("delivery_ts")).otherwise("known_ts").alias("known_ts")
        )
    checked = check_rows(table, known.drop(SAID, strict=False).select(names), names)
    assert checked.broken.unique().to_list() in ([""], []), checked.broken.value_counts()
    if key:
        match = checked.rows.filter(*(pl.col(k) == v for k, v in key.items()))
        assert match.height >= 1, f"no row {key}"
        assert match[MEASURED[table.name]][0] == pytest.approx(wanted)


@pytest.mark.data
def test_miso_workbook_of_load(captured: Path) -> None:
    pytest.importorskip("xlrd")
    file = captured / "US_MISO/20250310_df_al.xls"
    _, actual = parsed("miso/load_actual", file, ask_of("miso", D(2025, 3, 9), D(2025, 3, 9), {}))
    _, forecast = parsed("miso/load_forecast_da", file, ask_of("miso", D(2025, 3, 10), D(2025, 3, 10), {}))
    assert (actual.height, forecast.height) == (24, 24)  # EST all year: 24 hours on the day the clocks changed, too
    assert actual.filter(pl.col("delivery_ts") == datetime(2025, 3, 9, 5, tzinfo=UTC))["value"][0] == "65773.06"
    assert forecast.filter(pl.col("delivery_ts") == datetime(2025, 3, 10, 6, tzinfo=UTC))["value"][0] == "63228"


@pytest.mark.data
def test_positions_of_entsoe_repeat_in_a03_and_are_missing_in_a01(captured: Path) -> None:
    from pipeline_tasks.sources.live.answers import Member
    from pipeline_tasks.sources.live.entsoe_xml import points

    text = (captured / "ENTSOE/fake_time_series.xml").read_text()
    a03 = points(Member("", f"<D>{text}</D>".encode()))
    a01 = points(Member("", f"<D>{text.replace('A03', 'A01')}</D>".encode()))
    assert a03.head(7)["value"].to_list() == ["0.9", "0.7", "0.6", "0.4", "0.4", "0.5", "0.4"]  # position 5 repeats 4
    assert a01.head(6)["value"].to_list() == ["0.9", "0.7", "0.6", "0.4", "0.5", "0.4"]  # position 5 is not there
    assert a03.height == 71  # 2025-10-20 11:00 to 2025-10-23 10:00
    assert "2025-10-20T15:00:00+00:00" not in a01["start"].to_list()


@pytest.mark.data
def test_a_day_ahead_document_changes_its_step_with_the_market(captured: Path) -> None:
    _, rows = parsed(
        "entsoe/prices_da", captured / "ENTSOE/ES_day_ahead_price.xml", ask_of("entsoe", D(2025, 9, 29), D(2025, 10, 2), {"x": "ES"})
    )
    steps = rows.group_by(pl.col("delivery_ts").dt.convert_time_zone("Europe/Madrid").dt.date(), "resolution_min").len().sort("delivery_ts")
    assert steps.rows() == [(D(2025, 9, 29), 60, 24), (D(2025, 9, 30), 60, 24), (D(2025, 10, 1), 15, 96), (D(2025, 10, 2), 15, 96)]


@pytest.mark.data
@pytest.mark.parametrize("file", ["ES_day_ahead_price.xml", "FR_prices.xml"])
def test_entsoe_py_reads_the_same_prices(captured: Path, file: str) -> None:
    parsers = pytest.importorskip("entsoe.parsers")
    theirs = parsers.parse_prices((captured / "ENTSOE" / file).read_text())
    by_step = {60: theirs["60min"], 15: theirs["15min"], 30: theirs["30min"]}
    _, rows = parsed("entsoe/prices_da", captured / "ENTSOE" / file, ask_of("entsoe", D(2023, 1, 1), D(2025, 12, 31), {"x": "X"}))
    for step, series in by_step.items():
        own = rows.filter(pl.col("resolution_min") == step)
        assert own.height == len(series)
        pairs = zip(own.sort("delivery_ts")["price_ccy_per_mwh"].cast(pl.Float64), series.sort_index().to_list(), strict=True)
        assert all(a == pytest.approx(b) for a, b in pairs)
