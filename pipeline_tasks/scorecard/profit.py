"""Metrics of decisions that earn: daily profit, gain over a policy, share of foresight, broken obligations, in all and by asset."""

from __future__ import annotations

from functools import partial

import numpy as np

from pipeline_tasks.scorecard.decision import TEST, cost_of, money_of, statistic
from pipeline_tasks.scorecard.measures import Measure, Measurer, NotMeasurableError, need
from pipeline_tasks.scorecard.panel import Array, Comparator, Panel

ASSETS = ("battery", "ccgt")


def _costs(panel: Panel, other: Comparator | None, asset: str) -> tuple[Array, Array]:
    """Cost of the model and of a baseline, in all or of one asset."""
    money = money_of(panel)
    if not asset:
        return money.cost, money.idle if other is None else cost_of(other)
    if asset not in money.asset_costs:
        raise NotMeasurableError(f"the decision has no asset {asset}; it has {', '.join(money.asset_costs)}")
    if other is not None and asset not in other.asset_costs:
        raise NotMeasurableError(f"baseline {other.name} is a forecast; it decides nothing")
    return money.asset_costs[asset], np.zeros(panel.n) if other is None else other.asset_costs[asset]


def _per_day(panel: Panel, baseline: Comparator | None, *, seed: int, asset: str = "") -> Measure:
    own, other = _costs(panel, baseline, asset)
    value, low, high, p = statistic(panel, (own, other), lambda m: -m[:, 0], worse=lambda m: m[:, 0] - m[:, 1], seed=seed)
    days = len(np.unique(panel.days))
    reference = None if baseline is None else float(-other.sum() / days)
    return Measure(value, panel.n, reference, low, high, None if baseline is None else p, f"mean profit of {days} days; {TEST}")


def _gain(panel: Panel, baseline: Comparator | None, *, seed: int, asset: str = "") -> Measure:
    """Profit over that of the baseline, less 1."""
    own, other = _costs(panel, need(baseline), asset)
    if other.sum() >= 0:
        raise NotMeasurableError(f"the baseline lost {other.sum():.4g}; a gain relative to that says nothing (pnl_per_day does)")
    value, low, high, p = statistic(panel, (own, other), lambda m: m[:, 0] / m[:, 1] - 1, worse=lambda m: m[:, 0] - m[:, 1], seed=seed)
    return Measure(value, panel.n, 0.0, low, high, p, f"profit over the baseline's, less 1; {TEST}")


def _asset_share(panel: Panel, baseline: Comparator | None, *, seed: int, asset: str) -> Measure:
    """Share of the profit that prices known in advance would have made, of one asset."""
    own, other = _costs(panel, baseline, asset)
    oracle = money_of(panel).asset_oracles[asset]
    if oracle.sum() >= 0:
        raise NotMeasurableError("within the limits even hindsight earns nothing")
    value, low, high, p = statistic(panel, (own, oracle, other), lambda m: m[:, 0] / m[:, 1], worse=lambda m: m[:, 0] - m[:, 2], seed=seed)
    reference = None if baseline is None else float(other.sum() / oracle.sum())
    note = f"profit over that of prices known in advance within the same limits; {TEST}"
    return Measure(value, panel.n, reference, low, high, None if baseline is None else p, note)


def _share_of(panel: Panel, baseline: Comparator | None, *, seed: int, policy: str, asset: str = "") -> Measure:
    """Share of the baseline's profit (foresight) that a policy reaches."""
    foresight, followed = need(baseline), need(panel.comparators.get(policy))
    _, most = _costs(panel, foresight, asset)
    _, reached = _costs(panel, followed, asset)
    if most.sum() >= 0:
        raise NotMeasurableError("within the limits even hindsight earns nothing")
    value, low, high, _ = statistic(panel, (reached, most), lambda m: m[:, 0] / m[:, 1], seed=seed)
    return Measure(value, panel.n, None, low, high, None, f"profit of {policy} over that of {foresight.name}; interval: as above")


def _breaches(panel: Panel, baseline: Comparator | None) -> Measure:
    own = float(money_of(panel).breaches.sum())
    theirs = None if baseline is None or baseline.breaches is None else float(baseline.breaches.sum())
    return Measure(own, panel.n, theirs, note="days of an asset with a position that could not have been delivered")


def profit_measurers(seed: int) -> dict[str, Measurer]:
    """Metrics of decisions that earn, by name."""
    found: dict[str, Measurer] = {
        "pnl_per_day": partial(_per_day, seed=seed),
        "pnl_gain": partial(_gain, seed=seed),
        "energy_only_share": partial(_share_of, seed=seed, policy="energy_only"),
        "breaches": _breaches,
    }
    for asset in ASSETS:
        found |= {
            f"pnl_per_day_{asset}": partial(_per_day, seed=seed, asset=asset),
            f"pnl_gain_{asset}": partial(_gain, seed=seed, asset=asset),
            f"oracle_share_{asset}": partial(_asset_share, seed=seed, asset=asset),
            f"energy_only_share_{asset}": partial(_share_of, seed=seed, policy="energy_only", asset=asset),
        }
    return found
