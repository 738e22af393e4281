"""Yardstick M4."""

from __future__ import annotations
from models._kernel.yardstick import Baseline, DataSetSpec, Direction, MetricTarget, Yardstick

YARDSTICK = Yardstick(
    system="tailrisk",
    identifier="M4",
    claim="x",
    data_sets=(DataSetSpec("epf_np"),),
    baselines=(Baseline("naive_week", "x"),),
    metrics=(MetricTarget("mae", Direction.REPORT),),
    gate_metric="pinball",
    gate_baseline="naive_week",
)
