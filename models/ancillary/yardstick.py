"""Yardstick M3: what ancillary must show, where, against whom. Declarations only."""

from __future__ import annotations

from models._kernel.yardstick import Baseline, DataSetSpec, Direction, MetricTarget, Yardstick

ZERO = Baseline("zero_position", "Nothing is sold.")
ENERGY_ONLY = Baseline("energy_only", "Energy alone on the model's own forecast, same assets and limits.")
SEQUENTIAL = Baseline("sequential", "Reserves first, by last week's mean of the local time; then energy on the model's own forecast.")
PERSISTENCE = Baseline("persistence_joint", "Energy and reserves together on the newest known prices of the same local time.")
SINGLE = Baseline("single_task", "The model without forecasts of the other products as inputs.", params=(("tasks", "single"),))
MULTI = Baseline("multi_task", "The model with forecasts of all products as inputs of every product.", params=(("tasks", "multi"),))
FORESIGHT = Baseline("energy_only_foresight", "Energy alone, its prices known in advance.")
NAIVE_WEEK = Baseline("naive_week", "Price of the same local time one week before, with quantiles of its past errors.")
PER_DAY = "currency/day"


def _against(baseline: str, gain: float | None) -> tuple[MetricTarget, ...]:
    direction = Direction.REPORT if gain is None else Direction.AT_LEAST
    return (
        MetricTarget("pnl_per_day", Direction.REPORT, baseline=baseline, test="bootstrap", unit=PER_DAY),
        MetricTarget("pnl_gain", direction, target=gain, baseline=baseline, test="bootstrap"),
        MetricTarget("pnl_gain_battery", direction, target=gain, baseline=baseline, test="bootstrap"),
        MetricTarget("pnl_gain_ccgt", Direction.REPORT, baseline=baseline, test="bootstrap"),
    )


YARDSTICK = Yardstick(
    system="ancillary",
    identifier="M3",
    claim=(
        "Energy and reserves together earn at least 10 % more than reserves by last week's mean and then energy, and than both on the"
        " newest known prices, on the same battery and plant under the same limits, without an award that could not have been delivered."
    ),
    data_sets=(
        DataSetSpec("ieso", test_days=364, refit_days=91, calibration_days=0),
        *(DataSetSpec(name, test_days=182, refit_days=91, calibration_days=0) for name in ("ercot_hb_north", "ercot_hb_hubavg")),
        DataSetSpec("aemo_vic1", test_days=5, refit_days=5, calibration_days=0),
    ),
    baselines=(ZERO, ENERGY_ONLY, SEQUENTIAL, PERSISTENCE, SINGLE, MULTI, FORESIGHT, NAIVE_WEEK),
    metrics=(
        *_against("sequential", 0.10),
        *_against("persistence_joint", 0.10),
        *_against("energy_only", None),
        *_against("single_task", None),
        MetricTarget("breaches", Direction.AT_MOST, target=0.0),
        MetricTarget("oracle_share", Direction.REPORT, baseline="persistence_joint", test="bootstrap"),
        MetricTarget("oracle_share", Direction.REPORT, baseline="energy_only", test="bootstrap"),
        MetricTarget("oracle_share", Direction.REPORT, baseline="energy_only_foresight"),
        MetricTarget("oracle_share_battery", Direction.REPORT, baseline="energy_only", test="bootstrap"),
        MetricTarget("oracle_share_ccgt", Direction.REPORT, baseline="energy_only", test="bootstrap"),
        MetricTarget("energy_only_share", Direction.REPORT, baseline="energy_only_foresight"),
        MetricTarget("energy_only_share_battery", Direction.REPORT, baseline="energy_only_foresight"),
        MetricTarget("quarters_not_worse", Direction.AT_LEAST, target=0.8, baseline="persistence_joint"),
        MetricTarget("pinball", Direction.AT_MOST, baseline="single_task", test="dm", unit="currency/MWh", by="product"),
        MetricTarget("pinball", Direction.REPORT, baseline="multi_task", test="dm", unit="currency/MWh", by="product"),
        MetricTarget("pinball", Direction.AT_MOST, baseline="naive_week", test="dm", unit="currency/MWh", by="product"),
        MetricTarget("pinball", Direction.AT_MOST, baseline="naive_week", test="dm", unit="currency/MWh"),
        MetricTarget("coverage_90", Direction.WITHIN, target=0.90, band=(0.88, 0.92), test="kupiec"),
        MetricTarget("coverage_90", Direction.REPORT, by="product"),
        MetricTarget("winkler_90", Direction.REPORT, unit="currency/MWh"),
    ),
    gate_metric="pinball",
    gate_baseline="naive_week",
)
