"""Series settings, their calendars and units as warehouse tables: the one place where exchange holidays and rolls reach SQL."""

from __future__ import annotations

import hashlib
from datetime import date

import polars as pl

from config.series import Calendar, SeriesBook, load_series
from pipeline_tasks.contracts.series import SERIES_SETTINGS, TRADING_DAYS, UNIT_FACTORS
from pipeline_tasks.sources.units import ENERGY_MWH
from pipeline_tasks.steps.market_days import FIRST_DAY, LAST_DAY, replace_rows
from pipeline_tasks.warehouse import Warehouse


def series_sha(book: SeriesBook) -> str:
    """SHA-256 of everything that the three tables are made from."""
    columns = [t.column_names for t in (SERIES_SETTINGS, TRADING_DAYS, UNIT_FACTORS)]
    text = repr((book.model_dump(mode="json"), sorted(ENERGY_MWH.items()), FIRST_DAY, LAST_DAY, columns))
    return hashlib.sha256(text.encode()).hexdigest()


def trading_days(name: str, calendar: Calendar, first: date = FIRST_DAY, last: date = LAST_DAY) -> pl.DataFrame:
    """Every day of a calendar, a frame of `intermediate.trading_days`.

    The front-month contract of a day delivers in the next month, on the last `front_month_expires` sessions of a month in the one
    after that; the front December contract likewise by the sessions of December.
    """
    days = pl.DataFrame({"calendar_date": pl.date_range(first, last, "1d", eager=True)})
    sessions = calendar.sessions(first, last)
    marked = days.with_columns(is_session=pl.col("calendar_date").is_in(sessions))
    month = pl.col("calendar_date").dt.truncate("1mo")
    left = (pl.col("is_session").cast(pl.Int64).sum().over(month) - pl.col("is_session").cast(pl.Int64).cum_sum().over(month)).alias("left")
    ahead = pl.when(pl.col("left") < calendar.front_month_expires).then(2).otherwise(1)
    last_december = (pl.col("calendar_date").dt.month() == 12) & (pl.col("left") < calendar.front_december_expires)
    december = pl.date(pl.col("calendar_date").dt.year() + last_december.cast(pl.Int32), 12, 1)
    counted = marked.with_columns(left, session_number=pl.col("is_session").cast(pl.Int64).cum_sum())
    return counted.select(
        pl.lit(name).alias("calendar"),
        "calendar_date",
        "is_session",
        "session_number",
        month.dt.offset_by(pl.concat_str(ahead, pl.lit("mo"))).alias("front_month_date"),
        december.alias("front_december_date"),
    )


def settings_rows(book: SeriesBook) -> pl.DataFrame:
    """Rows of `intermediate.series_settings`."""
    sha = series_sha(book)
    rows = [
        {
            "kind": g.kind,
            "series": g.series,
            "place": place,
            "calendar": g.calendar,
            "carry_days": g.carry_days,
            "roll": g.roll,
            "settings_sha": sha,
        }
        for g in book.series
        for place in g.places
    ]
    return pl.DataFrame(rows, schema=SERIES_SETTINGS.polars_schema())


def unit_rows() -> pl.DataFrame:
    """Rows of `intermediate.unit_factors`."""
    rows = [{"series": s, "unit": u, "mwh_per_unit": mwh} for (s, u), mwh in sorted(ENERGY_MWH.items())]
    return pl.DataFrame(rows, schema=UNIT_FACTORS.polars_schema())


def load_series_days(wh: Warehouse) -> bool:
    """Write the three tables where they are missing or their settings changed.

    Returns:
        Whether anything was written.
    """
    book = load_series()
    known = wh.scalar("select any(settings_sha) from intermediate.series_settings")
    if known == series_sha(book):
        return False
    calendars = pl.concat(trading_days(name, calendar) for name, calendar in book.calendars.items())
    for table, frame in ((TRADING_DAYS, calendars), (UNIT_FACTORS, unit_rows()), (SERIES_SETTINGS, settings_rows(book))):
        replace_rows(wh, table, frame)  # the settings last: they say that the others are there
    return True
