"""The frozen stress label of F4, and losses before and after the gate on stressed and normal days.

The label uses what was known at each gate alone and no forecast: a day is stressed where the tightest hour of its residual load forecast,
or the move of gas over five settlements, reaches the highest tenth of the year before. Declared before any gated forecast was scored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.bootstrap import ratio_ci
from models._kernel.market_days import SERIES, daily
from models._kernel.stats import diebold_mariano_daily
from models._kernel.yardstick import DataClass
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.systems import SystemJob, system_row

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
LABEL_DAYS, LEAST_DAYS, TOP = 365, 90, 0.90
STRESSED_TARGET, NORMAL_MARGIN = 0.75, 1.02
PARTS = ("stressed", "normal")
SAID = re.compile(
    r"(?P<name>[^:]+: [^:]+): (?P<after>\S+) after the gate, (?P<before>\S+) before, (?P<days>\d+) \w+ days, gate acted on (?P<acted>\d+)%"
)


def stress_label(features: pl.DataFrame) -> pl.DataFrame:
    """Columns of `SERIES`, delivery_date, stressed (null where nothing exogenous was known)."""
    days = daily(features)
    rows = []
    for _, part in days.group_by(SERIES, maintain_order=True):
        stressed, known = np.zeros(part.height, dtype=bool), np.zeros(part.height, dtype=bool)
        for name in ("tightness", "gas_move"):
            values = part[name].fill_null(float("nan")).to_numpy()
            for t in range(LEAST_DAYS, part.height):
                past = values[max(t - LABEL_DAYS, 0) : t]
                past = past[np.isfinite(past)]
                if np.isfinite(values[t]) and len(past) >= LEAST_DAYS:
                    known[t] = True
                    stressed[t] |= bool(values[t] > np.quantile(past, TOP))
        label = pl.Series("stressed", [bool(s) if k else None for s, k in zip(stressed, known, strict=True)], dtype=pl.Boolean)
        rows.append(part.select(*SERIES, "delivery_date", label))
    return pl.concat(rows)


@dataclass(frozen=True, slots=True)
class Compared:
    """Losses of one forecast before and after the gate, row by row.

    Attributes:
        name: what is compared ("curve_dist: crps").
        days: delivery date of every row, days since 1970.
        stressed: the frozen label of every row.
        before, after: losses.
        acted: rows on which the gate did something.
    """

    name: str
    days: npt.NDArray[np.int64]
    stressed: Bools
    before: Array
    after: Array
    acted: Bools


@dataclass(frozen=True, slots=True)
class Told:
    """What the reason of a slice's row says: mean losses after and before the gate, days, and share of rows it acted on in per cent."""

    name: str
    after: float
    before: float
    days: int
    acted: int

    def reason(self, part: str) -> str:
        """The sentence that `read_reason` reads."""
        losses = f"{self.after:.4g} after the gate, {self.before:.4g} before"
        return f"{self.name}: {losses}, {self.days} {part} days, gate acted on {self.acted}%"


def read_reason(reason: str) -> Told | None:
    """What the reason of a slice's row says; None for a row that was not measured."""
    found = SAID.match(reason)
    return found and Told(found["name"], float(found["after"]), float(found["before"]), int(found["days"]), int(found["acted"]))


def slice_rows(job: SystemJob, data_class: DataClass, told: Compared, baseline: str) -> list[ScoreRow]:
    """Before and after on stressed and normal days: target 0.75 of the loss where stressed, not worse by 2 % where not."""
    rows = []
    for name, chosen in zip(PARTS, (told.stressed, ~told.stressed), strict=True):
        if len(np.unique(told.days[chosen])) < 20:
            why = f"{told.name}: {len(np.unique(told.days[chosen]))} {name} days; 20 are needed"
            rows.append(system_row(job, data_class, f"{_metric(told.name)}_{name}_ratio", None, reason=why, baseline=baseline))
            continue
        rows.append(_slice(job, data_class, told, name, chosen, baseline))
    return rows


