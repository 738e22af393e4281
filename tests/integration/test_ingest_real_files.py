"""The shipped importers against the real files: hand-checked stamps and cross-checks between independent files.

Skipped where DESK_DATA_DIR is absent.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from config.markets import resolve_market
from pipeline_tasks.sources import RawBatch
from pipeline_tasks.sources.files import FilesSource

pytestmark = pytest.mark.data
FAR = datetime(2100, 1, 1, tzinfo=UTC)


def _read(folder: Path, market: str, *objects: str) -> list[RawBatch]:
    selection = resolve_market(market)
    source = FilesSource(folder)
    if not any(any(folder.glob(spec.files)) for spec in source._configured(selection).values()):
        pytest.skip(f"no file of {market} below {folder}")
    return list(source.batches(selection, until=FAR, objects=frozenset(objects) or None))


def _part(batches: list[RawBatch], part: str) -> pl.DataFrame:
    return next(b.frame for b in batches if b.source_object.endswith(f"#{part}"))


@pytest.mark.parametrize("market", ["epf_np", "epf_pjm", "epf_de", "ercot_hb_north", "nyiso_capitl", "be", "aemo_vic1"])
def test_all_that_is_read_of_a_market_is_delivered(data_dir: Path, market: str) -> None:
    batches = _read(data_dir, market)
    good = [b for b in batches if not b.refused]
    assert good
    for batch in good:
        assert batch.frame["delivery_ts"].null_count() == 0
        assert batch.frame["known_ts"].null_count() == 0


@pytest.mark.parametrize("market", ["epf_np", "epf_pjm", "epf_de"])
def test_benchmark_days_have_24_hours_and_forecasts_are_known_before_the_gate(data_dir: Path, market: str) -> None:
    batches, zone = _read(data_dir, market), resolve_market(market).market
    prices, forecasts = _part(batches, "prices"), _part(batches, "forecasts")
    local = pl.col("delivery_ts").dt.convert_time_zone(zone.time_zone).dt.date()
    assert prices.group_by(local).len()["len"].unique().to_list() == [24]
    assert forecasts.height == 2 * prices.height
    day = prices.select(local.alias("d"))["d"][48]
    gate = zone.gate(day)
    assert forecasts.filter(local == day).select((pl.col("known_ts") < gate).all()).item()
    assert prices.filter(local == day).select((pl.col("known_ts") > gate).all()).item()


def test_german_file_in_utc_agrees_with_the_benchmark_on_local_time(data_dir: Path) -> None:
    utc = _part(_read(data_dir, "de_fund", "de_da_fundamentals/de_2015_2023"), "prices").with_columns(
        wall=pl.col("delivery_ts").dt.convert_time_zone("Europe/Berlin").dt.replace_time_zone(None)
    )
    bench = _part(_read(data_dir, "epf_de"), "prices").with_columns(
        wall=pl.col("delivery_ts").dt.convert_time_zone("Etc/GMT-1").dt.replace_time_zone(None)
    )
    both = utc.join(bench, on="wall")
    same = (both["price_ccy_per_mwh"] - both["price_ccy_per_mwh_right"]).abs() < 0.006
    assert both.height > 25_000
    assert float(same.mean() or 0) > 0.998  # the benchmark interpolates and averages at the clock changes


def test_german_benchmark_reads_national_forecasts_on_its_own_clock_and_no_second_price(data_dir: Path) -> None:
    batches = _read(data_dir, "epf_de")
    if not any(b.source_object.endswith("#national_forecasts") for b in batches):
        pytest.skip("the optional file of German fundamentals is absent")
    extra = _part(batches, "national_forecasts")
    assert sum(b.table.name == "prices" for b in batches) == 1
    assert set(extra["quantity"]) == {"load", "renewables"}
    assert extra["delivery_ts"].min() == datetime(2014, 12, 31, 23, tzinfo=UTC)
    gate = resolve_market("epf_de").market.gate
    first = extra.filter(pl.col("delivery_ts") == datetime(2015, 7, 1, 10, tzinfo=UTC))
    assert (first["known_ts"] < gate(date(2015, 7, 1))).all()
    # The files that say the same of the same wall hours, summer and winter: the zone's load beside the nation's, and the file in UTC.
    wall = pl.col("delivery_ts").dt.convert_time_zone("Etc/GMT-1").dt.replace_time_zone(None).alias("wall")
    nation = extra.with_columns(wall).pivot("quantity", index="wall", values="value")
    zone = _part(batches, "forecasts").filter(pl.col("quantity") == "zonal_load").select(wall, pl.col("value").alias("zonal_load"))
    utc = _part(_read(data_dir, "de_fund", "de_da_fundamentals/de_2015_2023"), "forecasts").pivot(
        "quantity", index="delivery_ts", values="value"
    )
    local = pl.col("delivery_ts").dt.convert_time_zone("Europe/Berlin").dt.replace_time_zone(None).alias("wall")
    both = nation.join(zone, on="wall").join(utc.select(local, "load", "renewables").unique("wall", keep="none"), on="wall", suffix="_utc")
    assert both.height > 8_000
    for summer in (True, False):
        part = both.filter((pl.col("wall").dt.year() == 2015) & (pl.col("wall").dt.month().is_between(4, 9) == summer)).sort("wall")
        for ours, theirs in (("load", "zonal_load"), ("load", "load_utc"), ("renewables", "renewables_utc")):
            by_shift = {k: part.select(pl.corr(ours, pl.col(theirs).shift(k))).item() for k in (-1, 0, 1)}
            assert max(by_shift, key=by_shift.__getitem__) == 0, (ours, theirs, by_shift)


def test_ercot_hour_ending_file_agrees_with_the_utc_files(data_dir: Path) -> None:
    batches = _read(data_dir, "ercot_hb_hubavg")
    da = _part(batches, "da").with_columns(ts=pl.col("delivery_ts"))
    utc = pl.read_parquet(data_dir / "ercot_2023_2026" / "hubavg_da_prices.parquet").with_columns(
        ts=pl.col("interval_start_utc").cast(pl.Datetime("ms", "UTC"))
    )
    both = da.drop_nulls("price_ccy_per_mwh").join(utc, on="ts")
    assert both.height > 12_000
    both = both.with_columns(gap=(pl.col("price_ccy_per_mwh") - pl.col("price_usd_per_mwh")).abs(), day=pl.col("delivery_ts").dt.date())
    assert float((both["gap"] < 0.006).mean() or 0) > 0.98  # the others are whole days of price corrections
    autumn = both.filter(pl.col("delivery_ts").is_between(datetime(2024, 11, 3, 5, tzinfo=UTC), datetime(2024, 11, 4, 5, tzinfo=UTC)))
    assert autumn.height == 24  # the second of the two hours is not in the file
    assert autumn["gap"].max() < 0.006  # type: ignore[operator]
    quarter = _part(batches, "rt_15min").group_by(pl.col("delivery_ts").dt.truncate("1h")).agg(pl.col("price_ccy_per_mwh").mean(), pl.len())
    hourly = _part(batches, "rt").join(quarter.filter(pl.col("len") == 4), on="delivery_ts")
    close = (hourly["price_ccy_per_mwh"] - hourly["price_ccy_per_mwh_right"]).abs() < 0.02
    assert float(close.mean() or 0) > 0.99


def test_ercot_spring_hour_that_never_was_is_refused(data_dir: Path) -> None:
    refused = [b for b in _read(data_dir, "ercot_hb_north") if b.refused and "#da" in b.source_object]
    assert refused[0].frame["delivery_ts"].to_list() == ["2024-03-10 hour 3 on the file's clock", "2025-03-09 hour 3 on the file's clock"]


def test_nyiso_components_stamps_and_refused_rows(data_dir: Path) -> None:
    batches = _read(data_dir, "nyiso", "nyiso_2016_2021/rt_lbmp")
    prices = _part(batches, "prices")
    parts = prices["energy_ccy_per_mwh"] + prices["congestion_ccy_per_mwh"] + prices["loss_ccy_per_mwh"]
    assert (parts - prices["price_ccy_per_mwh"]).abs().max() < 1e-6
    spread = prices.group_by("delivery_ts").agg((pl.col("energy_ccy_per_mwh").max() - pl.col("energy_ccy_per_mwh").min()).alias("s"))
    assert float((spread["s"] < 0.05).mean() or 0) > 0.99  # one energy price for the whole system: the sign of congestion is right
    noon = prices.filter((pl.col("hub") == "CAPITL") & (pl.col("delivery_ts") == datetime(2019, 7, 1, 16, tzinfo=UTC)))
    raw = pl.read_parquet(data_dir / "nyiso_2016_2021" / "rt_lbmp_zone_hourly.parquet").filter(
        (pl.col("ZoneName").cast(pl.String) == "CAPITL") & (pl.col("TimeStamp") == pl.datetime(2019, 7, 1, 12))
    )
    assert noon["price_ccy_per_mwh"][0] == pytest.approx(raw["LBMP"][0], rel=1e-6)
    refused = next(b for b in batches if b.refused and "rt_lbmp" in b.source_object)
    assert refused.rows_read == 75 + 60  # 15 places: five spring hours that never were, four New Year stamps given twice
    assert prices.height + refused.rows_read == 657_780


def test_one_zone_reads_the_same_bits_as_the_whole_market(data_dir: Path) -> None:
    whole = _part(_read(data_dir, "nyiso", "nyiso_2016_2021/rt_lbmp"), "prices").filter(pl.col("hub") == "CAPITL")
    alone = _part(_read(data_dir, "nyiso_capitl", "nyiso_2016_2021/rt_lbmp"), "prices")
    assert alone.equals(whole)


def test_nyiso_sentinels_are_null_and_weekly_fuels_are_known_after_their_week(data_dir: Path) -> None:
    batches = _read(data_dir, "nyiso", "nyiso_2016_2021/interfaces", "nyiso_2016_2021/fuel_price_weekly")
    limits = _part(batches, "interfaces")
    assert limits["limit_neg_mw"].null_count() > 100_000
    assert limits["limit_pos_mw"].abs().max() < 9999  # type: ignore[operator]
    weekly = _part(batches, "commodities")
    assert weekly.height == 318 * 9
    assert weekly.select((pl.col("known_ts") >= pl.col("delivery_ts") + pl.duration(days=7)).all()).item()


def test_aemo_interval_ends_and_wrong_offset(data_dir: Path) -> None:
    batches = _read(data_dir, "aemo_vic1")
    assert _part(batches, "rt")["delivery_ts"][0] == datetime(2023, 12, 31, 14, tzinfo=UTC)  # 00:05 NEM time closes 00:00-00:05
    fcas = _part(batches, "energy_and_fcas")
    assert fcas["delivery_ts"].min() == datetime(2025, 12, 20, 4, 50, tzinfo=UTC)  # 14:55 NEM time, whatever the label says
    assert fcas["product"].n_unique() == 11


def test_ieso_hours_predispatch_vintages_and_units(data_dir: Path) -> None:
    batches = _read(data_dir, "ieso_ontario")
    hoep = _part(batches, "hoep")
    assert hoep["delivery_ts"][0] == datetime(2002, 5, 1, 5, tzinfo=UTC)  # hour 1 begins at midnight EST
    vintages = _part(batches, "predispatch").filter(pl.col("delivery_ts") == hoep["delivery_ts"][0])
    assert sorted((vintages["delivery_ts"] - vintages["known_ts"]).dt.total_hours().to_list()) == [1, 2, 3]


def test_belgian_wind_speed_is_in_metres_per_second(data_dir: Path) -> None:
    wind = _part(_read(data_dir, "be"), "wind_speed")
    assert float(wind["value"].max() or 0) < 20  # type: ignore[arg-type]
    assert wind["value"][0] == pytest.approx(28.623962 / 3.6, rel=1e-6)


def test_absent_benchmark_markets_say_what_to_do_or_are_read(data_dir: Path) -> None:
    for market in ("epf_be", "epf_fr"):
        batches = _read(data_dir, market)
        assert {b.table.name for b in batches} == {"prices", "quantities"}


def test_series_beside_power_are_read_whole_and_known_after_their_day(data_dir: Path) -> None:
    names = (
        "henry_hub",
        "wti",
        "brent",
        "exchange_rates",
        "lng_events",
        "lng_terminals",
        "eu_storage",
        "eu_imports",
        "us_storage",
        "acer_lng",
    )
    batches = _read(data_dir, "de_fund", *(f"lng_gas/{n}" for n in names), "carbon/eua_daily")
    if {b.source_object.split("/")[0] for b in batches} < {"lng_gas", "carbon"}:
        pytest.skip("the files of gas and carbon are absent")
    assert not any(b.refused for b in batches)
    for batch in batches:
        late = batch.frame["known_ts"] - batch.frame["delivery_ts"]
        assert late.min() >= timedelta(hours=20), batch.source_object  # nothing of a day is known before its evening
        assert not batch.frame.select(batch.table.key).is_duplicated().any()
    tables = {b.table.name for b in batches}
    assert tables == {"commodities", "quantities", "lng_events"}
    hub = next(b.frame for b in batches if "henry_hub" in b.source_object)
    local = hub["known_ts"].dt.convert_time_zone("America/New_York").dt.hour()
    assert local.unique().to_list() == [9]  # by the clock of New York, summer and winter
    rate = next(b.frame for b in batches if "fx_monthly" in b.source_object)["price_ccy_per_unit"]
    assert rate.is_between(0.5, 1.3).all()  # EUR per USD
