"""Rows of F3: a loss beside a baseline's on the same rows, judged by the daily Diebold-Mariano test."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models._kernel.yardstick import DataClass
from pipeline_tasks.scorecard.measures import Measure, against
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.systems import SystemJob, system_row

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
ALPHA = 0.05


def beats(job: SystemJob, kind: DataClass, metric: str, losses: tuple[Array, Array], day: Ints, said: tuple[str, str]) -> ScoreRow:
    """A row that passes where the first loss is smaller than the second and the difference is real.

    Args:
        job: of the row.
        kind: class of the data.
        metric: its name.
        losses: ours and the baseline's (row,).
        day: (row,) delivery dates, days since 1970.
        said: what the numbers are, and the baseline's name.
    """
    found = against(*losses, day, seed=job.seed, name=said[0])
    smaller = found.baseline_value is not None and found.value < found.baseline_value
    better = smaller and found.p_value is not None and found.p_value < ALPHA
    return measured(job, kind, metric, found, day, (said[1], "pass" if better else "miss"))


def measured(
    job: SystemJob, kind: DataClass, metric: str, found: Measure, day: Ints, judged: tuple[str, Verdict], *, target: float | None = None
) -> ScoreRow:
    """A measure as a row; `judged` is the baseline's name and the verdict."""
    return system_row(
        job,
        kind,
        metric,
        found.value,
        reason=found.note,
        n=found.n,
        verdict=judged[1],
        target=target,
        interval=None if found.ci_low is None or found.ci_high is None else (found.ci_low, found.ci_high),
        p_value=found.p_value,
        baseline=judged[0],
        baseline_value=found.baseline_value,
        days=np.unique(day).tolist(),
    )
