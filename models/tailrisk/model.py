"""tailrisk: conditional Pareto tails around an hourly level, calibrated online; shortfalls within the price cap; a spike alarm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.chained_level import hours_of, matrix
from models._kernel.frames import KEY, answer, decided, in_key_order, is_learnable, learnable, require
from models._kernel.protocol import Contributions, Features, Prediction
from models._kernel.spec import ModelSpec
from models._kernel.spike_features import DAY, level_design, reasons, with_levels
from models._kernel.spike_levels import or_last
from models.tailrisk import storage
from models.tailrisk.alarm import hysteresis
from models.tailrisk.distribution import Rows, shortfalls
from models.tailrisk.online import Past, calibrations_at, drifts_at
from models.tailrisk.params import Params
from models.tailrisk.spec import LEVELS, LOWER, MIDDLE, QUANTILES, SHORTFALLS, SPEC, UPPER
from models.tailrisk.storage import Fitted, Series
from models.tailrisk.training import Parts, parts_of, past_of, series_of, train

Array = npt.NDArray[np.float64]
ASKED = tuple(c for c in SPEC.required if c not in {"price_ccy_per_mwh", "price_known_ts"})
SHARES = 1 - np.asarray(UPPER)


class TailRisk:
    """Tails of the price, expected capped shortfall, and spike alarm (yardstick M4)."""

    spec: ClassVar[ModelSpec] = SPEC

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        """Take the parameters of config/models/tailrisk.yaml with the markets under `assets`; unknown ones are refused."""
        self.params = Params.of(params)
        self._fitted: Fitted | None = None

    def fit(self, data: Features, *, cutoff: datetime, seed: int) -> Self:
        """Learn from `data.history` rows whose price was known at `cutoff`; same data and seed, same bytes."""
        require(data.history, SPEC.required, model=SPEC.name, part="history")
        self._fitted = train(learnable(data.history, cutoff), self.params, cutoff=cutoff, seed=seed)
        return self

    @property
    def search(self) -> Mapping[str, Any]:
        """Numbers of the fit: rows, spikes, shapes of the tails."""
        return dict(self._ready().search)

    def label(self, data: Features) -> pl.DataFrame:
        """Event of every target row, for scoring: needs no fit.

        Returns:
            Key columns, `threshold` (by what was known at the row's own as_of; null with too little history) and `event`
            (1.0 where the price exceeds it; null while either is unknown).
        """
        outcomes = data.history.filter(pl.col("price_known_ts").is_not_null() & pl.col("price_ccy_per_mwh").is_not_null())
        rows = self._levels(data.target, outcomes)
        event = (pl.col("price_ccy_per_mwh") > pl.col("threshold")).cast(pl.Float64).alias("event")
        return rows.select(*KEY, "threshold", event)

    def predict(self, data: Features, *, as_of: datetime) -> Prediction:
        """Answer on every row of `data.target`, each with what was known at its own as_of; a day is answered as a whole."""
        fitted = self._ready()
        require(data.target, ASKED, model=SPEC.name, part="target")
        target = in_key_order(data.target)
        if target.is_empty():
            return answer(SPEC, target, {c.name: [] for c in SPEC.output}, [])
        history = decided(data.history, as_of) if data.history.width else data.history
        known = history.filter(is_learnable(as_of)) if history.width else history
        frame = or_last(self._levels(target, known), fitted.levels)
        past = self._past(history, known, as_of)
        rows = self._rows(frame)[1].moved(self._drifts(frame, past))
        raw = fitted.law.exceedance(rows.covariates, rows.errors(rows.compressed(frame["threshold"].to_numpy())))
        alarms = np.tile(np.asarray(fitted.alarm), (len(frame), 1))
        upper, lower, middle, worth = self._calibrated(frame, past, np.column_stack((raw, alarms)))
        ladder = self._ladder(rows, upper, lower, middle)
        means = np.column_stack(
            (shortfalls(fitted.law, rows, lower[:, ::-1], upper=False), shortfalls(fitted.law, rows, upper, upper=True))
        )
        half = len(LOWER)
        bounded = np.column_stack((np.minimum(means[:, :half], ladder[:, :half]), np.maximum(means[:, half:], ladder[:, -half:])))
        outputs: dict[str, npt.ArrayLike] = {
            **{name: ladder[:, k] for k, name in enumerate(QUANTILES.values())},
            **{name: bounded[:, k] for k, name in enumerate(SHORTFALLS.values())},
            "spike_probability": worth[:, 0],
            "spike_threshold_ccy_per_mwh": frame["threshold"].to_numpy(),
            "alarm": hysteresis(frame, raw, *fitted.alarm),
            "alarm_on_probability": worth[:, 1],
            "alarm_off_probability": worth[:, 2],
        }
        return answer(SPEC, target, outputs, reasons(frame, fitted.expected))

    def explain(self, data: Features) -> Contributions:
        """TreeSHAP contributions to the compressed price at the threshold of the upper tail: level and boosted error quantile."""
        fitted, target = self._ready(), in_key_order(data.target)
        label = "upper tail's threshold, arsinh((price - median) / scale)"
        if target.is_empty():
            schema = {**target.select(KEY).schema, "feature": pl.String(), "contribution": pl.Float64()}
            return Contributions(pl.DataFrame(schema=schema), label)
        latest = target["as_of"].max()
        known = learnable(data.history, latest) if data.history.width and isinstance(latest, datetime) else data.history
        parts, _ = self._rows(or_last(self._levels(target, known), fitted.levels))
        table = np.asarray(fitted.widths.boosters[-1].predict(parts.inputs, pred_contrib=True, num_threads=1), dtype=np.float64)
        table[:, parts.names.index("level_score")] += parts.level
        wide = pl.DataFrame(table, schema=[*parts.names, "(base)"], orient="row")
        long = target.select(KEY).hstack(wide).unpivot(index=list(KEY), variable_name="feature", value_name="contribution")
        return Contributions(long.sort(*KEY, "feature"), label)

    def save(self, directory: Path) -> None:
        """Write the artifact and seal it."""
        storage.write(directory, self._ready(), self.params)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote; altered files are refused."""
        fitted, params = storage.read(directory)
        model = cls(params.as_json())
        model._fitted = fitted
        return model

    def _ready(self) -> Fitted:
        if self._fitted is None:
            raise RuntimeError("tailrisk is not fitted; call fit, or load an artifact")
        return self._fitted

    def _levels(self, rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
        p = self.params
        return with_levels(rows, known, window_days=p.threshold_days, quantile=p.threshold_quantile, min_days=p.threshold_min_days)

    def _rows(self, frame: pl.DataFrame) -> tuple[Parts, Rows]:
        """Inputs and distribution of rows that carry their spike levels."""
        fitted = self._ready()
        level = fitted.level.predict(matrix(level_design(frame), fitted.level.names), hours_of(frame))
        parts = parts_of(frame, level, fitted.names)
        return parts, parts.rows(frame, fitted.widths.predict(parts.inputs), self.params)

    def _past(self, history: pl.DataFrame, known: pl.DataFrame, as_of: datetime) -> dict[Series, Past]:
        """What each series knows: rows of training, and since its cutoff, answered by the law as it is, each from its whole day."""
        fitted, past = self._ready(), dict(self._ready().past)
        if history.is_empty():
            return past
        settled = (is_learnable(as_of) & (pl.col("price_known_ts") > fitted.cutoff)).fill_null(value=False)
        days = history.with_columns(settled.alias("settled")).filter(pl.col("settled").any().over(DAY))
        if days.is_empty():
            return past
        days = or_last(self._levels(days, known), fitted.levels)
        mask = days["settled"].to_numpy()
        rows, since = self._rows(days)[1].part(mask), days.filter("settled")
        z = rows.compressed(since["price_ccy_per_mwh"].to_numpy())
        error, keys = rows.errors(z), np.array(series_of(since)).reshape(-1, 3)
        for series, before in past.items():
            mine = (keys == series).all(axis=1)
            if mine.any():
                new = past_of(since.filter(pl.Series(mine)), error[mine], error[mine])
                both = before.plus(new)
                moved = rows.part(mine).moved(drifts_at(both.known, both.error, new.decided, days=self.params.drift_days))
                beyond = fitted.law.exceedance(moved.covariates, moved.errors(z[mine]))
                past[series] = before.plus(replace(new, beyond=beyond))
        return past

    def _drifts(self, frame: pl.DataFrame, past: Mapping[Series, Past]) -> Array:
        """Drift of every row's series at its own decision, in widths."""
        keys, asked, made = np.array(series_of(frame)).reshape(-1, 3), frame["as_of"].dt.epoch("ms").to_numpy(), np.zeros(len(frame))
        for series, known in past.items():
            mine = (keys == series).all(axis=1)
            made[mine] = drifts_at(known.known, known.error, asked[mine], days=self.params.drift_days)
        return made

    def _calibrated(self, frame: pl.DataFrame, past: Mapping[Series, Past], raw: Array) -> tuple[Array, Array, Array, Array]:
        """Shares to ask of the law for the upper and the lower tail (n, tails), levels for the middle, and the worth of `raw`, (n, m)."""
        keys, asked = series_of(frame), frame["as_of"].dt.epoch("ms").to_numpy()
        tails = np.tile(SHARES, (2, len(frame), 1))
        middle, worth = np.tile(np.asarray(MIDDLE), (len(frame), 1)), raw.copy()
        for series in sorted(set(keys) & set(past)):
            mine = np.flatnonzero([k == series for k in keys])
            instants = sorted(set(asked[mine].tolist()))
            found = calibrations_at(past[series], instants, SHARES, step=self.params.aci_step, window_days=self.params.aci_days)
            for now in instants:
                at = mine[asked[mine] == now]
                tails[:, at], middle[at] = found[now].tails(SHARES)[:, None, :], found[now].levels(np.asarray(MIDDLE))
                worth[at] = found[now].worth(raw[at])
        ordered = np.minimum.accumulate(tails, axis=2)
        return ordered[0], ordered[1], middle, worth

    def _ladder(self, rows: Rows, upper: Array, lower: Array, middle: Array) -> Array:
        """Quantiles at all levels, shape (n, levels), rising."""
        levels = np.column_stack((lower[:, ::-1], middle, 1 - upper))
        errors = self._ready().law.quantiles(rows.covariates, np.sort(levels, axis=1))
        return np.asarray(np.maximum.accumulate(rows.prices(errors), axis=1), dtype=np.float64)


MODEL = TailRisk
__all__ = ["LEVELS", "MODEL", "TailRisk"]
