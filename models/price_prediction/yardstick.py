"""Yardstick O1: what price_prediction must show, where, against whom. Declarations only."""

from __future__ import annotations

from models._kernel.yardstick import Baseline, DataSetSpec, Direction, MetricTarget, Slice, Yardstick
from models.price_prediction.spec import HORIZONS_MIN

BASELINES = (
    Baseline("persistence_last", "The last price known at as_of."),
    Baseline(
        "climatology_last", "The last price, moved by the median change of the hour of the week between its interval and the delivery."
    ),
    Baseline("ridge_change", "Ridge regression of the change from the last price on the same features, refitted with the model."),
)
DATA_SETS = tuple(
    DataSetSpec(name, test_days=91, refit_days=7, calibration_days=0, embargo_days=1)
    for name in ("aemo_vic1", "be", "ercot_hb_hubavg", "ercot_hb_north", "ercot_hb_west")
)
SLICES = tuple(
    part
    for minutes in HORIZONS_MIN
    for part in (
        Slice(f"h{minutes}", "horizon_min", minutes),
        Slice(f"h{minutes}_moves", "horizon_min", minutes, moves_only=True),
    )
)


def _horizon(minutes: int) -> tuple[MetricTarget, ...]:
    """At 15 minutes and beyond better than persistence; below that not worse by more than the margin of `rmae_margin`."""
    target: float | None = 1.0 if minutes >= 15 else None
    metric = "rmae" if minutes >= 15 else "rmae_margin"
    return (
        *(
            MetricTarget(metric, Direction.AT_MOST, target=target, baseline="persistence_last", test="dm", where=f"h{minutes}{part}")
            for part in ("", "_moves")
        ),
        *(
            MetricTarget("rmae", Direction.AT_MOST, baseline=b, test="dm", where=f"h{minutes}")
            for b in ("climatology_last", "ridge_change")
        ),
        MetricTarget("coverage_80", Direction.WITHIN, target=0.80, test="kupiec", where=f"h{minutes}"),
    )


YARDSTICK = Yardstick(
    system="price_prediction",
    identifier="O1",
    claim=(
        "Better than the last known price at 15 minutes and beyond, not worse by 2 % below that, on all intervals and on those in which the"
        " price moved; the 80 % interval holds what it says."
    ),
    data_sets=DATA_SETS,
    baselines=BASELINES,
    metrics=(
        MetricTarget("rmae", Direction.AT_MOST, target=1.0, baseline="persistence_last", test="dm"),
        MetricTarget("mae", Direction.AT_MOST, baseline="persistence_last", test="dm", unit="currency/MWh"),
        MetricTarget("crps", Direction.AT_MOST, baseline="persistence_last", test="dm", unit="currency/MWh"),
        MetricTarget("coverage_80", Direction.WITHIN, target=0.80, test="kupiec"),
        *(row for minutes in HORIZONS_MIN for row in _horizon(minutes)),
    ),
    gate_metric="crps",
    gate_baseline="persistence_last",
    slices=SLICES,
)
