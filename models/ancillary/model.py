"""ancillary: quantiles of energy and reserve prices, and the schedule of a battery and a plant that exact programs make of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.frames import KEY, answer, in_key_order, learnable, require
from models._kernel.protocol import Contributions, Features, Prediction
from models._kernel.quantile_boosting import ladder, ladder_centre, ladder_mean
from models._kernel.replay import calibrated
from models._kernel.settlement_reserves import ReserveSettlement
from models._kernel.spec import ModelSpec
from models.ancillary import storage
from models.ancillary.inputs import OUTCOME_COLUMNS, Table, family_of, series_of, table_of
from models.ancillary.params import Params
from models.ancillary.spec import LEVELS, QUANTILES, SPEC
from models.ancillary.storage import Fitted
from models.ancillary.training import SMALLEST_WIDTH, past_of, quantiles, train, with_co

Array = npt.NDArray[np.float64]
ASKED = tuple(c for c in SPEC.required if c not in OUTCOME_COLUMNS)
MEDIAN = LEVELS.index(0.5)
NAIVE = ("price_hour_mean_7d_ccy_per_mwh", "price_lag_7d_ccy_per_mwh", "price_mean_28d_ccy_per_mwh")


class Ancillary:
    """Quantiles of energy and every reserve price, and a co-optimised schedule of battery and plant (yardstick M3)."""

    spec: ClassVar[ModelSpec] = SPEC

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        """Take the parameters of config/models/ancillary.yaml with its assets; unknown ones are refused."""
        self.params = Params.of(params)
        self._fitted: Fitted | None = None

    @property
    def search(self) -> dict[str, float]:
        """Which products the fit stacked (1) and which it left alone (0)."""
        return {f"stacked_{name}": float(flag) for name, flag in self._ready().products.stacked.items()}

    def fit(self, data: Features, *, cutoff: datetime, seed: int) -> Self:
        """Learn from the rows of `data.history` whose price was known at `cutoff`; same data and seed, same bytes."""
        require(data.history, SPEC.required, model=SPEC.name, part="history")
        self._fitted = train(learnable(data.history, cutoff), self.params, cutoff=cutoff, seed=seed)
        return self

    def predict(self, data: Features, *, as_of: datetime) -> Prediction:
        """Answer every row of `data.target`, each with what was known at its own as_of; a day is scheduled on the rows asked."""
        fitted = self._ready()
        require(data.target, ASKED, model=SPEC.name, part="target")
        target = in_key_order(data.target)
        found = self._quantiles(fitted, target, data.history, as_of)
        centre = ladder_centre(LEVELS, found, self.params.centre_levels)
        rule = ReserveSettlement(self.params.battery, self.params.ccgt, self.params.reserves)
        position = rule.best(target, centre)
        outputs: dict[str, npt.ArrayLike] = {
            "is_energy": target["is_energy"].to_numpy(),
            "price_mean_ccy_per_mwh": ladder_mean(LEVELS, found),
            "price_centre_ccy_per_mwh": centre,
            "price_median_ccy_per_mwh": found[:, MEDIAN],
            **{name: found[:, k] for k, name in enumerate(QUANTILES.values())},
            "battery_mw": position[:, 0],
            "ccgt_mw": np.maximum(position[:, 1], 0.0),
            "expected_profit_ccy": rule.worth(target, position, centre).sum(axis=1),
        }
        return answer(SPEC, target, outputs, _reasons(target, fitted))

    def explain(self, data: Features) -> Contributions:
        """TreeSHAP contributions to the boosted median of the price, before calibration, summed over families of inputs."""
        fitted, target = self._ready(), in_key_order(data.target)
        table = self._table(target)
        inputs, parts = with_co(fitted.products, table, self.params), []
        for name, boosters in fitted.products.second.items():
            mine = table.of(name)
            if not mine.any():
                continue
            told = boosters.contributions(inputs[mine, : len(boosters.names)])
            families = [*(family_of(n) for n in boosters.names), "(base)"]
            order = list(dict.fromkeys(families))
            summed = np.column_stack([told[:, [f == family for f in families]].sum(axis=1) for family in order])
            parts.append(_long(target.filter(pl.Series(mine)), summed, order))
        rest = target.filter(~pl.col("product").cast(pl.String).is_in(list(fitted.products.names)))
        parts.append(_long(rest, np.zeros((rest.height, 1)), ["(base)"]))
        return Contributions(pl.concat(parts).sort(*KEY, "feature"), "boosted median of the price, currency/MWh")

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
            raise RuntimeError("ancillary is not fitted; call fit, or load an artifact")
        return self._fitted

    def _table(self, rows: pl.DataFrame) -> Table:
        fitted = self._ready()
        names = next(iter(fitted.products.first.values() or fitted.products.second.values())).names
        return table_of(rows, fitted.hubs, names)

    def _quantiles(self, fitted: Fitted, target: pl.DataFrame, history: pl.DataFrame, as_of: datetime) -> Array:
        """Quantiles at all levels, shape (n, levels): boosted, calibrated, never below zero for reserves."""
        base = quantiles(fitted.products, self._table(target), self.params)
        if self.params.aci_gamma and len(base):
            since = _since(history, fitted, as_of)
            known = quantiles(fitted.products, self._table(since), self.params)
            keys, pasts = np.array(series_of(since)).reshape(-1, 3), dict(fitted.past)
            for series in fitted.past:
                pasts[series] = fitted.past[series].plus(past_of(since, known, np.asarray((keys == series).all(axis=1), dtype=np.bool_)))
            base = calibrated(
                base,
                target,
                series_of(target),
                pasts,
                slots=fitted.slots,
                knots=self.params.knots,
                gamma=self.params.aci_gamma,
                window=self.params.aci_window,
                smallest=SMALLEST_WIDTH,
            )
        strange = ~np.isfinite(base).all(axis=1)
        base[strange] = _naive(target)[strange, None]
        floor = np.where(target["is_energy"].to_numpy(), -np.inf, 0.0)[:, None]
        return ladder(LEVELS, self.params.knots, np.maximum(np.sort(base, axis=1), floor))


def _long(rows: pl.DataFrame, values: Array, features: list[str]) -> pl.DataFrame:
    wide = rows.select(KEY).hstack(pl.DataFrame(values, schema=dict.fromkeys(features, pl.Float64), orient="row"))
    return wide.unpivot(index=list(KEY), variable_name="feature", value_name="contribution")


def _naive(rows: pl.DataFrame) -> Array:
    """What a product that training had not is taken to cost: the newest of its means that is known, else nothing."""
    there = [pl.col(c).cast(pl.Float64).fill_nan(None) for c in NAIVE if c in rows.columns]
    return rows.select(pl.coalesce(*there, pl.lit(0.0))).to_series().to_numpy() if there else np.zeros(rows.height)


def _since(history: pl.DataFrame, fitted: Fitted, as_of: datetime) -> pl.DataFrame:
    """Rows whose price became known after the training's cutoff and by `as_of`, at the training's resolution."""
    if not history.width:
        return pl.DataFrame(schema=SPEC.inputs.polars_schema())
    since = learnable(history, as_of).filter(pl.col("price_known_ts") > fitted.cutoff)
    return since.filter(
        (pl.col("resolution_min") == 24 * 60 // fitted.slots) & pl.col("product").cast(pl.String).is_in(list(fitted.products.names))
    )


def _reasons(target: pl.DataFrame, fitted: Fitted) -> list[str]:
    """Why rows are DEGRADED: a hub, product or product design that training had not, inputs that it had and the row lacks."""
    hubs, products, regimes = set(fitted.hubs), set(fitted.products.names), set(fitted.regimes)
    lacking = [c for c in fitted.expected if c not in target.columns or target[c].null_count()]
    missing = {c: target[c].is_null().to_list() if c in target.columns else [True] * target.height for c in lacking}
    reasons = []
    for i, (market, hub, product, regime) in enumerate(target.select("market", "hub", "product", "reserve_regime").iter_rows()):
        parts = [] if (str(market), str(hub)) in hubs else ["hub not seen in training"]
        parts += [] if str(product) in products else ["product not seen in training: its recent mean stands in"]
        parts += [] if regime in regimes else ["design of the reserve products not seen in training"]
        names = [c for c in lacking if missing[c][i]]
        parts += [f"missing inputs: {', '.join(names)}"] if names else []
        reasons.append("; ".join(parts))
    return reasons


MODEL = Ancillary
