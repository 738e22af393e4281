"""Tables of cross-commodity views: spreads and hedge ratios of a delivery date, its signals, and what LNG arrivals do to prices."""

from __future__ import annotations

from pipeline_tasks.contracts.columns import Column, integer, number, symbol
from pipeline_tasks.contracts.curated import companion_table
from pipeline_tasks.contracts.tables import Table

PRICE = "currency/MWh"
DOLLARS = "USD/MMBtu"


def _optional(name: str, meaning: str, unit: str) -> Column:
    return number(name, meaning, unit=unit, nullable=True)


CROSS_COMMODITY = companion_table(
    "cross_commodity",
    (
        _optional("power_ccy_per_mwh", "Mean of the last whole delivery day that was known.", PRICE),
        _optional("gas_ccy_per_mwh", "Last known gas price, per MWh of heat.", PRICE),
        _optional("coal_ccy_per_mwh", "Last known coal price, per MWh of heat.", PRICE),
        _optional("co2_ccy_per_t", "Last known carbon price.", "currency/t"),
        _optional("spark_ccy_per_mwh", "Power less gas at the reference plant's heat rate.", PRICE),
        _optional("dark_ccy_per_mwh", "Power less coal likewise.", PRICE),
        _optional("clean_spark_ccy_per_mwh", "Spark spread less carbon.", PRICE),
        _optional("clean_dark_ccy_per_mwh", "Dark spread less carbon.", PRICE),
        _optional("implied_heat_rate", "Heat rate at which the clean spark spread would be nought (MWh of heat per MWh).", "MWh/MWh"),
        _optional("switching_co2_ccy_per_t", "Carbon price at which gas and coal plants cost the same to run.", "currency/t"),
        _optional("netback_europe_usd_per_mmbtu", "Worth at a US loading port of a cargo sold here.", DOLLARS),
        _optional("freight_usd_per_mmbtu", "What freight takes off it.", DOLLARS),
        _optional("boil_off_usd_per_mmbtu", "What boil-off takes off it.", DOLLARS),
        _optional("regas_usd_per_mmbtu", "What regasification takes off it.", DOLLARS),
        _optional("netback_asia_usd_per_mmbtu", "Worth of the same cargo sold in Asia.", DOLLARS),
        _optional("us_supply_usd_per_mmbtu", "Cost of a cargo at the US loading port.", DOLLARS),
        _optional("arbitrage_usd_per_mmbtu", "Netback here less that cost: open where positive.", DOLLARS),
        number("arrival_pressure", "Signal of LNG arrivals: -1 many cargoes, 1 few; 0 where unknown.", ge=-1, le=1),
        number("gas_hedge_ratio", "Hedge ratio of gas that signals ask for, before the turnover cap.", ge=0, le=2),
        number("co2_hedge_ratio", "Hedge ratio of carbon likewise.", ge=0, le=2),
        integer("missing_sessions", "Most missing days among the fuels.", nullable=True, ge=0),
    ),
    "Spreads, netbacks and hedge ratios of one hub as known at the gate of a delivery date.",
    key=(),
)
CROSS_SIGNALS = companion_table(
    "cross_signals",
    (
        symbol("instrument", "Hedge instrument.", allowed=("gas", "co2")),
        symbol("signal", "Signal; `learned` is what is made of all of them walk-forward, `mean` their plain mean."),
        number("value", "From -1 (price expected to fall) to 1 (to rise); 0 where its data are absent.", ge=-1, le=1),
    ),
    "One signal of one hedge instrument as known at the gate of a delivery date.",
    key=("instrument", "signal"),
)
LNG_EFFECTS = companion_table(
    "lng_effects",
    (
        symbol("outcome", "What is affected: log gas price, or clean spark spread.", allowed=("gas", "spark")),
        symbol(
            "estimator",
            "How it was estimated, or which check it is.",
            allowed=(
                "projection",
                "gmm",
                "forest",
                "forest_by_tightness",
                "placebo",
                "first_stage_f",
                "over_identification_p",
                "random_cause",
                "r2_gain",
                "placebo_r2",
            ),
        ),
        number("at", "Days after the arrival (projection), quantile of storage tightness (forest_by_tightness), else 0.", ge=0),
        number("estimate", "Effect per TWh of unexpected arrival, or the check's value."),
        number("low_95", "Lower end of the 95 % interval.", nullable=True),
        number("high_95", "Upper end.", nullable=True),
        number("p_value", "Two-sided p-value of no effect.", nullable=True, ge=0, le=1),
        integer("days", "Days used.", ge=0),
    ),
    "Effect of one TWh of LNG that arrives unexpectedly, from what was known at the gate of a delivery date.",
    key=("outcome", "estimator", "at"),
)

CROSS_ASSET_TABLES: tuple[Table, ...] = (CROSS_COMMODITY, CROSS_SIGNALS, LNG_EFFECTS)
