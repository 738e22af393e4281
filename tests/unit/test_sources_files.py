"""A market from CSV files with one YAML entry and no code: times, units, sentinels, wide layouts, refused rows."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml
from structlog.testing import capture_logs

from config.markets import Market, MarketSelection, resolve_market
from pipeline_tasks.sources import RawBatch, SourceError
from pipeline_tasks.sources.files import FilesSource
from pipeline_tasks.sources.protocol import contract_columns

MARKET = Market(
    key="demo",
    label="demo",
    time_zone="Europe/Brussels",
    currency="EUR",
    gate_time=time(12),
    price_floor=-500,
    price_cap=4000,
    hubs=("A", "B"),
)
FAR = datetime(2100, 1, 1, tzinfo=UTC)
PRICES = {
    "table": "prices",
    "columns": {"hub": "zone", "price_ccy_per_mwh": "price"},
    "constants": {"product": "da", "currency": "EUR"},
    "known": {"rule": "day", "days": -1, "at": "12:45"},
}


def _source(tmp_path: Path, text: str, **spec: object) -> FilesSource:
    entry = {
        "id": "prices",
        "files": "demo/*.csv",
        "market": "demo",
        "time": {"column": "when", "dst": "fold_by_order", "resolution_min": 60},
        "targets": [PRICES],
        **spec,
    }
    (tmp_path / "importers").mkdir()
    (tmp_path / "importers" / "demo.yaml").write_text(yaml.safe_dump({"dataset": "demo", "objects": [entry]}), encoding="utf-8")
    (tmp_path / "data" / "demo").mkdir(parents=True)
    (tmp_path / "data" / "demo" / "x.csv").write_text(text, encoding="utf-8")
    return FilesSource(tmp_path / "data", tmp_path / "importers")


def _read(source: FilesSource, hubs: tuple[str, ...] = ("A", "B"), until: datetime = FAR) -> tuple[RawBatch | None, RawBatch | None]:
    batches = list(source.batches(MarketSelection(market=MARKET, hubs=hubs), until=until))
    good = [b for b in batches if not b.refused]
    bad = [b for b in batches if b.refused]
    return (good[0] if good else None), (bad[0] if bad else None)


def test_csv_of_a_new_market_needs_one_entry_and_no_code(tmp_path: Path) -> None:
    text = "zone;when;price\nA;01.07.2024 00:00;1.234,50\nB;2024-07-01 00:00;-3,25\nA;01.07.2024 01:00;9999\n"
    source = _source(
        tmp_path,
        text,
        csv={"separator": ";", "decimal_comma": True},
        time={"column": "when", "formats": ["%d.%m.%Y %H:%M", "%Y-%m-%d %H:%M"], "dst": "fold_by_order", "resolution_min": 60},
        sentinels={"price": [9999]},
    )
    batch, refused = _read(source)
    assert batch is not None
    assert refused is None
    assert batch.frame.columns == contract_columns(batch.table)
    assert batch.source_object == "demo/x.csv#prices"
    assert batch.rows_read == 3
    rows = batch.frame.sort("hub", "delivery_ts")
    assert rows["price_ccy_per_mwh"].to_list() == [1234.5, None, -3.25]  # the sentinel is no value; the loader quarantines it
    assert rows["delivery_ts"][0] == datetime(2024, 6, 30, 22, tzinfo=UTC)
    assert rows["known_ts"][0] == datetime(2024, 6, 30, 10, 45, tzinfo=UTC)
    assert set(rows["market"]) == {"demo"}


def test_a_hub_run_reads_only_its_hub(tmp_path: Path) -> None:
    text = "zone,when,price\nA,2024-07-01 00:00,1\nB,2024-07-01 00:00,2\n"
    batch, _ = _read(_source(tmp_path, text), hubs=("B",))
    assert batch is not None
    assert batch.frame["price_ccy_per_mwh"].to_list() == [2.0]


def test_rows_from_until_on_are_not_read(tmp_path: Path) -> None:
    text = "zone,when,price\nA,2024-07-01 00:00,1\nA,2024-07-01 01:00,2\n"
    batch, _ = _read(_source(tmp_path, text), until=datetime(2024, 6, 30, 23, tzinfo=UTC))
    assert batch is not None
    assert batch.frame["price_ccy_per_mwh"].to_list() == [1.0]


def test_repeated_hour_of_autumn_is_told_apart_by_order_and_per_series(tmp_path: Path) -> None:
    stamps = ["2024-10-27 01:00", "2024-10-27 02:00", "2024-10-27 02:00", "2024-10-27 03:00"]
    text = "zone,when,price\n" + "".join(f"{z},{s},{k}\n" for z in "AB" for k, s in enumerate(stamps))
    batch, refused = _read(_source(tmp_path, text))
    assert batch is not None
    assert refused is None
    for hub in "AB":
        rows = batch.frame.filter(pl.col("hub") == hub)
        assert [t.hour for t in rows["delivery_ts"]] == [23, 0, 1, 2]
        assert rows["price_ccy_per_mwh"].to_list() == [0.0, 1.0, 2.0, 3.0]


def test_a_wall_time_that_never_was_is_refused_with_what_the_file_said(tmp_path: Path) -> None:
    text = "zone,when,price\nA,2024-03-31 01:00,1\nA,2024-03-31 02:00,2\nA,2024-03-31 03:00,3\nA,soon,4\n"
    batch, refused = _read(_source(tmp_path, text))
    assert batch is not None
    assert refused is not None
    assert batch.frame["delivery_ts"].to_list() == [datetime(2024, 3, 31, 0, tzinfo=UTC), datetime(2024, 3, 31, 1, tzinfo=UTC)]
    assert refused.frame["delivery_ts"].to_list() == ["2024-03-31 02:00 on the file's clock", "soon on the file's clock"]
    assert refused.frame["price_ccy_per_mwh"].to_list() == ["2.0", "4.0"]
    assert refused.source_object.endswith("#prices!refused")


def test_text_that_is_no_number_is_refused_as_text(tmp_path: Path) -> None:
    batch, refused = _read(_source(tmp_path, "zone,when,price\nA,2024-07-01 00:00,12.5\nA,2024-07-01 01:00,twelve\n"))
    assert batch is not None
    assert refused is not None
    assert batch.frame.height == 1
    assert refused.frame["price_ccy_per_mwh"].to_list() == ["twelve"]
    assert refused.frame["known_ts"].to_list() == ["refused: the value is no number"]


@pytest.mark.parametrize(
    ("rule", "kept", "refused_values"),
    [("quarantine", [], ["1.0", "2.0"]), ("keep_first", [1.0], ["2.0"]), ("keep_last", [2.0], ["1.0"])],
)
def test_a_stamp_given_twice_with_different_values(tmp_path: Path, rule: str, kept: list[float], refused_values: list[str]) -> None:
    text = "zone,when,price\nA,2024-07-01 00:00,1\nA,2024-07-01 00:00,2\n"
    batch, refused = _read(_source(tmp_path, text, duplicates=rule))
    assert (batch.frame["price_ccy_per_mwh"].to_list() if batch else []) == kept
    assert refused is not None
    assert refused.frame["price_ccy_per_mwh"].to_list() == refused_values
    assert (batch.rows_read if batch else 0) + refused.rows_read == 2


def test_equal_rows_given_twice_stay_for_the_loader_to_count(tmp_path: Path) -> None:
    batch, refused = _read(_source(tmp_path, "zone,when,price\nA,2024-07-01 00:00,1\nA,2024-07-01 00:00,1\n"))
    assert batch is not None
    assert refused is None
    assert batch.rows_read == 2


def test_wide_columns_become_rows_with_units_and_scope(tmp_path: Path) -> None:
    target = {
        "table": "quantities",
        "constants": {"kind": "actual", "unit": "MW"},
        "wide": {
            "into": "value",
            "unit": ["GW", "MW"],
            "columns": {
                "load A": {"constants": {"quantity": "load", "area": "A"}},
                "load B": {"constants": {"quantity": "load", "area": "B"}},
                "wind": {"constants": {"quantity": "wind", "area": "system"}},
            },
        },
        "known": {"rule": "interval_end", "minutes": 30},
        "absent_cells": "skip",
    }
    text = "when,load A,load B,wind\n2024-07-01 00:00,1.5,2.5,0.1\n2024-07-01 01:00,1.6,,0.2\n"
    source = _source(tmp_path, text, targets=[target])
    batch, _ = _read(source)
    assert batch is not None
    assert batch.rows_read == 5  # five cells hold a value
    assert sorted(batch.frame["value"].to_list()) == [100.0, 200.0, 1500.0, 1600.0, 2500.0]
    assert (batch.frame["known_ts"] - batch.frame["delivery_ts"]).unique().to_list()[0].total_seconds() == 5400
    only_b, _ = _read(source, hubs=("B",))
    assert only_b is not None
    assert set(only_b.frame["area"]) == {"B", "system"}


def test_sign_flip_and_components_from_a_weighted_sum(tmp_path: Path) -> None:
    columns = {
        "hub": "zone",
        "price_ccy_per_mwh": "lbmp",
        "energy_ccy_per_mwh": {"sum": {"lbmp": 1, "loss": -1, "mcc": 1}},
        "congestion_ccy_per_mwh": {"column": "mcc", "factor": -1},
        "loss_ccy_per_mwh": "loss",
    }
    source = _source(tmp_path, "zone,when,lbmp,loss,mcc\nA,2024-07-01 00:00,40,2,-8\n", targets=[{**PRICES, "columns": columns}])
    batch, _ = _read(source)
    assert batch is not None
    row = batch.frame.row(0, named=True)
    assert (row["energy_ccy_per_mwh"], row["congestion_ccy_per_mwh"], row["loss_ccy_per_mwh"]) == (30.0, 8.0, 2.0)


def test_weighted_sums_are_the_same_bits_in_every_run(tmp_path: Path) -> None:
    columns = {"hub": "zone", "price_ccy_per_mwh": {"sum": {"a": 1, "b": -1, "c": 1}}}
    numbers = [(0.1 * k, 0.3 * k + 0.07, 1e-3 * k - 5.55) for k in range(3000)]
    rows = [
        f"A,{datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=k):%Y-%m-%d %H:%M},{a!r},{b!r},{c!r}" for k, (a, b, c) in enumerate(numbers)
    ]
    utc = {"column": "when", "dst": "utc", "resolution_min": 60}
    source = _source(tmp_path, "zone,when,a,b,c\n" + "\n".join(rows) + "\n", targets=[{**PRICES, "columns": columns}], time=utc)
    wanted = [a - b + c for a, b, c in numbers]
    for _ in range(5):
        batch, _refused = _read(source)
        assert batch is not None
        assert batch.frame["price_ccy_per_mwh"].to_list() == wanted


def test_publication_time_from_the_file(tmp_path: Path) -> None:
    target = {**PRICES, "known": {"rule": "column", "column": "published"}}
    batch, _ = _read(_source(tmp_path, "zone,when,price,published\nA,2024-07-01 00:00,1,2024-06-30 11:00:07\n", targets=[target]))
    assert batch is not None
    assert batch.frame["known_ts"].to_list() == [datetime(2024, 6, 30, 11, 0, 7, tzinfo=UTC)]


def test_category_map_turns_unknown_texts_into_null(tmp_path: Path) -> None:
    columns = {"hub": {"column": "zone", "map": {"Zone A": "A"}}, "price_ccy_per_mwh": "price"}
    source = _source(
        tmp_path, "zone,when,price\nZone A,2024-07-01 00:00,1\nZone X,2024-07-01 00:00,2\n", targets=[{**PRICES, "columns": columns}]
    )
    batch, _ = _read(source)
    assert batch is not None
    assert batch.frame["hub"].to_list() == ["A"]  # a hub run pushes the names of its hubs into the scan


def test_errors_name_what_to_do(tmp_path: Path) -> None:
    source = _source(tmp_path, "zone,when,cost\nA,2024-07-01 00:00,1\n")
    selection = MarketSelection(market=MARKET, hubs=("A",))
    with pytest.raises(SourceError, match=r"x\.csv has no column \['price'\]"):
        list(source.batches(selection, until=FAR))
    with pytest.raises(SourceError, match="known: \\['demo/prices'\\]"):
        list(source.batches(selection, until=FAR, objects=frozenset({"demo/none"})))
    (tmp_path / "data" / "demo" / "x.csv").unlink()
    with pytest.raises(SourceError, match="DESK_DATA_DIR"):
        list(source.batches(selection, until=FAR))
    other = MarketSelection(market=MARKET.model_copy(update={"key": "other"}), hubs=("A",))
    with pytest.raises(SourceError, match=r"docs/sources\.md"):
        list(source.batches(other, until=FAR))


def _with_optional_file(tmp_path: Path) -> FilesSource:
    source = _source(tmp_path, "zone,when,price\nA,2024-07-01 00:00,1\n")
    path = tmp_path / "importers" / "demo.yaml"
    entry = yaml.safe_load(path.read_text(encoding="utf-8"))
    forecasts = {
        "table": "quantities",
        "constants": {"area": "system", "kind": "forecast", "unit": "MW"},
        "wide": {"into": "value", "label": "quantity", "columns": {"mw": "load"}},
        "known": {"rule": "day", "days": -1, "at": "08:00"},
    }
    further = {**entry["objects"][0], "id": "further", "files": "more/*.csv", "optional": True, "targets": [forecasts]}
    path.write_text(yaml.safe_dump({"dataset": "demo", "objects": [*entry["objects"], further]}), encoding="utf-8")
    return source


def test_a_market_works_without_the_files_of_an_optional_object(tmp_path: Path) -> None:
    source = _with_optional_file(tmp_path)
    selection = MarketSelection(market=MARKET, hubs=("A", "B"))
    with capture_logs() as said:
        batches = list(source.batches(selection, until=FAR))
    assert [b.source_object for b in batches] == ["demo/x.csv#prices"]
    assert [(e["event"], e["object"]) for e in said] == [("optional source object is absent", "demo/further")]


def test_optional_files_alone_do_not_make_a_market(tmp_path: Path) -> None:
    source = _with_optional_file(tmp_path)
    (tmp_path / "data" / "more").mkdir()
    (tmp_path / "data" / "more" / "f.csv").write_text("when,mw\n2024-07-01 00:00,5\n", encoding="utf-8")
    selection = MarketSelection(market=MARKET, hubs=("A", "B"))
    assert [b.source_object for b in source.batches(selection, until=FAR)] == ["demo/x.csv#prices", "more/f.csv#quantities"]
    alone = list(source.batches(selection, until=FAR, objects=frozenset({"demo/further"})))
    assert [b.frame["value"].to_list() for b in alone] == [[5.0]]
    (tmp_path / "data" / "demo" / "x.csv").unlink()
    with pytest.raises(SourceError, match=r"no file matches \['demo/\*\.csv'\]"):
        list(source.batches(selection, until=FAR))


def test_no_daylight_saving_rule_is_checked_against_the_market(tmp_path: Path) -> None:
    source = _source(tmp_path, "zone,when,price\n", time={"column": "when", "dst": "none", "resolution_min": 60})
    with pytest.raises(SourceError, match="Europe/Brussels has daylight saving"):
        source.objects(MarketSelection(market=MARKET, hubs=("A",)))


def test_parquet_and_csv_of_the_same_rows_read_alike(tmp_path: Path) -> None:
    text = "zone,when,price\nA,2024-07-01 00:00:00,1.5\nA,2024-07-01 01:00:00,2.5\n"
    from_csv, _ = _read(_source(tmp_path, text, files="demo/x.*"))
    folder = tmp_path / "data" / "demo"
    frame = pl.read_csv(folder / "x.csv", try_parse_dates=True)
    (folder / "x.csv").unlink()
    frame.with_columns(pl.col("price").cast(pl.Float32)).write_parquet(folder / "x.parquet")
    selection = MarketSelection(market=MARKET, hubs=("A",))
    from_parquet = next(iter(FilesSource(tmp_path / "data", tmp_path / "importers").batches(selection, until=FAR)))
    assert from_csv is not None
    assert from_parquet.frame.equals(from_csv.frame)


@pytest.mark.parametrize("key", ["BE", "FR"])
def test_absent_benchmark_markets_are_read_once_their_file_is_there(tmp_path: Path, key: str) -> None:
    folder = tmp_path / "epf_benchmark_5_markets"
    folder.mkdir()
    header = "date,Generation forecast,System load forecast,price\n"
    (folder / f"{key}.csv").write_text(header + "2016-03-27 02:00:00,9000,8000,21.5\n", encoding="utf-8")
    batches = list(FilesSource(tmp_path).batches(resolve_market(f"epf_{key.lower()}"), until=FAR))
    assert [b.rows_read for b in batches] == [1, 2]
    assert set(batches[1].frame["quantity"]) == {"generation", "load"}
    assert batches[0].frame["delivery_ts"].to_list() == [datetime(2016, 3, 27, 1, tzinfo=UTC)]
