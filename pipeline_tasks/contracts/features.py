"""Feature tables: point in time, one row per (entity, delivery_ts, as_of); built by dbt, read by models."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline_tasks.contracts.columns import Column, day, flag, instant, integer, number, symbol
from pipeline_tasks.contracts.raw import CURRENCY, DELIVERY_TS, HUB, MARKET, RESOLUTION_MIN
from pipeline_tasks.contracts.tables import Database, Table

LAG_DAYS = (1, 2, 3, 7, 14)
# What happened, by the column that says when it became known: no model sees either before that instant.
OUTCOMES: Mapping[str, tuple[str, ...]] = {
    "price_known_ts": ("price_ccy_per_mwh",),
    "deviation_known_ts": ("load_deviation_share",),
}
FORECASTS = ("load", "zonal_load", "generation", "wind", "solar", "renewables")


def _price(name: str, meaning: str) -> Column:
    return number(name, meaning, unit="currency/MWh", nullable=True)


def _mw(name: str, meaning: str) -> Column:
    return number(name, meaning, unit="MW", nullable=True)


def _forecast_columns(quantity: str) -> tuple[Column, ...]:
    label = quantity.replace("_", " ")
    return (
        _mw(f"{quantity}_forecast_mw", f"Last {label} forecast of the interval known at as_of."),
        _mw(f"{quantity}_forecast_lag_1d_mw", f"The {label} forecast of the same local hour one day before, as known at as_of."),
        _mw(f"{quantity}_forecast_lag_7d_mw", f"The {label} forecast of the same local hour seven days before, as known at as_of."),
    )


DAY_AHEAD = Table(
    database=Database.FEATURES,
    name="ftr_day_ahead",
    columns=(
        MARKET,
        HUB,
        symbol("product", "Product that is forecast (da, rt)."),
        DELIVERY_TS,
        day("delivery_date", "Market-local delivery date."),
        integer("local_hour", "Market-local hour of the interval start, 0-23.", ge=0, le=23),
        integer("dst_fold", "1 for the repeated hour of a 25-hour day, else 0.", ge=0, le=1),
        RESOLUTION_MIN,
        instant("as_of", "Decision time: the market's gate for the delivery date."),
        CURRENCY,
        _price("price_ccy_per_mwh", "Target: the first published price; null while unknown."),
        instant("price_known_ts", "When the target became known; null while unknown.", nullable=True),
        *(_price(f"price_lag_{k}d_ccy_per_mwh", f"Price of the same local hour {k} day(s) before, if known at as_of.") for k in LAG_DAYS),
        _price("price_last_ccy_per_mwh", "Last price of any interval known at as_of."),
        _price("price_prev_day_mean_ccy_per_mwh", "Mean of the last fully known local day at as_of."),
        _price("price_prev_day_min_ccy_per_mwh", "Minimum of the last fully known local day at as_of."),
        _price("price_prev_day_max_ccy_per_mwh", "Maximum of the last fully known local day at as_of."),
        _price("price_mean_7d_ccy_per_mwh", "Mean over the seven local days before the delivery date, as known at as_of."),
        _price("price_std_7d_ccy_per_mwh", "Standard deviation over the same seven days."),
        _price("price_max_7d_ccy_per_mwh", "Maximum over the same seven days."),
        _price("price_prev_day_spread_to_market_ccy_per_mwh", "The hub's last fully known day mean less the mean of all hubs' ones."),
        _price("price_hour_mean_28d_ccy_per_mwh", "Mean of the same local hour over 28 local days before, as known at as_of."),
        *(c for q in FORECASTS for c in _forecast_columns(q)),
        _mw(
            "residual_load_forecast_mw",
            "Load less renewables (or else wind and solar) forecasts; null without a load forecast.",
        ),
        _mw("residual_load_ramp_mw", "Residual load forecast less that of the interval before; both as known at their own gates."),
        number(
            "residual_load_tightness",
            "Residual load forecast over the highest one of the 28 days before, each as known at its own gate.",
            nullable=True,
        ),
        _mw("load_error_7d_mw", "Mean load forecast error (actual - forecast) of the same local hour, last seven days known at as_of."),
        _mw("wind_error_7d_mw", "Mean wind forecast error of the same local hour, last seven days known at as_of."),
        number("temperature_forecast_degc", "Last temperature forecast known at as_of.", unit="degC", nullable=True),
        number("gas_price_ccy_per_unit", "Last gas settlement known at as_of, in its own unit.", unit="currency/unit", nullable=True),
        number("coal_price_ccy_per_unit", "Last coal settlement known at as_of.", unit="currency/unit", nullable=True),
        number("co2_price_ccy_per_unit", "Last carbon settlement known at as_of.", unit="currency/t", nullable=True),
        number("oil_price_ccy_per_unit", "Last oil settlement known at as_of.", unit="currency/unit", nullable=True),
        integer("day_of_week", "ISO weekday of the delivery date, 1 Monday to 7 Sunday.", ge=1, le=7),
        integer("month", "Month of the delivery date.", ge=1, le=12),
        integer("day_of_year", "Day of the year.", ge=1, le=366),
        flag("is_holiday", "Public holiday in the market's calendar."),
    ),
    key=("market", "hub", "product", "delivery_ts", "as_of"),
    meaning="Point-in-time day-ahead features: one row per hub, delivery interval and decision time.",
    partition_by="(market, toYear(delivery_date))",
    managed_by="dbt",
)


def _of_day_ahead(column: Column) -> Column:
    """A column of `DAY_AHEAD` beside a spread: its day-ahead prices are named so, because `price_` is the spread's own here."""
    return column.named(f"da_{column.name}", f"Day-ahead price: {column.meaning}") if column.name.startswith("price_") else column


