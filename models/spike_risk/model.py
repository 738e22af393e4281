"""spike_risk: LightGBM on scale-free inputs, searched and calibrated inside the fold, alerts on a budget."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.frames import ANSWER, KEY, decided, is_learnable, learnable, require
from models._kernel.protocol import Contributions, Features, Prediction
from models._kernel.spec import ModelSpec
from models._kernel.spike_features import reasons, with_levels
from models._kernel.spike_levels import LEVEL_KEY, SERIES, or_last
from models.spike_risk import storage
from models.spike_risk.alerts import alert_levels
from models.spike_risk.calibration import sigmoid
from models.spike_risk.params import Params
from models.spike_risk.spec import SPEC
from models.spike_risk.training import LEVEL, Fitted, train

ASKED = tuple(c for c in SPEC.required if c not in {"price_ccy_per_mwh", "price_known_ts"})
Array = npt.NDArray[np.float64]


class SpikeRisk:
    """Probability that a price exceeds the hub's rolling 98 % quantile known at the row's as_of (yardstick O6)."""

    spec: ClassVar[ModelSpec] = SPEC

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        """Take the parameters of config/models/spike_risk.yaml; unknown ones are refused."""
        self.params = Params.of(params)
        self._fitted: Fitted | None = None
        self._cutoff: datetime | None = None
        self._booster: Any = None

    def fit(self, data: Features, *, cutoff: datetime, seed: int) -> Self:
        """Learn from `data.history` rows whose price was known at `cutoff`; same data and seed, same bytes."""
        require(data.history, SPEC.required, model=SPEC.name, part="history")
        self._fitted = train(learnable(data.history, cutoff), self.params, cutoff=cutoff, seed=seed)
        self._cutoff = cutoff
        self._booster = None
        return self

    @property
    def search(self) -> Mapping[str, Any]:
        """What the search inside the fold found: parameters, validation log loss, rows and events."""
        return dict(self._ready()[0].search)

    def label(self, data: Features) -> pl.DataFrame:
        """Event of every target row, for scoring: needs no fit.

        Returns:
            Key columns, `threshold` (by what was known at the row's own as_of; null with too little history) and `event`
            (1.0 where the price exceeds it; null while either is unknown).
        """
        p = self.params
        outcomes = data.history.filter(pl.col("price_known_ts").is_not_null() & pl.col("price_ccy_per_mwh").is_not_null())
        rows = with_levels(
            data.target, outcomes, window_days=p.threshold_days, quantile=p.threshold_quantile, min_days=p.threshold_min_days
        )
        event = (pl.col("price_ccy_per_mwh") > pl.col("threshold")).cast(pl.Float64).alias("event")
        return rows.select(*KEY, "threshold", event)

    def predict(self, data: Features, *, as_of: datetime) -> Prediction:
        """Answer on every row of `data.target`, each with what was known at its own as_of."""
        fitted, cutoff = self._ready()
        if data.target.is_empty():
            return Prediction(_empty())
        require(data.target, ASKED, model=SPEC.name, part="target")
        past = decided(data.history, as_of)
        known = past.filter(is_learnable(as_of))
        rows = self._levelled(data.target, known)
        probability = sigmoid(self._log_odds(rows))
        alarm = self._alert_levels(rows, past.filter(pl.col("as_of") > cutoff), known)
        frame = rows.with_columns(
            pl.Series("spike_probability", probability),
            pl.col("threshold").alias("spike_threshold_ccy_per_mwh"),
            pl.lit(fitted.base_rate).alias("base_rate"),
            pl.Series("status_reason", reasons(rows, fitted.expected), dtype=pl.String),
        ).join(alarm, on=list(LEVEL_KEY), how="left")
        frame = frame.with_columns((pl.col("spike_probability") > pl.col("alert_probability")).alias("alert"))
        frame = frame.with_columns(pl.when(pl.col("status_reason") == "").then(pl.lit("OK")).otherwise(pl.lit("DEGRADED")).alias("status"))
        return Prediction(frame.select(*ANSWER, *(c.name for c in SPEC.output)).sort(KEY))

    def explain(self, data: Features) -> Contributions:
        """Additive contributions to the log-odds of `spike_probability` (TreeSHAP of the booster, the link is linear)."""
        fitted, _ = self._ready()
        label = "log-odds of spike_probability"
        if data.target.is_empty():
            schema = {**{c: _empty().schema[c] for c in KEY}, "feature": pl.String(), "contribution": pl.Float64()}
            return Contributions(pl.DataFrame(schema=schema), label)
        rows = self._levelled(data.target, learnable(data.history, _latest(data.target)))
        x, level, _ = fitted.scores(rows, self._model())
        table = np.zeros((len(rows), len(fitted.names) + 1))
        if fitted.booster:
            table = np.asarray(self._model().predict(x, pred_contrib=True), dtype=np.float64)
        table[:, fitted.names.index(LEVEL)] += fitted.link.slope * level
        table[:, -1] += fitted.link.intercept
        table *= fitted.calibrator.slope
        table[:, -1] += fitted.calibrator.intercept
        wide = pl.DataFrame(table, schema=[*fitted.names, "(base)"], orient="row")
        keyed = rows.select(KEY).hstack(wide)
        long = keyed.unpivot(index=list(KEY), variable_name="feature", value_name="contribution")
        return Contributions(long.sort(*KEY, "feature"), label)

    def save(self, directory: Path) -> None:
        """Write the artifact: model.json, level.npz, pool.npz, booster.txt, sealed."""
        fitted, cutoff = self._ready()
        storage.write(directory, fitted, self.params, cutoff)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote; altered files are refused."""
        fitted, params, cutoff = storage.read(directory)
        model = cls()
        model.params, model._fitted, model._cutoff = params, fitted, cutoff
        return model

    def _ready(self) -> tuple[Fitted, datetime]:
        if self._fitted is None or self._cutoff is None:
            raise RuntimeError("spike_risk is not fitted; call fit, or load an artifact")
        return self._fitted, self._cutoff

    def _model(self) -> Any:
        """The LightGBM booster; None where training had too few events."""
        fitted, _ = self._ready()
        if self._booster is None and fitted.booster:
            import lightgbm

            self._booster = lightgbm.Booster(model_str=fitted.booster)
        return self._booster

    def _levelled(self, rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
        """Rows with the levels of their own as_of; `fallback` marks those that had to take the training's last ones."""
        fitted, p = self._ready()[0], self.params
        found = with_levels(rows, known, window_days=p.threshold_days, quantile=p.threshold_quantile, min_days=p.threshold_min_days)
        return or_last(found, fitted.levels).sort(KEY)

    def _log_odds(self, rows: pl.DataFrame) -> Array:
        return self._ready()[0].scores(rows, self._model())[2]

    def _alert_levels(self, rows: pl.DataFrame, since: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
        """Alert threshold of every asked as_of, from the hub's own recent probabilities (`alerts.alert_levels`).

        Recent are the out-of-fold probabilities of training and the model's own on rows decided `since` its cutoff: none of
        them was made by a booster that had seen the row's outcome. Each is the answer given then, from the whole day.
        """
        fitted, p = self._ready()[0], self.params
        asks = rows.select(LEVEL_KEY).unique().sort(LEVEL_KEY)
        pool = fitted.pool
        if not since.is_empty():
            levelled = self._levelled(since, known)
            made = levelled.select(LEVEL_KEY).with_columns(pl.Series("probability", sigmoid(self._log_odds(levelled))))
            pool = pl.concat([pool, made.select(pool.columns).cast(pool.schema)])
        parts = []
        for part in asks.partition_by(*SERIES, maintain_order=True):
            mine = pool.filter(*(pl.col(c) == part[c][0] for c in SERIES))
            levels = alert_levels(mine, part["as_of"].to_list(), p, fallback=fitted.alert_probability)
            parts.append(part.with_columns(pl.Series("alert_probability", levels, dtype=pl.Float64)))
        return pl.concat(parts)


def _latest(target: pl.DataFrame) -> datetime:
    """Latest decision time of rows to answer on."""
    latest = target["as_of"].max()
    if not isinstance(latest, datetime):
        raise TypeError(f"as_of of the target is {target.schema['as_of']}; it must be a UTC instant")
    return latest


def _empty() -> pl.DataFrame:
    """A prediction without rows."""
    schema = SPEC.curated.polars_schema()
    return pl.DataFrame(schema={c: schema[c] for c in (*ANSWER, *(o.name for o in SPEC.output))})


MODEL = SpikeRisk
