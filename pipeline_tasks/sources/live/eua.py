"""EU allowance auctions: the exchange's results file of a year, workbook or CSV. docs/sources/eua.md."""

from __future__ import annotations

import io
from datetime import time, timedelta

import polars as pl

from pipeline_tasks.contracts.raw import COMMODITIES
from pipeline_tasks.sources.importers import DayRule
from pipeline_tasks.sources.live.answers import AnswerError, Member, csv_of, is_workbook
from pipeline_tasks.sources.live.product import Ask, Product, Request, numbers, shaped, texts
from pipeline_tasks.sources.live.walls import midnight

PRICE = "Auction Price"


def _requests(ask: Ask) -> tuple[Request, ...]:
    years = sorted({ask.first.year, ask.last.year})
    return tuple(Request(f"emission-spot-primary-market-auction-report-{year}-data.xlsx", absent_ok=True) for year in years)


def records(member: Member, _ask: Ask) -> pl.DataFrame:
    """Rows below the header line, the first one with a cell that begins with `Auction Price`; that column is called `Auction Price`.

    Raises:
        AnswerError: no such line, or a workbook without the group `live`.
    """
    rows = _sheet(member)
    head = next((n for n, row in enumerate(rows) if any((c or "").startswith(PRICE) for c in row)), None)
    if head is None:
        raise AnswerError("not_csv", f"no line of the file has a cell that begins with {PRICE!r}", transient=False)
    names = [PRICE if (c or "").startswith(PRICE) else (c or "").strip() for c in rows[head]]
    columns = {name: [row[n] if n < len(row) else None for row in rows[head + 1 :]] for n, name in enumerate(names) if name}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)).filter(pl.col("Date").is_not_null())


def _sheet(member: Member) -> list[list[str | None]]:
    if not is_workbook(member):
        frame = csv_of(member, has_header=False)
        return [list(row) for row in frame.iter_rows()]
    import pandas as pd

    try:
        sheet = pd.read_excel(io.BytesIO(member.body), header=None, dtype=str)
    except ImportError as error:
        raise AnswerError(
            "not_csv", f"reading workbooks needs the group `live`: uv sync --group live ({error})", transient=False
        ) from error
    return [[None if pd.isna(v) else str(v) for v in row] for row in sheet.itertuples(index=False)]


def _rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """Cleared auctions of general allowances (EUA, not aviation); two on one day are two prices, and the day's is their mean."""
    kept = records.filter(pl.col("Contract").str.contains("EUA|T3PA") & ~pl.col("Status").str.to_lowercase().str.contains("cancel"))
    iso, slashed = (midnight("_day", fmt, ask.market.time_zone) for fmt in ("%Y-%m-%d", "%d/%m/%Y"))
    kept = kept.with_columns(pl.col("Date").str.slice(0, 10).alias("_day"))
    start = pl.coalesce(iso, slashed)
    placed = kept.with_columns(
        start.alias("delivery_ts"), pl.col("Date").alias("_said"), pl.col(PRICE).cast(pl.Float64, strict=False).alias("price_ccy_per_unit")
    )
    own = placed.filter(pl.col("delivery_ts").is_null() | ((pl.col("delivery_ts") >= ask.start) & (pl.col("delivery_ts") < ask.end)))
    daily = own.group_by("delivery_ts", maintain_order=True).agg(pl.col("price_ccy_per_unit").mean(), pl.col("_said").first())
    return shaped(COMMODITIES, daily, ask, commodity="co2", hub="EUA_AUCTION", unit="t", currency="EUR", resolution_min=1440)


AUCTIONS = Product(
    provider="eua",
    name="auctions",
    table=COMMODITIES,
    requests=_requests,
    records=records,
    fields=(*texts("Date", "Contract", "Status"), *numbers(PRICE)),
    rows=_rows,
    known=DayRule(rule="day", days=0, at=time(11, 15), zone="Europe/Berlin"),
    extra=("*",),
    chunk_days=360,
    settles=timedelta(days=10),
    ahead=timedelta(0),
)
PRODUCTS = (AUCTIONS,)
