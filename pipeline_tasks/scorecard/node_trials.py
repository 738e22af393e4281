"""Cold starts: nodes whose history is hidden but for its first days, nowcast from the prices of the others in the same intervals.

Nodes are dealt into groups at random; a group is hidden as a whole, so that no node is told by another hidden one, and nothing (factors,
choice of covariance, prior of corrections) sees the hidden nodes' prices but for the days that are revealed. Baselines get the same:
the nearest node on the map, the hub's mean with the mean basis of the revealed days, the node most alike in PTDF space, and a ridge
regression on all other nodes over the revealed days.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models._kernel.nodes.comovement import completed
from models._kernel.nodes.embedding import unit_rows
from models._kernel.nodes.learn import NodeMarket
from models._kernel.nodes.transfer import Transfer

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
OURS, NEAREST, HUB, PTDF, RIDGE = "node2grid", "nearest_on_map", "hub_and_mean_basis", "ptdf_cosine", "last_days_ridge"
BASELINES = (NEAREST, HUB, PTDF, RIDGE)
ALPHAS = np.logspace(-2, 6, 9)


@dataclass(frozen=True)
class Trial:
    """One split of time.

    Attributes:
        market: nodes with what is known of them; its prices are those learned from.
        scored: prices of the scored intervals, shape (intervals, nodes).
        revealed: label of a cold start (`d0`, `d7`) -> rows of the market's prices in which a hidden node's own are known.
        covariances: method -> its covariances; `node2grid` is ours, others are parts of it.
    """

    market: NodeMarket
    scored: Array
    revealed: Mapping[str, Flags]
    covariances: Mapping[str, Mapping[str, Array]]


Errors = dict[tuple[str, str], Array]
"""(method, cold start) -> mean absolute error per node, NaN where the node was not hidden or the method has no answer."""


def hidden_groups(candidates: Ints, groups: int, seed: int) -> list[Ints]:
    """Nodes dealt into groups at random, each in rising order."""
    order = np.random.default_rng(seed).permutation(candidates)
    return [np.sort(order[k::groups]) for k in range(groups)]


def errors(trial: Trial, groups: Sequence[Ints]) -> Errors:
    """Mean absolute error of every method on every hidden node."""
    n = len(trial.market.nodes)
    found: Errors = {}
    for hidden in groups:
        for key, values in _group(trial, hidden).items():
            found.setdefault(key, np.full(n, np.nan))[hidden] = values
    return found


def _group(trial: Trial, hidden: Ints) -> Errors:
    """Errors of one group, in its order."""
    prices = trial.market.prices
    whole = np.isfinite(prices).mean(axis=0) >= 0.8
    whole[hidden] = False
    seen = np.flatnonzero(whole & (np.isfinite(trial.scored).mean(axis=0) >= 0.8))
    past, now = completed(prices[:, seen]), completed(trial.scored[:, seen])
    truth = trial.scored[:, hidden]
    made: Errors = {}

    def score(method: str, start: str, told: Array) -> None:
        with np.errstate(invalid="ignore"):
            gap = np.abs(told - truth)
            made[method, start] = np.where(
                np.isfinite(gap).any(axis=0), np.nansum(gap, axis=0) / np.isfinite(gap).sum(axis=0).clip(1), np.nan
            )

    full = np.full(prices.shape, np.nan)
    full[:, seen] = past
    for method, priors in trial.covariances.items():
        transfer = Transfer.fit(full, seen, priors)
        for start, rows in trial.revealed.items():
            told = [transfer.nowcast(now, int(h), *_own(past, prices[:, h], rows)) for h in hidden]
            score(method, start, np.column_stack(told))
    for start, rows in trial.revealed.items():
        for method, answer in _baselines(trial.market, hidden, seen, past, now, rows).items():
            score(method, start, answer)
    return made


def _own(past: Array, own: Array, rows: Flags) -> tuple[Array, Array]:
    """Prices of the others and of the node in the revealed rows in which it has one."""
    there = rows & np.isfinite(own)
    return past[there], own[there]


def _baselines(market: NodeMarket, hidden: Ints, seen: Ints, past: Array, now: Array, rows: Flags) -> dict[str, Array]:
    made: dict[str, Array] = {}
    if market.place_km is not None:
        made[NEAREST] = now[:, _closest(market.place_km[hidden], market.place_km[seen])]
        made[NEAREST][:, ~np.isfinite(market.place_km[hidden]).all(axis=1)] = np.nan
    if market.plain_shift is not None:
        alike = unit_rows(market.plain_shift)
        made[PTDF] = now[:, np.argmax(alike[hidden] @ alike[seen].T, axis=1)]
    label = np.array(market.hub)
    means = {h: label[seen] == h if (label[seen] == h).any() else np.ones(seen.size, dtype=bool) for h in set(label[hidden].tolist())}
    hub = np.column_stack([now[:, means[h]].mean(axis=1) for h in label[hidden].tolist()])
    made[HUB] = hub
    if rows.any():
        before = np.column_stack([past[:, means[h]].mean(axis=1) for h in label[hidden].tolist()])
        own = market.prices[:, hidden]
        there = rows[:, None] & np.isfinite(own)
        made[HUB] = hub + np.where(there, own - before, 0.0).sum(axis=0) / there.sum(axis=0).clip(1)
        made[RIDGE] = _ridge(past[rows], np.where(np.isfinite(own), own, before)[rows], now)
    return made


def _closest(places: Array, others: Array) -> Ints:
    """Position of the nearest of some places; those without a place are never nearest."""
    apart = ((places[:, None, :] - others[None, :, :]) ** 2).sum(axis=2)
    return np.asarray(np.argmin(np.where(np.isfinite(apart), apart, np.inf), axis=1), dtype=np.int64)


def _ridge(past: Array, own: Array, now: Array) -> Array:
    """Ridge on all other nodes, its penalty by generalised cross-validation for each node."""
    from sklearn.linear_model import RidgeCV

    if len(past) < 3:
        return np.full((len(now), own.shape[1]), np.nan)
    return np.asarray(RidgeCV(ALPHAS, alpha_per_target=own.shape[1] > 1).fit(past, own).predict(now)).reshape(len(now), -1)
