"""Lead and lag of flows and congestion: a sparse vector autoregression, one hour ahead, beside simpler ones on the same hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from models._kernel.grid.lead_lag import LeadLag, fit_lead_lag, lagged, with_lags
from models._kernel.stats import diebold_mariano
from models._kernel.yardstick import DataClass
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.systems import SystemJob, system_row

Array = npt.NDArray[np.float64]
LEARNED = 0.7  # first share of the hours; the rest is scored
LAGS = 3


@dataclass(frozen=True, slots=True)
class Panel:
    """Hours of two kinds of series.

    Attributes:
        stamp: start of each hour, rising; gaps are hours that are not there.
        led: congestion, shape (hours, zones).
        leading: loadings of interfaces, or shadow prices of limits, shape (hours, limits).
    """

    stamp: npt.NDArray[Any]
    led: Array
    leading: Array

    @property
    def scale(self) -> Array:
        """Mean size of each series in the hours learned from, those that are led first."""
        size = np.abs(np.hstack([self.led, self.leading])[: self.cut]).mean(axis=0)
        return np.where(size > 0, size, 1.0)

    @property
    def values(self) -> Array:
        """All series as asinh(x / scale): congestion has tails that a linear law cannot follow (Uniejewski, Weron & Ziel 2018)."""
        return np.arcsinh(np.hstack([self.led, self.leading]) / self.scale)

    def prices(self, told: Array) -> Array:
        """Congestion from transformed values of the series that are led, shape (hours, zones)."""
        zones = self.led.shape[1]
        return np.asarray(np.sinh(told[:, :zones]) * self.scale[:zones])

    @property
    def contiguous(self) -> npt.NDArray[np.bool_]:
        """Whether each hour follows the one before."""
        return np.concatenate([[False], np.diff(self.stamp) == np.timedelta64(timedelta(hours=1))])

    @property
    def cut(self) -> int:
        """First hour that is scored."""
        return int(LEARNED * len(self.stamp))


def lead_lag_of(panel: Panel) -> LeadLag:
    """The autoregression of the hours that are learned from."""
    return fit_lead_lag(panel.values[: panel.cut], panel.contiguous[: panel.cut], lags=LAGS)


def lead_lag_rows(job: SystemJob, panel: Panel, model: LeadLag, kind: DataClass) -> list[ScoreRow]:
    """Mean absolute error of congestion one hour ahead, beside the last hour, own lags, and all lags; and how many pairs are left."""
    values, zones = panel.values, panel.led.shape[1]
    told, rows = model.told(values, panel.contiguous)
    later = rows >= panel.cut
    truth = panel.led[rows[later]]
    loss = np.abs(panel.prices(told[later]) - truth).mean(axis=1)
    series = values.shape[1]
    edges = (np.abs(model.coefficients).max(axis=0) > 0) & ~np.eye(series, dtype=bool)
    passed = int(model.screened.sum()) - series
    note = (
        f"{passed} of {series * (series - 1)} pairs pass Granger's test at 1 % false discoveries, {int(edges.sum())} are left; {LAGS} lags"
    )
    made = []
    for name, other in _simpler(panel, rows[later]).items():
        theirs = np.abs(other - truth).mean(axis=1)
        p = diebold_mariano(loss, theirs).p_value
        verdict: Verdict = "pass" if loss.mean() < theirs.mean() and p < 0.05 else "miss"
        said = f"mean absolute error of congestion one hour ahead over {zones} series, last 30 % of the hours; {note}"
        made.append(
            system_row(job, kind, "lead_lag_mae", float(loss.mean()), reason=said, n=len(loss), verdict=verdict, p_value=p, baseline=name,
                       baseline_value=float(theirs.mean()))
        )  # fmt: skip
    return made


def _simpler(panel: Panel, rows: npt.NDArray[np.int64]) -> dict[str, Array]:
    """Congestion at the rows by the hour before, by own lags, and by all lags of all series (least squares)."""
    values, zones = panel.values, panel.led.shape[1]
    series = values.shape[1]
    learn = with_lags(panel.contiguous[: panel.cut], LAGS)
    past, ahead = (np.hstack([np.ones((len(r), 1)), lagged(values, r, LAGS)]) for r in (learn, rows))
    now = values[learn, :zones]
    own = np.empty((len(rows), zones))
    for k in range(zones):
        columns = [0, *(1 + k + lag * series for lag in range(LAGS))]
        own[:, k] = ahead[:, columns] @ np.linalg.lstsq(past[:, columns], now[:, k])[0]
    every = ahead @ np.linalg.lstsq(past, now)[0]
    return {"last_hour": panel.led[rows - 1], "own_lags": panel.prices(own), "all_lags": panel.prices(every)}
