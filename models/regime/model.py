"""Model of regime: filtered state of each day, change points, the gate, and the forecast it falls back on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel import frames
from models._kernel.change_points import online_changes
from models._kernel.gating import ACTIONS, STATES
from models._kernel.market_days import NEEDED, SERIES, Scales, calendar, daily, scales_of, severity
from models._kernel.markov_switching import Priors, Switching, fit_switching
from models._kernel.protocol import Contributions, Features, Prediction
from models._kernel.spec import ModelSpec
from models._kernel.week_ridge import NAMES, WeekRidge, fit_week_ridge
from models.regime import storage
from models.regime.params import Params
from models.regime.spec import LEVELS, QUANTILES, SPEC
from models.regime.tables import REGIME_HISTORY, REGIMES_DAILY, STATE_COLUMNS

Array = npt.NDArray[np.float64]
ASKED = tuple(c for c in SPEC.required if c not in {"price_ccy_per_mwh", "price_known_ts"})
DAY = [*SERIES, "delivery_date"]
TOLD = tuple(c.name for c in STATE_COLUMNS)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What training found.

    Attributes:
        switching: the hidden Markov model.
        scales: median and spread of every observed number, by hub.
        evidence: log densities of the training days given the days before, ascending.
        fallback: the forecast that replaces a blocked one.
    """

    switching: Switching
    scales: Scales
    evidence: Array
    fallback: WeekRidge


