"""IESO Ontario since the market's renewal of May 2025: prices, reserves, interties, outages of equipment. docs/sources/ieso.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import time, timedelta
from xml.etree.ElementTree import Element

import polars as pl

from pipeline_tasks.contracts.grid import NODAL_PRICES, OUTAGES
from pipeline_tasks.contracts.raw import INTERFACES, PRICES
from pipeline_tasks.sources.importers import DayRule, LagRule
from pipeline_tasks.sources.live.answers import AnswerError, Member, csv_of, records_of, xml_of
from pipeline_tasks.sources.live.ieso import EST
from pipeline_tasks.sources.live.product import Ask, Product, Request, either, numbers, shaped, texts, unpivoted
from pipeline_tasks.sources.live.walls import fixed

ZONE_HUB = "ONTARIO"
PARTS = {"LMP": "price_ccy_per_mwh", "Energy Congestion Price": "congestion_ccy_per_mwh", "Energy Loss Price": "loss_ccy_per_mwh"}
RESERVES = {"LMP 10S": "reserve_10s", "LMP 10N": "reserve_10n", "LMP 30R": "reserve_30"}
_FOR = re.compile(r"FOR (\d{4})[/-](\d{2})[/-](\d{2})")
_COMPONENTS = {"Zonal Price": "lmp", "Energy Loss Price": "loss", "Energy Congestion Price": "congestion"}


def _daily(report: str, ending: str) -> Callable[[Ask], tuple[Request, ...]]:
    def requests(ask: Ask) -> tuple[Request, ...]:
        return tuple(Request(f"{report}/PUB_{report}_{day:%Y%m%d}.{ending}", absent_ok=True) for day in ask.days)

    return requests


def _hourly(report: str, ending: str) -> Callable[[Ask], tuple[Request, ...]]:
    def requests(ask: Ask) -> tuple[Request, ...]:
        return tuple(
            Request(f"{report}/PUB_{report}_{day:%Y%m%d}{hour:02d}.{ending}", absent_ok=True) for day in ask.days for hour in range(1, 25)
        )

    return requests


def csv_records(member: Member, ask: Ask) -> pl.DataFrame:
    """A price report: `CREATED AT ... FOR <day>`, a header, rows; the day is added as `Delivery Date` (the chunk's where none is said)."""
    first = member.text.split("\n", 1)[0]
    said = _FOR.search(first)
    day = "-".join(said.groups()) if said else ask.first.isoformat()
    return csv_of(member, skip_lines=1).with_columns(pl.lit(day).alias("Delivery Date"))


def _placed(records: pl.DataFrame, minutes: int) -> pl.DataFrame:
    """Starts in EST from the number of the hour, and of the interval within it where there is one."""
    hour = pl.col("Delivery Hour").cast(pl.Int64, strict=False)
    interval = pl.col("Interval").cast(pl.Int64, strict=False) if minutes < 60 else pl.lit(1)
    inside = hour.is_between(1, 24) & interval.is_between(1, 60 // minutes)
    offset = pl.when(inside).then((hour - 1) * 60 + (interval - 1) * minutes)
    wall = pl.col("Delivery Date").str.to_date(strict=False).cast(pl.Datetime("ms")) + pl.duration(minutes=offset)
    words = ["Delivery Date", pl.lit(" hour "), "Delivery Hour", *([pl.lit("/"), "Interval"] if minutes < 60 else [])]
    return records.with_columns(
        fixed(wall, EST).alias("delivery_ts"),
        pl.lit(minutes).alias("resolution_min"),
        pl.concat_str(words, ignore_nulls=True).alias("_said"),
    )


def _lmp(product: str, minutes: int) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    """Prices by pricing location; energy is what is left of the price without congestion and loss."""

    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        place = pl.col("Pricing Location").str.strip_suffix(":LMP")
        kept = records.filter(place.is_in(list(ask.regions))) if ask.regions else records
        price, congestion, loss = (pl.col(c).cast(pl.Float64, strict=False) for c in PARTS)
        named = _placed(kept, minutes).with_columns(
            place.replace(dict(ask.regions)).alias("node"),
            (price - congestion - loss).alias("energy_ccy_per_mwh"),
            *(pl.col(k).alias(v) for k, v in PARTS.items()),
        )
        return shaped(NODAL_PRICES, named, ask, product=product)

    return rows


def _reserves(minutes: int, suffix: str = "") -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    """Reserve prices of the locations that the feed names."""
    products = {column: product + suffix for column, product in RESERVES.items()}

    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        place = pl.col("Pricing Location").str.strip_suffix(":LMP")
        kept = _placed(records.filter(place.is_in(list(ask.regions))), minutes).with_columns(place.replace(dict(ask.regions)).alias("hub"))
        long = unpivoted(kept, products, ["hub", "delivery_ts", "_said"], "product", "price_ccy_per_mwh")
        return shaped(PRICES, long, ask, resolution_min=minutes)

    return rows


def zone_records(member: Member, _ask: Ask) -> pl.DataFrame:
    """Ontario's zonal price: hours of the day-ahead report, or the five-minute intervals of one hour (both revisions of its schema)."""
    root = xml_of(member)
    said = root.findtext(".//DeliveryDate") or ""
    words = re.fullmatch(r"(?:For )?(\d{4}-\d{2}-\d{2})(?: - Hour (\d+))?", said.strip())
    if words is None:
        raise AnswerError("not_xml", f"the report's DeliveryDate is {said!r}")
    about = {"Delivery Date": words.group(1)}
    hourly = [
        {
            **about,
            "Delivery Hour": part.findtext("PricingHour"),
            "lmp": part.findtext("ZonalPrice"),
            "loss": part.findtext("LossPriceCapped"),
            "congestion": part.findtext("CongestionPriceCapped"),
        }
        for part in root.iter("HourlyPriceComponents")
    ]
    hour = words.group(2) or root.findtext(".//DeliveryHour")
    return records_of(hourly or [{**about, "Delivery Hour": hour, **cell} for cell in _intervals(root)])


def _intervals(root: Element) -> Iterator[dict[str, str | None]]:
    for cell in root.iter("ZonalPrice"):
        if cell.findtext("LmpCap"):
            names = {"Interval": "Interval", "lmp": "LmpCap", "loss": "LossPriceCap", "congestion": "CongPriceCap"}
            yield {name: cell.findtext(tag) for name, tag in names.items()}
    parts: dict[str, dict[str, str | None]] = {}
    for component in root.iter("RealTimePriceComponents"):
        name = _COMPONENTS.get(component.findtext("OntarioZonalPrice") or "")
        for n in map(str, range(1, 13)) if name else ():
            value = component.findtext(f"OntarioZonalPriceInterval{n}/Interval{n}")
            if value:
                parts.setdefault(n, {"Interval": n})[str(name)] = value
    yield from parts.values()


def _zone(product: str, minutes: int) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        priced = records.filter(pl.col("lmp").is_not_null())
        named = _placed(priced, minutes).with_columns(pl.col("lmp").alias("price_ccy_per_mwh"))
        return shaped(PRICES, named, ask, hub=ZONE_HUB, product=product)

    return rows


def _zone_hours(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """Mean of the twelve intervals of each hour that has them all: what the hour is settled at."""
    five = _zone("rt", 5)(records, ask).with_columns(pl.col("price_ccy_per_mwh").cast(pl.Float64, strict=False))
    kept = [c for c in five.columns if c not in {"delivery_ts", "price_ccy_per_mwh", "resolution_min", "_said"}]
    hours = five.group_by(pl.col("delivery_ts").dt.truncate("1h"), *kept, maintain_order=True).agg(
        pl.col("price_ccy_per_mwh").mean(), pl.col("_said").first(), pl.len().alias("_n")
    )
    whole = hours.filter(pl.col("delivery_ts").is_null() | (pl.col("_n") == 12))
    return shaped(PRICES, whole.drop("_n"), ask, resolution_min=60)


def intertie_records(member: Member, _ask: Ask) -> pl.DataFrame:
    """Five-minute flows of each intertie zone, with the hour's scheduled imports and exports."""
    root = xml_of(member)
    day = root.findtext(".//IMODocBody/Date") or root.findtext(".//Date")
    if day is None:
        raise AnswerError("not_xml", "the report names no Date")
    rows = [
        {
            "Delivery Date": day,
            "Zone": zone.findtext("IntertieZoneName"),
            "Delivery Hour": cell.findtext("Hour"),
            "Interval": cell.findtext("Interval"),
            "Flow": cell.findtext("Flow"),
        }
        for zone in root.iter("IntertieZone")
        for cell in zone.iter("Actual")
        if cell.findtext("Flow")
    ]
    return records_of(rows)


def _interties(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    named = _placed(records, 5).with_columns(pl.col("Zone").replace(dict(ask.regions)).alias("interface"), pl.col("Flow").alias("flow_mw"))
    return shaped(INTERFACES, named, ask)


def outage_records(member: Member, _ask: Ask) -> pl.DataFrame:
    """Planned transmission outages: a row per request and piece of equipment, with when the report was made."""
    root = xml_of(member)
    made = root.findtext(".//CreatedAt")
    names = ("OutageID", "PlannedStart", "PlannedEnd", "Priority", "OutageRequestStatus")
    rows = [
        {**{n: outage.findtext(n) for n in names}, "EquipmentName": part.findtext("EquipmentName"), "made": made}
        for outage in root.iter("OutageRequest")
        for part in outage.iter("EquipmentRequested")
    ]
    return records_of(rows)


def _outages(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """Each report announces again what it holds; an outage of several pieces is one row of each, named by request and piece."""
    stamps = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S")
    named = records.unique(["OutageID", "EquipmentName", "PlannedStart"], keep="last", maintain_order=True).with_columns(
        fixed(either("PlannedStart", *stamps), EST).alias("delivery_ts"),
        fixed(either("PlannedEnd", *stamps), EST).alias("end_ts"),
        fixed(either("made", *stamps), EST).alias("known_ts"),
        pl.col("PlannedStart").alias("_said"),
        pl.col("EquipmentName").alias("element"),
        pl.concat_str("OutageID", pl.lit("/"), "EquipmentName").alias("outage_id"),
    )
    return shaped(OUTAGES, named, ask, element_kind="branch", kind="planned", revision=0)


_STAMPS = texts("Delivery Date", "Delivery Hour", "Pricing Location")
NODAL_DA = Product(
    provider="ieso",
    name="nodal_da",
    table=NODAL_PRICES,
    requests=_daily("DAHourlyEnergyLMP", "csv"),
    records=csv_records,
    fields=(*_STAMPS, *numbers(*PARTS)),
    rows=_lmp("da", 60),
    known=DayRule(rule="day", days=-1, at=time(13, 30)),
    settles=timedelta(days=5),
    ahead=timedelta(days=2),
    by_region=False,
)
NODAL_RT = replace(
    NODAL_DA,
    name="nodal_rt",
    requests=_hourly("RealtimeEnergyLMP", "csv"),
    fields=(*_STAMPS, *texts("Interval"), *numbers(*PARTS)),
    rows=_lmp("rt", 5),
    known=LagRule(rule="interval_end", minutes=5),
    ahead=timedelta(hours=1),
)
RESERVES_DA = replace(
    NODAL_DA,
    name="reserves_da",
    table=PRICES,
    requests=_daily("DAHourlyORLMP", "csv"),
    fields=(*_STAMPS, *numbers(*RESERVES)),
    rows=_reserves(60),
    extra=("Congestion Price 10S", "Congestion Price 10N", "Congestion Price 30R"),
)
RESERVES_RT = replace(
    NODAL_RT,
    name="reserves_rt",
    table=PRICES,
    requests=_hourly("RealtimeORLMP", "csv"),
    fields=(*_STAMPS, *texts("Interval"), *numbers(*RESERVES)),
    rows=_reserves(5, "_rt"),
    extra=RESERVES_DA.extra,
)
ZONE_DA = replace(
    NODAL_DA,
    name="price_da",
    table=PRICES,
    requests=_daily("DAHourlyOntarioZonalPrice", "xml"),
    records=zone_records,
    fields=(*texts("Delivery Date", "Delivery Hour"), *numbers("lmp", "loss", "congestion")),
    rows=_zone("da", 60),
)
ZONE_RT = replace(
    NODAL_RT,
    name="price_rt",
    table=PRICES,
    requests=_hourly("RealtimeOntarioZonalPrice", "xml"),
    records=zone_records,
    fields=(*texts("Delivery Date", "Delivery Hour", "Interval"), *numbers("lmp", "loss", "congestion")),
    rows=_zone("rt", 5),
)
ZONE_RT_HOURLY = replace(ZONE_RT, name="price_rt_hourly", rows=_zone_hours)
INTERTIES = replace(
    NODAL_RT,
    name="interties",
    table=INTERFACES,
    requests=_daily("IntertieScheduleFlow", "xml"),
    records=intertie_records,
    fields=(*texts("Delivery Date", "Delivery Hour", "Interval", "Zone"), *numbers("Flow")),
    rows=_interties,
)
EQUIPMENT_OUTAGES = Product(
    provider="ieso",
    name="transmission_outages",
    table=OUTAGES,
    requests=lambda ask: (*_daily("TxOutagesTodayAll", "xml")(ask), *_daily("TxOutages1to30DaysPlanned", "xml")(ask)),
    records=outage_records,
    fields=texts("OutageID", "PlannedStart", "PlannedEnd", "EquipmentName", "made"),
    rows=_outages,
    known=DayRule(rule="day", days=0, at=time(12, 0)),
    extra=("Priority", "OutageRequestStatus"),
    settles=timedelta(days=1),
    ahead=timedelta(0),
    by_region=False,
)
PRODUCTS = (NODAL_DA, NODAL_RT, RESERVES_DA, RESERVES_RT, ZONE_DA, ZONE_RT, ZONE_RT_HOURLY, INTERTIES, EQUIPMENT_OUTAGES)
