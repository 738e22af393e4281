"""Raw tables of a nodal market: prices by node, binding constraints, outages, offers, voyages and the network itself."""

from __future__ import annotations

import polars as pl

from pipeline_tasks.contracts.columns import instant, integer, number, string, symbol
from pipeline_tasks.contracts.raw import CURRENCY, DELIVERY_TS, HUB, KNOWN_TS, MARKET, RESOLUTION_MIN, raw_table
from pipeline_tasks.contracts.tables import Rule

NODE = symbol("node", "Bus of the network (raw.grid_buses).")
CLEARED = symbol("product", "Market that cleared: day-ahead or real-time energy.", allowed=("da", "rt"))
BRANCH = symbol("branch", "Monitored branch (raw.grid_branches).")
CONTINGENCY = symbol("contingency", "Branch whose outage is secured against; empty for the network as it is.")
UNIT_ID = symbol("unit_id", "Generating unit (raw.grid_units).")
BLOCK = integer("block", "Number of the block, from 0, in rising order of price.", ge=0, le=100)
WINDOW = symbol("window", "Part of the local day: night (00-06), day (06-17), evening (17-24).", allowed=("night", "day", "evening"))
VALID_FROM = instant("delivery_ts", "Start of validity, UTC.")
VALID_TO = instant("valid_to_ts", "End of validity, UTC; null while it is in force.", nullable=True)

ENDS_AFTER_START = Rule(
    name="ends_after_start",
    expr=lambda: pl.col("end_ts") > pl.col("delivery_ts"),
    sql="end_ts > delivery_ts",
    meaning="An outage ends after it starts; check the source's time columns.",
)
ETA_AFTER_DEPARTURE = Rule(
    name="eta_after_departure",
    expr=lambda: pl.col("eta_ts") > pl.col("delivery_ts"),
    sql="eta_ts > delivery_ts",
    meaning="A vessel arrives after it departs; check the source's time columns.",
)

