"""A scored data set of the battery's backtest: its walked days, and rows about all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models._kernel.yardstick import DataClass
from pipeline_tasks.scorecard.bess_walk import Walked
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.systems import SystemJob, system_row

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Case:
    """Walked days of one data set, in order."""

    job: SystemJob
    kind: DataClass
    days: Sequence[Walked]

    def profit(self, policy: str) -> Array:
        """Realised profit by day."""
        return np.array([w.profit[policy] for w in self.days])

    def row(
        self,
        metric: str,
        value: float | None,
        reason: str,
        *,
        verdict: Verdict = "pass",
        target: float | None = None,
        interval: tuple[float, float] | None = None,
        p_value: float | None = None,
        baseline: str = "",
        baseline_value: float | None = None,
    ) -> ScoreRow:
        """A row over all days."""
        return system_row(
            self.job, self.kind, metric, value, reason=reason, n=len(self.days), verdict=verdict, target=target, interval=interval,
            p_value=p_value, baseline=baseline, baseline_value=baseline_value, days=[w.day.date for w in self.days],
        )  # fmt: skip
