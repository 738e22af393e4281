"""Intermediate tables: the calendar of decisions, and every value with the delivery dates whose gate saw it."""

from __future__ import annotations

from pipeline_tasks.contracts.columns import Column, day, flag, instant, integer, number, string, symbol
from pipeline_tasks.contracts.raw import CURRENCY, DELIVERY_TS, HUB, KNOWN_TS, MARKET, RESOLUTION_MIN
from pipeline_tasks.contracts.tables import Database, Table

DELIVERY_DATE = day("delivery_date", "Market-local delivery date.")
AS_OF = instant("as_of", "Decision time: the market's gate for the delivery date.")
PRODUCT = symbol("product", "Product that is forecast (da, rt).")
LOCAL_MINUTE = integer("local_minute", "Minute of the local day at the interval start by the wall clock.", unit="min", ge=0, le=1439)
DST_FOLD = integer("dst_fold", "1 for the repeated hour of a 25-hour day, else 0.", ge=0, le=1)
USABLE_FROM = day("usable_from_date", "First delivery date whose gate saw this version (known_ts <= as_of).")
USABLE_TO = day("usable_to_date", "Last delivery date whose gate saw no later version; 2299-12-31 while it is the last one.")


MONTHS = "(market, toYYYYMM(delivery_date))"  # tables of which a run within the day rebuilds the newest part only


def intermediate_table(
    name: str, columns: tuple[Column, ...], key: tuple[str, ...], meaning: str, *, managed_by: str = "dbt", partition_by: str = "market"
) -> Table:
    """A table of `intermediate`; one partition per market unless said otherwise."""
    return Table(
        database=Database.INTERMEDIATE,
        name=name,
        columns=columns,
        key=key,
        meaning=meaning,
        partition_by=partition_by,
        managed_by=managed_by,
    )


MARKET_SETTINGS = intermediate_table(
    "market_settings",
    (
        MARKET,
        string("label", "Name for people."),
        symbol("time_zone", "IANA zone of delivery dates."),
        CURRENCY,
        PRODUCT,
        symbol("balancing_product", "Product that deviations from the day-ahead schedule are settled at; empty for none."),
        RESOLUTION_MIN,
        symbol("gate_time", "Local time of the decision, HH:MM."),
        integer("gate_days_before", "Days between decision and delivery.", unit="d", ge=0, le=7),
        number("price_floor_ccy_per_mwh", "Lowest admissible price.", unit="currency/MWh"),
        number("price_cap_ccy_per_mwh", "Highest admissible price.", unit="currency/MWh"),
        symbol("area", "Area of the market's fundamentals."),
        symbol("holidays", "Calendar of public holidays; empty for none."),
        symbol("gas_hub", "Gas hub that matters here; empty for none."),
        symbol("coal_hub", "Coal hub; empty for none."),
        symbol("co2_hub", "Carbon allowance; empty for none."),
        symbol("oil_hub", "Oil hub; empty for none."),
        symbol("intraday_product", "Product of decisions shortly before delivery; empty for none."),
        symbol("intraday_horizons_min", "Minutes between those decisions and delivery, comma-separated; empty for none.", unit="min"),
        symbol("reserve_products", "Reserve products cleared beside energy, comma-separated; empty for none."),
        symbol("reserve_price_hub", "Hub at which they are quoted for all hubs; empty where every hub has prices of its own."),
        symbol("reserve_hubs", "Hubs that are co-forecast with them, comma-separated; empty for all."),
        symbol("reserve_change_dates", "First delivery dates of another product design, comma-separated; empty for none."),
        symbol("nodal_product", "Product of nodal decisions shortly before delivery; empty for none."),
        symbol("nodal_horizons_min", "Minutes between those decisions and delivery, comma-separated; empty for none.", unit="min"),
        integer("nodal_resolution_min", "Longest delivery interval of theirs; 0 for none.", unit="min", ge=0),
        integer("nodal_step_min", "They are about intervals at multiples of it in the local day; 0 for none.", unit="min", ge=0),
        day("nodal_from_date", "First delivery date of theirs."),
        symbol("unit_hub", "Hub under which forecasts of generating units are published; empty for none."),
        symbol("unit_decision_hours", "Local hours at which is decided on them, comma-separated; empty for none."),
        symbol("unit_horizons_min", "Minutes between those decisions and the foretold hour, comma-separated; empty for none.", unit="min"),
        symbol("unit_excluded_fuels", "Fuels whose units are not committed, comma-separated; empty for none."),
        integer(
            "unit_telemetry_min",
            "Minutes after an hour at which a unit's output counts as known; null for its file's.",
            unit="min",
            nullable=True,
            ge=0,
            le=1440,
        ),
        day("unit_since_date", "First delivery date with rows of units; null for all.", nullable=True),
        string("settings_sha", "SHA-256 of the settings the calendar was made from."),
    ),
    ("market",),
    "Settings of a market as configured, for joins in SQL; written by the transform step.",
    managed_by="migrations",
)
MARKET_DAYS = intermediate_table(
    "market_days",
    (
        MARKET,
        DELIVERY_DATE,
        instant("day_start_ts", "Start of the local day, UTC."),
        instant("day_end_ts", "End of the local day, UTC; 23, 24 or 25 hours later."),
        AS_OF,
        integer("utc_offset_start_min", "Local time less UTC at the start of the day.", unit="min"),
        integer("utc_offset_end_min", "Local time less UTC at the end of the day.", unit="min"),
        instant("offset_change_ts", "When the clock changes within the day; the end of the day on other days."),
        flag("is_holiday", "Public holiday in the market's calendar."),
        string("holiday", "Name of the holiday; empty for none."),
    ),
    ("market", "delivery_date"),
    "Local days of a market with gate, clock change and holiday; written by the transform step from the settings.",
    managed_by="migrations",
)
LAYER_BUILDS = intermediate_table(
    "layer_builds",
    (
        MARKET,
        symbol("layer", "Layer that was built."),
        string("fingerprint", "SHA-256 of the transforms and the market's settings it was built with."),
        day("from_date", "First delivery date that was rebuilt; 1990-01-01 for all."),
        day("to_date", "Last delivery date the layer reaches."),
        instant("raw_ingested_ts", "Last ingested_ts of the market's raw rows that the build saw."),
        integer("raw_rows", "Raw rows of the market that the build saw.", ge=0),
        instant("at_ts", "When the build ended, UTC."),
    ),
    ("market", "layer", "at_ts"),
    "Successful builds; raw rows ingested later, other rows or other transforms make a layer be rebuilt.",
    managed_by="migrations",
)

