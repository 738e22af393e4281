"""Systems of the scorecard that are no models: the watch over models and whatever else is measured on real data.

A system is a module here with `DATA_SETS` (names), and `rows(job)`, which measures one data set and returns its rows.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from models._kernel.tenors import EPOCH
from models._kernel.yardstick import DataClass
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.sources import FeatureSource, Say
from pipeline_tasks.steps.code_version import code_sha

if TYPE_CHECKING:
    from types import ModuleType

SYSTEMS = {
    "battery_policy": "pipeline_tasks.scorecard.battery_policy",
    "bess_backtest": "pipeline_tasks.scorecard.bess_backtest",
    "carbon_hedge": "pipeline_tasks.scorecard.carbon_hedge",
    "cross_commodity": "pipeline_tasks.scorecard.cross_commodity",
    "drift": "pipeline_tasks.scorecard.drift",
    "grid_sensitivities": "pipeline_tasks.scorecard.grid_sensitivities",
    "hedge_policies": "pipeline_tasks.scorecard.hedge_policies",
    "irl_participants": "pipeline_tasks.scorecard.irl_participants",
    "lng_power": "pipeline_tasks.scorecard.lng_power",
    "node2grid": "pipeline_tasks.scorecard.node2grid",
    "opf_surrogate": "pipeline_tasks.scorecard.opf_surrogate",
    "recalibration": "pipeline_tasks.scorecard.recalibration",
    "regime_gate": "pipeline_tasks.scorecard.regime_gate",
    "scenario_paths": "pipeline_tasks.scorecard.scenario_paths",
}


@dataclass(frozen=True, slots=True)
class SystemJob:
    """One system on one data set.

    Attributes:
        system, data_set: names.
        source: where features come from.
        start, end: first and last scored delivery date; None for the system's own window at the end of the data.
        seed: seed of bootstraps.
        say: told what is being done.
    """

    system: str
    data_set: str
    source: FeatureSource
    start: date | None
    end: date | None
    seed: int
    say: Say


def system_row(
    job: SystemJob,
    data_class: DataClass,
    metric: str,
    value: float | None,
    *,
    reason: str,
    n: int = 0,
    verdict: Verdict = "not_measurable",
    target: float | None = None,
    interval: tuple[float, float] | None = None,
    p_value: float | None = None,
    baseline: str = "",
    baseline_value: float | None = None,
    days: Collection[int] = (),
) -> ScoreRow:
    """A row of a system; `days` are the scored delivery dates, days since 1970."""
    low, high = interval or (None, None)
    first, last = (EPOCH + timedelta(days=int(min(days))), EPOCH + timedelta(days=int(max(days)))) if len(days) else (None, None)
    note = {DataClass.REAL: "", DataClass.TWIN: "; synthetic data", DataClass.TEST_SYSTEM: "; public test network"}[data_class]
    return ScoreRow(
        system=job.system,
        data_set=job.data_set,
        data_class=data_class.value,
        metric=metric,
        target=target,
        baseline=baseline,
        baseline_value=baseline_value,
        value=value,
        ci_low=low,
        ci_high=high,
        p_value=p_value,
        n=n,
        window_from=first,
        window_to=last,
        seed=job.seed,
        verdict=verdict,
        reason=f"{reason}{note}",
        seconds=0.0,
        code_sha=code_sha(),
    )


def module_of(system: str) -> ModuleType:
    """The module that measures a system."""
    return importlib.import_module(SYSTEMS[system])


def needs_market(name: str, data_set: str) -> bool:
    """Whether a data set of a model or system is a market; public test networks need none loaded."""
    return name not in SYSTEMS or data_set in getattr(module_of(name), "ON_MARKETS", (data_set,))


def data_sets_of(system: str, chosen: Sequence[str] | None) -> Sequence[str]:
    """The data sets asked for, or those of the system."""
    return chosen or tuple(module_of(system).DATA_SETS)


def run_system(job: SystemJob) -> list[ScoreRow]:
    """Rows of a system on a data set; a data set that is not here gives rows `not_measurable`."""
    from dataclasses import replace

    began = time.perf_counter()
    rows: list[ScoreRow] = module_of(job.system).rows(job)
    seconds = round(time.perf_counter() - began, 3)
    return [replace(row, seconds=seconds) for row in rows]
