"""Model of lmp_nowcast: quantiles of every node's next prices, one set of factors and boosters per horizon, calibrated by node cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
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
from models.lmp_nowcast import store
from models.lmp_nowcast.direct import NAMES
from models.lmp_nowcast.horizon import Base, Horizon, fit_horizon
from models.lmp_nowcast.panel import NODE, OPTIONAL, complete, is_new, panel
from models.lmp_nowcast.params import Params
from models.lmp_nowcast.spec import LEVELS, QUANTILES, SPEC

Array = npt.NDArray[np.float64]
WHOLES = ("factors", "graph")  # parts of the point forecast that are explained as one
ASKED = tuple(c for c in SPEC.required if c not in {"price_ccy_per_mwh", "price_known_ts"})


class LmpNowcastModel:
    """System price and congestion factors, and boosters over single nodes, per horizon; a quantile tracker per node cluster.

    Every row is answered from what was known at its own as_of: its own features, those of other nodes of the same decision (from history
    or target) and outcomes known by then, whatever else is asked in the same call.
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
        """Answer every target row; DEGRADED where a usual input is unknown, the last price is old, or the node is new."""
        if self._cutoff is None:
            raise frames.InputError(f"{SPEC.name}: the model is not fitted; call fit or load first")
        frames.require(data.target, ASKED, model=SPEC.name, part="target")
        target = complete(frames.in_key_order(data.target)).with_row_index("_at")
        point, ladder = np.empty(target.height), np.empty((target.height, len(LEVELS)))
        reasons = np.full(target.height, "", dtype=object)
        history = self._history(data.history)
        for horizon, rows in self._by_horizon(target):
            at = rows["_at"].to_numpy()
            around = history.filter(pl.col("horizon_min") == rows["horizon_min"][0])
            base = horizon.base(rows.drop("_at"), around)
            point[at] = base.median
            ladder[at] = base.ladder(self._offsets(horizon, rows, base, around))
            reasons[at] = self._reasons(horizon, rows)
        outputs = {"horizon_min": target["horizon_min"].to_numpy(), SPEC.point_column: point}
        return frames.answer(SPEC, target, outputs | {c: ladder[:, k] for k, c in enumerate(QUANTILES.values())}, reasons.tolist())

    def carried(self, history: pl.DataFrame, *, as_of: datetime) -> Self:
        """The model once the outcomes of `history` known at `as_of` are learned: with later history it answers what this one would.

        Only the online calibration moves; its cutoff becomes `as_of`.
        """
        known, horizons = self._history(history), {}
        for minutes, horizon in self._horizons.items():
            around = known.filter(pl.col("horizon_min") == minutes)
            scored = self._scored(horizon, around, as_of)
            moved = [self._tracked(horizon, scored, k, np.array([_millis(as_of)]))[0].tolist() for k in range(len(horizon.offsets))]
            horizons[minutes] = replace(horizon, offsets=moved)
        return self._of(asdict(self.params), horizons, as_of)

    def save(self, directory: Path) -> None:
        """Write parameters, directions and boosters, then seal."""
        cutoff = self._cutoff.isoformat() if self._cutoff else None
        heads = [store.save_horizon(directory, horizon) for horizon in self._horizons.values()]
        artifacts.save_json(directory, "model", {"params": asdict(self.params), "cutoff": cutoff, "horizons": heads})
        artifacts.seal(directory, model=SPEC.name)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Verify and read what `save` wrote."""
        artifacts.verify_artifact(directory, model=SPEC.name)
        head = artifacts.load_json(directory, "model")
        horizons = {part["minutes"]: store.load_horizon(directory, part) for part in head["horizons"]}
        return cls._of(head["params"], horizons, datetime.fromisoformat(head["cutoff"]) if head["cutoff"] else None)

    @classmethod
    def _of(cls, params: Mapping[str, Any], horizons: dict[int, Horizon], cutoff: datetime | None) -> Self:
        model = cls(params)
        model._horizons, model._cutoff = horizons, cutoff
        return model

    def explain(self, data: Features) -> Contributions:
        """Contributions to the point forecast: TreeSHAP of the boosters over single nodes, factors and graph as wholes, the base."""
        target = complete(frames.in_key_order(data.target))
        history, parts = self._history(data.history), []
        for horizon, rows in self._by_horizon(target):
            given = panel(rows, history.filter(pl.col("horizon_min") == rows["horizon_min"][0]), horizon.nodes)
            x, point = horizon.direct.inputs(given), horizon.base_of(given, rows).median
            told = horizon.shares(given, horizon.direct.changes(x)["median"])
            single = told.get("direct", (0.0, point))[0] * horizon.direct.boosters["median"].predict(x, pred_contrib=True, num_threads=1)
            parts_of = [share * moved for share, moved in (told.get(n, (0.0, np.zeros(rows.height))) for n in WHOLES)]
            shares = np.column_stack([single[:, :-1], *parts_of, point - single[:, :-1].sum(axis=1) - np.sum(parts_of, axis=0)])
            key = rows.select(frames.KEY)
            parts += [
                key.with_columns(feature=pl.lit(name), contribution=pl.Series(shares[:, k]))
                for k, name in enumerate([*NAMES, *WHOLES, "(base)"])
            ]
        empty = target.select(frames.KEY).clear().with_columns(feature=pl.lit(""), contribution=pl.lit(0.0))
        return Contributions(pl.concat([empty, *parts]), SPEC.point_column)

    def _by_horizon(self, target: pl.DataFrame) -> Iterator[tuple[Horizon, pl.DataFrame]]:
        """Rows with the horizon that answers them: their own, or the nearest one that was trained."""
        for minutes in target["horizon_min"].unique().sort().to_list():
            nearest = min(self._horizons, key=lambda trained: (abs(trained - minutes), trained))
            yield self._horizons[nearest], target.filter(pl.col("horizon_min") == minutes)

    def _history(self, history: pl.DataFrame) -> pl.DataFrame:
        """History rows decided since shortly before the fit, in key order; nothing where history cannot be used."""
        if not set(SPEC.required) <= set(history.columns):
            return complete(pl.DataFrame(schema=SPEC.inputs.polars_schema()))
        return complete(frames.in_key_order(history.unique(list(frames.KEY), keep="first", maintain_order=True)))

    def _offsets(self, horizon: Horizon, rows: pl.DataFrame, base: Base, history: pl.DataFrame) -> Array:
        """Calibrated quantiles of the scores for every row, from the outcomes of its cluster and horizon known at its own as_of."""
        scored = self._scored(horizon, history, rows["as_of"].max())
        asked = rows["as_of"].dt.epoch("ms").to_numpy()
        if scored.is_empty():
            return np.stack([horizon.starts(k) for k in range(int(base.cluster.max(initial=0)) + 1)])[base.cluster]
        offsets = np.empty((rows.height, len(LEVELS)))
        for cluster in np.unique(base.cluster).tolist():
            mine = np.flatnonzero(base.cluster == cluster)
            instants, back = np.unique(asked[mine], return_inverse=True)
            offsets[mine] = self._tracked(horizon, scored, cluster, instants)[back]
        return offsets

    def _scored(self, horizon: Horizon, history: pl.DataFrame, last: object) -> pl.DataFrame:
        """Scores and clusters of the history rows whose outcome became known after the fit and by `last`."""
        known = _outcomes(history, self._cutoff, last)
        if known.is_empty():
            return known.select(NODE, "delivery_ts", "price_known_ts", _score=pl.lit(0.0), _cluster=pl.lit(0))
        found = horizon.base(known, history)
        scores = found.scores(known["price_ccy_per_mwh"].to_numpy().astype(np.float64))
        return known.select(NODE, "delivery_ts", "price_known_ts", _score=pl.Series(scores), _cluster=pl.Series(found.cluster))

    def _tracked(self, horizon: Horizon, scored: pl.DataFrame, cluster: int, instants: npt.NDArray[np.int64]) -> Array:
        """Offsets of a cluster at instants (milliseconds, ascending), shape (instants, levels)."""
        tracker = QuantileTracker(np.asarray(LEVELS), horizon.starts(cluster), self.params.track_step)
        return tracker.run(*_by_interval(scored, cluster), instants)

    def _reasons(self, horizon: Horizon, rows: pl.DataFrame) -> list[str]:
        """Why each row is DEGRADED; empty text where it is not."""
        limit, minutes = horizon.usual_age_min + self.params.stale_after_min, rows["horizon_min"][0]
        usual, age = horizon.expected or OPTIONAL[:1], pl.col("price_last_age_min")
        lacking = pl.concat_list(pl.when(pl.col(c).is_null()).then(pl.lit(c)) for c in usual).list.drop_nulls()
        cases = [
            (lacking.list.len() > 0, pl.lit("unknown: ") + lacking.list.join(", ")),
            (age > limit, pl.format("the last known price is {} min old", age)),
            (is_new(horizon.nodes), pl.lit("the node was not there when the version was trained")),
            (pl.lit(minutes != horizon.minutes), pl.lit(f"horizon {minutes} min answered as {horizon.minutes} min")),
        ]
        rare = [case.any().alias(str(k)) for k, (case, _) in enumerate(cases) if k]
        somewhere = (any(rows[c].null_count() for c in usual), *rows.select(rare).row(0))
        said = [pl.when(case).then(text) for (case, text), there in zip(cases, somewhere, strict=True) if there]
        if not said:
            return [""] * rows.height
        return rows.with_columns(_said=pl.concat_str(said, separator="; ", ignore_nulls=True))["_said"].to_list()


def _outcomes(history: pl.DataFrame, cutoff: datetime | None, last: object) -> pl.DataFrame:
    """History rows whose outcome became known after the fit and before the last decision asked for."""
    price, known = pl.col("price_ccy_per_mwh"), pl.col("price_known_ts")
    if not isinstance(last, datetime) or history.is_empty():
        return history.clear()
    return history.filter(known.is_not_null() & (known > cutoff) & (known <= last) & price.is_not_null() & price.is_finite())


def _millis(instant: datetime) -> int:
    return round(1000 * instant.timestamp())


def _by_interval(scored: pl.DataFrame, cluster: int) -> tuple[Array, npt.NDArray[np.int64]]:
    """Scores of a cluster, one row per publication and interval, NaN where a node is absent, and when each became known."""
    own = scored.filter(pl.col("_cluster") == cluster).sort("price_known_ts", "delivery_ts", NODE)
    if own.is_empty():
        return np.empty(0), np.empty(0, dtype=np.int64)
    group = own.select(pl.struct("price_known_ts", "delivery_ts").rle_id()).to_series().to_numpy().astype(np.int64)
    place = own.select(pl.int_range(pl.len()).over("price_known_ts", "delivery_ts")).to_series().to_numpy()
    scores = np.full((int(group[-1]) + 1, int(place.max()) + 1), np.nan)
    scores[group, place] = own["_score"].to_numpy()
    starts = np.flatnonzero(place == 0)
    return scores, own["price_known_ts"].dt.epoch("ms").to_numpy()[starts]


MODEL = LmpNowcastModel
