"""Model of carbon_coupling: base price by drifting coefficients of gas, carbon and load; the carbon risk factor and hedge ratios."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel import artifacts, frames
from models._kernel.carbon_hedge import LEAST_ROWS, Drift, Levels, best_drift, drifting, ratios
from models._kernel.protocol import Contributions, Features, Prediction
from models._kernel.spec import ModelSpec
from models.carbon_coupling.days import NAMES, OPTIONAL, SERIES, HubDays, days_of
from models.carbon_coupling.intensity import marginal_intensity
from models.carbon_coupling.params import Params
from models.carbon_coupling.spec import LEVELS, QUANTILES, SPEC
from models.carbon_coupling.tables import CARBON_HEDGES

Array = npt.NDArray[np.float64]
ASKED = tuple(c for c in SPEC.required if c not in {"price_ccy_per_mwh", "price_known_ts"})
HOUR, SPREAD = "price_hour_mean_28d_ccy_per_mwh", "price_std_7d_ccy_per_mwh"
LEAST_SHARE = 0.1
USUAL = 0.98  # share of training rows in which an input must be known to be expected
HEAD = ("params", "cutoff", "ratio", "noise", "centre", "spread", "expected")
ARRAYS = ("spread", "ladder")
HOURS, GAS_AT, CO2_AT = 24, NAMES.index("gas_change"), NAMES.index("co2_change")


@dataclass(frozen=True, slots=True)
class Fitted:
    """What training found.

    Attributes:
        drift: how coefficients drift, of all hubs together.
        centre: what stands in for an unknown mean of the last week.
        spread: what stands in for an unknown standard deviation of the last week; a tenth of it is the least that is used.
        ladder: quantiles of the errors by local hour in last week's standard deviations, shape (24, levels).
        expected: inputs that are usually known.
    """

    drift: Drift
    centre: float
    spread: float
    ladder: Array
    expected: tuple[str, ...]


class CarbonCoupling:
    """Base price as the last week's mean plus what load, gas and carbon changed, each by a coefficient that drifts (yardstick M7)."""

    spec: ClassVar[ModelSpec] = SPEC

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        """Take the parameters of config/models/carbon_coupling.yaml; unknown ones are refused."""
        self.params = Params.of(params)
        self._fitted: Fitted | None = None
        self._cutoff: datetime | None = None

    def fit(self, data: Features, *, cutoff: datetime, seed: int) -> Self:  # noqa: ARG002 - nothing here is random
        """Choose how fast coefficients drift and learn the errors of the hours, from prices known at the cutoff.

        Raises:
            InputError: a required column is missing, or no whole day was known at the cutoff.
        """
        frames.require(data.history, SPEC.required, model=SPEC.name, part="history")
        rows = frames.learnable(data.history, cutoff)
        hubs = days_of(rows)
        days = [(d, np.where(np.isfinite(d.centre), d.base - d.centre, np.nan)) for d in hubs.values()]
        if not any(np.isfinite(y).any() for _, y in days):
            raise frames.InputError(f"{SPEC.name}: no whole day was known at the cutoff {cutoff}; give history before it")
        drift = best_drift(np.concatenate([y for _, y in days]), np.concatenate([d.inputs for d, _ in days]))
        centre = float(np.nanmedian(np.concatenate([d.base for d, _ in days])))
        spread = float(np.nan_to_num(np.nanmedian(_spreads(rows, np.nan, 0.0)), nan=1.0)) if SPREAD in rows.columns else 1.0
        part = Fitted(drift, centre, spread, np.zeros((HOURS, len(LEVELS))), ())
        error = rows["price_ccy_per_mwh"].cast(pl.Float64).to_numpy() - self._points(rows, hubs, part)[0]
        error = error / _spreads(rows, spread, LEAST_SHARE * spread)
        hour = rows["local_hour"].to_numpy()
        ladder = np.stack([np.quantile(error[hour == h] if np.any(hour == h) else error, LEVELS) for h in range(HOURS)])
        known = {c: pl.col(c).is_not_null() & pl.col(c).cast(pl.Float64).is_finite() for c in OPTIONAL if c in rows.columns}
        expected = tuple(c for c, there in known.items() if rows.select(there.fill_null(value=False).mean()).item() >= USUAL)
        self._fitted, self._cutoff = Fitted(drift, centre, spread, ladder, expected), cutoff
        return self

    def predict(self, data: Features, *, as_of: datetime) -> Prediction:  # noqa: ARG002 - every row carries its own as_of
        """Answer every target row; DEGRADED where an input that is usually there is unknown."""
        fitted = self._ready()
        frames.require(data.target, ASKED, model=SPEC.name, part="target")
        rows = frames.in_key_order(data.target)
        point = self._points(rows, self._days(data), fitted)[0]
        width = _spreads(rows, fitted.spread, LEAST_SHARE * fitted.spread)[:, None]
        ladder = point[:, None] + width * fitted.ladder[rows["local_hour"].to_numpy().astype(np.int64)]
        outputs = {SPEC.point_column: point, **{c: ladder[:, k] for k, c in enumerate(QUANTILES.values())}}
        return frames.answer(SPEC, rows, outputs, _lacking(rows, fitted.expected))

    def companions(self, data: Features, *, as_of: datetime) -> Mapping[str, pl.DataFrame]:  # noqa: ARG002 - as in `predict`
        """Carbon risk factor and hedge ratios of every hub and delivery date."""
        fitted, hubs = self._ready(), self._days(data)
        first = data.target.group_by(*SERIES, "delivery_date").agg(pl.col("delivery_ts").min(), pl.col("as_of").min())
        rows = [
            {**{c: row[c] for c in frames.KEY}, **self._hedge(hubs, row, fitted)} for row in first.sort(frames.KEY).iter_rows(named=True)
        ]
        schema = {c: t for c, t in CARBON_HEDGES.polars_schema().items() if c in frames.KEY or c in _OWN}
        return {CARBON_HEDGES.name: frames.companion(CARBON_HEDGES, pl.DataFrame(rows, schema=schema))}

    def explain(self, data: Features) -> Contributions:
        """Contributions to the point forecast: coefficients times inputs, the hour's usual distance; the base is the last week's mean."""
        rows = frames.in_key_order(data.target)
        table = self._points(rows, self._days(data), self._ready())[1]
        wide = pl.DataFrame(table, schema=[*NAMES, "hour_of_day", "(base)"], orient="row")
        clash = {c: f"_{c}" for c in wide.columns if c in rows.columns}
        long = (
            rows.select(frames.KEY)
            .hstack(wide.rename(clash))
            .unpivot(index=list(frames.KEY), variable_name="feature", value_name="contribution")
        )
        named = long.with_columns(pl.col("feature").replace({v: k for k, v in clash.items()}))
        return Contributions(named.sort(*frames.KEY, "feature"), SPEC.point_column)

    def save(self, directory: Path) -> None:
        """Write the artifact: model.json and arrays.npz, sealed."""
        fitted = self._ready()
        if self._cutoff is None:
            raise RuntimeError("carbon_coupling is not fitted; call fit, or load an artifact")
        own = {f: getattr(self.params, f) for f in self.params.__slots__}
        head = {"params": own, "cutoff": self._cutoff.isoformat(), "ratio": fitted.drift.ratio, "noise": fitted.drift.noise}
        artifacts.save_json(
            directory, "model", {**head, "centre": fitted.centre, "spread": fitted.spread, "expected": list(fitted.expected)}
        )
        artifacts.save_arrays(directory, "arrays", {"spread": fitted.drift.spread, "ladder": fitted.ladder})
        artifacts.seal(directory, model=SPEC.name)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ArtifactError: files were altered, or are those of an earlier version of the model, which kept other numbers.
        """
        artifacts.verify_artifact(directory, model=SPEC.name)
        head, arrays = artifacts.load_json(directory, "model"), artifacts.load_arrays(directory, "arrays")
        lacking = [f"model.json: {k}" for k in HEAD if k not in head] + [f"arrays.npz: {k}" for k in ARRAYS if k not in arrays]
        if lacking:  # no default would do: the ladder of such a version is in other units
            raise artifacts.ArtifactError(
                f"{SPEC.name}: the artifact of {head.get('cutoff', 'an unknown cutoff')} lacks {', '.join(lacking)}: an earlier version of"
                " the model wrote it; train again: desk train carbon_coupling --market MARKET"
            )
        model = cls(head["params"])
        drift = Drift(float(head["ratio"]), float(head["noise"]), arrays["spread"])
        model._fitted = Fitted(drift, float(head["centre"]), float(head["spread"]), arrays["ladder"], tuple(head["expected"]))
        model._cutoff = datetime.fromisoformat(head["cutoff"])
        return model

    def _ready(self) -> Fitted:
        if self._fitted is None:
            raise RuntimeError("carbon_coupling is not fitted; call fit, or load an artifact")
        return self._fitted

    def _days(self, data: Features) -> dict[tuple[str, ...], HubDays]:
        if data.target.is_empty():
            return {}
        whole = frames.shown(data, (*ASKED, *OPTIONAL, "coal_price_ccy_per_unit"))
        outcomes = data.history.select(*frames.KEY, "price_ccy_per_mwh", "price_known_ts")  # a target row's own is never read
        own = whole.join(data.target.select(SERIES).unique(), on=list(SERIES), how="semi")
        return days_of(own.join(outcomes, on=list(frames.KEY), how="left"))

    def _points(self, rows: pl.DataFrame, hubs: Mapping[tuple[str, ...], HubDays], fitted: Fitted) -> tuple[Array, Array]:
        """Point forecasts (n,) and their parts (n, inputs + 2), each day by the coefficients known at its own gate."""
        parts = []
        for key, days in hubs.items():
            beta = _coefficients(days, fitted)[0]
            at = [days.last_known(instant) for instant in days.as_of]
            used = np.where(np.asarray(at)[:, None] >= 0, beta[np.maximum(at, 0)], 0.0) * days.inputs
            base = np.where(np.isfinite(days.centre), days.centre, fitted.centre)
            names = dict(zip(SERIES, key, strict=True))
            columns = {f"_{n}": used[:, k] for k, n in enumerate(NAMES)}
            parts.append(pl.DataFrame({**names, "delivery_date": days.dates, **columns, "_centre": base}))
        if not parts:
            return np.empty(0), np.empty((0, len(NAMES) + 2))
        asked = rows if HOUR in rows.columns else rows.with_columns(pl.lit(None, pl.Float64).alias(HOUR))
        usual = pl.col(HOUR).cast(pl.Float64).fill_nan(None)
        distance = (usual - usual.mean().over(*SERIES, "delivery_date")).fill_null(0.0).alias("_hour")
        joined = asked.select(*SERIES, "delivery_date", distance).join(
            pl.concat(parts), on=[*SERIES, "delivery_date"], how="left", maintain_order="left"
        )
        table = joined.select(*(f"_{n}" for n in NAMES), "_hour", "_centre").to_numpy()
        return np.asarray(table.sum(axis=1)), table

    def _hedge(self, hubs: Mapping[tuple[str, ...], HubDays], row: Mapping[str, Any], fitted: Fitted) -> dict[str, float | None]:
        days = hubs[tuple(str(row[c]) for c in SERIES)]
        now, last = days.dates.index(row["delivery_date"]), days.last_known(row["as_of"])
        beta, sd = _coefficients(days, fitted)
        used = [(beta[last, k], sd[last, k]) if last >= 0 else (np.nan, np.nan) for k in (CO2_AT, GAS_AT)]
        gas, both = (self._ratios(days, min(last + 1, now), assets) for assets in (1, 2))
        found = {
            "co2_price_ccy_per_t": days.co2[now],
            "gas_price_ccy_per_unit": days.gas[now],
            "co2_beta_t_per_mwh": used[0][0],
            "co2_beta_sd_t_per_mwh": used[0][1],
            "gas_beta_mwh_per_mwh": used[1][0],
            "carbon_factor_ccy_per_mwh": used[0][0] * days.co2[now],
            "marginal_intensity_t_per_mwh": marginal_intensity(days, min(last + 1, now), self.params),
            "gas_hedge_mwh_per_mwh": both[0],
            "co2_hedge_t_per_mwh": both[1],
            "gas_only_hedge_mwh_per_mwh": gas[0],
        }
        return {name: float(v) if np.isfinite(v) else None for name, v in found.items()}

    def _ratios(self, days: HubDays, end: int, assets: int) -> Array:
        """Hedge ratios from the known days before a position; NaN with too few."""
        whole = days.levels(end, assets)
        n = len(whole.power)
        if n <= LEAST_ROWS:
            return np.full(assets, np.nan)
        return ratios(self.params.hedge_method, whole.until(n, self.params.hedge_days), Levels(whole.power, whole.hedges, whole.load))


_OWN = {c.name for c in CARBON_HEDGES.columns if c.nullable}


def _coefficients(days: HubDays, fitted: Fitted) -> tuple[Array, Array]:
    """Filtered coefficients and their standard deviations by day, shape (n, inputs)."""
    beta, sd, _ = drifting(days.base - days.centre, days.inputs, fitted.drift)
    return beta, sd


def _spreads(rows: pl.DataFrame, absent: float, least: float) -> Array:
    """Standard deviation of the last week's prices of every row, at least `least`; `absent` where unknown."""
    if SPREAD not in rows.columns:
        return np.full(rows.height, max(absent, least))
    values = rows[SPREAD].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return np.asarray(np.maximum(np.where(np.isfinite(values), values, absent), least))


def _lacking(rows: pl.DataFrame, expected: tuple[str, ...]) -> list[str]:
    """Why each row is DEGRADED; empty text where it is not."""
    if rows.is_empty():
        return []
    parts = [pl.lit(None, pl.String)]
    for c in expected:
        there = (pl.col(c).is_not_null() & pl.col(c).cast(pl.Float64).is_finite()) if c in rows.columns else pl.lit(value=False)
        parts.append(pl.when(~there.fill_null(value=False)).then(pl.lit(c)))
    told = rows.select(pl.concat_str(parts, separator=", ", ignore_nulls=True).alias("r"))
    return [f"unknown: {r}" if r else "" for r in told["r"].to_list()]


MODEL = CarbonCoupling
