"""Yardstick F9: what the marginals of scenario_gen must show. Declarations only; paths are judged by the system `scenario_paths`."""

from __future__ import annotations

from models._kernel.yardstick import Baseline, DataClass, DataSetSpec, Direction, MetricTarget, Yardstick

YARDSTICK = Yardstick(
    system="scenario_gen",
    identifier="F9",
    claim=(
        "Marginals better than the week-ago price; paths (system scenario_paths): energy score at least 10 % below that of the Schaake"
        " shuffle on the same marginals in shift blocks fixed in advance, and not worse in normal blocks."
    ),
    data_sets=(
        DataSetSpec("epf_de", test_days=364, refit_days=91, calibration_days=0),
        DataSetSpec("epf_np", test_days=364, refit_days=91, calibration_days=0),
        DataSetSpec("de_fund", test_days=364, refit_days=91, calibration_days=0),
        DataSetSpec("ercot_hb_north", test_days=182, refit_days=91, calibration_days=0),
        DataSetSpec("twin", data_class=DataClass.TWIN, test_days=119, refit_days=91, calibration_days=0),
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
