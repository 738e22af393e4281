"""The model protocol: pure objects that learn from and answer on point-in-time frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import polars as pl

from models._kernel.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Features:
    """Point-in-time rows of one feature table.

    Attributes:
        history: rows whose target may be known; models use a target only where its known_ts (`spec.outcome.known`, of prices
            `price_known_ts`) is not after the decision time they answer for.
        target: rows to answer on; their own target value is never read. May be empty for `fit`.
    """

    history: pl.DataFrame
    target: pl.DataFrame

    def known_at(self, instant: datetime) -> pl.DataFrame:
        """History rows whose target was known at `instant`."""
        return self.history.filter(pl.col("price_known_ts").is_not_null() & (pl.col("price_known_ts") <= instant))


@dataclass(frozen=True, slots=True)
class Prediction:
    """Answer of a model.

    Attributes:
        frame: one row per target row, in key order: market, hub, product, delivery_ts, delivery_date, as_of, status,
            status_reason, then the columns of `spec.output`.
    """

    frame: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Contributions:
    """Additive contributions (SHAP values) to one output column.

    Attributes:
        frame: long frame: market, hub, product, delivery_ts, as_of, feature, contribution; per row the contributions and
            the feature named "(base)" add up to `output` within 1e-6.
        output: output that is explained (name and scale, e.g. "log-odds").
    """

    frame: pl.DataFrame
    output: str


@runtime_checkable
class Companion(Protocol):
    """What a model offers whose spec names companion tables."""

    def companions(self, data: Features, *, as_of: datetime) -> Mapping[str, pl.DataFrame]:
        """Rows of the companion tables for the rows of `data.target`, as pure as `predict` and from the same knowledge.

        Returns:
            Table name -> frame of market, hub, product, delivery_ts, as_of, then the table's own columns, in key order. Every row stands
            at the delivery_ts and as_of of a target row (a row about a whole day at its first interval), whose lineage it gets.
        """
        ...


@runtime_checkable
class Model(Protocol):
    """What every model offers. No I/O outside save and load, no clock, no global random state."""

    spec: ClassVar[ModelSpec]

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        """Take the parameters of config/models/<name>.yaml (profile applied); unknown ones are refused."""
        ...

    def fit(self, data: Features, *, cutoff: datetime, seed: int) -> Self:
        """Learn from `data.history`, using nothing known after `cutoff`; same data and seed, same bytes."""
        ...

    def predict(self, data: Features, *, as_of: datetime) -> Prediction:
        """Answer on every row of `data.target`; for each row only what was known at its own as_of (<= `as_of`) counts."""
        ...

    def save(self, directory: Path) -> None:
        """Write the artifact in non-executable formats only (JSON, npz, LightGBM text)."""
        ...

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote."""
        ...

    def explain(self, data: Features) -> Contributions:
        """Contributions for the rows of `data.target`."""
        ...