SPREAD_KEYS = DAY_AHEAD.column_names[: DAY_AHEAD.column_names.index("price_ccy_per_mwh")]
SPREAD_BESIDE = tuple(c for c in DAY_AHEAD.columns if c.name not in {*SPREAD_KEYS, "price_ccy_per_mwh", "price_known_ts"})

SPREAD = Table(
    database=Database.FEATURES,
    name="ftr_spread",
    columns=(
        *(DAY_AHEAD.column(name) for name in SPREAD_KEYS),
        _price("price_ccy_per_mwh", "Target: first published balancing price less day-ahead price of the interval; null while unknown."),
        instant("price_known_ts", "When both prices of the target were known; null while unknown.", nullable=True),
        number(
            "load_deviation_share",
            "Outcome: metered load over its day-ahead forecast, less 1; null while unknown or where no load is metered.",
            nullable=True,
            ge=-1,
        ),
        instant("deviation_known_ts", "When load_deviation_share became known; null while unknown.", nullable=True),
        *(_price(f"price_lag_{k}d_ccy_per_mwh", f"Spread of the same local time {k} day(s) before, if known at as_of.") for k in LAG_DAYS),
        _price("price_mean_7d_ccy_per_mwh", "Mean spread of the seven local days before the delivery date, as known at as_of."),
        _price("price_std_7d_ccy_per_mwh", "Standard deviation of the spread over the same seven days."),
        _price("price_mean_28d_ccy_per_mwh", "Mean spread of the 28 local days before the delivery date, as known at as_of."),
        _price("price_hour_mean_28d_ccy_per_mwh", "Mean spread of the same local time over the same 28 days."),
        _price("price_hour_std_28d_ccy_per_mwh", "Standard deviation of the spread of the same local time over the same 28 days."),
        number(
            "price_hour_positive_28d_share", "Share of the same 28 days with a spread above zero at that time.", nullable=True, ge=0, le=1
        ),
        number(
            "load_deviation_abs_28d_share", "Mean absolute load_deviation_share of the 28 days before known at as_of.", nullable=True, ge=0
        ),
        number("load_deviation_last_day_share", "Mean load_deviation_share of the newest local day known at as_of.", nullable=True, ge=-1),
        _price(
            "reserve_price_lag_1d_ccy_per_mwh",
            "Mean price of the reserve products at the same local time one day before, if known at as_of.",
        ),
        *(_of_day_ahead(c) for c in SPREAD_BESIDE),
    ),
    key=DAY_AHEAD.key,
    meaning="Point-in-time features of the spread of the balancing price over the day-ahead price, product `spread`.",
    partition_by=DAY_AHEAD.partition_by,
    managed_by="dbt",
)

FEATURE_TABLES: tuple[Table, ...] = (DAY_AHEAD, SPREAD)
