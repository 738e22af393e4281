"""Parameters of spike_risk, read from config/models/spike_risk.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Params:
    """All parameters with their defaults.

    Attributes:
        threshold_days: window of the spike threshold; shorter histories use what there is.
        threshold_quantile: level of the threshold.
        threshold_min_days: shortest history that gives a threshold.
        train_days: training rows are of the last so many days.
        level_penalties: ridge penalties of the level regressions to choose from.
        level_windows: training windows in days whose level regressions are averaged.
        level_blocks: forward-chained blocks in which the level score of training rows is made.
        level_warmup: first share of the training rows that only the level regressions see.
        cv_folds: validation blocks of search and calibration.
        cv_share: last share of the training rows that is validated.
        trials: Optuna trials per fit.
        rounds: most boosting rounds.
        calibration_penalty: weight that holds the calibration slope near 1.
        alert_budget: share of intervals that may be alerts.
        alert_window_days: recent probabilities that the alert threshold is a quantile of.
        alert_rate: how fast the share of alerts is steered back to the budget.
        threads: LightGBM threads; one keeps artifacts byte-identical between machines.
    """

    threshold_days: int = 365
    threshold_quantile: float = 0.98
    threshold_min_days: int = 90
    train_days: int = 1095
    level_penalties: tuple[float, ...] = (0.1, 0.3, 1.0)
    level_windows: tuple[int, ...] = (1095,)
    level_blocks: int = 6
    level_warmup: float = 0.2
    cv_folds: int = 4
    cv_share: float = 0.5
    trials: int = 12
    rounds: int = 150
    calibration_penalty: float = 1.0
    alert_budget: float = 0.02
    alert_window_days: int = 182
    alert_rate: float = 0.05
    threads: int = 1

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> Params:
        """Parameters from a mapping; absent ones take their default.

        Raises:
            ValueError: a name is not known, or a value is outside its range.
        """
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(values or {}) - known)
        if unknown:
            raise ValueError(f"spike_risk: unknown parameter(s) {unknown} in config/models/spike_risk.yaml; known: {sorted(known)}")
        lists: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in (values or {}).items()}
        params = cls(**lists)
        for name in ("threshold_quantile", "cv_share", "alert_budget"):
            if not 0 < getattr(params, name) < 1:
                raise ValueError(f"spike_risk: {name} is {getattr(params, name)}; it must lie strictly between 0 and 1")
        for name in (
            "threshold_days",
            "threshold_min_days",
            "train_days",
            "cv_folds",
            "trials",
            "rounds",
            "level_blocks",
            "alert_window_days",
        ):
            if getattr(params, name) < 1:
                raise ValueError(f"spike_risk: {name} is {getattr(params, name)}; it must be at least 1")
        return params
