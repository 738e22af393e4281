"""Yardsticks: what a model must show, where, against whom. Declarations only; the scorecard does the scoring."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class DataClass(StrEnum):
    """Where data comes from; results on the last two never stand in for the first."""

    REAL = "real"
    TWIN = "twin"
    TEST_SYSTEM = "test_system"


class Direction(StrEnum):
    """Which values of a metric are good, relative to its target."""

    AT_MOST = "at_most"
    AT_LEAST = "at_least"
    WITHIN = "within"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class DataSetSpec:
    """One data set a model is judged on, and how the walk goes through it.

    Attributes:
        name: market selection key (`epf_de`, `ercot_hb_north`, `nyiso_capitl`).
        data_class: real, twin or test_system.
        test_days: the last N delivery days of the data set are scored.
        refit_days: the model is refitted every so many delivery days.
        train_days: longest training window in days (rolling); None for expanding.
        calibration_days: days before the test window that warm up thresholds and conformal bands; never scored.
        embargo_days: days dropped between the last training target and the first decision of a fold.
        seed: random seed of the run.
    """

    name: str
    data_class: DataClass = DataClass.REAL
    test_days: int = 728
    refit_days: int = 7
    train_days: int | None = None
    calibration_days: int = 182
    embargo_days: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse windows that cannot be walked."""
        for field, smallest in (("test_days", 1), ("refit_days", 1), ("calibration_days", 0), ("embargo_days", 0)):
            value = getattr(self, field)
            if value < smallest:
                raise ValueError(f"data set {self.name}: {field} is {value}; it must be at least {smallest}")
        if self.train_days is not None and self.train_days < 1:
            raise ValueError(f"data set {self.name}: train_days is {self.train_days}; give at least 1, or None for an expanding window")


@dataclass(frozen=True, slots=True)
class Baseline:
    """A named comparator; the scorecard knows how to compute it on the same rows.

    Attributes:
        name: `naive_week`, `naive_hybrid`, `published_lear`, `published_dnn`, `hour_of_week_climatology`, `persistence_24h`, ...
        meaning: one sentence for the report.
        data_sets: data sets it exists on; empty for all.
        params: for an ablation, parameters laid over the model's own; it is then walked like the model itself.
        joint: another way to put the model's own marginals together; compared on scores of whole days only.
    """

    name: str
    meaning: str
    data_sets: tuple[str, ...] = ()
    params: tuple[tuple[str, Any], ...] = ()
    joint: bool = False


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the scored rows that metrics can be declared for.

    Attributes:
        name: lower snake case; the scorecard shows a metric of a slice as `<metric>_<name>`.
        column: input column that selects.
        equals: its value in the slice, a number or a text.
        moves_only: only rows whose price differs from that of the interval before; where prices stand still, repeating them looks
            like skill.
        also: further columns with the value they have in the slice.
    """

    name: str
    column: str
    equals: float | str
    moves_only: bool = False
    also: tuple[tuple[str, float | str], ...] = ()


@dataclass(frozen=True, slots=True)
class MetricTarget:
    """One row of the scorecard: a metric, what it must reach, against which baseline, by which test.

    Attributes:
        metric: lower snake case (`mae`, `coverage_90`, `crps`, `pr_auc`).
        direction: at_most, at_least, within (a two-sided band), or report (no target).
        target: the number to reach; by data set in `targets` where it differs. None: only better than the baseline.
        band: lowest and highest admissible value where direction is within; None: the test's own acceptance band.
        targets: data set -> target.
        baseline: name of the baseline compared with; empty for none.
        test: `dm` (daily-loss Diebold-Mariano), `kupiec`, `christoffersen`, `bootstrap`, `spiegelhalter`, `acerbi_szekely`, or empty.
        alpha: significance level of the test.
        unit: unit of the value.
        where: name of a slice of the yardstick; empty for all rows.
        by: column of the rows; the metric gets a row per value of it, named `<metric>_<value>`. Empty for one row.
    """

    metric: str
    direction: Direction
    target: float | None = None
    band: tuple[float, float] | None = None
    targets: tuple[tuple[str, float], ...] = ()
    baseline: str = ""
    test: str = ""
    alpha: float = 0.05
    unit: str = ""
    where: str = ""
    by: str = ""

    @property
    def label(self) -> str:
        """Metric as the scorecard names it: with its slice."""
        return f"{self.metric}_{self.where}" if self.where else self.metric

    def target_on(self, data_set: str) -> float | None:
        """Target on a data set: its own where one is declared, else the common one."""
        return dict(self.targets).get(data_set, self.target)

    def met(self, value: float, data_set: str) -> bool:
        """Whether `value` reaches the target; true where there is none."""
        target = self.target_on(data_set)
        if self.direction is Direction.WITHIN:
            low, high = self.band or (float("-inf"), float("inf"))
            return low <= value <= high
        if target is None or self.direction is Direction.REPORT:
            return True
        return value <= target if self.direction is Direction.AT_MOST else value >= target


@dataclass(frozen=True, slots=True)
class Yardstick:
    """How one model is judged.

    Attributes:
        system: model or feature name, as in the scorecard.
        identifier: identifier in the design's list ("F6").
        claim: the definition of done in one sentence.
        data_sets: where it is measured.
        baselines: comparators.
        metrics: rows of the scorecard.
        gate_metric: metric (a loss, smaller is better) whose per-row losses decide promotions.
        gate_baseline: baseline the promotion gate compares with.
        slices: parts of the rows that metrics may be declared for.
        coupled: model of a spread over this one's price whose scenarios have the same numbers; scored together where it is at home.
        standard: whether the standard metrics of the model's kind are added to the declared ones.
    """

    system: str
    identifier: str
    claim: str
    data_sets: tuple[DataSetSpec, ...]
    baselines: tuple[Baseline, ...]
    metrics: tuple[MetricTarget, ...]
    gate_metric: str
    gate_baseline: str
    slices: tuple[Slice, ...] = ()
    coupled: str = ""
    standard: bool = True

    def __post_init__(self) -> None:
        """Refuse metric rows and gates that name a baseline or a slice nobody declared, and repeated data sets."""
        known = {b.name for b in self.baselines}
        asked = {m.baseline for m in self.metrics if m.baseline} | {self.gate_baseline}
        if asked - known:
            raise ValueError(f"yardstick {self.system}: baseline(s) {sorted(asked - known)} are not declared; declared: {sorted(known)}")
        absent = {m.where for m in self.metrics if m.where} - {s.name for s in self.slices}
        if absent:
            raise ValueError(f"yardstick {self.system}: slice(s) {sorted(absent)} are not declared; add them to slices")
        names = [d.name for d in self.data_sets]
        if len(set(names)) != len(names):
            raise ValueError(f"yardstick {self.system}: a data set is declared twice in {names}; keep one of each")

    def data_set(self, name: str) -> DataSetSpec:
        """The data set of that name.

        Raises:
            KeyError: it is not declared; the message lists those that are.
        """
        for spec in self.data_sets:
            if spec.name == name:
                return spec
        raise KeyError(f"yardstick {self.system} has no data set {name!r}; it has {', '.join(d.name for d in self.data_sets)}")