MARKET_CALENDAR = intermediate_table(
    "int_market_calendar",
    (
        MARKET,
        DELIVERY_TS,
        DELIVERY_DATE,
        integer("local_hour", "Market-local hour of the interval start, 0-23.", ge=0, le=23),
        LOCAL_MINUTE,
        DST_FOLD,
        RESOLUTION_MIN,
        AS_OF,
        integer("day_intervals", "Intervals of the delivery date (23, 24 or 25 hours)."),
        integer("day_of_week", "ISO weekday, 1 Monday to 7 Sunday.", ge=1, le=7),
        integer("month", "Month.", ge=1, le=12),
        integer("day_of_year", "Day of the year.", ge=1, le=366),
        flag("is_holiday", "Public holiday in the market's calendar."),
    ),
    ("market", "delivery_ts"),
    "Every delivery interval of a market from its first price to the last price or the requested date.",
)
PRICES_ASOF = intermediate_table(
    "int_prices_asof",
    (
        MARKET,
        HUB,
        PRODUCT,
        DELIVERY_TS,
        DELIVERY_DATE,
        LOCAL_MINUTE,
        DST_FOLD,
        number("price_ccy_per_mwh", "Price as published in this version.", unit="currency/MWh"),
        USABLE_FROM,
        USABLE_TO,
        number("first_price_ccy_per_mwh", "First published price of the interval.", unit="currency/MWh"),
        instant("first_known_ts", "When the first price became known."),
    ),
    ("market", "hub", "product", "delivery_ts", "usable_from_date"),
    "Versions of the forecast product's prices, each with the delivery dates whose gate saw it as the last one.",
)
SPREADS_ASOF = intermediate_table(
    "int_spreads_asof",
    (
        MARKET,
        HUB,
        DELIVERY_TS,
        DELIVERY_DATE,
        LOCAL_MINUTE,
        DST_FOLD,
        number("spread_ccy_per_mwh", "First published balancing price less first published day-ahead price.", unit="currency/MWh"),
        KNOWN_TS.named("known_ts", "When both prices were known."),
        USABLE_FROM,
    ),
    ("market", "hub", "delivery_ts"),
    "Spread of the balancing price over the day-ahead price of every delivery interval, and the first gate that saw it.",
)
RESERVES_ASOF = intermediate_table(
    "int_reserve_prices_asof",
    (
        MARKET,
        HUB,
        symbol("product", "The market's energy product, or a reserve product."),
        DELIVERY_TS,
        DELIVERY_DATE,
        LOCAL_MINUTE,
        DST_FOLD,
        number("price_ccy_per_mwh", "First published price; of a reserve per MW and hour.", unit="currency/MWh"),
        KNOWN_TS.named("known_ts", "When it became known."),
        USABLE_FROM,
    ),
    ("market", "hub", "product", "delivery_ts"),
    "First published prices of energy and reserve products since reserves are quoted, and the first gate that saw each.",
)
DEVIATIONS_ASOF = intermediate_table(
    "int_load_deviations_asof",
    (
        MARKET,
        DELIVERY_TS,
        DELIVERY_DATE,
        LOCAL_MINUTE,
        DST_FOLD,
        number("load_deviation_share", "Metered load over the forecast that the gate knew, less 1.", ge=-1),
        KNOWN_TS.named("known_ts", "When the metered load was first known."),
        USABLE_FROM,
    ),
    ("market", "delivery_ts"),
    "Deviation of the market area's metered load from its day-ahead forecast, and the first gate that saw it.",
)
QUANTITIES_ASOF = intermediate_table(
    "int_quantities_asof",
    (
        MARKET,
        symbol("area", "Area the quantity belongs to."),
        symbol("quantity", "What is measured or forecast."),
        symbol("kind", "forecast or actual.", allowed=("forecast", "actual")),
        DELIVERY_TS,
        DELIVERY_DATE,
        LOCAL_MINUTE,
        DST_FOLD,
        RESOLUTION_MIN.named("interval_min", "Length of the market's delivery interval."),
        integer("source_resolution_min", "Interval of the source rows; finer ones are averaged, coarser ones held.", unit="min"),
        number("value", "Mean over the market's interval, unit of the quantity.", unit="see quantity"),
        USABLE_FROM,
        USABLE_TO,
    ),
    ("market", "area", "quantity", "kind", "delivery_ts", "source_resolution_min", "usable_from_date"),
    "Versions of forecasts and actuals on the market's intervals, each with the delivery dates whose gate saw it.",
)
COMMODITIES_ASOF = intermediate_table(
    "int_commodities_asof",
    (
        MARKET,
        DELIVERY_DATE,
        symbol("commodity", "Fuel or allowance."),
        number("price_ccy_per_unit", "Last settlement known at the gate of the delivery date.", unit="currency/unit"),
        symbol("unit", "Unit the price is per."),
        CURRENCY,
        number("price_eur_per_unit", "Price in EUR; null where the currency series is absent.", unit="EUR/unit", nullable=True),
        number("price_usd_per_unit", "Price in USD; null likewise.", unit="USD/unit", nullable=True),
        number("price_eur_per_mwh", "Price in EUR per MWh of heat (gross); null for what is no fuel.", unit="EUR/MWh", nullable=True),
        number("price_usd_per_mwh", "The same in USD.", unit="USD/MWh", nullable=True),
        number("price_usd_per_mmbtu", "Price in USD per MMBtu; null for what is no fuel.", unit="USD/MMBtu", nullable=True),
        day("contract_date", "Delivery month (or December) of the contract in front on that day; null for spot.", nullable=True),
        integer("missing_sessions", "Later days of its calendar for which a value was due by the gate and is absent.", nullable=True, ge=0),
        instant("settled_ts", "Start of the period the settlement is for."),
        KNOWN_TS,
    ),
    ("market", "delivery_date", "commodity"),
    "Last settlement of the market's fuels known at each gate, at most ten days after the period it holds for.",
)

