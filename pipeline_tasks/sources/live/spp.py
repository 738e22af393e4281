"""Southwest Power Pool: LMP by settlement location, stamped in local time and GMT. docs/sources/spp.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import time, timedelta

import polars as pl

from pipeline_tasks.contracts.grid import NODAL_PRICES
from pipeline_tasks.contracts.raw import PRICES
from pipeline_tasks.sources.importers import DayRule, LagRule
from pipeline_tasks.sources.live.answers import Member, csv_of
from pipeline_tasks.sources.live.product import Ask, Product, Request, numbers, shaped, texts

PARTS = {"LMP": "price_ccy_per_mwh", "MEC": "energy_ccy_per_mwh", "MCC": "congestion_ccy_per_mwh", "MLC": "loss_ccy_per_mwh"}


def records(member: Member, _ask: Ask) -> pl.DataFrame:
    """The CSV of a file; daily files spell two columns otherwise."""
    frame = csv_of(member)
    return frame.rename(
        {
            " Settlement Location": "Settlement Location",
            "GMT Interval": "GMTIntervalEnd",
            "Settlement Location Name": "Settlement Location",
        },
        strict=False,
    )


def _lmp(product: str, minutes: int, *, nodal: bool) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    """Stamps name the end of the interval; the GMT one is read, so that daylight saving plays no part."""
    table, place = (NODAL_PRICES, "node") if nodal else (PRICES, "hub")

    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        kept = records.filter(pl.col("Settlement Location").is_in(list(ask.regions))) if ask.regions else records
        end = pl.col("GMTIntervalEnd").str.to_datetime("%m/%d/%Y %H:%M:%S", time_unit="ms", strict=False).dt.replace_time_zone("UTC")
        named = kept.with_columns(
            (end - pl.duration(minutes=minutes)).alias("delivery_ts"),
            pl.lit(minutes).alias("resolution_min"),
            pl.col("GMTIntervalEnd").alias("_said"),
            pl.col("Settlement Location").replace(dict(ask.regions)).alias(place),
            *(pl.col(k).alias(v) for k, v in PARTS.items()),
        )
        return shaped(table, named, ask, product=product)

    return rows


def _da_files(ask: Ask) -> tuple[Request, ...]:
    return tuple(
        Request("da-lmp-by-location", {"path": f"/{d:%Y}/{d:%m}/By_Day/DA-LMP-SL-{d:%Y%m%d}0100.csv"}, absent_ok=True) for d in ask.days
    )


def _rt_files(ask: Ask) -> tuple[Request, ...]:
    return tuple(
        Request("rtbm-lmp-by-location", {"path": f"/{d:%Y}/{d:%m}/By_Day/RTBM-LMP-DAILY-SL-{d:%Y%m%d}.csv"}, absent_ok=True)
        for d in ask.days
    )


_FIELDS = (*texts("GMTIntervalEnd", "Settlement Location"), *numbers(*PARTS))
LMP_DA = Product(
    provider="spp",
    name="lmp_da",
    table=PRICES,
    requests=_da_files,
    records=records,
    fields=_FIELDS,
    rows=_lmp("da", 60, nodal=False),
    known=DayRule(rule="day", days=-1, at=time(13, 0)),
    extra=("Interval", "Pnode", "PNODE Name", "PNode"),
    settles=timedelta(days=5),
    ahead=timedelta(days=2),
    by_region=False,
)
LMP_RT = replace(
    LMP_DA,
    name="lmp_rt",
    requests=_rt_files,
    rows=_lmp("rt", 5, nodal=False),
    known=LagRule(rule="interval_end", minutes=5),
    ahead=timedelta(hours=1),
)
NODAL_DA = replace(LMP_DA, name="nodal_da", table=NODAL_PRICES, rows=_lmp("da", 60, nodal=True))
NODAL_RT = replace(LMP_RT, name="nodal_rt", table=NODAL_PRICES, rows=_lmp("rt", 5, nodal=True))
PRODUCTS = (LMP_DA, LMP_RT, NODAL_DA, NODAL_RT)
