"""Formats of which no answer was captured, on samples written by hand after the providers' documentation; days on which clocks change; bad answers."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_tasks.contracts.raw import PRICES
from pipeline_tasks.sources.live.answers import AnswerError, Member, NoDataError, csv_of, json_of, members, xml_of
from pipeline_tasks.sources.live.catalog import PRODUCTS
from pipeline_tasks.sources.live.drift import drift_of
from pipeline_tasks.sources.live.feeds import PRESETS, feeds_of, load_live
from pipeline_tasks.sources.live.payloads import PayloadStore
from pipeline_tasks.sources.live.providers import load_providers
from pipeline_tasks.sources.live.source import NO_INSTANT, parsed
from pipeline_tasks.sources.live.walls import elapsed, folded, hour_ending
from pipeline_tasks.sources.protocol import SourceError, contract_columns
from tests.unit.test_live_parsing import ask_of as plain_ask
from tests.unit.test_live_parsing import market_of

D = date
AUTUMN, SPRING = D(2025, 11, 2), D(2025, 3, 9)


def rows_of(product: str, text: str | bytes, first: date, last: date, regions: dict[str, str] | None = None) -> pl.DataFrame:
    found = PRODUCTS[product]
    ask = plain_ask(found.provider if found.provider != "gie" else "entsoe", first, last, regions or {})
    body = text if isinstance(text, bytes) else text.encode()
    (member,) = members(body)
    records = found.records(member, ask)
    drift = drift_of(records, found)
    assert (drift.added, drift.broken) == ((), ()), drift
    return found.rows(records, ask)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def test_ercot_flags_the_repeated_hour_and_has_no_hour_three_in_spring() -> None:
    head = "DeliveryDate,HourEnding,SettlementPoint,SettlementPointPrice,DSTFlag\n"
    text = head + "".join(
        f"11/02/2025,{h:02d}:00,HB_NORTH,{p},{f}\n" for h, p, f in ((1, 10, "N"), (2, 20, "N"), (2, 21, "Y"), (3, 30, "N"))
    )
    rows = rows_of("ercot/spp_da", text, AUTUMN, AUTUMN, {"HB_NORTH": "HB_NORTH"})
    assert rows["delivery_ts"].to_list() == [utc(2025, 11, 2, 5), utc(2025, 11, 2, 6), utc(2025, 11, 2, 7), utc(2025, 11, 2, 8)]
    assert rows["price_ccy_per_mwh"].to_list() == ["10", "20", "21", "30"]
    spring = rows_of("ercot/spp_da", head + "03/09/2025,03:00,HB_NORTH,1,N\n", SPRING, SPRING, {"HB_NORTH": "HB_NORTH"})
    assert spring["delivery_ts"].to_list() == [None]  # the hour from two to three never was: refused, with its stamp
    assert "03/09/2025 hour ending 03:00" in spring["_said"][0]


def test_ercot_quarter_hours_of_the_repeated_hour() -> None:
    head = "DeliveryDate,DeliveryHour,DeliveryInterval,SettlementPointName,SettlementPointType,SettlementPointPrice,DSTFlag\n"
    text = head + "11/02/2025,2,4,HB_WEST,HU,7,N\n11/02/2025,2,4,HB_WEST,HU,8,Y\n"
    rows = rows_of("ercot/spp_rt", text, AUTUMN, AUTUMN)
    assert rows["delivery_ts"].to_list() == [utc(2025, 11, 2, 6, 45), utc(2025, 11, 2, 7, 45)]
    assert rows["resolution_min"].unique().to_list() == [15]


def test_iso_ne_marks_the_repeated_hour_with_02x_and_counts_its_lines() -> None:
    head = '"H","Date","Hour Ending","Location ID","Location Name","Location Type","Locational Marginal Price","Energy Component","Congestion Component","Marginal Loss Component"\n'
    body = "".join(
        f'"D","11/02/2025","{h}","4000",".H.INTERNAL_HUB","HUB",{p},40,0.5,-0.5\n'
        for h, p in (("01", 40), ("02", 41), ("02X", 42), ("03", 43))
    )
    rows = rows_of("isone/lmp_da", f'"C","report"\n{head}{body}"T","4 lines"\n', AUTUMN, AUTUMN, {"4000": "INTERNAL_HUB"})
    assert rows["delivery_ts"].to_list() == [utc(2025, 11, 2, 4), utc(2025, 11, 2, 5), utc(2025, 11, 2, 6), utc(2025, 11, 2, 7)]
    assert rows["hub"].unique().to_list() == ["INTERNAL_HUB"]
    with pytest.raises(AnswerError, match="no trailer line"):
        rows_of("isone/lmp_da", head + body, AUTUMN, AUTUMN)


def test_nyiso_turns_the_sign_of_congestion_and_folds_the_repeated_hour() -> None:
    head = '"Time Stamp","Name","PTID","LBMP ($/MWHr)","Marginal Cost Losses ($/MWHr)","Marginal Cost Congestion ($/MWHr)"\n'
    text = head + "".join(f'"11/02/2025 {h:02d}:00","CAPITL",61757,{p},2,-3\n' for h, p in ((0, 50), (1, 51), (1, 52), (2, 53)))
    rows = rows_of("nyiso/lbmp_da", text, AUTUMN, AUTUMN, {"CAPITL": "CAPITL"})
    assert rows["delivery_ts"].to_list() == [utc(2025, 11, 2, 4), utc(2025, 11, 2, 5), utc(2025, 11, 2, 6), utc(2025, 11, 2, 7)]
    first = rows.row(0, named=True)
    assert (first["congestion_ccy_per_mwh"], first["energy_ccy_per_mwh"]) == (3.0, 45.0)  # 50 = 45 + 3 + 2


def test_nyiso_stamps_of_five_minutes_name_the_end() -> None:
    head = '"Time Stamp","Name","PTID","LBMP ($/MWHr)","Marginal Cost Losses ($/MWHr)","Marginal Cost Congestion ($/MWHr)"\n'
    rows = rows_of("nyiso/lbmp_rt", head + '"06/02/2025 00:05:00","WEST",61752,9,0,0\n', D(2025, 6, 2), D(2025, 6, 2))
    assert rows["delivery_ts"].to_list() == [utc(2025, 6, 2, 4)]
    assert rows["resolution_min"].to_list() == [5]


def test_caiso_pivots_the_parts_of_a_price() -> None:
    head = "INTERVALSTARTTIME_GMT,INTERVALENDTIME_GMT,OPR_DT,OPR_HR,NODE_ID,NODE,MARKET_RUN_ID,LMP_TYPE,MW,GROUP\n"
    span = "2025-06-02T07:00:00-00:00,2025-06-02T08:00:00-00:00,2025-06-02,1,N,N,DAM"
    text = head + "".join(
        f"{span},{kind},{number},1\n" for kind, number in (("LMP", 30.5), ("MCE", 28), ("MCC", 2), ("MCL", 0.5), ("MGHG", 0))
    )
    (row,) = rows_of("caiso/lmp_da", text, D(2025, 6, 2), D(2025, 6, 2), {"N": "NP15"}).to_dicts()
    assert (row["hub"], row["delivery_ts"], row["resolution_min"]) == ("NP15", utc(2025, 6, 2, 7), 60)
    assert [row[c] for c in ("price_ccy_per_mwh", "energy_ccy_per_mwh", "congestion_ccy_per_mwh", "loss_ccy_per_mwh")] == [
        "30.5",
        "28",
        "2",
        "0.5",
    ]


def test_caiso_says_no_data_and_that_it_is_busy_in_xml() -> None:
    ask = plain_ask("caiso", D(2025, 6, 2), D(2025, 6, 2), {"N": "N"})
    text = "<m:OASISReport xmlns:m='x'><m:ERROR><m:ERR_CODE>{}</m:ERR_CODE><m:ERR_DESC>said</m:ERR_DESC></m:ERROR></m:OASISReport>"
    with pytest.raises(NoDataError):
        PRODUCTS["caiso/lmp_da"].records(Member("e.xml", text.format(1000).encode()), ask)
    with pytest.raises(AnswerError, match="1015") as busy:
        PRODUCTS["caiso/lmp_da"].records(Member("e.xml", text.format(1015).encode()), ask)
    assert busy.value.transient


def test_miso_wide_hours_are_eastern_standard_time_all_year() -> None:
    hours = ",".join(f"HE {h}" for h in range(1, 25))
    lines = [f"INDIANA.HUB,Hub,{part},{','.join([str(v)] * 24)}" for part, v in (("LMP", 30), ("MCC", 4), ("MLC", 1))]
    text = (
        "Day Ahead Market ExPost LMPs\n07/01/2025\n,,,All Hours-Ending are Eastern Standard Time (EST)\n"
        f"Node,Type,Value,{hours}\n" + "\n".join(lines) + "\n"
    )
    rows = rows_of("miso/lmp_da", text, D(2025, 7, 1), D(2025, 7, 1), {"INDIANA.HUB": "INDIANA.HUB"})
    assert rows.height == 24
    assert rows["delivery_ts"].min() == utc(2025, 7, 1, 5)
    assert rows["energy_ccy_per_mwh"].unique().to_list() == [25.0]


def test_aemo_dispatch_reads_its_table_and_refuses_a_file_cut_off() -> None:
    price = 'D,DISPATCH,PRICE,4,"2025/06/02 00:05:00",1,NSW1,20250601001,0,81.2,11,12'
    text = (
        "C,NEMP.WORLD,DISPATCHIS,AEMO\nI,DISPATCH,CASE,1,X\nD,DISPATCH,CASE,1,9\n"
        "I,DISPATCH,PRICE,4,SETTLEMENTDATE,RUNNO,REGIONID,DISPATCHINTERVAL,INTERVENTION,RRP,RAISE6SECRRP,LOWERREGRRP\n"
        f'{price}\n{price.replace(",0,81.2", ",1,99")}\nC,"END OF REPORT",7\n'
    )
    rows = rows_of("aemo/dispatch_price", text, D(2025, 6, 2), D(2025, 6, 2), {"NSW1": "NSW1"})
    assert rows.select("product", "price_ccy_per_mwh").rows() == [("rt", "81.2"), ("raise6sec", "11"), ("lowerreg", "12")]
    assert rows["delivery_ts"].unique().to_list() == [utc(2025, 6, 1, 14)]  # NEM time is UTC+10; the stamp ends the interval
    with pytest.raises(AnswerError, match="no end of report"):
        rows_of("aemo/dispatch_price", text.replace(f"{price}\n", ""), D(2025, 6, 2), D(2025, 6, 2))


def test_aemo_folder_names_the_files_of_a_chunk() -> None:
    page = '<html><A HREF="/Reports/Current/DispatchIS_Reports/PUBLIC_DISPATCHIS_202506020005_0000000465.zip">x</A><A HREF="/other/PUBLIC_DISPATCHIS_202506030005_1.zip">y</A></html>'
    product = PRODUCTS["aemo/dispatch_price"]
    assert product.follow is not None
    found = product.follow(Member("", page.encode()), plain_ask("aemo", D(2025, 6, 2), D(2025, 6, 2), {}))
    assert [r.path.rpartition("/")[2] for r in found] == ["PUBLIC_DISPATCHIS_202506020005_0000000465.zip"]
    assert all(r.immutable for r in found)


def test_elexon_counts_half_hours_through_the_day() -> None:
    rows = [{"settlementDate": "2025-10-26", "settlementPeriod": n, "systemSellPrice": float(n)} for n in (1, 3, 4, 50, 51)]
    made = rows_of("elexon/system_price", json.dumps({"data": rows}), D(2025, 10, 26), D(2025, 10, 26))
    assert made["delivery_ts"].to_list() == [
        utc(2025, 10, 25, 23),
        utc(2025, 10, 26, 0),
        utc(2025, 10, 26, 0, 30),
        utc(2025, 10, 26, 23, 30),
        None,
    ]


def test_elexon_bids_and_offers_keep_both_sides() -> None:
    base = {"settlementDate": "2025-06-02", "settlementPeriod": 1, "bmUnit": "T_A", "levelFrom": 50, "levelTo": 50}
    pairs = [
        {**base, "pairId": 1, "offer": 90.0, "bid": 80.0},
        {**base, "pairId": -1, "offer": 60.0, "bid": 40.0, "levelFrom": -30, "levelTo": -30},
    ]
    made = rows_of("elexon/bids_offers", json.dumps({"data": pairs}), D(2025, 6, 2), D(2025, 6, 2))
    assert made.select("product", "block", "price_ccy_per_mwh", "block_mw").rows() == [
        ("bm_offer", 0, "90.0", 50.0),
        ("bm_bid", 0, "40.0", 30.0),
    ]


def test_gas_storage_is_twh_and_flows_are_gwh() -> None:
    day = {"gasDayStart": "2025-06-02", "gasInStorage": "943.177", "injection": "3021", "withdrawal": "-", "workingGasVolume": "1113.4"}
    made = rows_of("gie/storage", json.dumps({"last_page": 1, "data": [day]}), D(2025, 6, 2), D(2025, 6, 2), {"eu": "EU"})
    assert made.select("quantity", "value").rows() == [
        ("gas_storage", pytest.approx(943_177)),
        ("gas_injection", 3021.0),
        ("gas_storage_capacity", pytest.approx(1_113_400)),
    ]
    with pytest.raises(AnswerError, match="several pages"):
        rows_of("gie/storage", json.dumps({"last_page": 2, "data": [day]}), D(2025, 6, 2), D(2025, 6, 2), {"eu": "EU"})


def weather(unit: str = "m/s") -> str:
    hourly = {
        "time": ["2025-06-02T00:00", "2025-06-02T01:00"],
        "temperature_2m": [15.5, 15.1],
        "wind_speed_10m": [3.0, None],
        "shortwave_radiation": [0.0, 9.0],
    }
    return json.dumps(
        {
            "hourly": hourly,
            "hourly_units": {"time": "iso8601", "temperature_2m": "°C", "wind_speed_10m": unit, "shortwave_radiation": "W/m²"},
        }
    )


def test_weather_of_a_point_and_a_unit_that_changed() -> None:
    product = PRODUCTS["openmeteo/history"]
    ask = plain_ask("entsoe", D(2025, 6, 2), D(2025, 6, 2), {"48.1,11.6": "DE"})
    records = product.records(Member("", weather().encode()), ask)
    rows = product.rows(records, ask)
    assert rows.filter(pl.col("quantity") == "temperature")["delivery_ts"].to_list() == [utc(2025, 6, 2, 0), utc(2025, 6, 2, 1)]
    assert rows.filter(pl.col("quantity") == "wind_speed").height == 1
    assert rows.filter(pl.col("value") == "9.0")["delivery_ts"].to_list() == [utc(2025, 6, 2, 0)]  # radiation: mean of the hour before
    changed = drift_of(product.records(Member("", weather("km/h").encode()), ask), product)
    assert changed.broken == ("unit column 'unit_wind_speed_10m' was m/s and now says km/h",)


def test_weather_meets_nodes_in_h3_cells() -> None:
    pytest.importorskip("h3")
    from pipeline_tasks.sources.live.cells import cell_of, point_of, weather_at_nodes

    cell = cell_of(48.137, 11.575)
    assert cell_of(*point_of(cell)) == cell
    nodes = pl.DataFrame({"bus": ["A", "B", "C"], "latitude_deg": [48.137, 48.14, None], "longitude_deg": [11.575, 11.58, None]})
    rows = weather_at_nodes(pl.DataFrame({"area": [cell], "value": [15.5]}), nodes)
    assert rows["bus"].to_list() == ["A", "B"]
    with pytest.raises(SourceError, match="neither `lat,lon` nor an H3 cell"):
        point_of("munich")


def test_euro_rates_are_inverted_and_auctions_averaged() -> None:
    text = "KEY,FREQ,CURRENCY,CURRENCY_DENOM,EXR_TYPE,EXR_SUFFIX,TIME_PERIOD,OBS_VALUE\nEXR.D.USD.EUR.SP00.A,D,USD,EUR,SP00,A,2025-06-02,1.25\n"
    product = PRODUCTS["ecb/fx"]
    ask = plain_ask("entsoe", D(2025, 6, 2), D(2025, 6, 2), {"USD": "USD"})
    assert product.rows(product.records(Member("", text.encode()), ask), ask)["price_ccy_per_unit"].to_list() == [0.8]
    auctions = PRODUCTS["eua/auctions"]
    sheet = "EEX report,,,\nDate,Contract,Status,Auction Price EUR/tCO2\n2025-06-02,T3PA,successful,70\n2025-06-02,T3PA,successful,72\n2025-06-03,T3PA,cancelled,0\n"
    rows = auctions.rows(auctions.records(Member("", sheet.encode()), ask), ask)
    assert rows["price_ccy_per_unit"].to_list() == [71.0]


@given(st.sampled_from([D(2025, 11, 2), D(2025, 3, 9), D(2025, 6, 2)]), st.integers(-1, 26))
def test_elapsed_hours_are_those_the_day_has(day: date, hour: int) -> None:
    start, end = market_of("nyiso").day_bounds(day)
    frame = pl.DataFrame({"d": [day], "h": [hour]}).select(elapsed(pl.col("d"), pl.col("h"), "America/New_York"))
    count = (end - start).total_seconds() / 3600
    (stamp,) = frame.to_series().to_list()
    assert (stamp is not None) == (1 <= hour <= count)
    assert stamp is None or start <= stamp < end


def test_hour_ending_and_folded_agree_on_the_day_of_25_hours() -> None:
    hours = [1, 2, 2, *range(3, 25)]
    frame = pl.DataFrame({"d": [AUTUMN] * 25, "h": hours, "x": [n == 2 for n in range(25)]})
    marked = frame.select(hour_ending(pl.col("d"), pl.col("h"), pl.col("x"), "America/New_York").alias("t"))["t"]
    wall = frame.with_columns((pl.col("d").cast(pl.Datetime("ms")) + pl.duration(hours=pl.col("h") - 1)).alias("w"))
    by_order = folded(wall, "w", "America/New_York", [])["delivery_ts"]
    assert marked.to_list() == by_order.to_list()
    assert marked.diff().drop_nulls().unique().to_list() == [pl.Series([3_600_000]).cast(pl.Duration("ms"))[0]]


def zipped(body: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", body)
    return held.getvalue()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"  ", "empty"), (b"<!doctype HTML><html><title>Log in</title>", "html"), (zipped(b"a,b\n1,2\n" * 500)[:60], "truncated"),
        (gzip.compress(b"abc" * 500)[:20], "truncated"),
    ],
    ids=["blank", "page", "zip", "gzip"],
)  # fmt: skip
def test_answers_that_are_none(body: bytes, kind: str) -> None:
    with pytest.raises(AnswerError) as error:
        members(body)
    assert (error.value.kind, error.value.transient) == (kind, True)


def test_encodings_and_nested_archives() -> None:
    text = "Ort,Wert\nMünchen,1\n"
    for code in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
        (member,) = members(zipped(text.encode(code)))
        assert csv_of(member).row(0) == ("München", "1")
    (nested,) = members(zipped(zipped(b"a,b\n1,2\n")))
    assert csv_of(nested).row(0) == ("1", "2")
    with pytest.raises(AnswerError, match="zero bytes"):
        _ = Member("", b"a\0b").text


def test_errors_in_bodies_and_documents_cut_off() -> None:
    with pytest.raises(AnswerError, match="API_KEY_INVALID"):
        json_of(Member("", b'{"error": {"code": "API_KEY_INVALID"}}'))
    with pytest.raises(AnswerError, match="cut off at character"):
        json_of(Member("", b'{"data": [1, 2'))
    with pytest.raises(AnswerError, match="cut off"):
        xml_of(Member("", b"<a><b>"))
    with pytest.raises(AnswerError, match="document type") as refused:
        xml_of(Member("", b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'))
    assert not refused.value.transient


def test_payloads_are_kept_by_content_and_pruned_by_age(tmp_path: Path) -> None:
    store, now = PayloadStore(tmp_path), utc(2026, 1, 1)
    old = store.put("eia", "r", b"body" * 1000, at=utc(2024, 1, 1), url="u")
    new = store.put("eia", "r", b"body" * 1000, at=now, url="u")
    assert (old.sha, store.body(new), len(store.answers("eia", "r"))) == (new.sha, b"body" * 1000, 2)
    assert store.prune({"eia": 400}, now=now)["answers_removed"] == 1
    assert [k.fetched_ts for k in store.answers("eia", "r")] == [now.isoformat()]
    path = next((tmp_path / "bodies").glob("*/*.zst"))
    assert path.stat().st_size < 200
    path.write_bytes(b"x" + path.read_bytes()[1:])
    with pytest.raises((ValueError, OSError)):
        store.body(new)


def test_every_preset_reads_and_every_product_names_a_provider() -> None:
    assert {p.stem for p in PRESETS.glob("*.yaml")} >= {"caiso", "ercot", "pjm", "miso", "nyiso", "isone", "spp", "de_lu", "aemo"}
    for path in PRESETS.glob("*.yaml"):
        assert all(feed.places for feed in feeds_of(path.stem, PRESETS))
    assert {p.provider for p in PRODUCTS.values()} <= load_providers().keys()


def test_a_broken_feed_file_names_file_field_and_value(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("days: 0\nfeeds: [{product: x/y}]\n")
    with pytest.raises(SourceError, match=r"mine.yaml.*\n.*days = 0"):
        load_live(path)
    path.write_text("feeds: [{product: x/y}]\n")
    with pytest.raises(SourceError, match=r"products \['x/y'\] are not known; known: aemo/"):
        feeds_of("mine", tmp_path)


def test_stamps_that_name_no_instant_travel_to_quarantine_with_what_was_said() -> None:
    from pipeline_tasks.sources.live.feeds import Feed, FeedSpec
    from pipeline_tasks.sources.live.source import _batches
    from pipeline_tasks.sources.protocol import Seen

    text = "DeliveryDate,HourEnding,SettlementPoint,SettlementPointPrice,DSTFlag\n03/09/2025,02:00,HB,1,N\n03/09/2025,03:00,HB,1,N\n"
    product = PRODUCTS["ercot/spp_da"]
    ask = plain_ask("ercot", SPRING, SPRING, {"HB": "HB"})
    rows = product.rows(product.records(Member("", text.encode()), ask), ask)
    good, refused = _batches(Feed(FeedSpec(product=product.full_name), product, 1), rows, "o", ask.end, ask, Seen(utc(2026, 1, 1)))
    assert (good.rows_read, refused.rows_read, refused.refused) == (1, 1, True)
    assert refused.frame.select("delivery_ts", "known_ts").row(0) == ("03/09/2025 hour ending 03:00 N", NO_INSTANT)
    assert good.frame.columns == contract_columns(PRICES)
    assert parsed(product, text.encode(), ask).height == 1
