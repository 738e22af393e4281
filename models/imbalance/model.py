"""imbalance: boosted and conformally calibrated quantiles of the spread, and the hedge that a linear program makes of their mean."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.frames import KEY, answer, companion, in_key_order, learnable, require
from models._kernel.protocol import Contributions, Features, Prediction
from models._kernel.replay import Past, calibrated
from models._kernel.settlement import ImbalanceSettlement
from models._kernel.spec import ModelSpec
from models.imbalance import storage
from models.imbalance.boosting import ladder, ladder_centre, ladder_mean
from models.imbalance.features import OUTCOME_COLUMNS, with_optional
from models.imbalance.params import Params
from models.imbalance.scenarios import draw
from models.imbalance.spec import LEVELS, QUANTILES, SPEC
from models.imbalance.storage import Fitted, Series
from models.imbalance.tables import SCENARIOS
from models.imbalance.training import inputs_of, series_of, train

Array = npt.NDArray[np.float64]
ASKED = tuple(c for c in SPEC.required if c not in OUTCOME_COLUMNS)
MEDIAN = LEVELS.index(0.5)


class Imbalance:
    """Quantiles of the spread of the balancing price over the day-ahead price, and the hedge of a load schedule (yardstick M2)."""

    spec: ClassVar[ModelSpec] = SPEC

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        """Take the parameters of config/models/imbalance.yaml with the portfolio under `assets`; unknown ones are refused."""
        self.params = Params.of(params)
        self._fitted: Fitted | None = None

    def fit(self, data: Features, *, cutoff: datetime, seed: int) -> Self:
        """Learn from the rows of `data.history` whose spread was known at `cutoff`; same data and seed, same bytes."""
        require(data.history, SPEC.required, model=SPEC.name, part="history")
        self._fitted = train(learnable(data.history, cutoff), self.params, cutoff=cutoff, seed=seed)
        return self

    def predict(self, data: Features, *, as_of: datetime) -> Prediction:
        """Answer every row of `data.target`, each with what was known at its own as_of; a day's hedge is decided on the rows asked."""
        fitted = self._ready()
        require(data.target, ASKED, model=SPEC.name, part="target")
        target = in_key_order(data.target)
        quantiles = self._quantiles(fitted, target, self._pasts(fitted, data.history, as_of))
        centre = ladder_centre(quantiles, self.params.centre_levels)
        rule = ImbalanceSettlement(self.params.portfolio)
        energy, hedge = rule.volume(target), rule.best(target, centre)[:, 0]
        outputs: dict[str, npt.ArrayLike] = {
            "spread_mean_ccy_per_mwh": ladder_mean(quantiles),
            "spread_centre_ccy_per_mwh": centre,
            "spread_median_ccy_per_mwh": quantiles[:, MEDIAN],
            **{name: quantiles[:, k] for k, name in enumerate(QUANTILES.values())},
            "scheduled_mwh": energy,
            "hedge_share": hedge,
            "expected_saving_ccy": energy * hedge * centre,
        }
        return answer(SPEC, target, outputs, _reasons(target, fitted))

    def companions(self, data: Features, *, as_of: datetime) -> Mapping[str, pl.DataFrame]:
        """Joint scenarios of the spread of the target rows; series that were not trained have none.

        Scenario k of all hubs rests on the same past day, and so does scenario k of the day-ahead price (`curated.curve_scenarios`).
        """
        fitted, target = self._ready(), in_key_order(data.target)
        pasts = self._pasts(fitted, data.history, as_of)
        quantiles = self._quantiles(fitted, target, pasts)
        keys = np.array(series_of(target)).reshape(-1, 3)
        frames = []
        for series in fitted.series:
            mine = (keys == series).all(axis=1)
            if mine.any():
                rows = target.filter(pl.Series(mine, dtype=pl.Boolean))
                sizes = {"slots": fitted.slots, "count": self.params.scenarios}
                frames.append(draw(series, rows, quantiles[mine], pasts[series], self.params.knots, **sizes))
        return {SCENARIOS.name: companion(SCENARIOS, pl.concat(frames) if frames else SCENARIOS.empty())}

    def explain(self, data: Features) -> Contributions:
        """TreeSHAP contributions to the boosted median of the spread, before calibration."""
        fitted, target = self._ready(), in_key_order(data.target)
        inputs, names = inputs_of(target, fitted.series, fitted.boosters.names)
        table = fitted.boosters.contributions(inputs) if len(inputs) else np.empty((0, len(names) + 1))
        wide = pl.DataFrame(table, schema=[*names, "(base)"], orient="row")
        long = target.select(KEY).hstack(wide).unpivot(index=list(KEY), variable_name="feature", value_name="contribution")
        return Contributions(long.sort(*KEY, "feature"), "boosted median of the spread, currency/MWh")

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
            raise RuntimeError("imbalance is not fitted; call fit, or load an artifact")
        return self._fitted

    def _pasts(self, fitted: Fitted, history: pl.DataFrame, as_of: datetime) -> Mapping[Series, Past]:
        """Calibration rows of every trained series; those of training alone (none) where nothing is calibrated."""
        return _pasts(fitted, history, as_of) if self.params.aci_gamma else fitted.past

    def _quantiles(self, fitted: Fitted, target: pl.DataFrame, pasts: Mapping[Series, Past]) -> Array:
        """Calibrated quantiles at all levels, shape (n, levels)."""
        base = fitted.boosters.quantiles(inputs_of(target, fitted.series, fitted.boosters.names)[0])
        if self.params.aci_gamma and len(base):
            base = calibrated(
                base,
                target,
                series_of(target),
                pasts,
                slots=fitted.slots,
                knots=self.params.knots,
                gamma=self.params.aci_gamma,
                window=self.params.aci_window,
            )
        return ladder(self.params.knots, np.sort(base, axis=1))


