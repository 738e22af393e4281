"""Yardstick M5: what unit_commit must show, where, against whom. Declarations only."""

from __future__ import annotations

from models._kernel.yardstick import Baseline, DataClass, DataSetSpec, Direction, MetricTarget, Slice, Yardstick
from models.unit_commit.spec import HORIZONS_MIN
from pipeline_tasks.contracts.features import UNIT_CLASSES

MARKOV = "hour_of_week_markov"
TARGET = 0.15  # of the Brier score
BASELINES = (
    Baseline(
        MARKOV,
        "Share online after the last known state at the same hour of the week and horizon, per unit, shrunk to its class; of starts"
        " likewise; counted anew with every refit.",
    ),
    Baseline("hour_of_week_climatology", "The same without the last known state."),
    Baseline("persistence_status", "The last known state, as certain."),
    Baseline("kaplan_meier", "Starts: survival of the offline state by class, given the hours it has lasted (lifelines)."),
    Baseline("cox_time_varying", "Starts: Cox regression on covariates that change with every decision (lifelines)."),
    Baseline("weibull_aft", "Starts: Weibull accelerated failure time with late entry (lifelines)."),
    Baseline("ramp_persistence", "No change of output."),
    Baseline("ramp_ridge", "Ridge regression of the unit's ramp on the ramps of net load and of load on past days, and on its own past."),
    Baseline(
        "new_units",
        "The model fitted without a fifth of the units, on those units; beside it what their class says.",
        params=(("unseen_share", 0.2),),
    ),
)
# The last part of the data is scored by one fit on what lies before it. Declared before any of it was scored.
DATA_SETS = (
    DataSetSpec("nyiso", test_days=366, refit_days=366, calibration_days=0, embargo_days=1),
    DataSetSpec("ieso", test_days=184, refit_days=184, calibration_days=0, embargo_days=1),
    DataSetSpec("twin", data_class=DataClass.TWIN, test_days=119, refit_days=119, calibration_days=0, embargo_days=1),
)
SLICES = tuple(
    part
    for minutes in HORIZONS_MIN
    for part in (
        Slice(f"h{minutes}", "horizon_min", minutes),
        *(Slice(f"h{minutes}_{name}", "horizon_min", minutes, also=(("unit_class", name),)) for name in UNIT_CLASSES),
    )
)
DAY = f"h{HORIZONS_MIN[-1]}"


def _horizon(minutes: int) -> tuple[MetricTarget, ...]:
    """Better than the Markov baseline at every horizon, and by 15 % a day ahead; told per class, and as the median over units."""
    at, target = f"h{minutes}", TARGET if minutes == HORIZONS_MIN[-1] else 0.0
    return (
        MetricTarget("brier_skill", Direction.AT_LEAST, target=target, baseline=MARKOV, test="dm", where=at),
        MetricTarget("brier_skill_median_unit", Direction.AT_LEAST, target=target, baseline=MARKOV, where=at),
        MetricTarget("brier_unit_days", Direction.AT_MOST, baseline=MARKOV, test="dm", where=at),
        MetricTarget("brier_skill", Direction.REPORT, baseline="hour_of_week_climatology", where=at),
        MetricTarget("brier_skill", Direction.REPORT, baseline="persistence_status", where=at),
        *(
            MetricTarget("brier_skill", Direction.AT_LEAST, target=target, baseline=MARKOV, test="dm", where=f"{at}_{name}")
            for name in UNIT_CLASSES
        ),
        MetricTarget("reliability", Direction.REPORT, baseline=MARKOV, where=at),
        MetricTarget("resolution", Direction.REPORT, baseline=MARKOV, where=at),
        MetricTarget("uncertainty", Direction.REPORT, where=at),
        MetricTarget("spiegelhalter_p", Direction.AT_LEAST, target=0.05, test="spiegelhalter", where=at),
        MetricTarget("spiegelhalter_clustered_p", Direction.AT_LEAST, target=0.05, test="spiegelhalter", where=at),
        MetricTarget("log_score", Direction.AT_MOST, baseline=MARKOV, test="dm", where=at),
        MetricTarget("brier_new_units", Direction.AT_MOST, baseline="new_units", test="dm", where=at),
        MetricTarget("ramp_mae_peak_mw", Direction.AT_MOST, baseline="ramp_persistence", test="dm", unit="MW", where=at),
        MetricTarget("ramp_mae_peak_mw", Direction.AT_MOST, baseline="ramp_ridge", test="dm", unit="MW", where=at),
    )


YARDSTICK = Yardstick(
    system="unit_commit",
    identifier="M5",
    claim=(
        "Foretells whether a unit is online better than its own hour-of-week Markov chain, by 15 % of the Brier score a day ahead, per"
        " class of units, with calibrated probabilities; smaller errors of ramps in peak hours."
    ),
    data_sets=DATA_SETS,
    baselines=BASELINES,
    metrics=(
        *(row for minutes in HORIZONS_MIN for row in _horizon(minutes)),
        MetricTarget("start_brier_skill", Direction.AT_LEAST, target=TARGET, baseline=MARKOV, test="dm", where=DAY),
        *(
            MetricTarget("start_brier_skill", Direction.AT_LEAST, target=0.0, baseline=b, test="dm", where=DAY)
            for b in ("kaplan_meier", "cox_time_varying", "weibull_aft")
        ),
        MetricTarget("start_spiegelhalter_p", Direction.AT_LEAST, target=0.05, test="spiegelhalter", where=DAY),
        MetricTarget("bayes_brier_gap", Direction.REPORT, where=DAY),
        MetricTarget("stop_brier_skill", Direction.AT_LEAST, target=0.0, baseline=MARKOV, test="dm", where=DAY),
    ),
    gate_metric="brier",
    gate_baseline=MARKOV,
    slices=SLICES,
    standard=False,
)