NODAL_PRICES = raw_table(
    "nodal_prices",
    (
        MARKET,
        NODE,
        CLEARED,
        DELIVERY_TS,
        RESOLUTION_MIN,
        KNOWN_TS,
        CURRENCY,
        number("price_ccy_per_mwh", "Locational price: energy + congestion + loss.", unit="currency/MWh", ge=-20_000, le=50_000),
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
    ("market", "node", "product", "delivery_ts", "resolution_min", "known_ts"),
    "One published price of one node and interval; raw.prices holds those of hubs.",
)

CONSTRAINTS = raw_table(
    "constraints",
    (
        MARKET,
        CLEARED,
        BRANCH,
        CONTINGENCY,
        DELIVERY_TS,
        RESOLUTION_MIN,
        KNOWN_TS,
        CURRENCY,
        number(
            "shadow_price_ccy_per_mwh",
            "Worth of one MW more limit, never negative; the sign of flow_mw says which of the two limits binds.",
            unit="currency/MWh",
            ge=0,
            le=100_000,
        ),
        number("flow_mw", "Flow (after the contingency) from the branch's from-bus to its to-bus.", unit="MW", ge=-100_000, le=100_000),
        number("limit_mw", "Limit that binds, the same in both directions.", unit="MW", ge=0, le=100_000),
    ),
    ("market", "product", "branch", "contingency", "delivery_ts", "resolution_min", "known_ts"),
    "One binding constraint of one interval: a branch at its limit, in the network as it is or after one outage.",
)

OUTAGES = raw_table(
    "outages",
    (
        MARKET,
        symbol(
            "element_kind", "What is out; a passage is a canal or port on the way of LNG cargoes.", allowed=("unit", "branch", "passage")
        ),
        symbol("element", "Unit (raw.grid_units), branch (raw.grid_branches) or passage."),
        string("outage_id", "Names the outage; every announcement and revision of it is a row."),
        symbol("kind", "Planned ahead, forced, or set by a scenario.", allowed=("planned", "forced", "scenario")),
        instant("delivery_ts", "Start of the outage, UTC."),
        instant("end_ts", "Expected end as announced in this row, UTC."),
        KNOWN_TS,
        integer("revision", "0 for the announcement, then 1, 2, ...", ge=0, le=1_000),
        number("nominal_mw", "Capacity (unit) or rating (branch) without the outage.", unit="MW", nullable=True, ge=0, le=100_000),
        number("available_mw", "What is left of it during the outage.", unit="MW", nullable=True, ge=0, le=100_000),
    ),
    ("market", "element_kind", "outage_id", "delivery_ts", "known_ts"),
    "One announcement, or revision, of one outage of a unit or branch.",
    ENDS_AFTER_START,
)

OFFERS = raw_table(
    "offers",
    (
        MARKET,
        UNIT_ID,
        symbol(
            "product",
            "Market of the offer: energy day-ahead or in real time; a balancing mechanism's offers to give more, bids to give less.",
            allowed=("da", "rt", "bm_offer", "bm_bid"),
        ),
        symbol(
            "window",
            "Part of the local day: night (00-06), day (06-17), evening (17-24); interval where the offer is for its delivery interval.",
            allowed=("night", "day", "evening", "interval"),
        ),
        BLOCK,
        DELIVERY_TS,
        RESOLUTION_MIN,
        KNOWN_TS,
        CURRENCY,
        symbol("owner", "Who offers; empty when the source does not say."),
        number("start_mw", "Output at which the block begins.", unit="MW", nullable=True, ge=-2_000, le=20_000),
        number("block_mw", "Size of the block.", unit="MW", nullable=True, ge=0, le=20_000),
        number(
            "price_ccy_per_mwh",
            "Offered price of the block; balancing prices of 9,000 and more say that the unit does not want to be called.",
            unit="currency/MWh",
            ge=-100_000,
            le=100_000,
        ),
    ),
    ("market", "unit_id", "product", "window", "block", "delivery_ts", "resolution_min", "known_ts"),
    "One block of one unit's offer, valid in its part of the local day, or the interval, that starts at delivery_ts; known when disclosed.",
)

VOYAGES = raw_table(
    "voyages",
    (
        MARKET,
        symbol("vessel", "Ship."),
        string("voyage", "Names the voyage; every report of its ETA is a row."),
        symbol("origin", "Loading port."),
        symbol("terminal", "Receiving terminal."),
        instant("delivery_ts", "Departure, UTC."),
        KNOWN_TS,
        integer("revision", "0 for the departure, then 1, 2, ... for each report.", ge=0, le=1_000),
        symbol("status", "What the row reports.", allowed=("departed", "revised", "arrived")),
        instant("scheduled_ts", "Arrival by the schedule made at departure, UTC."),
        instant("eta_ts", "Expected arrival as reported in this row, UTC; the arrival itself once it has happened."),
        instant("arrival_ts", "Arrival, UTC; null before.", nullable=True),
        number("cargo_gwh", "Energy on board.", unit="GWh", ge=0, le=10_000),
    ),
    ("market", "voyage", "delivery_ts", "known_ts"),
    "One report of one LNG voyage: departure, revised ETA, or arrival.",
    ETA_AFTER_DEPARTURE,
)

LNG_EVENTS = raw_table(
    "lng_events",
    (
        MARKET,
        symbol("event", "What happened to the cargo.", allowed=("departure", "arrival")),
        symbol("origin", "Loading country."),
        symbol("destination", "Receiving country; of a departure the one declared then, or edited later."),
        instant("delivery_ts", "Day of the event, its start, UTC."),
        RESOLUTION_MIN,
        KNOWN_TS,
        number("cargo_gwh", "Energy on board, from the estimated volume.", unit="GWh", ge=0, le=10_000),
        number("distance_nm", "Length of the voyage.", unit="nm", ge=0, le=40_000),
        number("confidence_score", "The estimate's own score, 1 to 5.", ge=0, le=5),
    ),
    ("market", "event", "origin", "destination", "delivery_ts", "cargo_gwh", "distance_nm", "known_ts"),
    "One estimated departure or arrival of an LNG cargo, from ship positions.",
)

GRID_BUSES = raw_table(
    "grid_buses",
    (
        MARKET,
        symbol("bus", "Bus; the node of raw.nodal_prices."),
        HUB,
        VALID_FROM,
        VALID_TO,
        KNOWN_TS,
        number("base_kv", "Nominal voltage; 0 where unknown.", unit="kV", ge=0, le=2_000),
        number("load_share", "Share of the hub's load that is taken here.", ge=0, le=1),
        number("latitude_deg", "Latitude; null where unknown.", unit="deg", nullable=True, ge=-90, le=90),
        number("longitude_deg", "Longitude; null where unknown.", unit="deg", nullable=True, ge=-180, le=180),
    ),
    ("market", "bus", "delivery_ts", "known_ts"),
    "One bus of the network model.",
)

GRID_BRANCHES = raw_table(
    "grid_branches",
    (
        MARKET,
        symbol("branch", "Branch."),
        symbol("kind", "What it is.", allowed=("line", "transformer", "phase_shifter")),
        symbol("from_bus", "Bus at which the positive direction begins."),
        symbol("to_bus", "Bus at which it ends."),
        VALID_FROM,
        VALID_TO,
        KNOWN_TS,
        number("reactance_pu", "Series reactance on the system base of 100 MVA; negative for a series capacitor.", unit="p.u."),
        number("tap", "Off-nominal turns ratio at the from side, 1 for a line.", ge=0.1, le=10),
        number("shift_rad", "Phase shift at the from side.", unit="rad", ge=-7, le=7),
        number("rating_mw", "Continuous limit in both directions; null for none.", unit="MW", nullable=True, ge=0, le=100_000),
        number("emergency_mw", "Limit after an outage; null for none.", unit="MW", nullable=True, ge=0, le=100_000),
    ),
    ("market", "branch", "delivery_ts", "known_ts"),
    "One branch of the network model.",
)

GRID_UNITS = raw_table(
    "grid_units",
    (
        MARKET,
        symbol("unit_id", "Generating unit or storage."),
        symbol("bus", "Bus it feeds (raw.grid_buses)."),
        HUB,
        symbol("fuel", "Fuel or technology."),
        symbol("owner", "Owner."),
        VALID_FROM,
        VALID_TO,
        KNOWN_TS,
        number("p_min_mw", "Least output when running; negative for a storage that can charge.", unit="MW", ge=-20_000, le=20_000),
        number("p_max_mw", "Largest output.", unit="MW", ge=0, le=20_000),
        number("ramp_mw_per_min", "Largest change per minute; null for none.", unit="MW/min", nullable=True, ge=0, le=20_000),
    ),
    ("market", "unit_id", "delivery_ts", "known_ts"),
    "One unit of the network model.",
)

GRID_TABLES = (NODAL_PRICES, CONSTRAINTS, OUTAGES, OFFERS, VOYAGES, LNG_EVENTS, GRID_BUSES, GRID_BRANCHES, GRID_UNITS)
