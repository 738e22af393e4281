"""Scores of paths: energy and variogram score, threshold-weighted CRPS of both tails, nearness to training days, regret of a battery."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from models._kernel.scenarios import energy_score, variogram_score
from models._kernel.storage.asset import StorageAsset
from models._kernel.storage.rules import MarketRules, profits
from models._kernel.storage.two_stage import perfect_foresight, solve_two_stage
from pipeline_tasks.scorecard.scenario_draws import Drawn

Array = npt.NDArray[np.float64]
METRICS = ("energy", "variogram", "tail_crps")
RISK_AVERSION, ALPHA = 0.5, 0.9
REGRET_PATHS = 40


@dataclass
class Scores:
    """Scores by metric and method, one per hub and day.

    Attributes:
        day: delivery date, days since 1970.
        values: metric -> method -> scores.
    """

    day: list[int] = field(default_factory=list)
    values: dict[str, dict[str, list[float]]] = field(default_factory=lambda: {m: {} for m in METRICS})

    def series(self, metric: str, method: str) -> Array:
        """Scores of a method."""
        return np.asarray(self.values[metric][method], dtype=np.float64)


def scored(days: Iterable[Drawn], tails: Mapping[str, tuple[float, float]]) -> Scores:
    """Scores of every day.

    Args:
        days: paths and outcomes.
        tails: by hub, the prices below and above which the tails begin (quantiles of training prices).
    """
    made = Scores()
    for one in days:
        made.day.append(one.day)
        low, high = tails[one.hub]
        for method, paths in one.paths.items():
            found = (
                energy_score(paths, one.price),
                variogram_score(paths, one.price),
                tail_crps(paths, one.price, low, high),
            )
            for metric, value in zip(METRICS, found, strict=True):
                made.values[metric].setdefault(method, []).append(value)
    return made


def tail_crps(samples: Array, outcome: Array, low: float, high: float) -> float:
    """Threshold-weighted CRPS below `low` and above `high`, mean over hours (Gneiting & Ranjan 2011; Allen et al. 2023, eq. 5).

    The weight is an indicator, whose chaining functions are min(x, low) and max(x, high).
    """
    return crps_of(np.minimum(samples, low), np.minimum(outcome, low)) + crps_of(np.maximum(samples, high), np.maximum(outcome, high))


def crps_of(samples: Array, outcome: Array) -> float:
    """CRPS of samples, shape (m, d), mean over d."""
    ordered = np.sort(samples, axis=0)
    m = len(ordered)
    spread = (2 * np.arange(1, m + 1) - m - 1) @ ordered / m**2
    return float((np.abs(samples - outcome).mean(axis=0) - spread).mean())


def nearness(paths: Array, training: Array, fresh: Array) -> tuple[float, float]:
    """Median distance of paths to the nearest training day over that of days never trained on, and the share that is suspiciously near.

    Args:
        paths: normal scores of paths, shape (p, d).
        training: of training days, shape (n, d).
        fresh: of days that were left out, shape (k, d).

    Returns:
        The ratio, and the share of paths nearer than 99 % of the fresh days are: about 1 % where nothing is memorised.
    """
    drawn, unseen = (_nearest(v, training) for v in (paths, fresh))
    return float(np.median(drawn) / np.median(unseen)), float(np.mean(drawn < np.quantile(unseen, 0.01)))


def _nearest(points: Array, training: Array) -> Array:
    square = (points**2).sum(axis=1)[:, None] + (training**2).sum(axis=1)[None] - 2 * points @ training.T
    return np.asarray(np.sqrt(np.maximum(square, 0.0).min(axis=1)), dtype=np.float64)


def regrets(days: Iterable[Drawn], methods: tuple[str, ...], asset: StorageAsset, rules: MarketRules) -> dict[str, Array]:
    """What a battery that is scheduled day-ahead on paths earns less than one that knew the prices, currency per day, by method.

    The schedule maximises half the mean and half the CVaR of profit over the first `REGRET_PATHS` paths and cannot be left afterwards: a
    risk-neutral one would only see the means of the hours, whatever their dependence.
    """
    found: dict[str, list[float]] = {m: [] for m in methods}
    for one in days:
        price = rules.clipped(one.price)
        best = float(perfect_foresight(asset, rules, price, price).profit_ccy[0])
        for method in methods:
            paths = rules.clipped(one.paths[method][:REGRET_PATHS])
            plan = solve_two_stage(asset, rules, paths, paths, risk_aversion=RISK_AVERSION, alpha=ALPHA)
            schedule: Any = plan.day_ahead_mw
            earned = profits(
                rules, committed_mw=schedule, net_mw=schedule, day_ahead=price, real_time=price,
                power_mw=asset.power_mw, wear_ccy_per_mwh=asset.degradation_ccy_per_mwh,
            )  # fmt: skip
            found[method].append(best - float(earned))
    return {m: np.asarray(v) for m, v in found.items()}
