"""Survival models of the offline state (lifelines): Kaplan-Meier by class and age, Cox with changing covariates, Weibull AFT.

Time runs from the decision. The horizons of one decision say in which of its intervals the first start fell, (0, 1], (1, 4], ... hours,
or that none came until the last: starts count at the end of their interval. The covariates of Cox's model change within a decision, each
interval has those of its own hour (Andersen & Gill 1982); the accelerated failure times have those of the last.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[np.float64]
SURVIVAL = ("kaplan_meier", "cox_time_varying", "weibull_aft")
COVARIATES = (
    "log_state_h", "online_168h_share", "starts_2160h", "online_hour_7d_share", "online_slot_28d_share", "online_lag_7d",
    "fleet_online_share", "fuel_online_share", "residual_load_tightness", "price_prev_day_mean_ccy_per_mwh",
)  # fmt: skip
DECISION = ("product", "as_of")
AGES_H = (24, 168)  # borders of the ages that Kaplan-Meier keeps apart
MOST_DECISIONS = 4_000
FEWEST_STARTS = 20
PENALIZER = 0.01


def start_probabilities(past: pl.DataFrame, rows: pl.DataFrame) -> dict[str, Array]:
    """Probability of a start within the longest horizon by survival model, on its rows of offline units; NaN elsewhere.

    Args:
        past: rows with known outcomes.
        rows: rows to answer on.
    """
    made = {name: np.full(rows.height, np.nan) for name in SURVIVAL}
    longest = rows["horizon_min"].max()
    asked = _intervals(rows.with_row_index("_row"))
    at = asked.filter(pl.col("horizon_min") == longest)["_row"].to_numpy()
    spells = _thinned(_intervals(past.filter(pl.col("started").is_not_null())))
    if not len(at) or spells["event"].sum() < FEWEST_STARTS:
        return made
    scale = _Scale.of(spells)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made["kaplan_meier"][at] = _kaplan_meier(_first(spells), asked.filter(pl.col("horizon_min") == longest))
        cox = _cox(spells, asked, scale)
        last = asked.select("_row", "horizon_min", *DECISION).with_columns(pl.Series("hazard", cox))
        whole = last.with_columns(pl.col("hazard").sum().over(DECISION)).filter(pl.col("horizon_min") == longest)
        made["cox_time_varying"][at] = -np.expm1(-whole["hazard"].to_numpy())
        made["weibull_aft"][at] = _weibull(_first(spells), asked.filter(pl.col("horizon_min") == longest), scale)
    return made


def _intervals(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of offline units in order: ends of their interval in hours, whether a start came before it, and whether one came in it."""
    offline = rows.filter(pl.col("online_last") == 0).sort(*DECISION, "horizon_min", maintain_order=True)
    before = pl.col("started").shift().over(DECISION).fill_null(0.0)
    return offline.with_columns(
        leave=pl.col("horizon_min") / 60,
        enter=(pl.col("horizon_min").shift().over(DECISION) / 60).fill_null(0.0),
        started_before=before,
        event=((pl.col("started") > 0) & (before == 0)),
        log_state_h=pl.col("state_h").cast(pl.Float64).log1p(),
    )


