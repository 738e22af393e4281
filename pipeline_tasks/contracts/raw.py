"""Raw tables: what a source delivered, row by row, with when the market could know it."""

from __future__ import annotations

import polars as pl

from pipeline_tasks.contracts.columns import Column, instant, integer, number, string, symbol
from pipeline_tasks.contracts.tables import Database, Rule, Table

MARKET = symbol("market", "Market key of config/markets.yaml, e.g. epf_de.")
HUB = symbol("hub", "Settlement point, zone or node within the market.")
DELIVERY_TS = instant("delivery_ts", "Start of the delivery interval, UTC.")
RESOLUTION_MIN = integer("resolution_min", "Length of the delivery interval.", unit="min", ge=1, le=1440)
KNOWN_TS = instant("known_ts", "When the market could first know the row (publication), UTC.")
CURRENCY = symbol("currency", "ISO 4217 code of the price.")

PROVENANCE: tuple[Column, ...] = (
    symbol("source", "Source that delivered the row (files, twin, ...)."),
    string("source_object", "File, endpoint or object within the source."),
    string("row_sha", "SHA-256 of the row's contract values, lower-case hex."),
    instant("ingested_ts", "When this row was loaded, UTC; never used by features or models."),
)

KNOWN_AFTER_EPOCH = Rule(
    name="known_ts_plausible",
    expr=lambda: pl.col("known_ts").dt.year().is_between(1980, 2100),
    sql="toYear(known_ts) between 1980 and 2100",
    meaning="known_ts lies between 1980 and 2100; check the publication rule of the importer.",
)
FORECAST_KNOWN_BEFORE = Rule(
    name="forecast_known_before_delivery_end",
    expr=lambda: (
        (pl.col("kind") != "forecast") | (pl.col("known_ts") <= pl.col("delivery_ts") + pl.duration(minutes=pl.col("resolution_min")))
    ),
    sql="kind != 'forecast' or known_ts <= delivery_ts + toIntervalMinute(resolution_min)",
    meaning="A forecast is known before its delivery interval ends; check the publication lag of the importer.",
)
ACTUAL_KNOWN_AFTER = Rule(
    name="actual_known_after_delivery_start",
    expr=lambda: (pl.col("kind") != "actual") | (pl.col("known_ts") >= pl.col("delivery_ts")),
    sql="kind != 'actual' or known_ts >= delivery_ts",
    meaning="An actual is not known before delivery starts; check the publication lag of the importer.",
)


def raw_table(name: str, columns: tuple[Column, ...], key: tuple[str, ...], meaning: str, *rules: Rule) -> Table:
    """A table of `raw`: its columns, then provenance; one partition per market and year of delivery."""
    return Table(
        database=Database.RAW,
        name=name,
        columns=(*columns, *PROVENANCE),
        key=key,
        meaning=meaning,
        partition_by="(market, toYear(delivery_ts))",
        rules=(KNOWN_AFTER_EPOCH, *rules),
        dedup_window=100_000,
    )


PRICES = raw_table(
    "prices",
    (
        MARKET,
        HUB,
        symbol(
            "product",
            "What is priced: day-ahead energy, real-time energy, imbalance, or an ancillary product (_rt: cleared again in real time).",
            allowed=(
                "da",
                "rt",
                "imbalance",
                "predispatch",
                "reserve_10s",
                "reserve_10n",
                "reserve_30",
                "regup",
                "regdn",
                "rrs",
                "nspin",
                "ecrs",
                "raise6sec",
                "raise60sec",
                "raise5min",
                "raisereg",
                "lower6sec",
                "lower60sec",
                "lower5min",
                "lowerreg",
                "raise1sec",
                "lower1sec",
                "regulation",
                "ramp_up",
                "ramp_down",
                "uncertainty_up",
                "reserve_10s_rt",
                "reserve_10n_rt",
                "reserve_30_rt",
                "regulation_rt",
                "regup_rt",
                "regdn_rt",
                "ramp_up_rt",
                "ramp_down_rt",
                "uncertainty_up_rt",
            ),
        ),
        DELIVERY_TS,
        RESOLUTION_MIN,
        KNOWN_TS,
        CURRENCY,
        number(
            "price_ccy_per_mwh",
            "Price of the interval; for ancillary products per MW and hour.",
            unit="currency/MWh",
            ge=-20_000,
            le=50_000,
        ),
        number("energy_ccy_per_mwh", "Energy component.", unit="currency/MWh", nullable=True, ge=-20_000, le=50_000),
        number(
            "congestion_ccy_per_mwh",
            "Congestion component; positive raises the price.",
            unit="currency/MWh",
            nullable=True,
            ge=-50_000,
            le=50_000,
        ),
        number("loss_ccy_per_mwh", "Marginal loss component.", unit="currency/MWh", nullable=True, ge=-20_000, le=20_000),
    ),
    ("market", "hub", "product", "delivery_ts", "resolution_min", "known_ts"),
    "One published price of one hub, product and interval; a correction is a new row with a later known_ts.",
)