HORIZON = integer("longest_horizon_min", "Minutes between the earliest decision for an interval and its delivery.", unit="min", ge=1)
INTRADAY_PRICES = intermediate_table(
    "int_intraday_prices",
    (
        MARKET,
        HUB,
        PRODUCT,
        DELIVERY_TS,
        DELIVERY_DATE,
        RESOLUTION_MIN,
        HORIZON,
        KNOWN_TS,
        number("price_ccy_per_mwh", "First published price.", unit="currency/MWh"),
    ),
    ("market", "hub", "delivery_ts"),
    "First published prices of the intraday product, at the finest interval each hub has on the day.",
    partition_by=MONTHS,
)

NODAL_PRICES = intermediate_table(
    "int_nodal_prices",
    (
        MARKET,
        symbol("product", "Product (da, rt)."),
        symbol("node", "Node; the hub of markets whose data hold no nodes."),
        symbol("hub", "Hub that the node belongs to."),
        DELIVERY_TS,
        RESOLUTION_MIN,
        CURRENCY,
        KNOWN_TS,
        number("price_ccy_per_mwh", "First published price.", unit="currency/MWh"),
    ),
    ("market", "product", "node", "delivery_ts"),
    "First published prices of every node, in the product of nodal decisions and day-ahead, of several lengths of interval the finest.",
    partition_by="(market, toYYYYMMDD(toStartOfWeek(delivery_ts)))",
)


