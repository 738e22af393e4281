"""Yardstick M7: what carbon_coupling must show, where, against whom. Declarations only.

The forecast is scored here like any distribution; hedges and the residual carbon beta by the system `carbon_hedge`.
"""

from __future__ import annotations

from models._kernel.yardstick import Baseline, DataClass, DataSetSpec, Direction, MetricTarget, Yardstick

YARDSTICK = Yardstick(
    system="carbon_coupling",
    identifier="M7",
    claim="Better than the week-ago price; the 90 % interval holds what it says.",
    data_sets=(
        DataSetSpec("de_fund", test_days=1095, refit_days=91, calibration_days=0),
        DataSetSpec("twin", data_class=DataClass.TWIN, test_days=119, refit_days=28, calibration_days=0),
    ),
    baselines=(Baseline("naive_week", "Price of the same hour one week before."),),
    metrics=(
        MetricTarget("mae", Direction.AT_MOST, baseline="naive_week", test="dm", unit="currency/MWh"),
        MetricTarget("rmae", Direction.AT_MOST, target=1.0, baseline="naive_week", test="bootstrap"),
        MetricTarget("crps", Direction.AT_MOST, baseline="naive_week", test="dm", unit="currency/MWh"),
        MetricTarget("coverage_90", Direction.WITHIN, target=0.90, test="kupiec"),
    ),
    gate_metric="crps",
    gate_baseline="naive_week",
)
