"""Yardstick M2: what imbalance must show, where, against whom. Declarations only."""

from __future__ import annotations

from models._kernel.yardstick import Baseline, DataSetSpec, Direction, MetricTarget, Yardstick

POLICIES = (
    Baseline("zero_position", "Schedule equal to the load forecast."),
    Baseline("yesterday_sign", "Hedge by the sign of the newest known spread of the same local time, same limits and optimiser."),
    Baseline("mean_outcome", "Hedge by the mean of all spreads known so far (the day-ahead premium), same limits and optimiser."),
    Baseline("hour_mean", "Hedge by the mean spread of the local time over 28 days, same limits and optimiser."),
    Baseline("without_conformal", "The model's boosted quantiles as they are, same limits and optimiser.", params=(("aci_gamma", 0.0),)),
)
NAIVE_WEEK = Baseline("naive_week", "Spread of the same local time one week before, with quantiles of its past errors.")


def _against(baseline: str) -> tuple[MetricTarget, ...]:
    return (
        MetricTarget("saving_per_mwh", Direction.AT_LEAST, target=0.0, baseline=baseline, test="bootstrap", unit="currency/MWh"),
        MetricTarget("cvar_95", Direction.REPORT, baseline=baseline, test="bootstrap", unit="currency/MWh"),
    )


YARDSTICK = Yardstick(
    system="imbalance",
    identifier="M2",
    claim=(
        "At equal load the hedge cuts the realised imbalance cost by at least 20 % and beats yesterday's sign, the mean spread and"
        " uncalibrated quantiles, with a net position within 0.5 % of load and gross deviation at most 10 % above the unhedged one."
    ),
    data_sets=(
        DataSetSpec("pjm_pepco", test_days=365, refit_days=91, calibration_days=0),
        *(
            DataSetSpec(name, test_days=365, refit_days=91, calibration_days=0)
            for name in ("ercot_hb_north", "ercot_hb_west", "ercot_hb_houston", "ercot_hb_south")
        ),
        # Imbalance prices begin on 2024-05-22: nine months are scored, so that four and a half teach the first fit.
        DataSetSpec("be", test_days=270, refit_days=91, calibration_days=0),
    ),
    baselines=(*POLICIES, NAIVE_WEEK),
    metrics=(
        MetricTarget("saving_share", Direction.AT_LEAST, target=0.20, baseline="zero_position", test="bootstrap"),
        *(row for policy in POLICIES for row in _against(policy.name)),
        MetricTarget("quarters_not_worse", Direction.AT_LEAST, target=0.8, baseline="zero_position"),
        MetricTarget("cost_per_mwh", Direction.REPORT, baseline="zero_position", test="bootstrap", unit="currency/MWh"),
        MetricTarget("oracle_share", Direction.REPORT, baseline="zero_position", test="bootstrap"),
        MetricTarget("oracle_saving_per_mwh", Direction.REPORT, unit="currency/MWh"),
        MetricTarget("net_share", Direction.WITHIN, target=0.0, band=(-0.005, 0.005)),
        MetricTarget("gross_ratio", Direction.AT_MOST, target=1.10),
        MetricTarget("pinball", Direction.AT_MOST, baseline="without_conformal", test="dm", unit="currency/MWh"),
        MetricTarget("pinball", Direction.AT_MOST, baseline="naive_week", test="dm", unit="currency/MWh"),
        MetricTarget("crps", Direction.REPORT, baseline="naive_week", test="dm", unit="currency/MWh"),
        MetricTarget("coverage_90", Direction.WITHIN, target=0.90, band=(0.88, 0.92), test="kupiec"),
        MetricTarget("kupiec_p", Direction.REPORT),
        MetricTarget("winkler_90", Direction.REPORT, unit="currency/MWh"),
    ),
    gate_metric="cost",
    gate_baseline="zero_position",
)
