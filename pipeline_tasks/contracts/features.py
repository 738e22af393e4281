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
    "da_price_known_ts": ("da_price_ccy_per_mwh",),
    "deviation_known_ts": ("load_deviation_share",),
    "status_known_ts": ("online", "started", "stopped", "ramp_mw"),
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

INTRADAY_BACK = (1, 2, 3, 5, 11)
INTRADAY_WINDOWS_MIN = (60, 360, 1440)


def _window_columns(minutes: int) -> tuple[Column, ...]:
    of = f"known prices of the {minutes} minutes up to the last known interval"
    return (
        _price(f"price_mean_{minutes}m_ccy_per_mwh", f"Mean of the {of}."),
        _price(f"price_std_{minutes}m_ccy_per_mwh", f"Standard deviation of the {of}; null for fewer than two."),
        _price(f"price_min_{minutes}m_ccy_per_mwh", f"Lowest of the {of}."),
        _price(f"price_max_{minutes}m_ccy_per_mwh", f"Highest of the {of}."),
    )


def _slot_columns(prefix: str, slot: str) -> tuple[Column, ...]:
    known = "if known at the earliest decision for the interval"
    return (
        _price(f"{prefix}_lag_1d_ccy_per_mwh", f"Price of {slot}'s local time one day before, {known}."),
        _price(f"{prefix}_lag_7d_ccy_per_mwh", f"Price of {slot}'s local time seven days before, {known}."),
        _price(f"{prefix}_slot_mean_7d_ccy_per_mwh", f"Mean price of {slot}'s local time over the seven days before, {known}."),
        _price(f"{prefix}_da_ccy_per_mwh", f"Day-ahead price that holds in {slot}, {known}."),
    )


INTRADAY = Table(
    database=Database.FEATURES,
    name="ftr_intraday",
    columns=(
        MARKET,
        HUB,
        symbol("product", "Product that is forecast (rt, imbalance)."),
        DELIVERY_TS,
        day("delivery_date", "Market-local delivery date."),
        integer("local_hour", "Market-local hour of the interval start, 0-23.", ge=0, le=23),
        integer("local_minute", "Minute of the local day at the interval start by the wall clock.", unit="min", ge=0, le=1439),
        integer("dst_fold", "1 for the repeated hour of a 25-hour day, else 0.", ge=0, le=1),
        RESOLUTION_MIN,
        integer("horizon_min", "Minutes from the decision to the start of delivery.", unit="min", ge=1, le=1440),
        instant("as_of", "Decision time: horizon_min before delivery."),
        CURRENCY,
        _price("price_ccy_per_mwh", "Target: the first published price; null while unknown."),
        instant("price_known_ts", "When the target became known; null while unknown.", nullable=True),
        _price("price_last_ccy_per_mwh", "Price of the latest interval known at as_of, at most one day old."),
        integer("price_last_age_min", "Minutes from the start of that interval to delivery.", unit="min", nullable=True, ge=0, le=2880),
        integer(
            "price_unchanged_min", "Minutes over which that price had not changed, at most 1440.", unit="min", nullable=True, ge=0, le=1440
        ),
        *(_price(f"price_before_{k}_ccy_per_mwh", f"The known price {k} interval(s) before the last known one.") for k in INTRADAY_BACK),
        *(c for minutes in INTRADAY_WINDOWS_MIN for c in _window_columns(minutes)),
        *_slot_columns("price", "the interval"),
        *_slot_columns("price_last", "the last known interval"),
        _price("price_others_last_ccy_per_mwh", "Mean of the other hubs' last known prices at as_of."),
        _mw("load_forecast_mw", "First load forecast of the interval, if known at the earliest decision for it."),
        _mw("wind_forecast_mw", "The same of wind."),
        _mw("solar_forecast_mw", "The same of solar."),
        _mw("residual_load_forecast_mw", "Load less wind and solar forecasts; null without a load forecast."),
        _mw("residual_load_forecast_change_mw", "Residual load forecast of the interval less that of the last known interval."),
        _mw("load_last_mw", "Last measured load known at as_of, at most one day old."),
        _mw("load_last_change_60m_mw", "That load less the one measured 60 minutes before it."),
        integer("day_of_week", "ISO weekday of the delivery date, 1 Monday to 7 Sunday.", ge=1, le=7),
        integer("month", "Month of the delivery date.", ge=1, le=12),
        integer("day_of_year", "Day of the year.", ge=1, le=366),
        flag("is_holiday", "Public holiday in the market's calendar."),
    ),
    key=("market", "hub", "product", "delivery_ts", "as_of"),
    meaning="Point-in-time intraday features: one row per hub, delivery interval and decision horizon.",
    partition_by="(market, toYYYYMM(delivery_date))",
    managed_by="dbt",
)

