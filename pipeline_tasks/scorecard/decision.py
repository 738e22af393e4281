"""Metrics of decisions: cost, saving against baselines and oracle, tail of daily cost, and whether the limits held."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from pipeline_tasks.scorecard import distribution
from pipeline_tasks.scorecard.measures import MEAN_BLOCK_DAYS, Measure, Measurer, NotMeasurableError, daily, need
from pipeline_tasks.scorecard.panel import Array, Comparator, Money, Panel

DRAWS = 5000
TAIL = 0.05
MEASURED_SHARE = 0.95
TEST = "interval and one-sided p: paired stationary block bootstrap of days, mean block 7, 5,000 draws"


def money_of(panel: Panel) -> Money:
    """The panel's money, or the reason why there is none."""
    if panel.money is None:
        raise NotMeasurableError("the model decides nothing that costs")
    return panel.money


def cost_of(baseline: Comparator) -> Array:
    """What a baseline's decisions cost, or the reason why it has none."""
    if baseline.cost is None:
        raise NotMeasurableError(f"baseline {baseline.name} is a forecast; it decides nothing")
    return baseline.cost


def statistic(
    panel: Panel, columns: tuple[Array, ...], value: Callable[[Array], Array], *, seed: int, worse: Callable[[Array], Array] | None = None
) -> tuple[float, float, float, float | None]:
    """A function of daily sums, its 95 % interval, and the share of draws in which `worse` is not negative.

    Args:
        panel: scored rows.
        columns: per-row series that are summed by day.
        value: maps means of daily sums, shape (draws, columns), to values.
        worse: maps them to own less baseline's cost.
        seed: seed of the draws.
    """
    from models._kernel.bootstrap import stationary_indices

    sums, _ = daily(panel.days, *columns)
    n = len(sums)
    if n < 2:
        raise NotMeasurableError("one day says nothing about its spread")
    picks = stationary_indices(n, mean_block=MEAN_BLOCK_DAYS, draws=DRAWS, seed=seed)
    means = np.apply_along_axis(np.bincount, 1, picks, minlength=n) / n @ sums
    low, high = np.quantile(value(means), [0.025, 0.975])
    p_value = None if worse is None else float((np.sum(worse(means) >= 0) + 1) / (DRAWS + 1))
    return float(value(sums.mean(axis=0)[None, :])[0]), float(low), float(high), p_value


