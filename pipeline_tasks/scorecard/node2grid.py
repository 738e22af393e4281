"""F7: prices of nodes without history from those of others, beside four proxies; and the nearest-neighbour index beside exact search."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models._kernel.yardstick import DataClass
from pipeline_tasks.scorecard.node_data import Cold, cold_starts
from pipeline_tasks.scorecard.node_index import index_rows
from pipeline_tasks.scorecard.node_trials import BASELINES, OURS
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.sources import DataAbsentError
from pipeline_tasks.scorecard.systems import SystemJob, system_row

Array = npt.NDArray[np.float64]
DATA_SETS = ("caiso", "case2869pegase", "case300", "ieso_nodes", "isone", "twin", "twin_300")
ON_MARKETS = ("twin",)
NETWORKS = ("case2869pegase", "case300")
CLASSES = {"twin": DataClass.TWIN, "twin_300": DataClass.TWIN, "case2869pegase": DataClass.TEST_SYSTEM, "case300": DataClass.TEST_SYSTEM}
Pair = tuple[Array, Array, npt.NDArray[np.int64]]  # errors, the baseline's, clusters
TARGET, DRAWS = 0.9, 2000


def rows(job: SystemJob) -> list[ScoreRow]:
    """Rows of F7 on one data set."""
    kind = CLASSES.get(job.data_set, DataClass.REAL)
    if job.data_set in NETWORKS:
        return index_rows(job, kind)
    try:
        cold = cold_starts(job)
    except DataAbsentError as error:
        return [system_row(job, kind, "rmae_d0", None, reason=str(error))]
    starts = sorted({start for _, start in cold.errors}, key=lambda s: (len(s), s))
    made = [row for start in starts for baseline in BASELINES for row in _against(job, kind, cold, start, baseline)]
    made += [row for start in starts for row in _parts(job, kind, cold, start)]
    return [*made, *(system_row(job, kind, name, None, reason=why) for name, why in cold.not_measurable.items())]


def _against(job: SystemJob, kind: DataClass, cold: Cold, start: str, baseline: str) -> list[ScoreRow]:
    """Relative error on nodes with prices of their own, on nodes that share a bus with a visible one, and on truly new ones."""
    if (baseline, start) not in cold.errors:
        return []
    ours, theirs = cold.errors[OURS, start], cold.errors[baseline, start]
    both = np.isfinite(ours) & np.isfinite(theirs)
    made = []
    for suffix, chosen, said in (
        ("", both & ~cold.shares_bus & ~cold.new, "hidden nodes whose prices no visible node shares"),
        ("_shared_bus", both & cold.shares_bus & ~cold.new, "hidden nodes whose past prices a visible node shares exactly"),
        ("_new", both & cold.new, "nodes that were truly new"),
    ):
        if chosen.any():
            made.append(
                _row(
                    job,
                    kind,
                    cold,
                    f"rmae_{start}{suffix}",
                    (ours[chosen], theirs[chosen], cold.cluster[chosen]),
                    baseline=baseline,
                    said=said,
                )
            )
    return made


def _row(job: SystemJob, kind: DataClass, cold: Cold, metric: str, found: Pair, *, baseline: str, said: str) -> ScoreRow:
    from scipy.stats import wilcoxon

    ours, theirs, cluster = found
    base = float(theirs.mean())
    if base <= 0.0:
        return system_row(job, kind, metric, None, reason=f"{baseline} makes no error: {said}", n=ours.size, baseline=baseline)
    ratio = float(ours.mean()) / base
    differs = ours != theirs
    p = float(wilcoxon(ours[differs], theirs[differs], alternative="less").pvalue) if differs.any() else 1.0
    low, high = _interval(ours, theirs, cluster, job.seed)
    good: Verdict = "pass" if ratio <= TARGET and high < 1.0 and p < 0.05 else "miss"
    note = "" if ours.size >= 200 else f"; {ours.size} nodes, the yardstick asks for 200"
    reason = f"mean absolute error {ours.mean():.3f} against {base:.3f} {cold.unit}, {said}; {cold.note}{note}"
    return system_row(
        job, kind, metric, ratio, reason=reason, n=ours.size, verdict=good, target=TARGET, interval=(low, high), p_value=p,
        baseline=baseline, baseline_value=1.0, days=cold.days,
    )  # fmt: skip


def _interval(ours: Array, theirs: Array, cluster: npt.NDArray[np.int64], seed: int) -> tuple[float, float]:
    """95 % interval of the ratio of means: clusters of nodes whose prices move together are drawn as a whole."""
    code = np.unique(cluster, return_inverse=True)[1]
    sums = np.column_stack([np.bincount(code, ours), np.bincount(code, theirs)])
    rng = np.random.default_rng(seed)
    drawn = sums[rng.integers(0, len(sums), (DRAWS, len(sums)))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / np.maximum(drawn[:, 1], 1e-12), [0.025, 0.975])
    return float(low), float(high)


def _parts(job: SystemJob, kind: DataClass, cold: Cold, start: str) -> list[ScoreRow]:
    """What each kind of knowledge is worth alone: reported."""
    made = []
    whole = cold.errors[OURS, start]
    for method, at in cold.errors:
        if at != start or method == OURS or method in BASELINES:
            continue
        own = cold.errors[method, start]
        both = np.isfinite(own) & np.isfinite(whole) & ~cold.shares_bus & ~cold.new
        if both.any():
            said = f"reported; mean absolute error, {cold.unit}, from {method} alone; baseline: all together"
            made.append(
                system_row(
                    job, kind, f"mae_{start}_{method}", float(own[both].mean()), reason=said, n=int(both.sum()), verdict="pass",
                    baseline=OURS, baseline_value=float(whole[both].mean()), days=cold.days,
                )
            )  # fmt: skip
    return made
