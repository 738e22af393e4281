"""Training of ancillary: one quantile regression per product, alone or beside out-of-fold forecasts of the other products.

Stacking (Wolpert 1992): a first row of boosters forecasts every product; its forecasts of all products, made out of fold over blocks of
days, are inputs of the second row. What is better, alone or stacked, is decided per product on the last days before the cutoff.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel import metrics, quantile_boosting
from models._kernel.replay import Past
from models.ancillary.inputs import OPTIONAL, Table, beside, co_names, series_of, table_of
from models.ancillary.params import Params
from models.ancillary.storage import Fitted, Products

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
RARELY_MISSING = 0.01
FEWEST_DAYS = 30
SMALLEST_WIDTH = 0.1  # currency/MWh; reserves often cost less than that


def train(rows: pl.DataFrame, params: Params, *, cutoff: datetime, seed: int) -> Fitted:
    """Train on rows with a known price, in key order.

    Raises:
        ValueError: too few delivery dates.
    """
    days = rows["delivery_date"].unique().sort()
    if len(days) < FEWEST_DAYS:
        raise ValueError(
            f"ancillary: {len(days)} delivery dates with known prices at {cutoff}; {FEWEST_DAYS} are needed, give a longer history"
        )
    rows = rows.filter(pl.col("delivery_date") > days[-1] - timedelta(days=params.train_days))
    hubs = tuple((str(m), str(h)) for m, h in rows.select("market", "hub").unique().sort("market", "hub").iter_rows())
    table = table_of(rows, hubs)
    first = _first_calibration_day(rows, params)
    later = (rows["delivery_date"] >= first).to_numpy()
    begins = rows.filter(pl.Series(later))["as_of"].min()
    earlier = np.asarray(~later & (rows["price_known_ts"] <= begins).to_numpy(), dtype=np.bool_)
    stacked, early = _chosen(table, earlier, later, params, seed=seed)
    products = fit_products(table, np.ones(rows.height, dtype=np.bool_), stacked, params, seed=seed)
    optional = table.rows
    return Fitted(
        products=products,
        hubs=hubs,
        past=_pasts(rows.filter(pl.Series(later)), early[later]) if params.aci_gamma else {},
        expected=tuple(c for c in OPTIONAL if optional[c].null_count() <= RARELY_MISSING * rows.height),
        regimes=tuple(sorted(set(rows["reserve_regime"].to_list()))),
        slots=24 * 60 // int(rows["resolution_min"].to_numpy().min()),
        cutoff=cutoff,
    )


def _first_calibration_day(rows: pl.DataFrame, params: Params) -> date:
    days: list[date] = rows["delivery_date"].unique().sort().to_list()
    return days[-min(params.calibration_days, len(days) // 3)]


def _chosen(table: Table, earlier: Flags, later: Flags, params: Params, *, seed: int) -> tuple[dict[str, bool], Array]:
    """Whether each product is stacked, and the quantiles that boosters trained on `earlier` give the rows of `later`, (n, knots)."""
    names = sorted(set(table.product.tolist()))
    if params.tasks == "auto":
        alternatives = [dict.fromkeys(names, flag) for flag in (False, True)]
    else:
        alternatives = [dict.fromkeys(names, params.tasks == "multi")]
    if len(alternatives) == 1 and not params.aci_gamma:  # nothing to choose, nothing to start
        return alternatives[0], np.empty((len(table.product), len(params.knots)))
    answers = [quantiles(fit_products(table, earlier, a, params, seed=seed), table, params) for a in alternatives]
    if len(answers) == 1:
        return alternatives[0], answers[0]
    price, best, chosen = table.rows["price_ccy_per_mwh"].to_numpy(), answers[0].copy(), dict[str, bool]()
    for name in names:
        mine = table.of(name) & later
        loss = [_pinball(price[mine], a[mine], params) for a in answers]
        chosen[name] = bool(mine.any()) and loss[1] < loss[0]
        if chosen[name]:
            best[table.of(name)] = answers[1][table.of(name)]
    return chosen, best


def _pinball(price: Array, answer: Array, params: Params) -> float:
    return float(metrics.pinball_losses(price, answer, np.asarray(params.knots)).mean()) if len(price) else 0.0


def fit_products(table: Table, chosen: Flags, stacked: Mapping[str, bool], params: Params, *, seed: int) -> Products:
    """Boosters of every product on the chosen rows; products that are not stacked look at their own row alone."""
    names = tuple(sorted(set(table.product[chosen].tolist())))
    price = table.rows["price_ccy_per_mwh"].to_numpy()
    first, co = {}, np.empty((len(price), 0))
    if any(stacked.get(name) for name in names):
        first = {name: _train(table, chosen & table.of(name), price, params.co_levels, params, seed=seed) for name in names}
        co = beside(table, names, _out_of_fold(table, chosen, price, names, params, seed=seed))
    second, inputs = {}, np.column_stack((table.inputs, co))
    for name in names:
        mine = chosen & table.of(name)
        if stacked.get(name):
            columns = (*table.names, *co_names(names, params.co_levels))
            second[name] = quantile_boosting.train(inputs[mine], columns, price[mine], params.knots, params.boosting, seed=seed)
        else:
            second[name] = _train(table, mine, price, params.knots, params, seed=seed)
    return Products(names, first, second, {name: bool(stacked.get(name)) for name in names})


def _train(table: Table, mine: Flags, price: Array, levels: tuple[float, ...], params: Params, *, seed: int) -> quantile_boosting.Boosters:
    return quantile_boosting.train(table.inputs[mine], table.names, price[mine], levels, params.boosting, seed=seed)


def _out_of_fold(table: Table, chosen: Flags, price: Array, names: tuple[str, ...], params: Params, *, seed: int) -> Array:
    """Forecasts of the chosen rows by boosters that did not see their block of days, shape (n, levels); NaN for other rows."""
    day = table.rows["delivery_date"].cast(pl.Int32).to_numpy()
    edges = np.quantile(np.unique(day[chosen]), np.linspace(0, 1, params.co_folds + 1)[1:-1])
    block, found = np.searchsorted(edges, day, side="right"), np.full((len(price), len(params.co_levels)), np.nan)
    for number in range(params.co_folds):
        held = chosen & (block == number)
        for name in names:
            mine, rest = held & table.of(name), chosen & (block != number) & table.of(name)
            if mine.any() and rest.any():
                found[mine] = _train(table, rest, price, params.co_levels, params, seed=seed).quantiles(table.inputs[mine])
    return found


def quantiles(products: Products, table: Table, params: Params) -> Array:
    """Boosted quantiles of every row at the knots, shape (n, knots); NaN for products that training had not."""
    found, inputs = np.full((len(table.product), len(params.knots)), np.nan), with_co(products, table, params)
    for name, boosters in products.second.items():
        mine = table.of(name)
        found[mine] = boosters.quantiles(inputs[mine, : len(boosters.names)])
    return found


def with_co(products: Products, table: Table, params: Params) -> Array:
    """Own inputs, and the first row's forecasts of all products where some product is stacked."""
    if not products.first:
        return table.inputs
    own = np.full((len(table.product), len(params.co_levels)), np.nan)
    for name, boosters in products.first.items():
        mine = table.of(name)
        own[mine] = boosters.quantiles(table.inputs[mine])
    return np.column_stack((table.inputs, beside(table, products.names, own)))


def _pasts(block: pl.DataFrame, answers: Array) -> dict[tuple[str, str, str], Past]:
    keys = np.array(series_of(block)).reshape(-1, 3)
    return {
        (s[0], s[1], s[2]): past_of(block, answers, np.asarray((keys == s).all(axis=1), dtype=np.bool_)) for s in np.unique(keys, axis=0)
    }


def past_of(block: pl.DataFrame, answers: Array, mine: Flags) -> Past:
    """Calibration rows of one series."""
    return Past.of(block.filter(pl.Series(mine, dtype=pl.Boolean)), answers[mine], SMALLEST_WIDTH)
