"""IESO Ontario: XML reports in Eastern Standard Time all year, hours 1 to 24. docs/sources/ieso.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import time, timedelta

import polars as pl

from pipeline_tasks.contracts.raw import QUANTITIES, UNITS
from pipeline_tasks.sources.importers import DayRule, LagRule
from pipeline_tasks.sources.live.answers import AnswerError, Member, records_of, xml_of
from pipeline_tasks.sources.live.product import Ask, Product, Request, numbers, shaped, texts
from pipeline_tasks.sources.live.walls import fixed

EST = -5


def _daily(folder: str, name: str) -> Callable[[Ask], tuple[Request, ...]]:
    def requests(ask: Ask) -> tuple[Request, ...]:
        return tuple(Request(f"{folder}/{name}_{day:%Y%m%d}.xml", absent_ok=True) for day in ask.days)

    return requests


def _placed(records: pl.DataFrame, day: str, hour: str) -> pl.DataFrame:
    number = pl.col(hour).cast(pl.Int64, strict=False)
    wall = pl.col(day).str.to_date(strict=False).cast(pl.Datetime("ms")) + pl.duration(
        hours=pl.when(number.is_between(1, 24)).then(number - 1)
    )
    said = pl.concat_str(day, pl.lit(" hour "), hour, ignore_nulls=True)
    return records.with_columns(fixed(wall, EST).alias("delivery_ts"), pl.lit(60).alias("resolution_min"), said.alias("_said"))


def output_records(member: Member, _ask: Ask) -> pl.DataFrame:
    """Generator output and capability: a row per generator and hour; hours that are not over have no output."""
    root = xml_of(member)
    day = root.findtext(".//IMODocBody/Date") or root.findtext(".//Date")
    if day is None:
        raise AnswerError("not_xml", "the report names no Date")
    rows = []
    for generator in root.iter("Generator"):
        about = {"Date": day, "GeneratorName": generator.findtext("GeneratorName"), "FuelType": generator.findtext("FuelType")}
        able = {c.findtext("Hour"): c.findtext("EnergyMW") for c in (*generator.iter("Capability"), *generator.iter("AvailCapacity"))}
        rows += [
            {**about, "Hour": o.findtext("Hour"), "EnergyMW": o.findtext("EnergyMW"), "CapabilityMW": able.get(o.findtext("Hour"))}
            for o in generator.iter("Output")
        ]
    return records_of(rows)


def _units(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    done = _placed(records.filter(pl.col("EnergyMW").is_not_null()), "Date", "Hour")
    named = done.with_columns(
        pl.col("GeneratorName").alias("unit_id"),
        pl.col("FuelType").alias("fuel"),
        pl.col("EnergyMW").alias("output_mw"),
        pl.col("CapabilityMW").alias("capability_mw"),
    )
    return shaped(UNITS, named, ask)


def forecast_records(member: Member, _ask: Ask) -> pl.DataFrame:
    """Variable generation forecast: a row per organisation, fuel, zone and hour, with when it was made."""
    root = xml_of(member)
    made = root.findtext(".//ForecastTimeStamp")
    rows = []
    for organisation in root.iter("OrganizationData"):
        for fuel in organisation.iter("FuelData"):
            for zone in fuel.iter("ResourceData"):
                about = {
                    "made": made,
                    "OrganizationType": organisation.findtext("OrganizationType"),
                    "FuelType": fuel.findtext("FuelType"),
                    "ZoneName": zone.findtext("ZoneName"),
                }
                rows += [
                    {
                        **about,
                        "ForecastDate": day.findtext("ForecastDate"),
                        "Hour": cell.findtext("ForecastHour"),
                        "MWOutput": cell.findtext("MWOutput"),
                    }
                    for day in zone.iter("EnergyForecast")
                    for cell in day.iter("ForecastInterval")
                ]
    return records_of(rows)


def _forecast(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """Ontario as a whole (`OntarioTotal`, or the sum over zones) of wind and solar; grid and embedded parts are added."""
    total = records.filter(pl.col("ZoneName").str.to_lowercase().str.contains("total"))
    parts = total if total.height else records
    placed = _placed(parts, "ForecastDate", "Hour").with_columns(
        pl.col("FuelType").str.to_lowercase().alias("quantity"),
        fixed(pl.col("made").str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="ms", strict=False), EST).alias("known_ts"),
        pl.col("MWOutput").cast(pl.Float64, strict=False).alias("value"),
    )
    added = placed.group_by("quantity", "delivery_ts", "known_ts", maintain_order=True).agg(pl.col("value").sum(), pl.col("_said").first())
    ahead = added.filter(pl.col("delivery_ts").is_null() | (pl.col("known_ts") <= pl.col("delivery_ts")))
    return shaped(QUANTITIES, ahead, ask, area=ask.market.area, kind="forecast", unit="MW", resolution_min=60)


def adequacy_records(member: Member, _ask: Ask) -> pl.DataFrame:
    """Adequacy report: Ontario's forecast demand by hour of the delivery date, with when the report was made."""
    root = xml_of(member)
    demand = root.find(".//OntarioDemand/ForecastOntDemand")
    if demand is None:
        raise AnswerError("not_xml", "the report holds no OntarioDemand/ForecastOntDemand")
    about = {"DeliveryDate": root.findtext(".//DeliveryDate"), "made": root.findtext(".//CreatedAt")}
    return records_of(
        [{**about, "DeliveryHour": d.findtext("DeliveryHour"), "EnergyMW": d.findtext("EnergyMW")} for d in demand.iter("Demand")]
    )


def _demand(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    made = fixed(pl.col("made").str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="ms", strict=False), EST)
    placed = _placed(records, "DeliveryDate", "DeliveryHour").with_columns(made.alias("known_ts"), pl.col("EnergyMW").alias("value"))
    ahead = placed.filter(pl.col("delivery_ts").is_null() | (pl.col("known_ts") <= pl.col("delivery_ts")))
    return shaped(QUANTITIES, ahead, ask, area=ask.market.area, quantity="load", kind="forecast", unit="MW")


OUTPUT = Product(
    provider="ieso",
    name="generator_output",
    table=UNITS,
    requests=_daily("GenOutputCapability", "PUB_GenOutputCapability"),
    records=output_records,
    fields=(*texts("Date", "Hour", "GeneratorName", "FuelType"), *numbers("EnergyMW", "CapabilityMW")),
    rows=_units,
    known=LagRule(rule="interval_end", minutes=60),
    settles=timedelta(days=2),
    ahead=timedelta(hours=1),
    by_region=False,
)
VARIABLE = Product(
    provider="ieso",
    name="variable_generation_forecast",
    table=QUANTITIES,
    requests=_daily("VGForecastSummary", "PUB_VGForecastSummary"),
    records=forecast_records,
    fields=(*texts("made", "OrganizationType", "FuelType", "ZoneName", "ForecastDate", "Hour"), *numbers("MWOutput")),
    rows=_forecast,
    known=DayRule(rule="day", days=-1, at=time(9, 0)),
    settles=timedelta(0),
    ahead=timedelta(hours=1),
    by_region=False,
)
DEMAND = replace(
    VARIABLE,
    name="demand_forecast",
    requests=_daily("Adequacy2", "PUB_Adequacy2"),
    records=adequacy_records,
    fields=(*texts("DeliveryDate", "DeliveryHour", "made"), *numbers("EnergyMW")),
    rows=_demand,
    ahead=timedelta(days=2),
)
PRODUCTS = (OUTPUT, VARIABLE, DEMAND)
