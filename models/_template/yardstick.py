"""Yardstick of template: data sets, baselines, metrics and targets of its definition of done."""

from __future__ import annotations

from models._kernel.yardstick import Baseline, DataSetSpec, Direction, MetricTarget, Yardstick

YARDSTICK = Yardstick(
    system="template",
    identifier="F6",
    claim="Better than the week-ago price, and the 90 % interval holds what it says.",
    data_sets=(DataSetSpec("epf_de"), DataSetSpec("epf_np")),
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
