"""Categories that follow from the delivery instant are computed again: a swapped weekday or a wrong zone leaves no doubt."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl


def calendar_errors(rows: pl.DataFrame, *, time_zone: str, holidays: Mapping[date, bool]) -> dict[str, int]:
    """Rows whose category is not what delivery_ts, zone and holiday calendar say, by column.

    Args:
        rows: delivery_ts and those of delivery_date, local_hour, day_of_week, month, day_of_year, is_holiday that the table has.
        time_zone: IANA zone of the market.
        holidays: delivery date -> whether it is a holiday; other dates are not compared.

    Returns:
        Column -> rows that differ (0 where all are right). A null counts as a difference.
    """
    local = pl.col("delivery_ts").dt.convert_time_zone(time_zone)
    known = pl.col("delivery_date").replace_strict(dict(holidays), default=None, return_dtype=pl.Boolean)
    right = {
        "delivery_date": local.dt.date(),
        "local_hour": local.dt.hour().cast(pl.Int64),
        "day_of_week": local.dt.weekday().cast(pl.Int64),
        "month": local.dt.month().cast(pl.Int64),
        "day_of_year": local.dt.ordinal_day().cast(pl.Int64),
        "is_holiday": pl.coalesce(known, pl.col("is_holiday")),
    }
    wrong = rows.select(pl.col(name).ne_missing(value).sum().alias(name) for name, value in right.items() if name in rows.columns)
    return {name: int(count) for name, count in wrong.row(0, named=True).items()}
