"""Yardstick F8: what hedges of rl_hedger must save. Declarations only; policies are compared by the system `hedge_policies`."""

from __future__ import annotations

from models._kernel.yardstick import Baseline, DataSetSpec, Direction, MetricTarget, Yardstick

YARDSTICK = Yardstick(
    system="rl_hedger",
    identifier="F8",
    claim=(
        "At equal turnover (within 2 %) the median seed's Sharpe ratio is at least 1.25 times that of the tuned heuristic and its largest"
        " drawdown at most 0.8 times (system hedge_policies); it also beats a myopic CVaR program, cloning, and buy and hold."
    ),
    data_sets=(
        DataSetSpec("ercot_hb_north", test_days=182, refit_days=182, calibration_days=0),
        DataSetSpec("pjm_pepco", test_days=365, refit_days=365, calibration_days=0),
    ),
    baselines=(
        Baseline("zero_position", "Schedule equal to the load forecast."),
        Baseline("yesterday_sign", "Hedge by the sign of the newest known spread of the same local time, same limits and optimiser."),
        Baseline("hour_mean", "Hedge by the mean spread of the local time over 28 days, same limits and optimiser."),
    ),
    metrics=(
        *(
            MetricTarget("saving_per_mwh", Direction.AT_LEAST, target=0.0, baseline=name, test="bootstrap", unit="currency/MWh")
            for name in ("zero_position", "yesterday_sign", "hour_mean")
        ),
        MetricTarget("oracle_share", Direction.REPORT, baseline="zero_position", test="bootstrap"),
        MetricTarget("net_share", Direction.WITHIN, target=0.0, band=(-0.005, 0.005)),
        MetricTarget("gross_ratio", Direction.AT_MOST, target=1.10),
    ),
    gate_metric="cost",
    gate_baseline="zero_position",
)
