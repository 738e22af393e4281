"""Ancillary prices, interfaces, outages, Ontario's renewed market, archives and corrections: samples written by hand after the providers'
documentation; no answer of these was captured."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from pipeline_tasks.contracts.raw import PROVENANCE
from pipeline_tasks.sources.live.answers import AnswerError, Member
from pipeline_tasks.sources.live.catalog import PRODUCTS
from pipeline_tasks.sources.live.product import SAID, Request
from pipeline_tasks.sources.live.source import parsed
from pipeline_tasks.warehouse.validation import check_rows, delivered_columns
from tests.unit.test_live_formats import rows_of, utc
from tests.unit.test_live_parsing import ask_of

D = date
JUNE = D(2025, 6, 2)
NAMES = tuple(c.name for c in PROVENANCE)


def asked(product: str, text: str, first: date, last: date | None = None, regions: dict[str, str] | None = None) -> pl.DataFrame:
    """Rows of an answer as the loader gets them: all of them keep their contract."""
    from dataclasses import replace

    found = PRODUCTS[product]
    ask = replace(ask_of(found.provider.removesuffix("_api"), first, last or first, regions or {}), fetched_ts=utc(2025, 12, 1))
    rows = parsed(found, text.encode(), ask)
    checked = check_rows(found.table, rows, delivered_columns(found.table, NAMES))
    assert checked.broken.unique().to_list() == [""], checked.broken.unique()
    return checked.rows


def table(head: str, *lines: str) -> str:
    return "\n".join((head, *lines)) + "\n"


NYISO_HEAD = (
    '"Time Stamp","Time Zone","Name","PTID","10 Min Spinning Reserve ($/MWHr)","10 Min Non-Synchronous Reserve ($/MWHr)",'
    '"30 Min Operating Reserve ($/MWHr)","NYCA Regulation Capacity ($/MWHr)"'
)


def test_nyiso_reserves_by_zone_know_the_repeated_hour_by_its_mark() -> None:
    lines = [f'"11/02/2025 01:00","{zone}","WEST",61752,{5 + n},4,3,{8 + n}' for n, zone in enumerate(("EDT", "EST"))]
    rows = asked("nyiso/reserves_da", table(NYISO_HEAD, *lines), D(2025, 11, 2), regions={"WEST": "WEST"})
    spin = rows.filter(pl.col("product") == "reserve_10s").select("delivery_ts", "price_ccy_per_mwh").rows()
    assert spin == [(utc(2025, 11, 2, 5), 5.0), (utc(2025, 11, 2, 6), 6.0)]
    assert set(rows["product"]) == {"reserve_10s", "reserve_10n", "reserve_30", "regulation"}
    five = asked("nyiso/reserves_rt", table(NYISO_HEAD, '"06/02/2025 00:05:00","EDT","WEST",61752,1,2,3,4'), JUNE)
    assert five.select("product", "delivery_ts", "resolution_min").row(0) == ("reserve_10s_rt", utc(2025, 6, 2, 4), 5)


def test_nyiso_interfaces_have_no_limit_of_9999() -> None:
    head = "Timestamp,Interface Name,Point ID,Flow (MWH),Positive Limit (MWH),Negative Limit (MWH)"
    rows = asked(
        "nyiso/interfaces",
        table(
            head, "06/02/2025 00:05,CENTRAL EAST - VC,23330,1500.5,2300,-9999", "06/02/2025 00:10,CENTRAL EAST - VC,23330,1501,9999,-2000"
        ),
        JUNE,
    )
    assert rows.select("delivery_ts", "flow_mw", "limit_pos_mw", "limit_neg_mw").rows() == [
        (utc(2025, 6, 2, 4, 5), 1500.5, 2300.0, None),
        (utc(2025, 6, 2, 4, 10), 1501.0, None, -2000.0),
    ]


def test_nyiso_outages_are_those_of_days_to_come() -> None:
    text = table("Date,Forecasted Generation Outage (MW)", "11/30/2025,4100", "12/02/2025,4321")
    rows = asked("nyiso/outage_forecast", text, D(2025, 11, 20), D(2025, 12, 19))
    assert rows.select("delivery_ts", "known_ts", "value", "resolution_min").rows() == [
        (utc(2025, 12, 2, 5), utc(2025, 12, 1), 4321.0, 1440)
    ]


def test_spp_reserves_and_outages() -> None:
    head = "Interval,GMTIntervalEnd,Reserve Zone,RegUP,RegDN,RampUP,RampDN,Spin,Supp,UncUP"
    rows = asked("spp/reserves_da", table(head, "06/02/2025 01:00:00,06/02/2025 06:00:00,1,9.5,4,0,0.1,7,2,"), JUNE, regions={"1": "ZONE1"})
    assert rows.filter(pl.col("product") == "regup").select("hub", "delivery_ts", "price_ccy_per_mwh").rows() == [
        ("ZONE1", utc(2025, 6, 2, 5), 9.5)
    ]
    assert "uncertainty_up" not in rows["product"].to_list()  # an empty cell is no price
    real = "Interval,GMTIntervalEnd,Reserve Zone,RegUPService,RegDNService,RegUpMile,RegDNMile,RampUP,RampDN,Spin,Supp,UncUP"
    rows = asked("spp/reserves_rt", table(real, "06/02/2025 00:05:00,06/02/2025 05:05:00,1,9,4,0,0,1,1,7,2,3"), JUNE)
    assert rows.height == 7
    assert set(rows["product"]) == {
        f"{p}_rt" for p in ("regup", "regdn", "ramp_up", "ramp_down", "reserve_10s", "reserve_10n", "uncertainty_up")
    }
    text = table("Market Hour, Outaged MW, Coal MW", "6/2/2025 06:00:00,11000,3000", "6/2/2025 20:00:00,12000,3000")
    rows = asked("spp/outage_forecast", text, JUNE)
    assert rows.select("delivery_ts", "known_ts", "value").rows() == [
        (utc(2025, 6, 2, 19), utc(2025, 6, 2, 13), 12000.0)
    ]  # the first began before


def test_spp_forecasts_are_those_of_the_morning_before() -> None:
    ask = ask_of("spp", JUNE, JUNE, {})
    (request,) = PRODUCTS["spp/load_forecast_da"].requests(ask)
    assert dict(request.params) == {"path": "/2025/06/01/OP-MTLF-202506010800.csv"}
    lines = [
        f"x,06/0{d}/2025 {h}:00:00,{mw},{own},{area}"
        for d, h, mw, own, area in ((2, "05", 1, "1", "SPP"), (2, "06", 30000.5, "", "SPP"), (2, "06", 900, "", "SWPW"))
    ]
    rows = asked("spp/load_forecast_da", table("Interval,GMTIntervalEnd, MTLF, Averaged Actual,BAA", *lines), JUNE)
    assert rows.select("delivery_ts", "value", "known_ts").rows() == [(utc(2025, 6, 2, 5), 30000.5, utc(2025, 6, 1, 13, 15))]
    head = "Interval,GMTIntervalEnd,Wind Forecast MW,Solar Forecast MW,Wind Actual MW,Solar Actual MW"
    for quantity, value in (("wind", 7000.0), ("solar", 300.0)):
        rows = asked(f"spp/{quantity}_forecast_da", table(head, "x,06/02/2025 19:00:00,7000,300,,"), JUNE)
        assert rows.select("quantity", "area", "value").rows() == [(quantity, "system", value)]


def items(*rows: dict[str, Any]) -> str:
    return json.dumps({"items": rows, "totalRows": len(rows)})


def test_pjm_reserves_by_locale_and_service() -> None:
    about = {"datetime_beginning_utc": "2025-06-02T04:00:00", "datetime_beginning_ept": "2025-06-02T00:00:00", "as_mw": 1.0}
    text = items(
        {**about, "locale": "PJM RTO Reserve Zone", "service": "Synchronized Reserve", "mcp": 3.25},
        {**about, "locale": "PJM RTO Reserve Zone", "service": "Thirty Minutes Reserve", "mcp": 0.0},
        {**about, "locale": "Mid-Atlantic/Dominion Reserve Subzone", "service": "Synchronized Reserve", "mcp": 4.5},
    )
    rows = asked("pjm/reserves_da", text, JUNE)
    assert rows.select("hub", "product", "price_ccy_per_mwh").rows() == [
        ("PJM_RTO", "reserve_10s", 3.25),
        ("PJM_RTO", "reserve_30", 0.0),
        ("MAD", "reserve_10s", 4.5),
    ]
    assert rows["known_ts"].unique().to_list() == [utc(2025, 6, 1, 17, 30)]
    assert asked("pjm/reserves_da", text, JUNE, regions={"MAD": "EAST"})["hub"].to_list() == ["EAST"]
    real = items({**about, "locale": "MAD", "service": "REG", "mcp": 30.0, "reg_ccp": 1, "reg_pcp": 2})
    assert asked("pjm/reserves_rt", real, JUNE).select("hub", "product", "resolution_min").rows() == [("MAD", "regulation_rt", 5)]


def test_pjm_interfaces_ties_and_outages() -> None:
    flows = items(
        {
            "datetime_beginning_utc": "2025-06-02T04:00:00",
            "name": "AEP-DOM",
            "actual_flow": 900,
            "warning_level": 4000,
            "transfer_limit": 5000,
        }
    )
    assert asked("pjm/interfaces_rt", flows, JUNE).select("interface", "flow_mw", "limit_pos_mw").rows() == [("AEP-DOM", 900.0, 5000.0)]
    ahead = items({"datetime_beginning_utc": "2025-06-02T04:00:00", "interface_limit_name": "AEP-DOM", "flow_mw": 800.5, "limit_mw": 5000})
    assert asked("pjm/interfaces_da", ahead, JUNE)["interface"].to_list() == ["AEP-DOM (day-ahead)"]
    tie = items({"datetime_beginning_utc": "2025-06-02T04:00:01", "tie_flow_name": "NYIS", "actual_mw": -120, "scheduled_mw": -100})
    assert asked("pjm/tie_flows", tie, JUNE).select("delivery_ts", "flow_mw", "limit_pos_mw").rows() == [(utc(2025, 6, 2, 4), -120.0, None)]
    out = {
        "forecast_execution_date_ept": "2025-06-02T00:00:00",
        "region": "RTO",
        "planned_outages_mw": 1,
        "maintenance_outages_mw": 2,
        "forced_outages_mw": 3,
        "total_outages_mw": 6,
    }
    rows = asked("pjm/outage_forecast", items(*({**out, "forecast_date": f"2025-06-0{d}T00:00:00"} for d in (2, 3))), JUNE)
    assert rows["delivery_ts"].unique().to_list() == [utc(2025, 6, 3, 4)]  # at the end of its day of execution that day is over
    assert rows.select("quantity", "value").rows() == [
        ("outages", 6.0),
        ("outages_planned", 1.0),
        ("outages_maintenance", 2.0),
        ("outages_forced", 3.0),
    ]
    assert rows["known_ts"].unique().to_list() == [utc(2025, 6, 3, 4)]


def test_iso_ne_reserve_prices_fold_the_repeated_hour() -> None:
    prices = '"Ten-Minute Spinning Reserve Clearing Price","Ten-Minute Reserve Clearing Price","Total Reserve Clearing Price"'
    stamps = ["11/02/2025 01:00:00", "11/02/2025 01:00:00"]
    lines = [f'"D","{s}","7000","ROS",{n},0.5,0' for n, s in enumerate(stamps)]
    text = "\n".join(['"C","Final"', f'"H","Local Time","Reserve Zone ID","Reserve Zone Name",{prices}', *lines, '"T",2']) + "\n"
    rows = asked("isone/reserves_rt", text, D(2025, 11, 2)).filter(pl.col("product") == "reserve_10s_rt")
    assert rows.select("hub", "delivery_ts", "price_ccy_per_mwh").rows() == [
        ("ROS", utc(2025, 11, 2, 5), 0.0),
        ("ROS", utc(2025, 11, 2, 6), 1.0),
    ]


def test_miso_pages_are_all_asked_for_and_read() -> None:
    product = PRODUCTS["miso_api/reserves_da"]
    row = {"interval": "1", "timeInterval": {"resolution": "hourly", "start": "2025-06-02T00:00:00", "end": "2025-06-02T01:00:00"}}
    body = json.dumps(
        {
            "data": [{**row, "zone": "Zone 1", "product": "Spin", "mcp": 1.5}, {**row, "zone": "Zone 1", "product": "STR", "mcp": 0.2}],
            "page": {"pageNumber": 1, "totalPages": 3, "lastPage": False},
        }
    )
    rows = asked("miso_api/reserves_da", body, JUNE)
    assert rows.select("hub", "product", "delivery_ts", "price_ccy_per_mwh").rows() == [
        ("Zone 1", "reserve_10s", utc(2025, 6, 2, 5), 1.5),
        ("Zone 1", "reserve_30", utc(2025, 6, 2, 5), 0.2),
    ]
    assert product.follow is not None
    asks = product.follow(Member("", body.encode()), ask_of("miso", JUNE, JUNE, {}))
    assert [dict(r.params) for r in asks] == [{}, {"pageNumber": "2"}, {"pageNumber": "3"}]
    assert {r.path for r in asks} == {"day-ahead/2025-06-02/asm-expost"}
    with pytest.raises(AnswerError, match="no list `data`"):
        product.records(Member("", b'{"statusCode": 200}'), ask_of("miso", JUNE, JUNE, {}))


def test_miso_outages_are_the_first_table_of_their_sheet() -> None:
    from pipeline_tasks.sources.live.miso import outage_cells

    days = ["2025-06-03 00:00:00", "2025-06-04 00:00:00", "06/05/2025 **"]
    rows: list[list[object]] = [["Outage Information", None, None, None, float("nan")], [None, None, *days]]
    rows += [
        [region, kind, n, n + 1, n + 2]
        for region in ("North", "South")
        for n, kind in enumerate(("Derated", "Forced", "Planned", "Unplanned"))
    ]
    rows += [["Past", None, None, None, None], [None, None, *days], ["North", "Forced", 99, 99, 99]]
    found = PRODUCTS["miso/outage_forecast"]
    records = outage_cells(rows, JUNE)
    assert records.height == 2 * 4 * 3
    made = found.rows(records, ask_of("miso", JUNE, JUNE, {})).filter(
        (pl.col("area") == "North") & (pl.col("delivery_ts") == utc(2025, 6, 4, 5))
    )
    assert made.select("quantity", "value").sort("quantity").rows() == [
        ("outages", 10.0),
        ("outages_forced", 6.0),
        ("outages_planned", 3.0),
    ]
    assert made["known_ts"].unique().to_list() == [utc(2025, 6, 3, 17)]
    with pytest.raises(AnswerError, match="no row of the sheet OUTAGE holds dates"):
        outage_cells([["a", "b"]], JUNE)


def test_caiso_outages_are_the_hubs_total_or_the_sum_of_its_fuels() -> None:
    head = "INTERVALSTARTTIME_GMT,INTERVALENDTIME_GMT,REPORT_DATE_GMT,FUEL_CATEGORY,TRADING_HUB,MW,GROUP"
    span = "2025-06-02T07:00:00-00:00,2025-06-02T08:00:00-00:00,2025-06-01T15:00:00-00:00"
    cells = [("Thermal", "NP15", 100), ("Hydro", "NP15", 50.5), ("Aggregated", "ZP26", 7)]
    rows = asked("caiso/outage_forecast", table(head, *(f"{span},{f},{hub},{mw},1" for f, hub, mw in cells)), JUNE)
    assert rows.select("area", "value", "known_ts").rows() == [("NP15", 150.5, utc(2025, 6, 1, 15)), ("ZP26", 7.0, utc(2025, 6, 1, 15))]


def test_ercot_outages_are_added_over_zones_and_kinds() -> None:
    zones = ("South", "North", "West", "Houston")
    head = "Date,HourEnding," + ",".join(
        f"{kind}MWZone{zone}" for kind in ("TotalResource", "TotalIRR", "TotalNewEquipResource") for zone in zones
    )
    text = table(
        head,
        "06/02/2025,1,1,2,3,4,10,20,30,40,100,100,100,100",
        "06/03/2025,1,1,2,3,4,10,20,30,40,0,0,0,0",
        "06/02/2025,2,,2,3,4,1,2,3,4,0,0,0,0",
    )
    rows = rows_of("ercot/outage_forecast_da", text, JUNE, JUNE)
    assert rows.select("delivery_ts", "value").rows() == [
        (utc(2025, 6, 2, 5), 110.0),
        (utc(2025, 6, 2, 6), None),
    ]  # a zone left out is no zero


def test_ontario_nodes_split_their_price() -> None:
    head = "CREATED AT 2025/06/01 12:31:08 FOR 2025/06/02\nDelivery Hour,Pricing Location,LMP,Energy Loss Price,Energy Congestion Price"
    rows = asked("ieso/nodal_da", table(head, "1,BRUCEB-LT.G5:LMP,25.5,-0.5,1.0", "24,BRUCEB-LT.G5:LMP,30,0,0"), JUNE)
    assert rows.select("node", "delivery_ts", "price_ccy_per_mwh", "energy_ccy_per_mwh", "loss_ccy_per_mwh").row(0) == (
        "BRUCEB-LT.G5",
        utc(2025, 6, 2, 5),
        25.5,
        25.0,
        -0.5,
    )
    assert rows["delivery_ts"][1] == utc(2025, 6, 3, 4)
    five = head.replace("Delivery Hour,", "Delivery Hour,Interval,").replace(" FOR 2025/06/02", "")
    rows = asked("ieso/nodal_rt", table(five, "2,12,BRUCEB-LT.G5:LMP,25.5,0,0"), JUNE)
    assert rows.select("delivery_ts", "resolution_min", "known_ts").rows() == [(utc(2025, 6, 2, 6, 55), 5, utc(2025, 6, 2, 7, 5))]
    assert len(PRODUCTS["ieso/nodal_rt"].requests(ask_of("ieso", JUNE, JUNE, {}))) == 24


def test_ontario_reserves_are_those_of_named_locations() -> None:
    head = "CREATED AT 2025/06/01 12:31:08 FOR 2025/06/02\nDelivery Hour,Pricing Location,LMP 10S,Congestion Price 10S,LMP 10N,Congestion Price 10N,LMP 30R,Congestion Price 30R"
    text = table(head, "1,A:LMP,5,0,4,0,3,0", "1,B:LMP,6,0,4,0,3,0")
    rows = asked("ieso/reserves_da", text, JUNE, regions={"A": "ONTARIO"})
    assert rows.select("hub", "product", "price_ccy_per_mwh").rows() == [
        ("ONTARIO", "reserve_10s", 5.0),
        ("ONTARIO", "reserve_10n", 4.0),
        ("ONTARIO", "reserve_30", 3.0),
    ]


def document(body: str) -> str:
    return f'<Document xmlns="http://www.ieso.ca/schema"><DocHeader><CreatedAt>2025-06-01T12:30:00</CreatedAt></DocHeader><DocBody>{body}</DocBody></Document>'


def test_ontario_zone_in_its_three_layouts() -> None:
    hour = "<HourlyPriceComponents><PricingHour>1</PricingHour><ZonalPrice>31.5</ZonalPrice><LossPriceCapped>0.5</LossPriceCapped><CongestionPriceCapped>0</CongestionPriceCapped></HourlyPriceComponents>"
    rows = asked("ieso/price_da", document(f"<DeliveryDate>2025-06-02</DeliveryDate>{hour}"), JUNE)
    assert rows.select("hub", "product", "delivery_ts", "price_ccy_per_mwh", "currency").rows() == [
        ("ONTARIO", "da", utc(2025, 6, 2, 5), 31.5, "USD")
    ]
    new = "<DeliveryDate>2025-06-02</DeliveryDate><DeliveryHour>3</DeliveryHour><ZonalPrice><Interval>2</Interval><LmpCap>40</LmpCap><LossPriceCap>1</LossPriceCap><CongPriceCap>0</CongPriceCap></ZonalPrice>"
    old = "<DeliveryDate>For 2025-06-02 - Hour 3</DeliveryDate>" + "".join(
        f"<RealTimePriceComponents><OntarioZonalPrice>{n}</OntarioZonalPrice><OntarioZonalPriceInterval2><Interval2>{v}</Interval2></OntarioZonalPriceInterval2></RealTimePriceComponents>"
        for n, v in (("Zonal Price", 40), ("Energy Loss Price", 1), ("Energy Congestion Price", 0))
    )
    assert asked("ieso/price_rt", document(new), JUNE).equals(asked("ieso/price_rt", document(old), JUNE))
    assert asked("ieso/price_rt", document(new), JUNE).select("product", "delivery_ts", "price_ccy_per_mwh").rows() == [
        ("rt", utc(2025, 6, 2, 7, 5), 40.0)
    ]


def test_ontario_hours_are_means_of_all_their_intervals() -> None:
    cell = (
        "<ZonalPrice><Interval>{0}</Interval><LmpCap>{0}</LmpCap><LossPriceCap>0</LossPriceCap><CongPriceCap>0</CongPriceCap></ZonalPrice>"
    )
    head = "<DeliveryDate>2025-06-02</DeliveryDate><DeliveryHour>3</DeliveryHour>"
    whole, part = (document(head + "".join(cell.format(n) for n in range(1, last))) for last in (13, 12))
    rows = asked("ieso/price_rt_hourly", whole, JUNE)
    assert rows.select("delivery_ts", "resolution_min", "price_ccy_per_mwh", "known_ts").rows() == [
        (utc(2025, 6, 2, 7), 60, 6.5, utc(2025, 6, 2, 8, 5))
    ]
    assert rows_of("ieso/price_rt_hourly", part, JUNE, JUNE).height == 0


def test_ontario_interties_and_equipment_out() -> None:
    cell = "<Actual><Hour>1</Hour><Interval>{}</Interval><Flow>{}</Flow></Actual>"
    zone = f"<IntertieZone><IntertieZoneName>MICHIGAN</IntertieZoneName><Schedules><Schedule><Hour>1</Hour><Import>0</Import><Export>500</Export></Schedule></Schedules><Actuals>{cell.format(1, 512.5)}{cell.format(2, '')}</Actuals></IntertieZone>"
    rows = asked("ieso/interties", document(f"<Date>2025-06-02</Date>{zone}"), JUNE)
    assert rows.select("interface", "delivery_ts", "flow_mw").rows() == [("MICHIGAN", utc(2025, 6, 2, 5), 512.5)]
    parts = "".join(
        f"<EquipmentRequested><EquipmentName>{n}</EquipmentName><EquipmentType>LINE</EquipmentType></EquipmentRequested>"
        for n in ("C28C", "T1")
    )
    outage = f"<OutageRequest><OutageID>1-100</OutageID><PlannedStart>2025-06-03T08:00:00</PlannedStart><PlannedEnd>2025-06-05T16:00:00</PlannedEnd><Priority>P</Priority><OutageRequestStatus>Approved</OutageRequestStatus>{parts}</OutageRequest>"
    rows = asked("ieso/transmission_outages", document(outage), JUNE)
    assert rows.select("element", "outage_id", "delivery_ts", "end_ts", "known_ts").rows() == [
        (name, f"1-100/{name}", utc(2025, 6, 3, 13), utc(2025, 6, 5, 21), utc(2025, 6, 1, 17, 30)) for name in ("C28C", "T1")
    ]


def test_aemo_archives_name_their_months_and_give_the_rows_of_the_chunk() -> None:
    product = PRODUCTS["aemo/dispatch_price_archive"]
    asks = product.requests(ask_of("aemo", D(2024, 7, 20), D(2024, 8, 18), {}))
    assert [r.path.rpartition("/")[2] for r in asks] == [
        "PUBLIC_DVD_DISPATCHPRICE_202407010000.zip",
        "PUBLIC_ARCHIVE%23DISPATCHPRICE%23FILE01%23202408010000.zip",
    ]
    assert all("/MMSDM_2024_0" in r.path and r.immutable and r.absent_ok for r in asks)
    only = product.requests(ask_of("aemo", D(2025, 6, 1), D(2025, 6, 30), {}))  # the stamp of its first interval is in the chunk, not 00:00
    assert [r.path[-16:-10] for r in only] == ["202506", "202507"]
    days = [f'D,DISPATCH,PRICE,4,"2025/06/{d} 00:05:00",1,NSW1,20250601001,0,{p}' for d, p in (("02", 81.2), ("09", 90))]
    text = (
        "\n".join(
            ["C,MMSDM", "I,DISPATCH,PRICE,4,SETTLEMENTDATE,RUNNO,REGIONID,DISPATCHINTERVAL,INTERVENTION,RRP", *days, 'C,"END OF REPORT",5']
        )
        + "\n"
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.CSV", text)
    rows = rows_of("aemo/dispatch_price_archive", packed.getvalue(), JUNE, D(2025, 6, 8), {"NSW1": "NSW1"})
    assert rows.select("delivery_ts", "price_ccy_per_mwh").rows() == [(utc(2025, 6, 1, 14), "81.2")]
    current = rows_of("aemo/dispatch_price", text, JUNE, D(2025, 6, 8), {"NSW1": "NSW1"}).head(1)
    assert rows.drop(SAID).equals(current.drop(SAID))  # the same row, so whichever feed comes second loads nothing


def test_ercot_corrections_are_known_when_they_were_made() -> None:
    head = "DeliveryDate,HourEnding,SettlementPoint,SettlementPointType,SPPOriginal,SPPCorrected,PriceCorrectionTime,DSTFlag"
    lines = [
        f"05/28/2025,01:00,HB_NORTH,HU,20.00,{price},{at},N"
        for price, at in ((21.5, "06/01/2025 14:02:11"), (21.75, "06/02/2025 09:00:00"))
    ]
    rows = asked("ercot/spp_da_corrections", table(head, *lines), D(2025, 6, 2), regions={"HB_NORTH": "HB_NORTH"})
    assert rows.select("product", "delivery_ts", "price_ccy_per_mwh", "known_ts").rows() == [
        ("da", utc(2025, 5, 28, 5), 21.5, utc(2025, 6, 1, 19, 2, 11)),
        ("da", utc(2025, 5, 28, 5), 21.75, utc(2025, 6, 2, 14)),
    ]
    docs = [
        {
            "Document": {
                "FriendlyName": f"{kind}_csv",
                "ConstructedName": f"cdr.00013044.0000.{kind}.csv.zip",
                "PublishDate": "2025-06-02T10:00:00-05:00",
                "DocID": n,
            }
        }
        for n, kind in enumerate(("DAM_SPP", "DAM_MCPC"))
    ]
    listing = json.dumps({"ListDocsByRptTypeRes": {"DocumentList": docs}}).encode()
    follow = PRODUCTS["ercot/spp_da_corrections"].follow
    assert follow is not None
    (found,) = follow(Member("", listing), ask_of("ercot", JUNE, JUNE, {}))
    assert dict(found.params) == {"doclookupId": "0"}


def test_an_immutable_file_that_was_not_there_is_asked_for_again(tmp_path: Any) -> None:
    import httpx

    from pipeline_tasks.sources.live.fetch import Fetcher
    from pipeline_tasks.sources.live.payloads import PayloadStore
    from pipeline_tasks.sources.live.providers import load_providers

    answers = iter([httpx.Response(404), httpx.Response(200, content=b"a,b\n1,2\n")])
    client = httpx.Client(transport=httpx.MockTransport(lambda _request: next(answers)))
    fetcher = Fetcher(load_providers()["aemo"], PayloadStore(tmp_path), tmp_path / "rates", client=client)
    file = Request("/a.zip", immutable=True, absent_ok=True)
    first = fetcher.get(file, fresh_since=datetime.now(UTC), verdict=lambda _members: None)
    second = fetcher.get(file, fresh_since=datetime.now(UTC), verdict=lambda _members: None)
    third = fetcher.get(file, fresh_since=datetime.now(UTC), verdict=lambda _members: None)
    assert (first.members, second.members[0].body, third.fetched) == ([], b"a,b\n1,2\n", False)