def _cost_per_mwh(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    money = money_of(panel)
    other = money.idle if baseline is None else cost_of(baseline)
    value, low, high, p = statistic(
        panel, (money.cost, money.volume, other), lambda m: m[:, 0] / m[:, 1], worse=lambda m: m[:, 0] - m[:, 2], seed=seed
    )
    reference = None if baseline is None else float(other.sum() / money.volume.sum())
    return Measure(value, panel.n, reference, low, high, None if baseline is None else p, f"cost per scheduled MWh; {TEST}")


def _saving_per_mwh(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    money, other = money_of(panel), cost_of(need(baseline))
    value, low, high, p = statistic(
        panel, (money.cost, money.volume, other), lambda m: (m[:, 2] - m[:, 0]) / m[:, 1], worse=lambda m: m[:, 0] - m[:, 2], seed=seed
    )
    return Measure(value, panel.n, 0.0, low, high, p, f"cost saved per scheduled MWh; {TEST}")


def _saving_share(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    money, other = money_of(panel), cost_of(need(baseline))
    _measured(money)
    if other.sum() <= 0:
        raise NotMeasurableError(f"the baseline earned {-other.sum():.4g} instead of costing anything; a share of that says nothing")
    value, low, high, p = statistic(
        panel, (money.cost, other), lambda m: 1 - m[:, 0] / m[:, 1], worse=lambda m: m[:, 0] - m[:, 1], seed=seed
    )
    return Measure(value, panel.n, 0.0, low, high, p, f"1 - cost over the baseline's; {TEST}")


def _oracle_share(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    """Share of what the best position in hindsight saves over doing nothing; of a baseline's share beside it."""
    money = money_of(panel)
    other = money.idle if baseline is None else cost_of(baseline)
    columns = (money.idle - money.cost, money.idle - money.oracle, money.idle - other)
    if columns[1].sum() <= 0:
        raise NotMeasurableError("within the limits even hindsight saves nothing")
    value, low, high, p = statistic(panel, columns, lambda m: m[:, 0] / m[:, 1], worse=lambda m: m[:, 2] - m[:, 0], seed=seed)
    reference = None if baseline is None else float(columns[2].sum() / columns[1].sum())
    note = f"saving over no position, of the saving of prices known in advance within the same limits; {TEST}"
    return Measure(value, panel.n, reference, low, high, None if baseline is None else p, note)


def _oracle_saving(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    del baseline
    money = money_of(panel)
    value, low, high, _ = statistic(panel, (money.idle - money.oracle, money.volume), lambda m: m[:, 0] / m[:, 1], seed=seed)
    return Measure(value, panel.n, None, low, high, None, "what prices known in advance save within the same limits, the most there is")


def _cvar(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    """Mean of the worst twentieth of daily costs, per scheduled MWh of a mean day."""
    from models._kernel.bootstrap import stationary_indices

    money = money_of(panel)
    other = money.idle if baseline is None else cost_of(baseline)
    sums, _ = daily(panel.days, money.cost, other, money.volume)
    if len(sums) < int(1 / TAIL):
        raise NotMeasurableError(f"{len(sums)} days have no worst twentieth")
    scale = float(sums[:, 2].mean())
    picks = stationary_indices(len(sums), mean_block=MEAN_BLOCK_DAYS, draws=DRAWS, seed=seed)
    own, theirs = (_tail(sums[picks, k]) / scale for k in (0, 1))
    low, high = np.quantile(own, [0.025, 0.975])
    value, reference = (float(_tail(sums[None, :, k])[0]) / scale for k in (0, 1))
    p = float((np.sum(own - theirs >= 0) + 1) / (DRAWS + 1))
    note = f"mean of the worst 5 % of daily costs per MWh of a mean day; {TEST}"
    has = baseline is not None
    return Measure(value, panel.n, reference if has else None, float(low), float(high), p if has else None, note)


def _tail(costs: Array) -> Array:
    """Mean of the largest twentieth (at least one) of the last axis."""
    k = max(int(np.ceil(TAIL * costs.shape[-1])), 1)
    return np.asarray(np.partition(costs, costs.shape[-1] - k, axis=-1)[..., -k:].mean(axis=-1), dtype=np.float64)


def _net_share(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    del baseline
    money = money_of(panel)
    value, low, high, _ = statistic(panel, (money.volume * money.position[:, 0], money.volume), lambda m: m[:, 0] / m[:, 1], seed=seed)
    return Measure(value, panel.n, None, low, high, None, "mean net position over scheduled load")


def _gross_ratio(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    del baseline
    money = money_of(panel)
    _measured(money)
    own, idle = (np.nan_to_num(np.abs(d)) for d in (money.deviation, money.idle_deviation))
    value, low, high, _ = statistic(panel, (own, idle), lambda m: m[:, 0] / m[:, 1], seed=seed)
    return Measure(value, panel.n, 1.0, low, high, None, "absolute deviation over that of the unhedged schedule")


def _quarters(panel: Panel, baseline: Comparator | None) -> Measure:
    """Share of hub and calendar quarter slices in which the baseline is not cheaper."""
    money, other = money_of(panel), cost_of(need(baseline))
    slices = panel.rows.select("hub", year=panel.rows["delivery_date"].dt.year(), quarter=panel.rows["delivery_date"].dt.quarter())
    saved = slices.with_columns(saving=other - money.cost).group_by("hub", "year", "quarter").sum()["saving"].to_numpy()
    return Measure(float(np.mean(saved >= 0)), panel.n, None, note=f"{int((saved >= 0).sum())} of {len(saved)} hub-quarters not worse")


def _measured(money: Money) -> None:
    share = float(np.isfinite(money.deviation).mean())
    if share < MEASURED_SHARE:
        raise NotMeasurableError(
            f"load is metered for {share:.0%} of the intervals only: the cost of the unhedged schedule is not known (saving_per_mwh is)"
        )


def decision_measurers(seed: int) -> dict[str, Measurer]:
    """Every metric of a decision by name, and those of the forecast it rests on."""
    from pipeline_tasks.scorecard import profit

    return {
        **distribution.distribution_measurers(seed),
        "cost_per_mwh": partial(_cost_per_mwh, seed=seed),
        "saving_per_mwh": partial(_saving_per_mwh, seed=seed),
        "saving_share": partial(_saving_share, seed=seed),
        "oracle_share": partial(_oracle_share, seed=seed),
        "oracle_saving_per_mwh": partial(_oracle_saving, seed=seed),
        "cvar_95": partial(_cvar, seed=seed),
        "net_share": partial(_net_share, seed=seed),
        "gross_ratio": partial(_gross_ratio, seed=seed),
        "quarters_not_worse": _quarters,
        **profit.profit_measurers(seed),
    }


STANDARD = ("oracle_share", "mae", "pinball", "coverage_90")
COMPARED = ()
