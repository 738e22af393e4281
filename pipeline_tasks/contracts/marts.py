"""Marts: what analysts and reports read."""

from __future__ import annotations

from dataclasses import replace

from pipeline_tasks.contracts.columns import Column, day, flag, instant, integer, number, string, symbol
from pipeline_tasks.contracts.intermediate import AS_OF, DELIVERY_DATE, MARKET_SETTINGS
from pipeline_tasks.contracts.raw import CURRENCY, DELIVERY_TS, HUB, KNOWN_TS, MARKET
from pipeline_tasks.contracts.series import KIND, PLACE, SERIES, SERIES_ASOF
from pipeline_tasks.contracts.tables import Database, Table

OUTCOME_LEVELS = (1, 5, 10, 25, 50, 75, 90, 95, 99)


def _price(name: str, meaning: str, *, nullable: bool = True) -> Column:
    return number(name, meaning, unit="currency/MWh", nullable=nullable)


def _fuel(name: str, meaning: str) -> Column:
    return number(name, meaning, unit="currency/unit", nullable=True)


_NORMALISED = (
    _price("gas_ccy_per_mwh", "Gas in the market's currency per MWh of heat; null where the currency cannot be converted."),
    _price("coal_ccy_per_mwh", "Coal likewise."),
    _price("oil_ccy_per_mwh", "Oil likewise."),
    number("co2_ccy_per_t", "Carbon allowances in the market's currency.", unit="currency/t", nullable=True),
    integer("fuels_missing_sessions", "Most missing days among these fuels; null without calendars.", nullable=True, ge=0),
    flag("fuels_rolled", "The contract in front of one of these fuels is another than at the gate of the day before."),
)


def _mart(name: str, columns: tuple[Column, ...], key: tuple[str, ...], meaning: str) -> Table:
    return Table(database=Database.MARTS, name=name, columns=columns, key=key, meaning=meaning, managed_by="dbt")


_PRODUCT = symbol("product", "What is priced (da, rt, imbalance, reserves).")