QUANTITIES = raw_table(
    "quantities",
    (
        MARKET,
        symbol("area", "Area the quantity belongs to: the whole system, a zone or a hub."),
        symbol(
            "quantity",
            "What is measured or forecast.",
            allowed=(
                "load",
                "zonal_load",
                "generation",
                "wind",
                "solar",
                "renewables",
                "nuclear",
                "hydro",
                "gas",
                "coal",
                "lignite",
                "biomass",
                "oil",
                "other",
                "dual_fuel",
                "storage",
                "imports",
                "outages",
                "outages_planned",
                "outages_maintenance",
                "outages_forced",
                "temperature",
                "wind_speed",
                "irradiance",
                "gas_demand",
                "gas_storage",
                "gas_storage_capacity",
                "gas_injection",
                "gas_withdrawal",
                "gas_imports",
                "lng_processed",
                "lng_sendout",
                "lng_stock",
            ),
        ),
        symbol("kind", "Whether the value was forecast or measured.", allowed=("forecast", "actual")),
        DELIVERY_TS,
        RESOLUTION_MIN,
        KNOWN_TS,
        symbol("unit", "Unit of value.", allowed=("MW", "degC", "m/s", "W/m2", "GWh")),
        number("value", "Mean over the interval in the row's unit.", unit="see unit", ge=-200_000, le=2_000_000),
    ),
    ("market", "area", "quantity", "kind", "delivery_ts", "resolution_min", "known_ts"),
    "One forecast or measured quantity (load, generation by type, weather, gas and LNG volumes) of one area and interval.",
    FORECAST_KNOWN_BEFORE,
    ACTUAL_KNOWN_AFTER,
)

COMMODITIES = raw_table(
    "commodities",
    (
        MARKET,
        symbol(
            "commodity",
            "Fuel, allowance or foreign currency.",
            allowed=("gas", "coal", "co2", "oil", "lng", "heavy_oil", "light_oil", "fx"),
        ),
        symbol("hub", "Price point: TTF, HH, API2, EUA, ..."),
        DELIVERY_TS,
        integer("resolution_min", "Length of the period the price holds for (1440 day, 10080 week).", unit="min", ge=1, le=50_000),
        KNOWN_TS,
        CURRENCY,
        symbol("unit", "Unit the price is per.", allowed=("MWh", "MMBtu", "t", "bbl", "USD", "GBP")),
        number("price_ccy_per_unit", "Settlement price.", unit="currency/unit", ge=-1_000, le=10_000),
    ),
    ("market", "commodity", "hub", "delivery_ts", "known_ts"),
    "One settlement of one fuel, allowance or currency.",
)
INTERFACES = raw_table(
    "interfaces",
    (
        MARKET,
        symbol("interface", "Interface or constraint name."),
        DELIVERY_TS,
        RESOLUTION_MIN,
        KNOWN_TS,
        number("flow_mw", "Mean flow in the positive direction.", unit="MW", ge=-100_000, le=100_000),
        number("limit_pos_mw", "Limit in the positive direction; null for none.", unit="MW", nullable=True, ge=-100_000, le=100_000),
        number("limit_neg_mw", "Limit in the negative direction; null for none.", unit="MW", nullable=True, ge=-100_000, le=100_000),
    ),
    ("market", "interface", "delivery_ts", "resolution_min", "known_ts"),
    "Flow over and limits of one interface in one interval.",
)

UNITS = raw_table(
    "units",
    (
        MARKET,
        symbol("unit_id", "Generating unit."),
        symbol("fuel", "Fuel of the unit; empty when the source does not say."),
        DELIVERY_TS,
        RESOLUTION_MIN,
        KNOWN_TS,
        number("output_mw", "Mean output.", unit="MW", ge=-2_000, le=10_000),
        number("heat_input_mmbtu", "Heat input over the interval.", unit="MMBtu", nullable=True, ge=0, le=100_000),
        number("capability_mw", "Available capability.", unit="MW", nullable=True, ge=-2_000, le=10_000),
    ),
    ("market", "unit_id", "delivery_ts", "resolution_min", "known_ts"),
    "Output of one generating unit in one interval.",
)


def quarantine_of(table: Table) -> Table:
    """The quarantine table beside a raw table: the row as text, with every rule it broke."""
    return Table(
        database=Database.QUARANTINE,
        name=table.name,
        columns=(
            symbol("source", "Source that delivered the row."),
            string("source_object", "File, endpoint or object within the source."),
            integer("row_number", "Position of the row in the object's contract frame, from 0.", ge=0),
            string("row_json", "The row as delivered, JSON, values as text."),
            string("broken_rules", "Names of the rules the row broke, comma separated; never empty."),
            string("row_sha", "SHA-256 of row_json, lower-case hex."),
            string("load_id", "Load that refused the row (ops.loads)."),
            instant("ingested_ts", "When the row was refused, UTC."),
        ),
        key=("source", "source_object", "row_sha", "row_number"),
        meaning=f"Rows that broke a rule of raw.{table.name}; rows read = rows in raw + rows here.",
        dedup_window=100_000,
    )


HUB_TABLES: tuple[Table, ...] = (PRICES, QUANTITIES, COMMODITIES, INTERFACES, UNITS)