def _slice(job: SystemJob, data_class: DataClass, told: Compared, name: str, chosen: Bools, baseline: str) -> ScoreRow:
    after, before, days = told.after[chosen], told.before[chosen], told.days[chosen]
    unique, index = np.unique(days, return_inverse=True)
    sums = [np.bincount(index, weights=v) for v in (after, before)]
    interval = ratio_ci(sums[0], sums[1], seed=job.seed)
    acted = round(100 * float(np.mean(told.acted[chosen])))
    note = Told(told.name, float(after.mean()), float(before.mean()), len(unique), acted).reason(name)
    if name == "stressed":
        same = np.array_equal(after, before)
        p_value = None if same else diebold_mariano_daily(after, before, days).p_value
        good, target = interval.estimate <= STRESSED_TARGET and p_value is not None and p_value < 0.05, STRESSED_TARGET
        note += "; p: daily Diebold-Mariano, one-sided"
    else:
        # two one-sided tests at 5 %: not worse and not better by more than 2 %; only the first is asked for
        p_value = diebold_mariano_daily(after, NORMAL_MARGIN * before, days).p_value
        good, target = p_value < 0.05, NORMAL_MARGIN
        note += f"; p: not worse by {NORMAL_MARGIN - 1:.0%}, Diebold-Mariano, one-sided"
    verdict: Verdict = "pass" if good else "miss"
    return system_row(job, data_class, f"{_metric(told.name)}_{name}_ratio", interval.estimate, reason=f"{note}; interval: block bootstrap",
                      n=len(after), verdict=verdict, target=target, interval=(interval.low, interval.high), p_value=p_value,
                      baseline=baseline, baseline_value=1.0, days=[int(d) for d in unique])  # fmt: skip


def _metric(name: str) -> str:
    return name.replace(": ", "_").replace(" ", "_")


def oracle_row(
    job: SystemJob, data_class: DataClass, days: npt.NDArray[np.int64], stressed: Bools, experts: dict[str, Array], base: str
) -> ScoreRow:
    """Loss of the expert that was best on each stressed day, chosen afterwards, over the ungated ensemble's: the limit of weights."""
    unique, index = np.unique(days[stressed], return_inverse=True)
    sums = {name: np.bincount(index, weights=loss[stressed]) for name, loss in experts.items()}
    value = float(np.min(list(sums.values()), axis=0).sum() / sums[base].sum())
    names = ", ".join(experts)
    return system_row(job, data_class, "oracle_expert_stressed_ratio", value, n=int(stressed.sum()), verdict="pass", baseline=base,
                      baseline_value=1.0,
                      days=[int(d) for d in unique], reason=f"best of {names} on each stressed day, known only afterwards")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Risked:
    """What abstaining on risky days is scored on, row by row.

    Attributes:
        name: forecast and loss ("curve_dist: mae").
        days: delivery date of every row, days since 1970.
        risk: what the gate orders days by (the same on all rows of a day).
        loss: of the ungated forecast.
        instead: of the fallback.
    """

    name: str
    days: npt.NDArray[np.int64]
    risk: Array
    loss: Array
    instead: Array


def abstention_rows(job: SystemJob, data_class: DataClass, told: Risked) -> list[ScoreRow]:
    """Coverage-risk curve of abstaining on the riskiest days, and what it is worth when a fallback must be published there."""
    unique, index = np.unique(told.days, return_inverse=True)
    own, other, count = (np.bincount(index, weights=w) for w in (told.loss, told.instead, np.ones(len(told.loss))))
    order = np.argsort(np.bincount(index, weights=told.risk) / count, kind="stable")
    mean = own.sum() / count.sum()

    def area(by: npt.NDArray[np.int64]) -> float:
        return float(np.mean(np.cumsum(own[by]) / np.cumsum(count[by])) / mean)

    risky = order[int(np.ceil(0.9 * len(unique))) :]
    whole = float((own.sum() - own[risky].sum() + other[risky].sum()) / own.sum())
    every, n, curve = [int(d) for d in unique], len(told.loss), area(order)
    named = _metric(told.name)
    return [
        system_row(
            job, data_class, f"{named}_coverage_risk_area", curve, n=n, verdict="pass" if curve < 1 else "miss", target=1.0, days=every,
            baseline="oracle_order", baseline_value=area(np.argsort(own / count, kind="stable")),
            reason="area below the curve of risk over coverage, over the mean risk (1: random order), days ordered by stressed"
            " probability; abstaining makes no forecast better: see the next row",
        ),
        system_row(
            job, data_class, f"{named}_block_riskiest_tenth_ratio", whole, n=n, verdict="pass" if whole <= 1 else "miss", target=1.0,
            days=every, baseline="ungated", baseline_value=1.0,
            reason="all rows scored: the fallback on the tenth of days with the highest stressed probability, the forecast elsewhere",
        ),
    ]  # fmt: skip