def _pasts(fitted: Fitted, history: pl.DataFrame, as_of: datetime) -> dict[Series, Past]:
    """Calibration rows of every trained series: those of training, then what became known since."""
    since = _since(history, fitted, as_of)
    known = fitted.boosters.quantiles(inputs_of(since, fitted.series, fitted.boosters.names)[0])
    keys = np.array(series_of(since)).reshape(-1, 3)
    pasts = {}
    for series in fitted.series:
        theirs = (keys == series).all(axis=1)
        pasts[series] = fitted.past[series].plus(Past.of(since.filter(pl.Series(theirs, dtype=pl.Boolean)), known[theirs]))
    return pasts


def _since(history: pl.DataFrame, fitted: Fitted, as_of: datetime) -> pl.DataFrame:
    """Rows whose spread became known after the training's cutoff and by `as_of`, at the training's resolution."""
    if not history.width:
        return pl.DataFrame(schema=SPEC.inputs.polars_schema())
    since = learnable(history, as_of).filter(pl.col("price_known_ts") > fitted.cutoff)
    return since.filter(pl.col("resolution_min") == 24 * 60 // fitted.slots)


def _reasons(target: pl.DataFrame, fitted: Fitted) -> list[str]:
    """Why rows are DEGRADED: a hub that training had not, inputs that it had and the row lacks."""
    known = set(fitted.series)
    strange = [s not in known for s in series_of(target)]
    rows = with_optional(target)
    lacking = [c for c in fitted.expected if rows[c].null_count()]
    missing = {c: rows[c].is_null().to_list() for c in lacking}
    reasons = []
    for i in range(target.height):
        names = [c for c in lacking if missing[c][i]]
        parts = ["hub not seen in training: its errors are not calibrated"] if strange[i] else []
        parts += [f"missing inputs: {', '.join(names)}"] if names else []
        reasons.append("; ".join(parts))
    return reasons


MODEL = Imbalance