def _known(name: str, meaning: str, unit: str = "currency/MWh") -> Column:
    return number(name, f"{meaning}, if known at the earliest decision for the interval.", unit=unit, nullable=True)


INTRADAY_SLOTS = intermediate_table(
    "int_intraday_slots",
    (
        MARKET,
        HUB,
        PRODUCT,
        symbol("area", "Area of the market's fundamentals."),
        CURRENCY,
        DELIVERY_TS,
        DELIVERY_DATE,
        LOCAL_MINUTE,
        DST_FOLD,
        RESOLUTION_MIN,
        flag("is_holiday", "Public holiday in the market's calendar."),
        number("price_ccy_per_mwh", "First published price; null while unknown.", unit="currency/MWh", nullable=True),
        instant("price_known_ts", "When it became known; null while unknown.", nullable=True),
        _known("price_lag_1d_ccy_per_mwh", "Price of the same local time one day before"),
        _known("price_lag_7d_ccy_per_mwh", "Price of the same local time seven days before"),
        _known("price_slot_mean_7d_ccy_per_mwh", "Mean price of the same local time over the seven days before"),
        _known("price_da_ccy_per_mwh", "Day-ahead price that holds at the start of the interval"),
        _known("load_forecast_mw", "First load forecast", "MW"),
        _known("wind_forecast_mw", "First wind forecast", "MW"),
        _known("solar_forecast_mw", "First solar forecast", "MW"),
        _known("residual_load_forecast_mw", "Load less wind and solar forecasts", "MW"),
    ),
    ("market", "hub", "delivery_ts"),
    "Every delivery interval of the intraday product with its calendar, its price, and what the earliest decision for it knew.",
    partition_by=MONTHS,
)


def _of_unit(name: str, meaning: str, **kw: object) -> Column:
    return number(name, meaning, nullable=True, **kw)


UNIT_STATES = intermediate_table(
    "int_unit_states",
    (
        MARKET,
        symbol("unit_id", "Generating unit."),
        DELIVERY_TS,
        DELIVERY_DATE,
        symbol("fuel", "Fuel of the unit; empty when the source does not say."),
        number("output_mw", "First published output of the hour.", unit="MW"),
        number("online", "1 where that output is above zero, else 0.", ge=0, le=1),
        _of_unit("ramp_mw", "Output less that of the hour before; null after a gap.", unit="MW"),
        instant("known_ts", "When the output became known: as published, or by telemetry where the market has it."),
        instant("usable_ts", "When this hour and all before it were known."),
        number("capacity_mw", "Highest output up to this hour, never below zero.", unit="MW", ge=0),
        integer("state_h", "Hours in the present state, this one included, at most 2160.", unit="h", ge=1, le=2160),
        number("online_24h_share", "Share of the 24 published hours up to this one in which it was online.", ge=0, le=1),
        number("online_168h_share", "The same of 168 hours.", ge=0, le=1),
        number("online_2160h_share", "The same of 2160 hours (90 days without gaps).", ge=0, le=1),
        integer("starts_2160h", "Starts in those 2160 hours.", ge=0),
        number("online_hour_7d_share", "Share online at this time of day (UTC) on the seven published days, this one last.", ge=0, le=1),
        _of_unit("ramp_hour_7d_mw", "Mean ramp at this time of day on the same days.", unit="MW"),
        number("online_slot_28d_share", "Share online at this hour of the week (UTC) in four weeks, this one last.", ge=0, le=1),
        integer("is_start", "1 where it was offline the hour before and is online.", ge=0, le=1),
        integer("is_stop", "1 where it was online the hour before and is offline.", ge=0, le=1),
        integer("hours_until", "Hours of the unit up to this one.", ge=1),
        integer("starts_until", "Starts up to this hour.", ge=0),
        integer("stops_until", "Stops up to this hour.", ge=0),
    ),
    ("market", "unit_id", "delivery_ts"),
    "Every published hour of a committed unit with its status, and what the hours up to it say of the unit.",
)

INTERMEDIATE_TABLES: tuple[Table, ...] = (
    MARKET_SETTINGS,
    MARKET_DAYS,
    LAYER_BUILDS,
    MARKET_CALENDAR,
    PRICES_ASOF,
    SPREADS_ASOF,
    RESERVES_ASOF,
    DEVIATIONS_ASOF,
    QUANTITIES_ASOF,
    COMMODITIES_ASOF,
    INTRADAY_PRICES,
    INTRADAY_SLOTS,
    NODAL_PRICES,
    UNIT_STATES,
)