class Regime:
    """State of the market as known at each gate, what follows for forecasts, and the fallback forecast (yardstick F4).

    States are filtered: a day's answer rests on that day's and earlier days' rows, each as known at its own gate.
    """

    spec: ClassVar[ModelSpec] = SPEC

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        """Take the parameters of config/models/regime.yaml; unknown ones are refused."""
        self.params = Params.of(params)
        self._fitted: Fitted | None = None
        self._cutoff: datetime | None = None

    def fit(self, data: Features, *, cutoff: datetime, seed: int) -> Self:  # noqa: ARG002 - nothing here is random
        """Learn states from the days decided by the cutoff, and the fallback from prices known then.

        Raises:
            InputError: a required column is missing, or no price was known at the cutoff.
        """
        frames.require(data.history, SPEC.required, model=SPEC.name, part="history")
        rows = frames.learnable(data.history, cutoff)
        if rows.is_empty():
            raise frames.InputError(f"{SPEC.name}: no price was known at the cutoff {cutoff}; give history before it")
        days = daily(frames.decided(data.history, cutoff))
        scales = scales_of(days)
        series, dates, observed = calendar(days, scales)
        p = self.params
        switching = fit_switching(observed, p.shares, Priors(stay_days=p.stay_days, transition_days=p.transition_days))
        state, evidence = switching.filtered(observed)
        there = np.isfinite(observed).any(axis=2)
        of_day = _state_frame(series, dates, state)
        joined = rows.join(of_day, on=DAY, how="left", maintain_order="left").select(STATES).fill_null(1 / len(STATES))
        fallback = fit_week_ridge(rows, joined.to_numpy(), LEVELS, penalty=p.penalty, windows=p.windows, folds=p.folds).model
        self._fitted, self._cutoff = Fitted(switching, scales, np.sort(evidence[there]), fallback), cutoff
        return self

    def predict(self, data: Features, *, as_of: datetime) -> Prediction:  # noqa: ARG002 - every row carries its own as_of
        """Answer every target row; DEGRADED where an input that is usually there is unknown."""
        fitted = self._ready()
        frames.require(data.target, ASKED, model=SPEC.name, part="target")
        rows = frames.in_key_order(data.target)
        days = self._days(data)
        told = rows.select(DAY).join(days, on=DAY, how="left", maintain_order="left")
        state = told.select(f"{s}_probability" for s in STATES).to_numpy().astype(np.float64)
        point = fitted.fallback.point(rows)
        ladder = fitted.fallback.quantiles(rows, point, state) if rows.height else np.empty((0, len(LEVELS)))
        outputs: dict[str, npt.ArrayLike] = {
            SPEC.point_column: point,
            **{c: ladder[:, k] for k, c in enumerate(QUANTILES.values())},
            **{c: told[c].to_numpy() for c in TOLD},
        }
        return frames.answer(SPEC, rows, outputs, fitted.fallback.lacking(rows))

    def companions(self, data: Features, *, as_of: datetime) -> Mapping[str, pl.DataFrame]:  # noqa: ARG002 - as in `predict`
        """The day's state, and the description of the days before it."""
        fitted, rows = self._ready(), frames.in_key_order(data.target)
        first = rows.group_by(DAY).agg(pl.col("delivery_ts").min(), pl.col("as_of").min())
        daily_rows = first.join(self._days(data), on=DAY, how="left")
        parts = [REGIME_HISTORY.empty().select(*frames.KEY, *_own_history())]
        series, dates, observed = self._observed(data)
        state, _ = fitted.switching.filtered(observed)
        where = {key: n for n, key in enumerate(series)}
        number = {day: n for n, day in enumerate(dates)}
        for row in first.sort(DAY).iter_rows(named=True):
            own, last = where[tuple(str(row[c]) for c in SERIES)], number[row["delivery_date"]]
            since = max(last - self.params.history_days, 0)
            begun = Switching(
                np.maximum(state[own, since], 1e-12), fitted.switching.transition, fitted.switching.mean, fitted.switching.variance
            )
            seen = observed[own, since : last + 1]
            smoothed = fitted.switching.smoothed(seen[None], state[own : own + 1, since : last + 1])[0][0]
            path = begun.most_likely_path(seen)
            parts.append(
                pl.DataFrame(
                    {
                        "described_date": dates[since : last + 1],
                        **{f"{s}_smoothed_share": np.clip(smoothed[:, k], 0, 1) for k, s in enumerate(STATES)},
                        "path_state": [STATES[k] for k in path],
                    }
                ).select(*(pl.lit(row[c], parts[0].schema[c]).alias(c) for c in frames.KEY), pl.all())
            )
        return {
            REGIMES_DAILY.name: frames.companion(REGIMES_DAILY, daily_rows),
            REGIME_HISTORY.name: frames.companion(REGIME_HISTORY, pl.concat(parts)),
        }

    def explain(self, data: Features) -> Contributions:
        """Contributions to arsinh of the fallback's point forecast, less the last week's mean, over its spread."""
        rows = frames.in_key_order(data.target)
        wide = pl.DataFrame(self._ready().fallback.contributions(rows), schema=[*NAMES, "(base)"], orient="row")
        long = rows.select(frames.KEY).hstack(wide).unpivot(index=list(frames.KEY), variable_name="feature", value_name="contribution")
        return Contributions(long.sort(*frames.KEY, "feature"), "arsinh of the point forecast's distance from the last week's mean")

    def save(self, directory: Path) -> None:
        """Write the artifact, sealed."""
        fitted = self._ready()
        if self._cutoff is None:
            raise RuntimeError("regime is not fitted; call fit, or load an artifact")
        storage.write(directory, fitted, self.params, self._cutoff)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote; altered files are refused."""
        model = cls()
        parts, model.params, model._cutoff = storage.read(directory)
        model._fitted = Fitted(*parts)
        return model

    def _ready(self) -> Fitted:
        if self._fitted is None:
            raise RuntimeError("regime is not fitted; call fit, or load an artifact")
        return self._fitted

    def _observed(self, data: Features) -> tuple[list[tuple[str, ...]], list[Any], Array]:
        """Series, dates and numbers of all days shown; a target row stands before a history row of the same key."""
        if data.target.is_empty():
            return [], [], np.empty((0, 0, 0))
        asked = data.target.select(SERIES).unique()
        whole = daily(frames.shown(data, ("delivery_date", *NEEDED)))
        dates = whole.select("delivery_date", "as_of")
        mine = whole.join(asked, on=list(SERIES), how="semi")
        # all series begin with the first day shown, so that a hub alone is filtered over the same days
        edge = dates.filter(pl.col("delivery_date") == pl.col("delivery_date").min()).head(1)
        first = mine.select(SERIES).unique().join(edge, how="cross").join(mine, on=DAY, how="anti").select(*DAY, "as_of")
        return calendar(pl.concat([mine, first], how="diagonal_relaxed").sort(DAY), self._ready().scales)

    def _days(self, data: Features) -> pl.DataFrame:
        """State columns of every series and date shown."""
        schema = {c.name: c.type.polars for c in STATE_COLUMNS}
        fitted, p = self._ready(), self.params
        series, dates, observed = self._observed(data)
        if not series:
            keys = data.target.select(DAY).schema
            return pl.DataFrame(schema={**keys, **schema})
        state, evidence = fitted.switching.filtered(observed)
        surprise = np.searchsorted(fitted.evidence, evidence, side="left") / max(len(fitted.evidence), 1)
        parts = []
        for n, key in enumerate(series):
            changes = online_changes(severity(observed[n]), mean_run_days=p.mean_run_days)
            likeliest = state[n].argmax(axis=1)
            weigh = (state[n, :, 2] >= p.down_weight_at) | (changes.recent >= p.change_at)
            gate = np.where(weigh & (likeliest == 2) & (surprise[n] <= p.block_at), 2, np.where(weigh, 1, 0))
            parts.append(
                pl.DataFrame(
                    {
                        **dict(zip(SERIES, key, strict=True)),
                        "delivery_date": dates,
                        "state": [STATES[k] for k in likeliest],
                        **{f"{s}_probability": np.clip(state[n, :, k], 0, 1) for k, s in enumerate(STATES)},
                        "change_probability": np.clip(changes.recent, 0, 1),
                        "run_length_days": changes.run_length,
                        "surprise_share": np.clip(surprise[n], 0, 1),
                        "gate": [ACTIONS[k] for k in gate],
                    }
                )
            )
        return pl.concat(parts)


def _own_history() -> list[str]:
    return ["described_date", *(f"{s}_smoothed_share" for s in STATES), "path_state"]


def _state_frame(series: list[tuple[str, ...]], dates: list[Any], state: Array) -> pl.DataFrame:
    """Filtered probabilities by series and date, a column per state."""
    return pl.concat(
        pl.DataFrame({**dict(zip(SERIES, key, strict=True)), "delivery_date": dates, **{s: state[n, :, k] for k, s in enumerate(STATES)}})
        for n, key in enumerate(series)
    )


MODEL = Regime
