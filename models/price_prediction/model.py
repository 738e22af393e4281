"""Model of price_prediction: boosted quantiles of the change from the last known price, per horizon, calibrated as outcomes come in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel import artifacts, frames
from models._kernel.conformal import QuantileTracker
from models._kernel.protocol import Contributions, Features, Prediction
from models._kernel.spec import ModelSpec
from models.price_prediction.boosting import ALPHAS, Boosters
from models.price_prediction.horizon import Horizon, fit_horizon
from models.price_prediction.inputs import OPTIONAL, SERIES, complete, matrix
from models.price_prediction.params import Params
from models.price_prediction.spec import LEVELS, QUANTILES, SPEC

Array = npt.NDArray[np.float64]
ASKED = tuple(c for c in SPEC.required if c not in {"price_ccy_per_mwh", "price_known_ts"})
_ROW = "_row"


class PricePredictionModel:
    """One set of boosted quantiles per horizon, pooled over hubs; a quantile tracker per hub and horizon keeps them calibrated.

    Every row is answered from its own features and from outcomes known at its own as_of, whatever else is asked in the same call.
    """

    spec: ClassVar[ModelSpec] = SPEC

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        """Take the parameters of `Params`; unknown ones are refused."""
        self.params = Params.of(params)
        self._horizons: dict[int, Horizon] = {}
        self._cutoff: datetime | None = None

    def fit(self, data: Features, *, cutoff: datetime, seed: int) -> Self:
        """Learn every horizon of the history from rows whose outcome was known at the cutoff.

        Raises:
            InputError: a required column is missing, or no price was known at the cutoff.
        """
        frames.require(data.history, SPEC.required, model=SPEC.name, part="history")
        rows = frames.learnable(complete(data.history), cutoff)
        if rows.is_empty():
            raise frames.InputError(f"{SPEC.name}: no price was known at the cutoff {cutoff}; give history before it")
        dates = rows["delivery_date"].unique().sort()
        rows = rows.filter(pl.col("delivery_date") >= dates[-min(dates.len(), self.params.train_days)])
        self._cutoff = cutoff
        self._horizons = {
            minutes: fit_horizon(rows.filter(pl.col("horizon_min") == minutes), minutes, self.params, seed=seed)
            for minutes in rows["horizon_min"].unique().sort().to_list()
        }
        return self

    def predict(self, data: Features, *, as_of: datetime) -> Prediction:  # noqa: ARG002 - every row carries its own as_of
        """Answer every target row; DEGRADED where an input the series usually has is unknown, or the last price is old."""
        if self._cutoff is None:
            raise frames.InputError(f"{SPEC.name}: the model is not fitted; call fit or load first")
        frames.require(data.target, ASKED, model=SPEC.name, part="target")
        target = complete(frames.in_key_order(data.target)).with_row_index(_ROW)
        point, ladder = np.empty(target.height), np.empty((target.height, len(LEVELS)))
        reasons = [""] * target.height
        history = self._outcomes(data.history, target)
        for horizon, rows in self._by_horizon(target):
            base, at = horizon.base(rows), rows[_ROW].to_numpy()
            point[at] = base.median
            ladder[at] = base.ladder(
                self._offsets(horizon, rows, history.filter(pl.col("horizon_min").is_in(rows["horizon_min"].unique().to_list())))
            )
            for row, reason in zip(at, self._reasons(horizon, rows), strict=True):
                reasons[row] = reason
        outputs = {"horizon_min": target["horizon_min"].to_numpy(), SPEC.point_column: point}
        return frames.answer(SPEC, target, outputs | {c: ladder[:, k] for k, c in enumerate(QUANTILES.values())}, reasons)

    def save(self, directory: Path) -> None:
        """Write parameters, horizons and boosters, then seal."""
        heads = [{k: v for k, v in asdict_plain(h).items() if k != "boosters"} for h in self._horizons.values()]
        cutoff = self._cutoff.isoformat() if self._cutoff else None
        artifacts.save_json(directory, "model", {"params": asdict(self.params), "cutoff": cutoff, "horizons": heads})
        for horizon in self._horizons.values():
            for name, booster in horizon.boosters.models.items():
                artifacts.save_booster(directory, f"h{horizon.minutes:04d}_{name}", booster)
        artifacts.seal(directory, model=SPEC.name)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Verify and read what `save` wrote."""
        artifacts.verify_artifact(directory, model=SPEC.name)
        head = artifacts.load_json(directory, "model")
        model = cls(head["params"])
        model._cutoff = datetime.fromisoformat(head["cutoff"]) if head["cutoff"] else None
        for part in head["horizons"]:
            boosters = Boosters({name: artifacts.load_booster(directory, f"h{part['minutes']:04d}_{name}") for name in ALPHAS})
            model._horizons[part["minutes"]] = Horizon(boosters=boosters, **part)
        return model

    def explain(self, data: Features) -> Contributions:
        """TreeSHAP contributions of the inputs to the point forecast; the base is the last known price and the mean change."""
        target = complete(frames.in_key_order(data.target))
        parts = [target.select(frames.KEY).clear().with_columns(feature=pl.lit(""), contribution=pl.lit(0.0))]
        for horizon, rows in self._by_horizon(target):
            x = matrix(rows, horizon.names, horizon.hubs)
            shares = horizon.trust * horizon.boosters.contributions(x)
            shares[:, -1] = horizon.base(rows).median - shares[:, :-1].sum(axis=1)
            key = rows.select(frames.KEY)
            parts += [
                key.with_columns(feature=pl.lit(name), contribution=pl.Series(shares[:, k]))
                for k, name in enumerate([*horizon.names, "(base)"])
            ]
        return Contributions(pl.concat(parts), SPEC.point_column)

    def _by_horizon(self, target: pl.DataFrame) -> Iterator[tuple[Horizon, pl.DataFrame]]:
        """Rows with the horizon that answers them: their own, or the nearest one that was trained."""
        for minutes in target["horizon_min"].unique().sort().to_list():
            nearest = min(self._horizons, key=lambda trained: (abs(trained - minutes), trained))
            yield self._horizons[nearest], target.filter(pl.col("horizon_min") == minutes)

    def _outcomes(self, history: pl.DataFrame, target: pl.DataFrame) -> pl.DataFrame:
        """History rows whose outcome became known after the fit and before the last decision asked for."""
        price, known = pl.col("price_ccy_per_mwh"), pl.col("price_known_ts")
        last = target["as_of"].max()
        if last is None or "price_known_ts" not in history.columns:
            return complete(history.clear())
        new = history.filter(known.is_not_null() & (known > self._cutoff) & (known <= last) & price.is_not_null() & price.is_finite())
        return complete(frames.in_key_order(new.unique(list(frames.KEY))))

    def _offsets(self, horizon: Horizon, rows: pl.DataFrame, history: pl.DataFrame) -> Array:
        """Calibrated quantiles of the scores for every row, from the outcomes of its series and horizon known at its own as_of."""
        offsets = np.empty((rows.height, len(LEVELS)))
        scored = history.with_columns(
            pl.Series("_score", horizon.base(history).scores(history["price_ccy_per_mwh"].to_numpy().astype(np.float64)))
        )
        indexed = rows.with_row_index("_at").sort("as_of", maintain_order=True)
        for key, asked in indexed.group_by(SERIES, maintain_order=True):
            own = scored.filter(*(pl.col(c) == v for c, v in zip(SERIES, key, strict=True))).sort("price_known_ts", "as_of")
            tracker = QuantileTracker(np.asarray(LEVELS), np.asarray(horizon.offsets), self.params.track_step)
            known, at = own["price_known_ts"].dt.epoch("ms").to_numpy(), asked["as_of"].dt.epoch("ms").to_numpy()
            offsets[asked["_at"].to_numpy()] = tracker.run(own["_score"].to_numpy(), known, at)
        return offsets

    def _reasons(self, horizon: Horizon, rows: pl.DataFrame) -> list[str]:
        """Why each row is DEGRADED; empty text where it is not."""
        usual = pl.concat_str(*SERIES, separator="|").replace_strict(
            {k: ",".join(v) for k, v in horizon.expected.items()}, default=",".join(OPTIONAL[:1])
        )
        given = rows.select(usual.str.split(",").alias("usual"), *OPTIONAL)
        limit, other = horizon.usual_age_min + self.params.stale_after_min, rows["horizon_min"].to_list()
        found = []
        for row, minutes in zip(given.iter_rows(named=True), other, strict=True):
            parts = [f"unknown: {', '.join(lacking)}"] if (lacking := [c for c in row["usual"] if c and row[c] is None]) else []
            age = row["price_last_age_min"]
            parts += [f"the last known price is {age} min old"] if age is not None and age > limit else []
            parts += [f"horizon {minutes} min answered as {horizon.minutes} min"] if minutes != horizon.minutes else []
            found.append("; ".join(parts))
        return found


def asdict_plain(horizon: Horizon) -> dict[str, Any]:
    """The fields of a horizon as they are; boosters are not copied."""
    return {name: getattr(horizon, name) for name in Horizon.__dataclass_fields__}


MODEL = PricePredictionModel
