"""California ISO, OASIS: zipped CSV with UTC interval starts. docs/sources/caiso.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import time, timedelta

import polars as pl

from pipeline_tasks.contracts.grid import NODAL_PRICES
from pipeline_tasks.contracts.raw import PRICES, QUANTITIES
from pipeline_tasks.sources.importers import DayRule, LagRule
from pipeline_tasks.sources.live.answers import AnswerError, Member, NoDataError, csv_of, xml_of
from pipeline_tasks.sources.live.product import Ask, Product, Request, number, shaped, texts
from pipeline_tasks.sources.live.walls import utc

PARTS = {"LMP": "price_ccy_per_mwh", "MCE": "energy_ccy_per_mwh", "MCC": "congestion_ccy_per_mwh", "MCL": "loss_ccy_per_mwh"}
RESERVES = {"NR": "nspin", "SR": "rrs", "RU": "regup", "RD": "regdn"}
STAMPS = ("INTERVALSTARTTIME_GMT", "INTERVALENDTIME_GMT")
_BUSY = {"1015", "1016"}  # the file is being made


def _query(name: str, version: int, **fixed: str) -> Callable[[Ask], tuple[Request, ...]]:
    def requests(ask: Ask) -> tuple[Request, ...]:
        window = {"startdatetime": f"{ask.start:%Y%m%dT%H:%M}-0000", "enddatetime": f"{ask.end:%Y%m%dT%H:%M}-0000"}
        place = {k: v.format(region=ask.region) for k, v in fixed.items()}
        return (Request("SingleZip", {"resultformat": "6", "queryname": name, "version": str(version), **window, **place}),)

    return requests


def records(member: Member, _ask: Ask) -> pl.DataFrame:
    """The CSV of an OASIS answer.

    Raises:
        NoDataError: OASIS has no row for the request.
        AnswerError: OASIS says something else went wrong.
    """
    if member.body.lstrip().startswith(b"<"):
        root = xml_of(member)
        code, said = (next((e.text or "" for e in root.iter(tag)), "") for tag in ("ERR_CODE", "ERR_DESC"))
        if code == "1000":
            raise NoDataError(said)
        raise AnswerError("error_body", f"OASIS error {code}: {said}", transient=code in _BUSY)
    return csv_of(member)


def _placed(records: pl.DataFrame) -> pl.DataFrame:
    start, end = utc(STAMPS[0]), utc(STAMPS[1])
    return records.with_columns(
        start.alias("delivery_ts"), ((end - start).dt.total_minutes()).alias("resolution_min"), pl.col(STAMPS[0]).alias("_said")
    )


def _lmp(value: str, product: str, *, nodal: bool) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        table, place = (NODAL_PRICES, "node") if nodal else (PRICES, "hub")
        kept = records.filter(pl.col("LMP_TYPE").is_in(list(PARTS)))
        name = pl.col("NODE").replace(dict(ask.regions)) if ask.regions else pl.col("NODE")
        long = kept.select(*STAMPS, name.alias(place), "LMP_TYPE", value)
        wide = long.pivot("LMP_TYPE", index=[*STAMPS, place], values=value, aggregate_function="first")
        absent = [pl.lit(None, dtype=pl.String).alias(p) for p in PARTS if p not in wide.columns]
        named = wide.with_columns(absent).rename(PARTS)
        return shaped(table, _placed(named), ask, product=product)

    return rows


def _reserves(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    kept = records.filter(pl.col("ANC_TYPE").is_in(list(RESERVES)))
    named = kept.with_columns(
        pl.col("ANC_REGION").replace(dict(ask.regions)).alias("hub"),
        pl.col("ANC_TYPE").replace(RESERVES).alias("product"),
        pl.col("MW").alias("price_ccy_per_mwh"),
    )
    return shaped(PRICES, _placed(named), ask)


def _load(kind: str) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        kept = records.filter(pl.col("TAC_AREA_NAME").is_in(list(ask.regions))) if ask.regions else records
        named = kept.with_columns(pl.col("TAC_AREA_NAME").replace(dict(ask.regions)).alias("area"), pl.col("MW").alias("value"))
        return shaped(QUANTITIES, _placed(named), ask, quantity="load", kind=kind, unit="MW")

    return rows


def _renewables(kind: str) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        named = records.with_columns(
            pl.col("TRADING_HUB").replace(dict(ask.regions)).alias("area"),
            pl.col("RENEWABLE_TYPE").str.to_lowercase().alias("quantity"),
            pl.col("MW").alias("value"),
        )
        hubs = shaped(QUANTITIES, _placed(named), ask, kind=kind, unit="MW")
        return pl.concat([hubs, _system(hubs, ask)]) if hubs.height else hubs

    return rows


def _group(name: str) -> Callable[[Ask], tuple[Request, ...]]:
    def requests(ask: Ask) -> tuple[Request, ...]:
        window = {"startdatetime": f"{ask.start:%Y%m%dT%H:%M}-0000", "enddatetime": f"{ask.end:%Y%m%dT%H:%M}-0000"}
        return (Request("GroupZip", {"resultformat": "6", "groupid": name, "version": "1", **window}),)

    return requests


def _outages(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """Generation on outage by trading hub as each report foresaw it: the hub's own total, or the sum of its fuels where there is none."""
    placed = _placed(records).with_columns(
        pl.col("TRADING_HUB").replace(dict(ask.regions)).alias("area"),
        utc("REPORT_DATE_GMT").alias("known_ts"),
        pl.col("MW").cast(pl.Float64, strict=False).alias("value"),
        (pl.col("FUEL_CATEGORY") == "Aggregated").alias("_total"),
    )
    total, fuels = pl.col("value").filter(pl.col("_total")), pl.col("value").filter(~pl.col("_total"))
    value = pl.when(pl.col("_total").any()).then(total.first()).otherwise(fuels.sum())
    hubs = placed.group_by("area", "delivery_ts", "resolution_min", "known_ts", maintain_order=True).agg(
        value.alias("value"), pl.col("_said").first()
    )
    ahead = hubs.filter(pl.col("delivery_ts").is_null() | (pl.col("known_ts") <= pl.col("delivery_ts")))
    return shaped(QUANTITIES, ahead, ask, quantity="outages", kind="forecast", unit="MW")


