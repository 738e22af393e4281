"""Model of template: a seasonal blend of known prices with the quantiles of its own past errors."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel import artifacts, frames
from models._kernel.protocol import Contributions, Features, Prediction
from models._kernel.spec import ModelSpec
from models._template.spec import LEVELS, QUANTILES, SPEC

Array = npt.NDArray[np.float64]
INPUTS = ("price_lag_1d_ccy_per_mwh", "price_lag_7d_ccy_per_mwh", "price_hour_mean_28d_ccy_per_mwh")
ASKED = tuple(c for c in SPEC.required if c not in {"price_ccy_per_mwh", "price_known_ts"})
HOURS = 24


class TemplateModel:
    """Mean of those of `INPUTS` that are known, plus the quantiles of past errors at the local hour.

    The errors of the last `window_days` days before the cutoff are pooled over hubs, hour by hour.
    """

    spec: ClassVar[ModelSpec] = SPEC

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        """Take `window_days` (days of errors, default 90); other parameters are refused."""
        given = dict(params or {})
        self.window_days = int(given.pop("window_days", 90))
        if given or self.window_days < 1:
            raise ValueError(f"{SPEC.name}: window_days must be at least 1 and no other parameter exists; got {dict(params or {})}")
        self._errors: Array = np.zeros((HOURS, len(LEVELS)))
        self._fallback: Array = np.zeros(HOURS)

    def fit(self, data: Features, *, cutoff: datetime, seed: int) -> Self:  # noqa: ARG002 - nothing here is random
        """Learn the quantiles of past errors and the median price by local hour, from prices known at the cutoff.

        Raises:
            InputError: a required column is missing, or no price was known at the cutoff.
        """
        frames.require(data.history, SPEC.required, model=SPEC.name, part="history")
        rows = frames.learnable(data.history, cutoff)
        if rows.is_empty():
            raise frames.InputError(f"{SPEC.name}: no price was known at the cutoff {cutoff}; give history before it")
        newest = rows["delivery_date"].max()
        rows = rows.filter(pl.col("delivery_date") > pl.lit(newest) - pl.duration(days=self.window_days))
        hour, price = rows["local_hour"].to_numpy(), rows["price_ccy_per_mwh"].to_numpy()
        blend, _ = _blend(rows)
        error = price - blend
        known = np.isfinite(error)
        for h in range(HOURS):
            here = known & (hour == h)
            sample = error[here] if here.any() else error[known] if known.any() else np.zeros(1)
            self._errors[h] = np.quantile(sample, LEVELS)
            self._fallback[h] = np.median(price[hour == h]) if np.any(hour == h) else np.median(price)
        return self

    def predict(self, data: Features, *, as_of: datetime) -> Prediction:  # noqa: ARG002 - the rows carry all that is used
        """Answer every target row; DEGRADED where a price it rests on is unknown."""
        frames.require(data.target, ASKED, model=SPEC.name, part="target")
        target = frames.in_key_order(data.target)
        hour = target["local_hour"].to_numpy().astype(np.int64)
        blend, missing = _blend(target)
        centre = np.where(np.isfinite(blend), blend, self._fallback[hour])
        ladder = np.sort(centre[:, None] + self._errors[hour], axis=1)
        outputs = {SPEC.point_column: ladder[:, LEVELS.index(0.5)]} | {c: ladder[:, k] for k, c in enumerate(QUANTILES.values())}
        return frames.answer(SPEC, target, outputs, missing)

    def save(self, directory: Path) -> None:
        """Write parameters and arrays, then seal."""
        artifacts.save_json(directory, "params", {"window_days": self.window_days})
        artifacts.save_arrays(directory, "errors", {"errors": self._errors, "fallback": self._fallback})
        artifacts.seal(directory, model=SPEC.name)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Verify and read what `save` wrote."""
        artifacts.verify_artifact(directory, model=SPEC.name)
        model = cls(artifacts.load_json(directory, "params"))
        arrays = artifacts.load_arrays(directory, "errors")
        model._errors, model._fallback = arrays["errors"], arrays["fallback"]
        return model

    def explain(self, data: Features) -> Contributions:
        """What each known price adds to the point forecast; the base is the median error, or the fallback price."""
        target = frames.in_key_order(data.target)
        hour = target["local_hour"].to_numpy().astype(np.int64)
        values = _inputs(target)
        parts = np.where(np.isfinite(values), values, 0.0) / np.maximum(np.isfinite(values).sum(axis=1, keepdims=True), 1)
        base = self._errors[hour, LEVELS.index(0.5)] + np.where(np.isfinite(values).any(axis=1), 0.0, self._fallback[hour])
        columns = [
            *(
                target.select(frames.KEY).with_columns(pl.lit(f).alias("feature"), pl.Series("contribution", v))
                for f, v in [*zip(INPUTS, parts.T, strict=True), ("(base)", base)]
            )
        ]
        return Contributions(pl.concat(columns), SPEC.point_column)


def _inputs(rows: pl.DataFrame) -> Array:
    """Known prices, shape (rows, inputs); NaN where unknown or the column is absent."""
    absent = np.full(rows.height, np.nan)
    series = [rows[c].cast(pl.Float64).to_numpy() if c in rows.columns else absent for c in INPUTS]
    return np.column_stack(series).astype(np.float64)


def _blend(rows: pl.DataFrame) -> tuple[Array, list[str]]:
    """Mean of the known inputs (NaN where none is), and what is missing per row, as text."""
    values = _inputs(rows)
    known = np.isfinite(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    mean = np.divide(total, count, out=np.full(rows.height, np.nan), where=count > 0)
    reasons = ["" if row.all() else "unknown: " + ", ".join(c for c, k in zip(INPUTS, row, strict=True) if not k) for row in known]
    return mean, reasons


MODEL = TemplateModel
