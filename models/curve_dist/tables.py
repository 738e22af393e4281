"""Companion tables of curve_dist: joint scenarios of the hours, of the tenors, and the tenors' risk."""

from __future__ import annotations

import polars as pl

from models._kernel.scenarios import INDEPENDENT, SCHAAKE
from pipeline_tasks.contracts import Column, Rule, Table
from pipeline_tasks.contracts.columns import day, integer, number, symbol
from pipeline_tasks.contracts.curated import companion_table

TENORS = ("day", "week", "month")
TENOR_LEVELS = (0.01, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99)
RISK_LEVELS = (0.95, 0.975, 0.99)
UNIT = "currency/MWh"


def level_name(level: float) -> str:
    """0.975 -> `975`, 0.95 -> `95`."""
    return f"{level:g}".removeprefix("0.").ljust(2, "0")


def _price(name: str, meaning: str) -> Column:
    return number(name, meaning, unit=UNIT)


def _beyond() -> pl.Expr:
    """Whether every shortfall lies at or beyond its value at risk."""
    pairs = [(pl.col(f"es_{level_name(p)}_ccy_per_mwh"), pl.col(f"var_{level_name(p)}_ccy_per_mwh")) for p in RISK_LEVELS]
    return pl.all_horizontal(shortfall >= var - 1e-6 for shortfall, var in pairs)


SCENARIO = integer("scenario", "Number of the scenario; the same number of all hubs of a market and delivery date belongs together.", ge=1)
TENOR = symbol("tenor", "Period that is averaged: the delivery day, its calendar week (Monday first) or calendar month.", allowed=TENORS)

SCENARIOS = companion_table(
    "curve_scenarios",
    (SCENARIO, _price("price_ccy_per_mwh", "Price of the interval in the scenario.")),
    "Joint price scenarios of curve_dist: one row per delivery interval and equally likely scenario of the whole day.",
    key=("scenario",),
)

TENOR_SCENARIOS = companion_table(
    "curve_tenor_scenarios",
    (
        TENOR,
        SCENARIO,
        _price("price_ccy_per_mwh", "Mean price of the period in the scenario: known days, the delivery day's scenario, days after it."),
    ),
    "The scenarios of curve_scenarios carried on to the mean price of day, week and month; delivery_ts is the day's first interval.",
    key=("tenor", "scenario"),
)

_RISK = tuple(
    column
    for level in RISK_LEVELS
    for name, percent in ((level_name(level), f"{100 * level:g} %"),)
    for column in (
        _price(f"var_{name}_ccy_per_mwh", f"{percent} quantile of the period's mean price: value at risk of who must buy it."),
        _price(
            f"es_{name}_ccy_per_mwh",
            f"Mean of the period's mean price in the worst {100 - 100 * level:g} % for a buyer: expected shortfall.",
        ),
        _price(f"long_var_{name}_ccy_per_mwh", f"{percent} value at risk of 1 MW long, bought at the forecast mean: loss per MWh."),
        _price(f"long_es_{name}_ccy_per_mwh", "Expected shortfall beyond it: loss per MWh."),
    )
)

TENOR_RISK = companion_table(
    "curve_tenors",
    (
        TENOR,
        symbol("method", "How the hours were put together.", allowed=(SCHAAKE, INDEPENDENT)),
        day("period_first_date", "First local date of the period."),
        day("period_last_date", "Last local date of the period."),
        integer("known_days", "Days of the period whose prices were known at the decision.", ge=0, le=31),
        integer("forecast_days", "Days of the period that were drawn.", ge=1, le=31),
        integer("scenarios", "Scenarios the figures rest on.", ge=1),
        _price("mean_ccy_per_mwh", "Mean over the scenarios of the period's mean price."),
        *(_price(f"q{round(100 * p):02d}_ccy_per_mwh", f"{100 * p:g} % quantile of the period's mean price.") for p in TENOR_LEVELS),
        *_RISK,
    ),
    "Day, week and month as distributions: quantiles, value at risk and expected shortfall of the mean price and of 1 MW long.",
    key=("tenor",),
    rules=(
        Rule(
            "shortfall_beyond_var",
            _beyond,
            " and ".join(f"es_{level_name(p)}_ccy_per_mwh >= var_{level_name(p)}_ccy_per_mwh - 1e-6" for p in RISK_LEVELS),
            "An expected shortfall is not below its value at risk; look at how the tail was averaged.",
        ),
    ),
)


COMPANIONS: tuple[Table, ...] = (SCENARIOS, TENOR_SCENARIOS, TENOR_RISK)