NODAL_BACK = (1, 2, 5)

NODAL = Table(
    database=Database.FEATURES,
    name="ftr_nodal",
    columns=(
        MARKET,
        HUB.named("hub", "Hub that the node belongs to."),
        symbol("product", "Node; the priced product (rt) of markets whose data hold no nodes: there the hub is the node."),
        *(INTRADAY.column(name) for name in ("delivery_ts", "delivery_date", "local_hour", "local_minute", "dst_fold")),
        *(INTRADAY.column(name) for name in ("resolution_min", "horizon_min", "as_of", "currency", "price_ccy_per_mwh", "price_known_ts")),
        *(INTRADAY.column(f"price_last{name}") for name in ("_ccy_per_mwh", "_age_min")),
        *(_price(f"price_before_{k}_ccy_per_mwh", f"The known price {k} interval(s) before the last known one.") for k in NODAL_BACK),
        *_window_columns(60)[:2],
        _price("price_lag_1d_ccy_per_mwh", "Price of the interval that started a day before, if known at as_of."),
        _price("price_da_ccy_per_mwh", "Day-ahead price of the node that holds in the interval, if known at as_of."),
        _price("price_last_da_ccy_per_mwh", "Day-ahead price of the node that holds in the last known interval, if known at as_of."),
        _price("price_system_last_ccy_per_mwh", "Mean of all nodes' last known prices at as_of."),
        integer("is_apart", "1 where the last known price lies more than 10 from that mean, else 0.", nullable=True, ge=0, le=1),
        *(INTRADAY.column(f"{name}_forecast_mw") for name in ("load", "wind", "solar", "residual_load")),
        _mw("residual_load_forecast_change_mw", "Residual load forecast of the interval less that of the one an hour before."),
        *(INTRADAY.column(name) for name in ("day_of_week", "month", "day_of_year", "is_holiday")),
    ),
    key=INTRADAY.key,
    meaning="Point-in-time features of nodal prices: one row per node, delivery interval and decision horizon.",
    order_by=("market", "delivery_ts", "as_of", "hub", "product"),  # a decision is about all nodes
    partition_by="(market, toYYYYMMDD(toStartOfWeek(delivery_date)))",
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
        _price("da_price_ccy_per_mwh", "Outcome: first published day-ahead price of the interval; null while unknown."),
        instant("da_price_known_ts", "When da_price_ccy_per_mwh became known; null while unknown.", nullable=True),
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


def _beside_reserve(column: Column) -> Column:
    """A column of `DAY_AHEAD` beside a product's own price: energy prices are named so."""
    return column.named(f"energy_{column.name}", f"Energy: {column.meaning}") if column.name.startswith("price_") else column


ANCILLARY = Table(
    database=Database.FEATURES,
    name="ftr_ancillary",
    columns=(
        *(DAY_AHEAD.column(name) for name in SPREAD_KEYS),
        _price("price_ccy_per_mwh", "Target: first published price of the product, of a reserve per MW and hour; null while unknown."),
        instant("price_known_ts", "When the target became known; null while unknown.", nullable=True),
        flag("is_energy", "The row is about energy, not about a reserve product."),
        integer("reserve_regime", "How often the design of the reserve products had changed by the delivery date.", ge=0),
        *(
            _price(f"price_lag_{k}d_ccy_per_mwh", f"Own price of the same local time {k} day(s) before, if known at as_of.")
            for k in LAG_DAYS
        ),
        _price("price_mean_7d_ccy_per_mwh", "Mean own price of the seven local days before the delivery date, as known at as_of."),
        _price("price_std_7d_ccy_per_mwh", "Standard deviation of the own price over the same seven days."),
        _price("price_max_7d_ccy_per_mwh", "Highest own price of the same seven days."),
        _price("price_mean_28d_ccy_per_mwh", "Mean own price of the 28 local days before the delivery date, as known at as_of."),
        _price("price_hour_mean_7d_ccy_per_mwh", "Mean own price of the same local time over the seven days before."),
        _price("price_hour_mean_28d_ccy_per_mwh", "Mean own price of the same local time over the 28 days before."),
        _price("price_hour_std_28d_ccy_per_mwh", "Standard deviation of the own price of the same local time over the same 28 days."),
        SPREAD.column("reserve_price_lag_1d_ccy_per_mwh"),
        *(_beside_reserve(c) for c in SPREAD_BESIDE),
    ),
    key=DAY_AHEAD.key,
    meaning="Point-in-time features of the price of energy and of every reserve product: one row per hub, product and delivery interval.",
    partition_by=DAY_AHEAD.partition_by,
    managed_by="dbt",
)


def _share(name: str, meaning: str) -> Column:
    return number(name, meaning, nullable=True, ge=0, le=1)


UNIT_CLASSES = ("base_load", "cycling", "peaker")
UNIT_COMMIT = Table(
    database=Database.FEATURES,
    name="ftr_unit_commit",
    columns=(
        MARKET,
        HUB.named("hub", "Hub under which the market's units are published, and whose prices and fundamentals stand beside them."),
        symbol("product", "Generating unit."),
        DELIVERY_TS,
        day("delivery_date", "Market-local delivery date."),
        integer("local_hour", "Market-local hour of the interval start, 0-23.", ge=0, le=23),
        integer("dst_fold", "1 for the repeated hour of a 25-hour day, else 0.", ge=0, le=1),
        RESOLUTION_MIN,
        integer("horizon_min", "Minutes from the decision to the start of the hour.", unit="min", ge=60, le=1440),
        instant("as_of", "Decision time: horizon_min before the hour."),
        _share("online", "Outcome: 1 where the unit's first published output of the hour is above zero, else 0; null while unknown."),
        _share("started", "Outcome: 1 where it started in an hour from as_of on and before this one; null while unknown or after a gap."),
        _share("stopped", "Outcome: 1 where it stopped in those hours; null while unknown or after a gap."),
        _mw("ramp_mw", "Outcome: output of the hour less that of the hour before; null while unknown or after a gap."),
        instant("status_known_ts", "When these outcomes became known; null while unknown.", nullable=True),
        symbol("fuel", "Fuel of the unit; empty when the source does not say."),
        symbol(
            "unit_class",
            "What the unit did in the 2160 hours up to its last known one: base_load (online in more than 85 % of the hours), peaker (in"
            " less than 15 %), or cycling.",
            allowed=UNIT_CLASSES,
        ),
        number("capacity_mw", "Highest output up to the last known hour.", unit="MW", ge=0),
        number("online_last", "Whether the unit was online in the last hour known at as_of.", ge=0, le=1),
        integer("status_age_min", "Minutes from the start of that hour to as_of.", unit="min", ge=0, le=10_080),
        number("output_last_share", "Output of that hour over capacity_mw; null without a capacity.", nullable=True),
        _mw("ramp_last_mw", "Output of that hour less that of the hour before."),
        integer("state_h", "Hours in the state of that hour, itself included, at most 2160.", unit="h", ge=1, le=2160),
        _share("online_24h_share", "Share of the 24 published hours up to that hour in which it was online."),
        _share("online_168h_share", "The same of 168 hours."),
        _share("online_2160h_share", "The same of 2160 hours (90 days without gaps)."),
        integer("starts_2160h", "Starts in those 2160 hours.", ge=0),
        _share("online_lag_1d", "Whether it was online 24 hours before this hour, if known at as_of."),
        _share("online_lag_2d", "The same 48 hours before."),
        _share("online_lag_7d", "The same 168 hours before."),
        _mw("ramp_lag_1d_mw", "Ramp of 24 hours before, if known at as_of."),
        _mw("ramp_lag_7d_mw", "Ramp of 168 hours before, if known at as_of."),
        _share("online_hour_7d_share", "Share online at the same time of day on the seven published days that end two days before."),
        _mw("ramp_hour_7d_mw", "Mean ramp at the same time of day on the same seven days."),
        _share("online_slot_28d_share", "Share online at the same hour of the week in four weeks that end seven days before."),
        _share("fleet_online_share", "Share of the market's units online in the last hour known of the fleet at as_of."),
        _share("fuel_online_share", "The same of the units with the same fuel."),
        _mw("load_lag_7d_mw", "Measured load 168 hours before this hour, if known at as_of."),
        _mw("load_lag_7d_ramp_mw", "That load less the one an hour before it."),
        _mw("load_lag_1d_ramp_mw", "Measured load 24 hours before this hour less the one an hour before it, if known at as_of."),
        _price("price_da_ccy_per_mwh", "Price of the market's product in this hour at the hub, if known at as_of (day-ahead markets)."),
        _price("price_now_ccy_per_mwh", "The same of the hour that begins at as_of."),
        _price("price_prev_day_mean_ccy_per_mwh", "Mean price of the last local day fully known at the gate before as_of."),
        _price("price_lag_7d_ccy_per_mwh", "Price of this local hour seven days before, if known at a gate before as_of."),
        _mw("load_forecast_mw", "Load forecast of this hour as known at its gate, if that lies before as_of."),
        _mw("residual_load_forecast_mw", "The same of load less wind and solar."),
        _mw("residual_load_ramp_mw", "The same of its change from the hour before."),
        _mw("residual_load_change_mw", "The same less that of the hour that begins at as_of."),
        number("residual_load_tightness", "Residual load forecast over the highest of the 28 days before.", nullable=True),
        number("temperature_forecast_degc", "Temperature forecast of this hour as known at its gate.", unit="degC", nullable=True),
        number("gas_price_ccy_per_unit", "Gas price known at the gate of the hour from as_of on.", unit="currency/unit", nullable=True),
        number("co2_price_ccy_per_unit", "Carbon price known at that gate.", unit="currency/t", nullable=True),
        integer("day_of_week", "ISO weekday of the delivery date, 1 Monday to 7 Sunday.", ge=1, le=7),
        integer("month", "Month of the delivery date.", ge=1, le=12),
        flag("is_holiday", "Public holiday in the market's calendar."),
    ),
    key=DAY_AHEAD.key,
    meaning="Point-in-time features of the status of generating units: one row per unit, foretold hour and decision.",
    partition_by="(market, toYYYYMM(delivery_date))",
    managed_by="dbt",
)

FEATURE_TABLES: tuple[Table, ...] = (DAY_AHEAD, INTRADAY, SPREAD, ANCILLARY, NODAL, UNIT_COMMIT)

# what the drift monitors watch: levels as delivered; lags, means and ramps of them move with them
MONITORED: dict[str, tuple[str, ...]] = {
    DAY_AHEAD.full_name: (
        "price_ccy_per_mwh",
        *(f"{quantity}_forecast_mw" for quantity in FORECASTS),
        "temperature_forecast_degc",
        *(f"{fuel}_price_ccy_per_unit" for fuel in ("gas", "coal", "co2", "oil")),
    )
}