def _thinned(intervals: pl.DataFrame) -> pl.DataFrame:
    """Intervals at risk of an even part of the decisions."""
    number = pl.struct(DECISION).rle_id()
    step = max(1, intervals.select(pl.struct(DECISION).n_unique()).item() // MOST_DECISIONS)
    return intervals.filter(number % step == 0).filter(pl.col("started_before") == 0)


def _first(intervals: pl.DataFrame) -> pl.DataFrame:
    """One row per decision: the interval in which the first start came, or the last."""
    return intervals.group_by(DECISION, maintain_order=True).last()


@dataclass(frozen=True, slots=True)
class _Scale:
    """Covariates that are mostly known and vary, with mean and spread."""

    names: list[str]
    mean: Array
    spread: Array

    @classmethod
    def of(cls, rows: pl.DataFrame) -> _Scale:
        x = rows.select(pl.col(c).cast(pl.Float64) for c in COVARIATES).to_numpy()
        known = np.isfinite(x)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, x, 0.0).sum(axis=0) / count
        spread = np.sqrt(np.where(known, (x - mean) ** 2, 0.0).sum(axis=0) / count)
        usable = (known.mean(axis=0) > 0.5) & (spread > 1e-6)
        return cls([c for c, u in zip(COVARIATES, usable, strict=True) if u], mean[usable], spread[usable])

    def matrix(self, rows: pl.DataFrame) -> Array:
        raw = rows.select(pl.col(c).cast(pl.Float64) for c in self.names).to_numpy()
        return np.where(np.isfinite(raw), (raw - self.mean) / self.spread, 0.0)


def _age(rows: pl.DataFrame) -> npt.NDArray[np.int64]:
    return np.searchsorted(AGES_H, rows["state_h"].to_numpy(), side="right")


def _kaplan_meier(spells: pl.DataFrame, asked: pl.DataFrame) -> Array:
    from lifelines import KaplanMeierFitter

    made = np.full(asked.height, np.nan)
    groups, asked_groups = ([f"{c}{a}" for c, a in zip(r["unit_class"], _age(r), strict=True)] for r in (spells, asked))
    for group in sorted(set(asked_groups)):
        part = spells.filter(pl.Series([g == group for g in groups]))
        part = part if part["event"].sum() >= FEWEST_STARTS else spells
        fitted = KaplanMeierFitter().fit(part["leave"].to_numpy(), part["event"].to_numpy())
        mine = np.array([g == group for g in asked_groups])
        made[mine] = 1 - float(fitted.survival_function_.iloc[-1, 0])
    return made


def _cox(spells: pl.DataFrame, asked: pl.DataFrame, scale: _Scale) -> Array:
    """Hazard of every asked interval."""
    import pandas as pd
    from lifelines import CoxTimeVaryingFitter

    table = pd.DataFrame(scale.matrix(spells), columns=scale.names)
    number = spells.select(pl.struct(DECISION).rle_id().alias("n"))["n"].to_numpy()
    table = table.assign(enter=spells["enter"].to_numpy(), leave=spells["leave"].to_numpy(), event=spells["event"].to_numpy(), id=number)
    fitted = CoxTimeVaryingFitter(penalizer=PENALIZER).fit(table, id_col="id", event_col="event", start_col="enter", stop_col="leave")
    hazard = fitted.baseline_cumulative_hazard_.iloc[:, 0]
    times, values = hazard.index.to_numpy(dtype=np.float64), np.concatenate(([0.0], hazard.to_numpy(dtype=np.float64)))
    begin, end = (values[np.searchsorted(times, asked[c].to_numpy(), side="right")] for c in ("enter", "leave"))
    weights = fitted.params_.loc[scale.names].to_numpy(dtype=np.float64)
    return np.asarray((end - begin) * np.exp(scale.matrix(asked) @ weights))


def _weibull(spells: pl.DataFrame, asked: pl.DataFrame, scale: _Scale) -> Array:
    import pandas as pd
    from lifelines import WeibullAFTFitter

    table = pd.DataFrame(scale.matrix(spells), columns=scale.names)
    table = table.assign(leave=spells["leave"].to_numpy(), event=spells["event"].to_numpy())
    fitted = WeibullAFTFitter(penalizer=PENALIZER).fit(table, duration_col="leave", event_col="event")
    by_name = fitted.params_["lambda_"]
    log_scale = scale.matrix(asked) @ by_name.loc[scale.names].to_numpy(dtype=np.float64) + float(by_name["Intercept"])
    shape = float(np.exp(fitted.params_["rho_"]["Intercept"]))
    return np.asarray(-np.expm1(-np.exp(shape * (np.log(asked["leave"].to_numpy()) - log_scale))))
