"""Parameters of unit_commit, read from config/models/unit_commit.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Params:
    """All parameters with their defaults.

    Attributes:
        train_days: training rows are of the last so many delivery dates with a known status.
        blocks: chronological parts of them: the first feeds only the shares of the past, the last calibrates.
        prior_rows: rows that the level above counts as in the shares of the past, to choose from inside the fold.
        most_rows: rows a booster learns from at most, drawn evenly.
        rounds: boosting rounds.
        leaves: leaves of a tree.
        learning_rate: shrinkage.
        min_rows_in_leaf: fewest rows in a leaf.
        max_bin: bins per input.
        lambda_l2: ridge penalty on leaves.
        feature_fraction: share of inputs a tree may use.
        unseen_share: share of the units (by hash of their name) that no part of a fit sees; for the test on new units.
        threads: LightGBM threads; one keeps artifacts byte-identical between machines.
    """

    train_days: int = 730
    blocks: int = 5
    prior_rows: tuple[float, ...] = (3.0, 10.0, 30.0)
    most_rows: int = 250_000
    rounds: int = 120
    leaves: int = 31
    learning_rate: float = 0.06
    min_rows_in_leaf: int = 100
    max_bin: int = 63
    lambda_l2: float = 5.0
    feature_fraction: float = 0.6
    unseen_share: float = 0.0
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
            raise ValueError(f"unit_commit: unknown parameter(s) {unknown} in config/models/unit_commit.yaml; known: {sorted(known)}")
        lists: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in (values or {}).items()}
        params = cls(**lists)
        for name, smallest in (("train_days", 1), ("blocks", 3), ("most_rows", 100), ("rounds", 1), ("leaves", 2), ("threads", 1)):
            if getattr(params, name) < smallest:
                raise ValueError(f"unit_commit: {name} is {getattr(params, name)}; it must be at least {smallest}")
        for name in ("learning_rate", "feature_fraction"):
            if not 0 < getattr(params, name) <= 1:
                raise ValueError(f"unit_commit: {name} is {getattr(params, name)}; it must lie in (0, 1]")
        if not 0 <= params.unseen_share < 1:
            raise ValueError(f"unit_commit: unseen_share is {params.unseen_share}; it must lie in [0, 1)")
        if not params.prior_rows or min(params.prior_rows) <= 0:
            raise ValueError(f"unit_commit: prior_rows is {params.prior_rows}; give positive numbers")
        return params