def _system(hubs: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """The sum over trading hubs as the market's own area, for intervals of which every hub of the type is there."""
    every = hubs.group_by("quantity").agg(pl.col("area").n_unique().alias("_all"))
    keys = ["market", "quantity", "kind", "delivery_ts", "resolution_min", "unit"]
    added = hubs.group_by(keys, maintain_order=True).agg(
        pl.col("value").cast(pl.Float64, strict=False).sum(), pl.col("_said").first(), pl.len().alias("_n")
    )
    whole = added.join(every, on="quantity").filter(pl.col("_n") == pl.col("_all"))
    return whole.with_columns(pl.lit(ask.market.area).alias("area"), pl.col("value").cast(pl.String)).select(hubs.columns)


_LMP_TEXTS = texts(*STAMPS, "NODE", "LMP_TYPE")
_LMP_EXTRA = (
    "OPR_DT",
    "OPR_HR",
    "OPR_INTERVAL",
    "NODE_ID_XML",
    "NODE_ID",
    "MARKET_RUN_ID",
    "XML_DATA_ITEM",
    "PNODE_RESMRID",
    "GRP_TYPE",
    "POS",
    "GROUP",
)
_DA_KNOWN = DayRule(rule="day", days=-1, at=time(13, 0))

LMP_DA = Product(
    provider="caiso",
    name="lmp_da",
    table=PRICES,
    requests=_query("PRC_LMP", 12, market_run_id="DAM", node="{region}"),
    records=records,
    fields=(*_LMP_TEXTS, number("MW")),
    rows=_lmp("MW", "da", nodal=False),
    known=_DA_KNOWN,
    extra=_LMP_EXTRA,
    chunk_days=30,
    settles=timedelta(days=5),
    ahead=timedelta(days=2),
)
LMP_RT = replace(
    LMP_DA,
    name="lmp_rt",
    requests=_query("PRC_INTVL_LMP", 3, market_run_id="RTM", node="{region}"),
    fields=(*_LMP_TEXTS, number("VALUE")),
    rows=_lmp("VALUE", "rt", nodal=False),
    known=LagRule(rule="interval_end", minutes=5),
    ahead=timedelta(hours=1),
)
NODAL_DA = replace(
    LMP_DA,
    name="nodal_da",
    table=NODAL_PRICES,
    requests=_query("PRC_LMP", 12, market_run_id="DAM", grp_type="ALL"),
    rows=_lmp("MW", "da", nodal=True),
    chunk_days=1,
    by_region=False,
)
NODAL_RT = replace(
    NODAL_DA,
    name="nodal_rt",
    requests=_query("PRC_INTVL_LMP", 3, market_run_id="RTM", grp_type="ALL"),
    fields=(*_LMP_TEXTS, number("VALUE")),
    rows=_lmp("VALUE", "rt", nodal=True),
    known=LagRule(rule="interval_end", minutes=5),
    ahead=timedelta(hours=1),
)
RESERVES_DA = replace(
    LMP_DA,
    name="reserves_da",
    requests=_query("PRC_AS", 12, market_run_id="DAM", anc_type="ALL", anc_region="{region}"),
    fields=(*texts(*STAMPS, "ANC_REGION", "ANC_TYPE"), number("MW")),
    rows=_reserves,
    extra=("OPR_DT", "OPR_HR", "OPR_INTERVAL", "MARKET_RUN_ID", "XML_DATA_ITEM", "OPR_TYPE", "GROUP"),
)
_LOAD_FIELDS = (*texts(*STAMPS, "TAC_AREA_NAME"), number("MW"))
_LOAD_EXTRA = ("LOAD_TYPE", "OPR_DT", "OPR_HR", "OPR_INTERVAL", "MARKET_RUN_ID", "LABEL", "XML_DATA_ITEM", "POS", "EXECUTION_TYPE", "GROUP")
LOAD_FORECAST = Product(
    provider="caiso",
    name="load_forecast_da",
    table=QUANTITIES,
    requests=_query("SLD_FCST", 1, market_run_id="DAM"),
    records=records,
    fields=_LOAD_FIELDS,
    rows=_load("forecast"),
    known=DayRule(rule="day", days=-1, at=time(9, 10)),
    extra=_LOAD_EXTRA,
    chunk_days=30,
    settles=timedelta(days=2),
    ahead=timedelta(days=2),
    by_region=False,
)
LOAD_FORECAST_7DA = replace(
    LOAD_FORECAST,
    name="load_forecast_7da",
    requests=_query("SLD_FCST", 1, market_run_id="7DA"),
    known=DayRule(rule="day", days=-7, at=time(9, 10)),
    ahead=timedelta(days=7),
)
LOAD_ACTUAL = replace(
    LOAD_FORECAST,
    name="load_actual",
    requests=_query("SLD_FCST", 1, market_run_id="ACTUAL"),
    rows=_load("actual"),
    known=LagRule(rule="interval_end", minutes=60),
    settles=timedelta(days=5),
    ahead=timedelta(hours=1),
)
_RENEWABLE_FIELDS = (*texts(*STAMPS, "TRADING_HUB", "RENEWABLE_TYPE"), number("MW"))
_RENEWABLE_EXTRA = (
    "OPR_DT",
    "OPR_HR",
    "OPR_INTERVAL",
    "LABEL",
    "XML_DATA_ITEM",
    "MARKET_RUN_ID_POS",
    "RENEW_POS",
    "MARKET_RUN_ID",
    "GROUP",
)
RENEWABLES_FORECAST = Product(
    provider="caiso",
    name="renewables_forecast_da",
    table=QUANTITIES,
    requests=_query("SLD_REN_FCST", 1, market_run_id="DAM"),
    records=records,
    fields=_RENEWABLE_FIELDS,
    rows=_renewables("forecast"),
    known=DayRule(rule="day", days=-1, at=time(7, 0)),
    extra=_RENEWABLE_EXTRA,
    chunk_days=30,
    settles=timedelta(days=2),
    ahead=timedelta(days=2),
    by_region=False,
)
RENEWABLES_ACTUAL = replace(
    RENEWABLES_FORECAST,
    name="renewables_actual",
    requests=_query("SLD_REN_FCST", 1, market_run_id="ACTUAL"),
    rows=_renewables("actual"),
    known=LagRule(rule="interval_end", minutes=120),
    settles=timedelta(days=5),
    ahead=timedelta(hours=1),
)
OUTAGE_FORECAST = Product(
    provider="caiso",
    name="outage_forecast",
    table=QUANTITIES,
    requests=_group("AGGR_OUTAGE_SCH_GRP"),
    records=records,
    fields=(*texts(*STAMPS, "REPORT_DATE_GMT", "FUEL_CATEGORY", "TRADING_HUB"), number("MW")),
    rows=_outages,
    known=DayRule(rule="day", days=-1, at=time(12, 0)),
    extra=("*",),
    settles=timedelta(days=1),
    ahead=timedelta(days=1),
    by_region=False,
)
PRODUCTS = (
    OUTAGE_FORECAST,
    LMP_DA,
    LMP_RT,
    NODAL_DA,
    NODAL_RT,
    RESERVES_DA,
    LOAD_FORECAST,
    LOAD_FORECAST_7DA,
    LOAD_ACTUAL,
    RENEWABLES_FORECAST,
    RENEWABLES_ACTUAL,
)
