"""Yardstick F1: what lmp_nowcast must show, where, against whom. Declarations only."""

from __future__ import annotations

from models._kernel.yardstick import Baseline, DataSetSpec, Direction, MetricTarget, Slice, Yardstick
from models.lmp_nowcast.spec import HORIZONS_MIN

BASELINES = (
    Baseline("persistence_last", "The last price known at as_of."),
    Baseline("day_ahead_price", "The node's day-ahead price that holds in the interval.", data_sets=("twin", "ercot")),
    Baseline(
        "climatology_last", "The last price, moved by the median change of the hour of the week between its interval and the delivery."
    ),
    Baseline(
        "lightgbm_direct", "Boosters over single nodes alone: own, system and neighbours' last prices.", params=(("structure", "direct"),)
    ),
    Baseline("factors_alone", "System price and congestion factors alone.", params=(("structure", "factors"),)),
    Baseline("graph_alone", "The graph transformer alone.", params=(("structure", "graph"), ("graph_steps", 1500))),
    Baseline("without_graph", "Factors and boosters over single nodes, no graph transformer.", params=(("graph_steps", 0),)),
)
DATA_SETS = (
    DataSetSpec("twin", test_days=14, refit_days=7, train_days=60, calibration_days=0),
    DataSetSpec("nyiso", test_days=91, refit_days=28, train_days=240, calibration_days=0, embargo_days=1),
    DataSetSpec("ieso", test_days=91, refit_days=28, train_days=240, calibration_days=0, embargo_days=1),
    DataSetSpec("ercot", test_days=91, refit_days=28, train_days=240, calibration_days=0, embargo_days=1),
)
SLICES = (
    *(Slice(f"h{minutes}", "horizon_min", minutes) for minutes in HORIZONS_MIN),
    Slice("apart", "is_apart", 1),
)


def _part(name: str) -> tuple[MetricTarget, ...]:
    """The targets on one part of the rows: a fifth less error than persistence, less than boosters over single nodes."""
    return (
        MetricTarget("rmae", Direction.AT_MOST, target=0.80, baseline="persistence_last", test="dm", where=name),
        MetricTarget("crps_skill", Direction.AT_LEAST, target=0.15, baseline="persistence_last", test="dm", where=name),
        MetricTarget("rmae", Direction.AT_MOST, target=1.0, baseline="lightgbm_direct", test="dm", where=name),
        MetricTarget("coverage_80", Direction.WITHIN, target=0.80, test="kupiec", where=name),
    )


YARDSTICK = Yardstick(
    system="lmp_nowcast",
    identifier="F1",
    claim=(
        "Mean absolute error a fifth and CRPS 15 % below the last known price, and below boosters over single nodes, on all rows and where"
        " nodes are apart; the 80 % interval holds what it says."
    ),
    data_sets=DATA_SETS,
    baselines=BASELINES,
    metrics=(
        *(MetricTarget("rmae", Direction.AT_MOST, target=1.0, baseline=b.name, test="dm") for b in BASELINES[1:3]),
        *(MetricTarget("rmae", Direction.REPORT, baseline=b.name, test="dm") for b in BASELINES[4:]),
        *_part(""),
        *(row for part in SLICES for row in _part(part.name)),
    ),
    gate_metric="crps",
    gate_baseline="persistence_last",
    slices=SLICES,
)
