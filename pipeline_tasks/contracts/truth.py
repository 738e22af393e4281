"""Truth tables: what a simulated market knows of itself and no market publishes. Only yardsticks may read them.

They live in a database of their own that neither the role `pipeline` (features, training, inference) nor `analyst` can read.
A truth has no `known_ts`: nobody in the market ever learns it.
"""

from __future__ import annotations

from pipeline_tasks.contracts.columns import Column, instant, integer, number, symbol
from pipeline_tasks.contracts.grid import BLOCK, BRANCH, CLEARED, CONTINGENCY, UNIT_ID, WINDOW
from pipeline_tasks.contracts.raw import CURRENCY, DELIVERY_TS, HUB, MARKET, PROVENANCE, RESOLUTION_MIN
from pipeline_tasks.contracts.tables import Database, Rule, Table


def _truth(name: str, columns: tuple[Column, ...], key: tuple[str, ...], meaning: str, *rules: Rule) -> Table:
    return Table(
        database=Database.TRUTH,
        name=name,
        columns=(*columns, *PROVENANCE),
        key=key,
        meaning=meaning,
        partition_by="(market, toYear(delivery_ts))",
        rules=rules,
        dedup_window=100_000,
    )


def _price(name: str, meaning: str) -> Column:
    return number(name, meaning, unit="currency/MWh", ge=-1_000_000, le=1_000_000)


PTDF = _truth(
    "ptdf",
    (
        MARKET,
        BRANCH,
        symbol("bus", "Bus at which one MW is injected."),
        instant("delivery_ts", "Start of validity of the network, UTC."),
        number("ptdf", "MW on the branch per MW injected at the bus and taken at the reference.", unit="MW/MW", ge=-10, le=10),
    ),
    ("market", "branch", "bus", "delivery_ts"),
    "Power transfer distribution factors of the network without outages, reference as in the prices' energy component.",
)

SHADOW_PRICES = _truth(
    "shadow_prices",
    (
        MARKET,
        CLEARED,
        BRANCH,
        CONTINGENCY,
        DELIVERY_TS,
        RESOLUTION_MIN,
        CURRENCY,
        _price("shadow_price_ccy_per_mwh", "Dual of the constraint, unrounded: positive where the positive direction is at its limit."),
        number("flow_mw", "Flow (after the contingency) from the branch's from-bus to its to-bus, unrounded.", unit="MW"),
        number("limit_mw", "Limit in force.", unit="MW", ge=0),
    ),
    ("market", "product", "branch", "contingency", "delivery_ts", "resolution_min"),
    "Duals of all binding constraints as the clearing found them.",
)

UNIT_COSTS = _truth(
    "unit_costs",
    (
        MARKET,
        UNIT_ID,
        WINDOW,
        BLOCK,
        DELIVERY_TS,
        RESOLUTION_MIN,
        CURRENCY,
        number("start_mw", "Output at which the block begins.", unit="MW"),
        number("block_mw", "Size of the block.", unit="MW", ge=0),
        _price("cost_ccy_per_mwh", "True marginal cost: fuel, carbon, variable maintenance."),
        _price("markup_ccy_per_mwh", "What the owner adds: offer = cost + markup."),
    ),
    ("market", "unit_id", "window", "block", "delivery_ts", "resolution_min"),
    "True cost and behavioural markup of each block of each unit's day-ahead offer.",
)

LNG_EFFECT = _truth(
    "lng_effect",
    (
        MARKET,
        symbol("hub", "Gas hub whose price is affected."),
        DELIVERY_TS,
        RESOLUTION_MIN,
        CURRENCY,
        number("late_gwh", "Cargo overdue against schedule at the end of the day, all causes; negative when early.", unit="GWh"),
        number("unexpected_gwh", "Cargo that arrived on the day less what was scheduled for it.", unit="GWh"),
        number("instrument_gwh", "The same from schedule and closures of passages alone: independent of weather.", unit="GWh"),
        number("effect_log_per_twh", "Causal effect of one TWh of unexpected arrival on the log of the main hub's price.", unit="1/TWh"),
        number("effect_log", "Part of the log price that late cargo explains, main hub."),
        number("weather_log", "Part of the log price that the weather's gas demand explains: the confounder."),
        _price("price_ccy_per_mwh", "Settlement of the hub."),
        _price("price_without_delays_ccy_per_mwh", "Settlement of the hub had every cargo come to schedule."),
    ),
    ("market", "hub", "delivery_ts", "resolution_min"),
    "Causal effect of LNG delays on the gas price, by day and hub.",
)

REGIMES = _truth(
    "regimes",
    (
        MARKET,
        DELIVERY_TS,
        RESOLUTION_MIN,
        symbol("regime", "State of the market.", allowed=("normal", "transition", "stressed")),
    ),
    ("market", "delivery_ts", "resolution_min"),
    "Path of the hidden regime that drives volatilities, forced outages and markups.",
)

PRICE_SAMPLES = _truth(
    "price_samples",
    (
        MARKET,
        HUB,
        symbol("product", "Product whose law is sampled.", allowed=("da", "rt")),
        DELIVERY_TS,
        RESOLUTION_MIN,
        integer("sample", "Number of the draw; equal numbers of a day are one joint draw of all hubs and hours.", ge=0),
        CURRENCY,
        _price("price_ccy_per_mwh", "Price in this draw."),
    ),
    ("market", "hub", "product", "delivery_ts", "resolution_min", "sample"),
    "The law of real-time prices of chosen days: the day cleared again with fresh forecast errors, given all that forecasts can know.",
)

TRUTH_TABLES: tuple[Table, ...] = (PTDF, SHADOW_PRICES, UNIT_COSTS, LNG_EFFECT, REGIMES, PRICE_SAMPLES)
