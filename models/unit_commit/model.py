"""Model of unit_commit: boosted discrete-time hazards beyond the unit's own past, calibrated per horizon."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel import frames
from models._kernel.protocol import Contributions, Features, Prediction
from models._kernel.spec import ModelSpec
from models.unit_commit import storage
from models.unit_commit.hazard import log_hazard, probability_of
from models.unit_commit.inputs import NAMES, OFFSET, complete, matrix, reasons, scale_of
from models.unit_commit.params import Params
from models.unit_commit.spec import HORIZONS_MIN, OUTCOME, OUTCOMES, SPEC
from models.unit_commit.training import EVENTS, Fitted, change_offset, of_state, past_probability, train

Array = npt.NDArray[np.float64]
ASKED = tuple(c for c in SPEC.required if c not in {*OUTCOMES, OUTCOME.known})


class UnitCommit:
    """Probability that a unit is online, starts or stops within a horizon, and its ramp (yardstick M5).

    Every row is answered from its own features and the artifact alone, whatever else is asked in the same call.
    """

    spec: ClassVar[ModelSpec] = SPEC

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        """Take the parameters of config/models/unit_commit.yaml; unknown ones are refused."""
        self.params = Params.of(params)
        self._fitted: Fitted | None = None
        self._cutoff: datetime | None = None

    @property
    def search(self) -> Mapping[str, float]:
        """What the search inside the fold found."""
        return dict(self._ready().search)

    def fit(self, data: Features, *, cutoff: datetime, seed: int) -> Self:
        """Learn from rows whose status was known at the cutoff; same data and seed, same bytes.

        Raises:
            InputError: a required column is missing, or no status was known at the cutoff.
        """
        frames.require(data.history, SPEC.required, model=SPEC.name, part="history")
        rows = complete(frames.learnable(data.history, cutoff, OUTCOME))
        if rows["delivery_date"].n_unique() < self.params.blocks:
            raise frames.InputError(
                f"{SPEC.name}: {rows['delivery_date'].n_unique()} delivery dates with a known status at the cutoff {cutoff};"
                f" give at least {self.params.blocks}"
            )
        self._fitted, self._cutoff = train(rows, self.params, seed=seed), cutoff
        return self

    def label(self, data: Features) -> pl.DataFrame:
        """Event of every target row, for scoring: needs no fit.

        Returns:
            Key columns, `threshold` (nothing is exceeded here: one half) and `event` (1.0 where the unit was online; null while unknown).
        """
        return data.target.select(*frames.KEY, pl.lit(0.5).alias("threshold"), pl.col(OUTCOME.column).cast(pl.Float64).alias("event"))

    def predict(self, data: Features, *, as_of: datetime) -> Prediction:  # noqa: ARG002 - every row carries its own as_of
        """Answer every target row; DEGRADED where an input that rows of its horizon usually have is unknown."""
        fitted = self._ready()
        frames.require(data.target, ASKED, model=SPEC.name, part="target")
        rows = complete(frames.in_key_order(data.target))
        horizon = self._trained_horizon(rows)
        found = {event: self._probability(event, rows, horizon) for event in EVENTS}
        on = rows["online_last"].to_numpy() == 1
        outputs: dict[str, npt.ArrayLike] = {
            "horizon_min": rows["horizon_min"].to_numpy(),
            "unit_class": rows["unit_class"].cast(pl.String).to_numpy(),
            "online_probability": np.where(on, 1 - found["turns_off"], found["turns_on"]),
            "start_probability": found["started"],
            "stop_probability": found["stopped"],
            "ramp_mw": self._ramp(rows),
            "markov_probability": fitted.markov["online"].probability(rows),
        }
        return frames.answer(SPEC, rows, outputs, reasons(rows, fitted.expected, sorted(map(int, fitted.expected))))

    def explain(self, data: Features) -> Contributions:
        """TreeSHAP contributions to the log cumulative hazard of leaving the last known state, before calibration."""
        rows = complete(frames.in_key_order(data.target))
        table = np.zeros((rows.height, len(NAMES) + 1))
        for event in ("turns_on", "turns_off"):
            at = np.flatnonzero(of_state(rows, event))
            if not len(at):
                continue
            offset, booster = self._offset(event, rows[at]), self._ready().boosters[event]
            if booster is not None:
                table[at] = booster.predict(matrix(rows[at], offset), pred_contrib=True)
            table[at, NAMES.index(OFFSET)] += offset
        wide = pl.DataFrame(table, schema=[*NAMES, "(base)"], orient="row")
        keyed = rows.select(frames.KEY).hstack(wide.rename({c: f"_{c}" for c in wide.columns if c in frames.KEY}))
        long = keyed.unpivot(index=list(frames.KEY), variable_name="feature", value_name="contribution")
        return Contributions(long.sort(*frames.KEY, "feature"), "log hazard of a change of status")

    def save(self, directory: Path) -> None:
        """Write the artifact, sealed."""
        fitted, cutoff = self._ready(), self._cutoff
        if cutoff is None:
            raise RuntimeError("unit_commit is not fitted; call fit, or load an artifact")
        storage.write(directory, fitted, self.params, cutoff)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote; altered files are refused."""
        model = cls()
        model._fitted, model.params, model._cutoff = storage.read(directory)
        return model

    def _ready(self) -> Fitted:
        if self._fitted is None:
            raise RuntimeError("unit_commit is not fitted; call fit, or load an artifact")
        return self._fitted

    def _trained_horizon(self, rows: pl.DataFrame) -> npt.NDArray[np.int64]:
        """The trained horizon that calibrates a row: its own, or the nearest."""
        trained = np.asarray(sorted(map(int, self._ready().expected)) or HORIZONS_MIN, dtype=np.int64)
        own = rows["horizon_min"].to_numpy()
        return np.asarray(trained[np.abs(own[:, None] - trained[None, :]).argmin(axis=1)], dtype=np.int64)

    def _offset(self, event: str, rows: pl.DataFrame) -> Array:
        return log_hazard(past_probability(self._ready().markov, rows, event))

    def _probability(self, event: str, rows: pl.DataFrame, horizon: npt.NDArray[np.int64]) -> Array:
        """Calibrated probability of an event; rows that it cannot come to get one that is not used."""
        fitted = self._ready()
        offset, booster = self._offset(event, rows), fitted.boosters[event]
        score = offset
        if booster is not None and rows.height:
            score = offset + booster.predict(matrix(rows, offset), raw_score=True)
        return fitted.calibration[event](probability_of(score), horizon)

    def _ramp(self, rows: pl.DataFrame) -> Array:
        booster = self._ready().boosters["ramp"]
        if booster is None or not rows.height:
            return np.zeros(rows.height)
        offset = change_offset({e: self._offset(e, rows) for e in ("turns_on", "turns_off")}, rows)
        return np.asarray(booster.predict(matrix(rows, offset)) * scale_of(rows), dtype=np.float64)


MODEL = UnitCommit
