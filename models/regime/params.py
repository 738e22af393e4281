"""Parameters of regime, read from config/models/regime.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Params:
    """All parameters with their defaults.

    Attributes:
        shares: first guess of the share of normal, transition and stressed days.
        stay_days: prior expectation of the days in a state.
        transition_days: pseudo-days behind each row of the transition matrix.
        mean_run_days: expected days between changes of the online detection.
        down_weight_at: stressed probability from which on the gate is at least `down_weight`.
        change_at: change probability from which on it is at least `down_weight`.
        block_at: surprise share up to which a day on which the stressed state is likeliest is `block`.
        history_days: days described in hindsight with every delivery date.
        windows: lengths of the training windows of the fallback forecast in days.
        penalty: ridge penalty per row of it.
        folds: chronological blocks that give its errors out of sample.
    """

    shares: tuple[float, ...] = (0.7, 0.2, 0.1)
    stay_days: float = 15.0
    transition_days: float = 40.0
    mean_run_days: float = 90.0
    down_weight_at: float = 0.5
    change_at: float = 0.7
    block_at: float = 0.002
    history_days: int = 60
    windows: tuple[int, ...] = (84, 364, 1456)
    penalty: float = 0.01
    folds: int = 4

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> Params:
        """Parameters from a mapping; absent ones take their default.

        Raises:
            ValueError: a name is not known, or a value is outside its range.
        """
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(values or {}) - known)
        if unknown:
            raise ValueError(f"regime: unknown parameter(s) {unknown} in config/models/regime.yaml; known: {sorted(known)}")
        lists: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in (values or {}).items()}
        params = cls(**lists)
        for name in ("down_weight_at", "change_at", "block_at"):
            if not 0 <= getattr(params, name) <= 1:
                raise ValueError(f"regime: {name} is {getattr(params, name)}; it must lie in [0, 1]")
        for name, smallest in (("stay_days", 2), ("transition_days", 1), ("mean_run_days", 2), ("history_days", 1), ("folds", 2)):
            if getattr(params, name) < smallest:
                raise ValueError(f"regime: {name} is {getattr(params, name)}; it must be at least {smallest}")
        if len(params.shares) != 3 or min(params.shares) <= 0 or abs(sum(params.shares) - 1) > 1e-9:
            raise ValueError(f"regime: shares is {params.shares}; give three positive numbers that sum to 1")
        if not params.windows or min(params.windows) < 7 or params.penalty <= 0:
            raise ValueError(
                f"regime: windows is {params.windows}, penalty {params.penalty}; give windows of 7 days or more and a penalty > 0"
            )
        return params
