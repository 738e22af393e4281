"""Yardstick F4: what regime must show, where, against whom. Declarations only.

The fallback forecast is scored here like any distribution; gate, states and change points by the system `regime_gate`.
"""

from __future__ import annotations

from models._kernel.yardstick import Baseline, DataClass, DataSetSpec, Direction, MetricTarget, Yardstick

YARDSTICK = Yardstick(
    system="regime",
    identifier="F4",
    claim="The forecast that replaces a blocked one is better than the week-ago price, and its 90 % interval holds what it says.",
    data_sets=(
        DataSetSpec("de_fund", test_days=728, refit_days=28, calibration_days=0),
        *(
            DataSetSpec(name, test_days=728, refit_days=28, calibration_days=0)
            for name in ("epf_de", "epf_np", "epf_pjm", "epf_be", "epf_fr")
        ),
        DataSetSpec("ercot", test_days=180, refit_days=14, calibration_days=0),
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
