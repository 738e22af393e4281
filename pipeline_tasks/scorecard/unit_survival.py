"""Survival models of the offline state (lifelines): Kaplan-Meier by class, Cox with changing covariates, Weibull accelerated failure time.

Every day-ahead decision about an offline unit is an interval of its age: it enters at `state_h` hours offline and leaves 24 hours later,
with a start or censored (left truncation; Andersen & Gill 1982). One decision a day, so that intervals of a unit do not overlap.
"""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[np.float64]
SURVIVAL = ("kaplan_meier", "cox_time_varying", "weibull_aft")
DAY_MIN, DAY_H = 1440, 24.0
COVARIATES = (
    "online_168h_share", "starts_2160h", "online_hour_7d_share", "online_slot_28d_share", "fleet_online_share", "fuel_online_share",
    "residual_load_tightness", "price_prev_day_mean_ccy_per_mwh",
)  # fmt: skip
MOST_ROWS = 12_000
PENALIZER = 0.01


def start_probabilities(past: pl.DataFrame, rows: pl.DataFrame) -> dict[str, Array]:
    """Probability of a start within 24 hours by survival model, on day-ahead rows of offline units; NaN elsewhere.

    Args:
        past: rows with known outcomes.
        rows: rows to answer on.
    """
    made = {name: np.full(rows.height, np.nan) for name in SURVIVAL}
    offline = (pl.col("online_last") == 0) & (pl.col("horizon_min") == DAY_MIN)
    spells = past.filter(offline, pl.col("started").is_not_null())
    at = np.flatnonzero(rows.select(offline.alias("o"))["o"].to_numpy())
    if not len(at) or spells["started"].sum() < 20:
        return made
    spells = spells.filter(pl.col("local_hour") == spells["local_hour"].min())
    if spells.height > MOST_ROWS:
        spells = spells.gather_every(-(-spells.height // MOST_ROWS))
    asked = rows[at]
    names, mean, scale = _usable(spells)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made["kaplan_meier"][at] = _kaplan_meier(spells, asked)
        made["cox_time_varying"][at] = _cox(spells, asked, names, mean, scale)
        made["weibull_aft"][at] = _weibull(spells, asked, names, mean, scale)
    return made


def _usable(spells: pl.DataFrame) -> tuple[list[str], Array, Array]:
    """Covariates that are mostly known and vary, with mean and spread."""
    x = spells.select(pl.col(c).cast(pl.Float64) for c in COVARIATES)
    names = [c for c in COVARIATES if x[c].is_not_null().mean() > 0.5 and (x[c].std() or 0.0) > 1e-9]  # type: ignore[operator]
    known = x.select(names)
    return names, known.mean().to_numpy()[0], known.std().to_numpy()[0]  # type: ignore[attr-defined]


def _covariates(rows: pl.DataFrame, names: list[str], mean: Array, scale: Array) -> Array:
    raw = rows.select(pl.col(c).cast(pl.Float64) for c in names).to_numpy()
    return np.where(np.isfinite(raw), (raw - mean) / scale, 0.0)


def _table(rows: pl.DataFrame, names: list[str], mean: Array, scale: Array):  # type: ignore[no-untyped-def]  # noqa: ANN202 - a pandas frame
    import pandas as pd

    table = pd.DataFrame(_covariates(rows, names, mean, scale), columns=names)
    entry = rows["state_h"].cast(pl.Float64).to_numpy()
    return table.assign(entry=entry, leave=entry + DAY_H, event=rows["started"].to_numpy().astype(bool), unit=rows["product"].to_list())


def _kaplan_meier(spells: pl.DataFrame, asked: pl.DataFrame) -> Array:
    from lifelines import KaplanMeierFitter

    made = np.full(asked.height, np.nan)
    classes = asked["unit_class"].to_numpy()
    for name in np.unique(classes):
        part = spells.filter(pl.col("unit_class") == name)
        part = part if part["started"].sum() >= 5 else spells
        entry = part["state_h"].cast(pl.Float64).to_numpy()
        fitted = KaplanMeierFitter().fit(entry + DAY_H, part["started"].to_numpy(), entry=entry)
        mine = classes == name
        age = asked["state_h"].cast(pl.Float64).to_numpy()[mine]
        before, after = (np.maximum(fitted.predict(t).to_numpy(), 1e-9) for t in (age, age + DAY_H))
        made[mine] = np.clip(1 - after / before, 0, 1)
    return made


def _cox(spells: pl.DataFrame, asked: pl.DataFrame, names: list[str], mean: Array, scale: Array) -> Array:
    from lifelines import CoxTimeVaryingFitter

    table = _table(spells, names, mean, scale)
    fitted = CoxTimeVaryingFitter(penalizer=PENALIZER).fit(table, id_col="unit", event_col="event", start_col="entry", stop_col="leave")
    hazard = fitted.baseline_cumulative_hazard_.iloc[:, 0]
    times, values = hazard.index.to_numpy(dtype=np.float64), hazard.to_numpy(dtype=np.float64)

    def until(t: Array) -> Array:
        return np.concatenate(([0.0], values))[np.searchsorted(times, t, side="right")]

    age = asked["state_h"].cast(pl.Float64).to_numpy()
    risk = np.exp(_covariates(asked, names, mean, scale) @ fitted.params_.loc[names].to_numpy(dtype=np.float64))
    return np.asarray(-np.expm1(-(until(age + DAY_H) - until(age)) * risk))


def _weibull(spells: pl.DataFrame, asked: pl.DataFrame, names: list[str], mean: Array, scale: Array) -> Array:
    from lifelines import WeibullAFTFitter

    table = _table(spells, names, mean, scale).drop(columns="unit")
    fitted = WeibullAFTFitter(penalizer=PENALIZER).fit(table, duration_col="leave", event_col="event", entry_col="entry")
    by_name = fitted.params_["lambda_"]
    log_scale = _covariates(asked, names, mean, scale) @ by_name.loc[names].to_numpy(dtype=np.float64) + float(by_name["Intercept"])
    shape = float(np.exp(fitted.params_["rho_"]["Intercept"]))
    age = asked["state_h"].cast(pl.Float64).to_numpy()
    before, after = (np.exp(shape * (np.log(t) - log_scale)) for t in (age, age + DAY_H))
    return np.asarray(-np.expm1(-(after - before)))