DIM_MARKET = _mart(
    "dim_market",
    (
        *(c for c in MARKET_SETTINGS.columns if c.name != "settings_sha"),
        integer("hub_count", "Hubs with at least one price of the forecast product.", ge=0),
        day("first_delivery_date", "First delivery date with a price; null without prices.", nullable=True),
        day("last_delivery_date", "Last delivery date with a price; null without prices.", nullable=True),
    ),
    ("market",),
    "Markets: settings, hubs and the span of their prices.",
)
PRICES_HOURLY = _mart(
    "fct_prices_hourly",
    (
        MARKET,
        HUB,
        _PRODUCT,
        instant("hour_ts", "Start of the hour, UTC."),
        CURRENCY,
        _price("price_ccy_per_mwh", "Mean of the hour's intervals as published last; null unless the whole hour is known."),
        _price("first_price_ccy_per_mwh", "Mean of the hour's intervals as published first; null unless the whole hour is known."),
        integer("revisions", "Published rows of the hour beyond the first of each interval.", ge=0),
        instant("first_known_ts", "When the hour's first prices were complete."),
        instant("last_known_ts", "When the last price of the hour became known."),
    ),
    ("market", "hub", "product", "hour_ts"),
    "Hourly prices of every product, first and last publication.",
)
FORECAST_OUTCOME = _mart(
    "fct_forecast_outcome",
    (
        symbol("model", "Model name."),
        symbol("model_version", "Version in the model registry."),
        string("run_id", "Run that made the forecast."),
        MARKET,
        HUB,
        _PRODUCT,
        DELIVERY_TS,
        DELIVERY_DATE,
        instant("as_of", "Decision time: nothing known later was used."),
        symbol("status", "OK or DEGRADED.", allowed=("OK", "DEGRADED")),
        _price("mean_ccy_per_mwh", "Forecast mean.", nullable=False),
        *(_price(f"q{level:02d}_ccy_per_mwh", f"Forecast quantile of level {level} %.", nullable=False) for level in OUTCOME_LEVELS),
        _price("outcome_ccy_per_mwh", "First published price; null while unknown."),
        instant("outcome_known_ts", "When the outcome became known; null while unknown.", nullable=True),
        _price("error_ccy_per_mwh", "Forecast mean less outcome; null while unknown."),
        integer("inside_90", "1 when the outcome lies within the 5 % and 95 % quantiles, else 0; null while unknown.", nullable=True),
    ),
    ("model", "market", "hub", "product", "delivery_ts", "as_of"),
    "Published, not revoked forecast distributions beside what happened.",
)
PUBLICATIONS_MART = _mart(
    "fct_publications",
    (
        symbol("table_name", "Curated table."),
        symbol("model", "Model name."),
        MARKET,
        HUB,
        DELIVERY_DATE,
        string("run_id", "Run of the last publication."),
        symbol("model_version", "Registry version."),
        instant("as_of", "Decision time."),
        integer("row_count", "Rows of the partition.", ge=0),
        string("content_sha", "SHA-256 over the partition's rows in key order."),
        symbol("status", "OK or DEGRADED."),
        integer("publications", "How often the partition was published.", ge=1),
        instant("published_ts", "Last publication, UTC."),
    ),
    ("table_name", "market", "hub", "delivery_date"),
    "Last publication of every curated partition.",
)
DATA_FRESHNESS = _mart(
    "fct_data_freshness",
    (
        symbol("table_name", "Raw table."),
        MARKET,
        symbol("series", "Product, quantity or commodity, with its kind."),
        symbol("source", "Source of the rows."),
        integer("row_count", "Rows, all versions.", ge=0),
        instant("first_delivery_ts", "First delivery interval."),
        instant("last_delivery_ts", "Last delivery interval."),
        instant("last_known_ts", "Last publication by the market."),
        instant("last_ingested_ts", "Last load."),
    ),
    ("table_name", "market", "series", "source"),
    "How far the data of each series reaches.",
)
CROSS_ASSET = _mart(
    "fact_cross_asset",
    (
        MARKET,
        HUB,
        DELIVERY_DATE,
        AS_OF,
        CURRENCY,
        _price("power_mean_ccy_per_mwh", "Mean of the day's first published prices; null unless all intervals are known."),
        KNOWN_TS.named("power_known_ts", "When the day's prices were complete; null unless they are.").optional(),
        _fuel("gas_price_ccy_per_unit", "Last gas settlement known at as_of."),
        _fuel("coal_price_ccy_per_unit", "Last coal settlement known at as_of."),
        _fuel("co2_price_ccy_per_unit", "Last carbon settlement known at as_of."),
        _fuel("oil_price_ccy_per_unit", "Last oil settlement known at as_of."),
        *_NORMALISED,
    ),
    ("market", "hub", "delivery_date"),
    "Daily power beside gas, coal, carbon and oil as they were known at the gate.",
)
CROSS_ASSET_HOURLY = _mart(
    "fact_cross_asset_hourly",
    (
        MARKET,
        HUB,
        instant("hour_ts", "Start of the hour, UTC."),
        DELIVERY_DATE,
        AS_OF,
        CURRENCY,
        _price("power_ccy_per_mwh", "Mean of the hour's first published prices; null unless all intervals are known."),
        KNOWN_TS.named("power_known_ts", "When the hour's prices were complete; null unless they are.").optional(),
        *(
            number(f"{q}_forecast_mw", f"Forecast of {text} known at as_of, mean of the hour.", unit="MW", nullable=True)
            for q, text in (
                ("load", "load"),
                ("wind", "wind"),
                ("solar", "solar"),
                ("renewables", "wind and solar together"),
                ("residual_load", "load less wind and solar"),
            )
        ),
        *_NORMALISED,
    ),
    ("market", "hub", "hour_ts"),
    "Hourly power beside forecasts and fuels as they were known at the gate.",
)
SERIES_MART = replace(
    SERIES_ASOF,
    database=Database.MARTS,
    name="fct_series_asof",
    partition_by="",
    meaning=f"{SERIES_ASOF.meaning} For readers.",
)
SERIES_GAPS = _mart(
    "fct_series_gaps",
    (
        MARKET,
        KIND,
        SERIES,
        PLACE,
        symbol("calendar", "Calendar of the days on which a value is due."),
        day("session_date", "Day of the calendar for which no value was ever loaded."),
    ),
    ("market", "kind", "series", "place", "session_date"),
    "Days between the first and the last value of a series for which a value was due and is absent; holidays are none.",
)
RT_PERFORMANCE = _mart(
    "fct_rt_performance",
    (
        symbol("model", "Model name."),
        MARKET,
        HUB,
        symbol("product", "Product, or node, that was forecast."),
        DELIVERY_DATE,
        integer("horizon_min", "Minutes from the decision to the start of delivery.", unit="min", ge=1),
        integer("decisions", "Published decisions whose outcome is known.", ge=1),
        integer("degraded_decisions", "Those of them marked DEGRADED.", ge=0),
        _price("mae_ccy_per_mwh", "Mean absolute error of the point forecast.", nullable=False),
        _price("last_price_mae_ccy_per_mwh", "That of the last price known at the decision; null where none was known."),
        number("inside_80_share", "Share of outcomes within the 10 % and 90 % quantiles.", ge=0, le=1),
    ),
    ("model", "market", "hub", "product", "delivery_date", "horizon_min"),
    "How good published forecasts shortly before delivery were, beside the last known price.",
)

MART_TABLES: tuple[Table, ...] = (
    DIM_MARKET,
    PRICES_HOURLY,
    FORECAST_OUTCOME,
    PUBLICATIONS_MART,
    DATA_FRESHNESS,
    CROSS_ASSET,
    CROSS_ASSET_HOURLY,
    SERIES_MART,
    SERIES_GAPS,
    RT_PERFORMANCE,
)
