"""Yardstick O4/O5: what the spread of bess_vpp must show; battery and both prices are judged by the system `bess_backtest`."""

from __future__ import annotations

from models._kernel.yardstick import Baseline, DataSetSpec, Direction, MetricTarget, Yardstick

RAW = Baseline("without_cqr", "The boosted quantiles as they are.", params=(("cqr", False),))
NAIVE_WEEK = Baseline("naive_week", "Price of the same local time one week before, with quantiles of its past errors.")

YARDSTICK = Yardstick(
    system="bess_vpp",
    identifier="O4",
    claim="The spread of scenarios scores better than last week's and no worse than uncalibrated; the rest is judged by bess_backtest.",
    data_sets=(
        DataSetSpec("be", test_days=180, refit_days=91, calibration_days=0),
        DataSetSpec("ercot_hb_north", test_days=182, refit_days=91, calibration_days=0),
    ),
    baselines=(RAW, NAIVE_WEEK),
    metrics=(
        MetricTarget("pinball", Direction.AT_MOST, baseline="naive_week", test="dm", unit="currency/MWh"),
        MetricTarget("pinball", Direction.AT_MOST, baseline="without_cqr", test="dm", unit="currency/MWh"),
        MetricTarget("mae", Direction.REPORT, baseline="naive_week", test="dm", unit="currency/MWh"),
    ),
    gate_metric="pinball",
    gate_baseline="naive_week",
    standard=False,
)
