"""Estimators of sensitivities beside the one that is offered: plain least squares, matching pursuit, the (sparse) group lasso."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models._kernel.grid.recovery import correlation
from models._kernel.grid.recovery_sparse import matching_pursuit, sparse_group_lasso
from models._kernel.yardstick import DataClass
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.systems import SystemJob, system_row

Array = npt.NDArray[np.float64]
PRICE_PRIOR = 0.3
FEWEST_HOURS = 50  # a constraint that bound more rarely is not estimated
TARGET = 0.8
ALIKE = 0.001  # correlations that differ by no more are the same
LEAST_SQUARES, PURSUIT, GROUP, SPARSE_GROUP = "least_squares", "matching_pursuit", "group_lasso", "sparse_group_lasso"


def others(inputs: Array, outputs: Array, *, centre: bool) -> dict[str, Array]:
    """Sensitivities by each estimator on the same rows, shape (outputs, inputs) each; how sparse is chosen within the rows.

    Args:
        inputs: shape (samples, inputs).
        outputs: shape (samples, outputs).
        centre: levels say nothing.
    """
    x, y = (v - v.mean(axis=0) if centre else v for v in (inputs, outputs))
    return {
        LEAST_SQUARES: np.linalg.lstsq(x, y)[0].T,
        PURSUIT: matching_pursuit(inputs, outputs, centre=centre),
        GROUP: sparse_group_lasso(inputs, outputs, share=0.0, centre=centre),
        SPARSE_GROUP: sparse_group_lasso(inputs, outputs, share=0.5, centre=centre),
    }


@dataclass(frozen=True, slots=True)
class Compared:
    """Exact sensitivities with those recovered, and those of other methods by name, shape (rows, buses) each."""

    part: str
    kind: DataClass
    truth: Array
    ours: Array
    theirs: Mapping[str, Array]
    note: str


def recovery_rows(job: SystemJob, both: Compared) -> list[ScoreRow]:
    """Row-wise correlation and errors of recovered sensitivities, beside each other method."""
    own = np.array([correlation(a, b) for a, b in zip(both.ours, both.truth, strict=True)])
    value, error = float(np.median(own)), np.abs(both.ours - both.truth)
    said = f"median over branches of the correlation over buses with the exact one; lowest {own.min():.3f}; {both.note}"
    told = f"reported; largest error of an element, MW per MW; mean {error.mean():.4f}"
    made = []
    for name, values in both.theirs.items():
        theirs = np.array([correlation(a, b) for a, b in zip(values, both.truth, strict=True)])
        other, off = float(np.median(theirs)), np.abs(values - both.truth)
        verdict: Verdict = "pass" if value >= TARGET and value >= other - ALIKE else "miss"
        beside = f"{name}: lowest {theirs.min():.3f}, mean error {off.mean():.4f}"
        made += [
            system_row(job, both.kind, f"ptdf_row_correlation_{both.part}", value, reason=f"{said}; {beside}", n=len(own), verdict=verdict,
                       target=TARGET, baseline=name, baseline_value=other),
            system_row(job, both.kind, f"ptdf_max_error_{both.part}", float(error.max()), reason=told, n=error.size, verdict="pass",
                       baseline=name, baseline_value=float(off.max())),
        ]  # fmt: skip
    return made
