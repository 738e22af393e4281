"""bess_vpp: quantiles of the day-ahead and the balancing price, and a battery's schedule by a two-stage program with CVaR."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.frames import KEY, answer, companion, in_key_order, learnable, require
from models._kernel.protocol import Contributions, Features, Prediction
from models._kernel.spec import ModelSpec
from models._kernel.storage.asset import StorageAsset
from models._kernel.storage.rules import MarketRules, profits
from models._kernel.storage.two_stage import StoragePlan, worth_of
from models.bess_vpp import storage
from models.bess_vpp.days import DAY_AHEAD_PRICE, Day, days_of
from models.bess_vpp.inputs import OUTCOME_COLUMNS, hubs_of, inputs_of, with_optional
from models.bess_vpp.params import Params
from models.bess_vpp.plans import Planned, planned
from models.bess_vpp.spec import DAY_AHEAD, LEVELS, REAL_TIME, SPEC, SPREAD_LEVELS, SPREAD_QUANTILES
from models.bess_vpp.tables import FRONTIER
from models.bess_vpp.training import Fitted, train

Array = npt.NDArray[np.float64]
SPREAD_PATHS = 100  # scenarios that quantiles of the spread are told from
ASKED = tuple(c for c in SPEC.required if c not in OUTCOME_COLUMNS)


class BessVpp:
    """Recalibrated quantiles of both prices, and the schedule of a battery between them (yardsticks O4 and O5)."""

    spec: ClassVar[ModelSpec] = SPEC

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        """Take the parameters of config/models/bess_vpp.yaml with battery and markets under `assets`; unknown ones are refused."""
        self.params = Params.of(params)
        self._fitted: Fitted | None = None

    def fit(self, data: Features, *, cutoff: datetime, seed: int) -> Self:
        """Learn from the rows of `data.history` whose prices were both known at `cutoff`; same data and seed, same bytes."""
        require(data.history, SPEC.required, model=SPEC.name, part="history")
        rows = learnable(learnable(data.history, cutoff), cutoff, DAY_AHEAD_PRICE)
        self._fitted = train(rows, self.params, cutoff=cutoff, seed=seed)
        return self

    def predict(self, data: Features, *, as_of: datetime) -> Prediction:
        """Answer every row of `data.target`, each with what was known at its own as_of; a day is scheduled on the rows asked."""
        fitted = self._ready()
        require(data.target, ASKED, model=SPEC.name, part="target")
        target = in_key_order(data.target)
        ladder, made = np.zeros((target.height, 2, len(LEVELS))), np.zeros((target.height, 4))
        spread = np.zeros((target.height, len(SPREAD_LEVELS)))
        for day in days_of(target, data.history, fitted, self.params, as_of):
            ladder[day.rows], spread[day.rows] = day.ladder, _spread(day)
            made[day.rows] = _schedule(day, self.params)
        outputs: dict[str, npt.ArrayLike] = {
            **{name: ladder[:, 0, k] for k, name in enumerate(DAY_AHEAD.values())},
            **{name: ladder[:, 1, k] for k, name in enumerate(REAL_TIME.values())},
            **{name: spread[:, k] for k, name in enumerate(SPREAD_QUANTILES.values())},
            "day_ahead_mw": made[:, 0],
            "delivery_mean_mw": made[:, 1],
            "charge_level_mean_mwh": np.maximum(made[:, 2], 0.0),
            "profit_mean_ccy": made[:, 3],
        }
        return answer(SPEC, target, outputs, _reasons(target, fitted))

    def days(self, data: Features, *, as_of: datetime) -> Iterator[Day]:
        """Days of the target with quantiles, scenarios, battery and rules, as `predict` schedules them."""
        return days_of(in_key_order(data.target), data.history, self._ready(), self.params, as_of)

    def companions(self, data: Features, *, as_of: datetime) -> Mapping[str, pl.DataFrame]:
        """Mean and tail of every day for the risk aversions of `lambdas`, with EVPI and VSS."""
        target = in_key_order(data.target)
        parts = [_frontier(day, target, self.params) for day in days_of(target, data.history, self._ready(), self.params, as_of)]
        return {FRONTIER.name: companion(FRONTIER, pl.concat(parts) if parts else FRONTIER.empty())}

    def explain(self, data: Features) -> Contributions:
        """TreeSHAP contributions to the boosted median of the day-ahead price, before recalibration."""
        fitted, target = self._ready(), in_key_order(data.target)
        boosters = fitted.boosters[0]
        inputs, names = inputs_of(target, fitted.hubs, boosters.names)
        table = boosters.contributions(inputs) if len(inputs) else np.empty((0, len(names) + 1))
        wide = pl.DataFrame(table, schema=[*names, "(base)"], orient="row")
        keys = target.select(KEY).rename({"hub": "_hub"})
        long = keys.hstack(wide).unpivot(index=keys.columns, variable_name="feature", value_name="contribution").rename({"_hub": "hub"})
        return Contributions(long.select(*KEY, "feature", "contribution").sort(*KEY, "feature"), "boosted median, currency/MWh")

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
            raise RuntimeError("bess_vpp is not fitted; call fit, or load an artifact")
        return self._fitted


def _schedule(day: Day, params: Params) -> Array:
    """Schedule, mean delivery, mean charge and mean profit of every interval, shape (T, 4)."""
    first, second = day.scenarios(params.paths)
    plan = next(p for p in _planned(day, first, second, params).plans if p.risk_aversion == params.risk_aversion)
    return np.column_stack(
        (plan.day_ahead_mw, plan.net_mw.mean(axis=0), plan.charge_level_mwh.mean(axis=0), _by_interval(day, plan, first, second))
    )


def _planned(day: Day, first: Array, second: Array, params: Params) -> Planned:
    """Plans of the day for every risk aversion; the answer and its companions ask for the same ones."""
    lambdas = tuple(sorted({*params.lambdas, params.risk_aversion}))
    return _plans(day.asset, day.rules, np.stack([first, second]).tobytes(), first.shape[1], lambdas, params.scenarios)


@lru_cache(maxsize=64)
def _plans(asset: StorageAsset, rules: MarketRules, paths: bytes, intervals: int, lambdas: tuple[float, ...], few: int) -> Planned:
    first, second = np.frombuffer(paths, dtype=np.float64).reshape(2, -1, intervals)
    return planned(asset, rules, first, second, lambdas, few=few)


def _spread(day: Day) -> Array:
    """Quantiles of the balancing less the day-ahead price, shape (T, levels)."""
    first, second = day.scenarios(SPREAD_PATHS)
    return np.quantile(second - first, SPREAD_LEVELS, axis=0).T


def _by_interval(day: Day, plan: StoragePlan, first: Array, second: Array) -> Array:
    """Mean profit of every interval over the scenarios, shape (T,)."""
    earned = profits(
        day.rules,
        committed_mw=plan.day_ahead_mw[None, :, None],
        net_mw=plan.net_mw[..., None],
        day_ahead=first[..., None],
        real_time=second[..., None],
        power_mw=day.asset.power_mw,
        wear_ccy_per_mwh=day.asset.degradation_ccy_per_mwh,
    )
    return np.asarray(earned.mean(axis=0), dtype=np.float64)


def _frontier(day: Day, target: pl.DataFrame, params: Params) -> pl.DataFrame:
    """Rows of the companion table at the day's first interval."""
    first, second = day.scenarios(params.paths)
    made = _planned(day, first, second, params)
    plans, lambdas = made.plans, [p.risk_aversion for p in made.plans]
    worth = worth_of(day.asset, day.rules, first[: params.scenarios], second[: params.scenarios], plan=made.program)
    told = pl.DataFrame(
        {
            "step": range(1, len(plans) + 1),
            "risk_aversion": lambdas,
            "is_chosen": [p.risk_aversion == params.risk_aversion for p in plans],
            "expected_profit_ccy": [p.expected_ccy for p in plans],
            "cvar_profit_ccy": [p.cvar_ccy for p in plans],
            "evpi_ccy": worth.evpi_ccy,
            "vss_ccy": worth.vss_ccy,
            "day_ahead_mwh": [day.rules.hours * float(np.abs(p.day_ahead_mw).sum()) for p in plans],
            "solver_status": [p.status for p in plans],
        }
    )
    return target[int(day.rows[0])].select(KEY).join(told, how="cross")


def _reasons(target: pl.DataFrame, fitted: Fitted) -> list[str]:
    """Why rows are DEGRADED: a hub that training had not, inputs that it had and the row lacks."""
    known, rows = set(fitted.hubs), with_optional(target)
    lacking = [c for c in fitted.expected if rows[c].null_count()]
    missing = {c: rows[c].is_null().to_list() for c in lacking}
    reasons = []
    for i, hub in enumerate(hubs_of(target)):
        names = [c for c in lacking if missing[c][i]]
        parts = [] if hub in known else ["hub not seen in training: its quantiles are not recalibrated"]
        parts += [f"missing inputs: {', '.join(names)}"] if names else []
        reasons.append("; ".join(parts))
    return reasons


MODEL = BessVpp
