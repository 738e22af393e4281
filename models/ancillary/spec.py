"""Spec of ancillary: what it reads, what it answers, who owns it. Imports no model library: the DAGs read it."""

from __future__ import annotations

from models._kernel.spec import Cadence, Decision, Kind, ModelSpec
from pipeline_tasks.contracts.columns import flag, number
from pipeline_tasks.contracts.features import ANCILLARY

LEVELS: tuple[float, ...] = (0.01, *(round(0.05 * k, 2) for k in range(1, 20)), 0.99)
QUANTILES: dict[float, str] = {level: f"price_q{round(100 * level):02d}_ccy_per_mwh" for level in LEVELS}
UNIT = "currency/MWh"

SPEC = ModelSpec(
    name="ancillary",
    label="Energy and reserves",
    kind=Kind.DECISION,
    inputs=ANCILLARY,
    required=(
        "market",
        "hub",
        "product",
        "delivery_ts",
        "delivery_date",
        "local_hour",
        "dst_fold",
        "resolution_min",
        "day_of_week",
        "day_of_year",
        "is_holiday",
        "is_energy",
        "reserve_regime",
        "as_of",
        "price_ccy_per_mwh",
        "price_known_ts",
    ),
    output=(
        flag("is_energy", "The row is about energy, not about a reserve product."),
        number("price_mean_ccy_per_mwh", "Mean of the predictive distribution, of a reserve per MW and hour.", unit=UNIT),
        number("price_centre_ccy_per_mwh", "Mean of the middle quantiles: the price that the schedule acts on.", unit=UNIT),
        number("price_median_ccy_per_mwh", "Point forecast: median of the price.", unit=UNIT),
        *(number(column, f"{100 * level:g} % quantile of the price.", unit=UNIT) for level, column in QUANTILES.items()),
        number("battery_mw", "Battery: output less charge in the row of energy, award in that of a reserve product.", unit="MW"),
        number("ccgt_mw", "Plant: output in the row of energy, award in that of a reserve product.", unit="MW", ge=0),
        number(
            "expected_profit_ccy", "Expected profit of both in the row, expected calls, fuel, starts and wear included.", unit="currency"
        ),
    ),
    point_column="price_median_ccy_per_mwh",
    quantile_columns=QUANTILES,
    decision=Decision(
        settlement="cooptimisation", position_columns=("battery_mw", "ccgt_mw"), unit="MW", acts_on="price_centre_ccy_per_mwh"
    ),
    every_product=True,
    cadences=(Cadence.NIGHTLY, Cadence.WEEKLY),
    min_history_days=120,
    owner="quant-desk",
    description="Prices of energy and every reserve product: 21 quantiles, and the schedule of a battery and a plant between them.",
    yardstick="M3",
)
