"""Parameters of price_prediction, read from config/models/price_prediction.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Params:
    """All parameters with their defaults.

    Attributes:
        train_days: training rows are of the last so many delivery dates with a known price.
        calibration_days: days before the last of these decisions, kept out of a first fit: they tell how far to trust it and how wide
            its interval must be.
        rounds: boosting rounds of each quantile.
        leaves: leaves of a tree.
        learning_rate: shrinkage.
        min_rows_in_leaf: fewest rows in a leaf.
        max_bin: bins per input.
        track_step: step of the online calibration, in units of the interval's half-width per outcome.
        stale_after_min: age of the last known price beyond the usual one that makes a row DEGRADED.
        threads: LightGBM threads; one keeps artifacts byte-identical between machines.
    """

    train_days: int = 365
    calibration_days: int = 14
    rounds: int = 200
    leaves: int = 31
    learning_rate: float = 0.05
    min_rows_in_leaf: int = 100
    max_bin: int = 63
    track_step: float = 0.02
    stale_after_min: int = 120
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
            raise ValueError(
                f"price_prediction: unknown parameter(s) {unknown} in config/models/price_prediction.yaml; known: {sorted(known)}"
            )
        params = cls(**(values or {}))
        for name in ("train_days", "calibration_days", "rounds", "min_rows_in_leaf", "stale_after_min", "threads"):
            if getattr(params, name) < 1:
                raise ValueError(f"price_prediction: {name} is {getattr(params, name)}; it must be at least 1")
        for name in ("learning_rate", "track_step"):
            if not 0 < getattr(params, name) < 1:
                raise ValueError(f"price_prediction: {name} is {getattr(params, name)}; it must lie strictly between 0 and 1")
        if params.leaves < 2 or not 2 <= params.max_bin <= 255:
            raise ValueError(f"price_prediction: leaves is {params.leaves}, max_bin {params.max_bin}; give at least 2, and 2 to 255")
        if params.calibration_days >= params.train_days:
            raise ValueError(f"price_prediction: calibration_days {params.calibration_days} must be below train_days {params.train_days}")
        return params
