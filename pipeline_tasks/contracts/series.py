"""Series beside power (fuels, LNG, storage, carbon, currencies): their calendars, and their values as known at each gate."""

from __future__ import annotations

from pipeline_tasks.contracts.columns import day, flag, instant, integer, number, string, symbol
from pipeline_tasks.contracts.intermediate import AS_OF, DELIVERY_DATE, intermediate_table
from pipeline_tasks.contracts.raw import KNOWN_TS, MARKET
from pipeline_tasks.contracts.tables import Table

KIND = symbol("kind", "Whether it is the price of a commodity or a quantity.", allowed=("price", "quantity"))
SERIES = symbol("series", "Commodity or quantity.")
PLACE = symbol("place", "Hub of a price, area of a quantity.")
ROLLS = ("", "front_month", "front_december")

SERIES_SETTINGS = intermediate_table(
    "series_settings",
    (
        KIND,
        SERIES,
        PLACE,
        symbol("calendar", "Calendar of the days on which a value is due."),
        integer("carry_days", "Days after the end of its period that the last value still counts.", unit="d", ge=0),
        symbol("roll", "Which contract a continuous series follows; empty for spot.", allowed=ROLLS),
        string("settings_sha", "SHA-256 of the settings that the tables of series were made from."),
    ),
    ("kind", "series", "place"),
    "Settings of series beside power as configured; written by the transform step.",
    managed_by="migrations",
    partition_by="",
)
TRADING_DAYS = intermediate_table(
    "trading_days",
    (
        symbol("calendar", "Calendar of config/series.yaml."),
        day("calendar_date", "Day."),
        flag("is_session", "A value is due for the day."),
        integer("session_number", "Sessions up to and with the day; the difference of two is the number of sessions between.", ge=0),
        day("front_month_date", "First day of the delivery month of the front-month contract that is settled on the day."),
        day("front_december_date", "First of December of the year of the front December contract."),
    ),
    ("calendar", "calendar_date"),
    "Every day of every calendar: whether it has a session, and which contracts are in front.",
    managed_by="migrations",
    partition_by="",
)
UNIT_FACTORS = intermediate_table(
    "unit_factors",
    (
        SERIES,
        symbol("unit", "Unit that prices of it are per."),
        number("mwh_per_unit", "Energy content of the unit, gross.", unit="MWh", ge=0),
    ),
    ("series", "unit"),
    "Energy content of the units of fuels, from pipeline_tasks/sources/units.py; written by the transform step.",
    managed_by="migrations",
    partition_by="",
)
SERIES_ASOF = intermediate_table(
    "int_series_asof",
    (
        MARKET,
        DELIVERY_DATE,
        AS_OF,
        KIND,
        SERIES,
        PLACE,
        number("value", "Last value known at the gate, as the source gives it.", unit="see unit"),
        symbol("unit", "Unit of a quantity, or unit that a price is per."),
        symbol("currency", "ISO 4217 code of a price; empty for quantities."),
        instant("period_ts", "Start of the period that the value is for."),
        day("period_date", "Day that the period starts on, by the clock of the series."),
        integer("resolution_min", "Length of the period.", unit="min", ge=1),
        KNOWN_TS,
        integer("missing_sessions", "Later days of its calendar for which a value was due by the gate and is absent.", nullable=True, ge=0),
        day("contract_date", "Delivery month (or December) of the contract in front on that day; null for spot.", nullable=True),
        number("usd_eur", "Last known EUR per USD; null where the market reads no such series.", unit="EUR/USD", nullable=True),
        number("price_eur_per_unit", "Price in EUR; null where the currency series is absent.", unit="EUR/unit", nullable=True),
        number("price_usd_per_unit", "Price in USD; null likewise.", unit="USD/unit", nullable=True),
        number("price_eur_per_mwh", "Price in EUR per MWh of heat (gross); null for what is no fuel.", unit="EUR/MWh", nullable=True),
        number("price_usd_per_mwh", "The same in USD.", unit="USD/MWh", nullable=True),
        number("price_usd_per_mmbtu", "Price in USD per MMBtu; null for what is no fuel.", unit="USD/MMBtu", nullable=True),
    ),
    ("market", "delivery_date", "kind", "series", "place"),
    "Daily, weekly and monthly series beside power as known at each gate of a market, with units normalised and missing days counted.",
)

SERIES_TABLES: tuple[Table, ...] = (SERIES_SETTINGS, TRADING_DAYS, UNIT_FACTORS, SERIES_ASOF)
