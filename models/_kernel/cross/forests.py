"""Heterogeneous effects by causal forest and orthogonal instruments (econml), cross-fitted on blocks of time with a gap between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models._kernel.cross.effects import Effect, Panel, design

Array = npt.NDArray[np.float64]
Fold = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
BLOCKS, GAP = 5, 20
LEVELS = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Heterogeneous:
    """Effects of a causal forest.

    Attributes:
        mean: average effect with its standard error.
        by_tightness: quantile of tightness -> effect there; empty where tightness does not vary.
    """

    mean: Effect
    by_tightness: dict[float, Effect]


def blocked_folds(n: int, *, blocks: int = BLOCKS, gap: int = GAP) -> list[Fold]:
    """Cross-fitting folds of whole blocks of time; rows within `gap` of the held-out block are in neither part."""
    edges = np.linspace(0, n, blocks + 1).astype(np.int64)
    every = np.arange(n)
    return [
        (every[(every < low - gap) | (every >= high + gap)], every[low:high])
        for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]


def complete_rows(panel: Panel, *, instruments: bool = False) -> tuple[Array, Array, Array, Array, Array, npt.NDArray[np.bool_]]:
    """Move, shock, tightness, the rest of the design, instruments, and which rows they are of: those that lack nothing."""
    w = design(panel)[:, 1:]
    parts = [panel.move, panel.shock, panel.tightness, w, *([panel.instruments] if instruments else [])]
    rows = np.asarray(np.isfinite(np.column_stack(parts)).all(axis=1), dtype=np.bool_)
    return panel.move[rows], panel.shock[rows], panel.tightness[rows], w[rows], panel.instruments[rows], rows


def causal_forest(panel: Panel, *, seed: int, trees: int = 500, levels: Sequence[float] = LEVELS) -> Heterogeneous:
    """Effect on the day by CausalForestDML (Athey, Tibshirani & Wager 2019) over tightness, nuisances by lasso on time-blocked folds."""
    from econml.dml import CausalForestDML
    from sklearn.linear_model import LassoCV

    y, t, tightness, w, _, rows = complete_rows(panel)
    x = tightness[:, None]
    w = (w - w.mean(axis=0)) / np.where(w.std(axis=0) > 0, w.std(axis=0), 1.0)
    scale = float(y.std())
    forest = CausalForestDML(
        model_y=LassoCV(random_state=seed), model_t=LassoCV(random_state=seed), cv=blocked_folds(y.size),
        n_estimators=trees, min_samples_leaf=max(10, y.size // 100), random_state=seed, n_jobs=1,
    )  # fmt: skip
    forest.fit(y / scale, t, X=x, W=w)
    average = forest.ate_inference(x)
    truth = float(panel.truth[rows].mean()) if panel.truth is not None else float("nan")
    mean = Effect(float(average.mean_point) * scale, float(average.stderr_mean) * scale, y.size, truth)
    if np.ptp(tightness) == 0:
        return Heterogeneous(mean, {})
    at = np.quantile(tightness, levels)
    told = forest.effect_inference(at[:, None])
    found = {
        level: Effect(float(e) * scale, float(s) * scale, y.size, _truth_at(panel, rows, a))
        for level, e, s, a in zip(levels, np.ravel(told.point_estimate), np.ravel(told.stderr), at, strict=True)
    }
    return Heterogeneous(mean, found)


def _truth_at(panel: Panel, rows: npt.NDArray[np.bool_], tightness: float) -> float:
    """True effect of the row whose tightness is nearest."""
    if panel.truth is None:
        return float("nan")
    return float(panel.truth[rows][np.abs(panel.tightness[rows] - tightness).argmin()])


def orthogonal_instrument(panel: Panel, *, seed: int) -> Effect:
    """Effect on the day by orthogonal instruments (econml OrthoIV), nuisances by lasso on time-blocked folds.

    Raises:
        ValueError: the panel has no instrument.
    """
    from econml.iv.dml import OrthoIV
    from sklearn.linear_model import LassoCV

    if panel.instruments.shape[1] == 0:
        raise ValueError("the panel has no instrument; give at least one column")
    y, t, tightness, w, z, rows = complete_rows(panel, instruments=True)
    w = np.column_stack((w, tightness))
    w = (w - w.mean(axis=0)) / np.where(w.std(axis=0) > 0, w.std(axis=0), 1.0)
    scale = float(y.std())
    fitted = np.column_stack((np.ones(len(z)), z)) @ np.linalg.lstsq(np.column_stack((np.ones(len(z)), z)), t, rcond=None)[0]
    lasso = {name: LassoCV(random_state=seed) for name in ("model_y_xw", "model_t_xw", "model_z_xw")}
    model = OrthoIV(**lasso, discrete_treatment=False, discrete_instrument=False, cv=blocked_folds(y.size), random_state=seed)
    model.fit(y / scale, t, Z=fitted, W=w)
    told = model.effect_inference()
    truth = float("nan")
    if panel.truth is not None:  # what an instrument weighs days by
        others = np.column_stack((np.ones(len(w)), w))
        left = [v - others @ np.linalg.lstsq(others, v, rcond=None)[0] for v in (t, fitted)]
        truth = float((panel.truth[rows] * left[0] * left[1]).sum() / (left[0] @ left[1]))
    return Effect(float(np.ravel(told.point_estimate)[0]) * scale, float(np.ravel(told.stderr)[0]) * scale, y.size, truth)
