"""A battery walked day by day on realised prices: every policy commits at the gate and re-dispatches on prices as they come.

All policies have the same battery, rules and controller (`models._kernel.storage.value`), which sees real-time prices one by one; they
differ in the day-ahead schedule and in the prices that the controller expects. None sees anything its gate did not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.protocol import Features
from models._kernel.scenarios import INDEPENDENT, SCHAAKE, variogram_score
from models._kernel.storage.rules import profits
from models._kernel.storage.two_stage import perfect_foresight, solve_two_stage
from models._kernel.storage.value import Problem, dispatch, value_of_charge
from models.bess_vpp.days import Day
from models.bess_vpp.known import outcomes_of
from models.bess_vpp.model import BessVpp
from models.bess_vpp.plans import LEVELS, NODES, planned

Array = npt.NDArray[np.float64]
LAMBDAS = (0.0, 0.25, 0.5, 0.75, 1.0)
PUBLISHED = 0.25
SCENARIOS, PATHS = 20, 40
RANKED = 19  # scenarios that an outcome is ranked among
LOOKBACK_DAYS = 28
LOW, HIGH = 0.25, 0.75


@dataclass(frozen=True, slots=True)
class Walked:
    """One hub's day.

    Attributes:
        day: as the model saw it at the gate.
        first, second: realised day-ahead and real-time prices, shape (T,).
        profit: policy -> realised profit, currency.
        told: policy -> profits that its scenarios foretold under the same controller, shape (S,).
        program: what the two-stage program foretold, risk-neutral, its delivery seeing the whole day, shape (S,).
        faults: limits left by any policy.
        rank: rank of the outcome's mean rank among `RANKED` scenarios, 0 to `RANKED`.
        variogram: variogram score of both prices together, coupled and independent.
    """

    day: Day
    first: Array
    second: Array
    profit: Mapping[str, float]
    told: Mapping[str, Array]
    program: Array
    faults: tuple[str, ...]
    rank: int
    variogram: tuple[float, float]


def walk(
    frame: pl.DataFrame, params: Mapping[str, object], dates: list[date], *, refit_days: int, seed: int, say: Callable[[str], None]
) -> Iterator[Walked]:
    """Walk one hub through delivery dates.

    Args:
        frame: feature rows of the hub with outcomes, in key order.
        params: parameters of bess_vpp.
        dates: delivery dates, rising, each with all prices known.
        refit_days: dates between fits.
        seed: seed of the fits.
        say: told what is being done.
    """
    for start in range(0, len(dates), refit_days):
        block = dates[start : start + refit_days]
        target = frame.filter(pl.col("delivery_date").is_in(block))
        model = BessVpp(dict(params))
        say(f"fitted before {block[0]}; walking {len(block)} days")
        model.fit(Features(frame, frame.clear()), cutoff=target["as_of"].min(), seed=seed)  # type: ignore[arg-type]
        outcomes = outcomes_of(target)
        recent = _recent(frame)
        for day in model.days(Features(frame, target), as_of=target["as_of"].max()):  # type: ignore[arg-type]
            prices = outcomes[day.rows]
            yield _walked(day, day.rules.clipped(prices[:, 0]), day.rules.clipped(prices[:, 1]), recent(day, target))


def whole_dates(frame: pl.DataFrame) -> list[date]:
    """Delivery dates of one hub whose prices are all known and whose intervals are all there."""
    span = (pl.col("delivery_ts").max() - pl.col("delivery_ts").min()).dt.total_minutes() + pl.col("resolution_min").max()
    days = frame.group_by("delivery_date").agg(
        (pl.col("price_ccy_per_mwh").is_not_null() & pl.col("da_price_ccy_per_mwh").is_not_null()).all().alias("known"),
        (pl.col("resolution_min").sum() == span).alias("gapless"),
        pl.col("local_hour").min().alias("first"),
        pl.col("local_hour").max().alias("last"),
    )
    whole = pl.col("known") & pl.col("gapless") & (pl.col("first") == 0) & (pl.col("last") == 23)
    return sorted(days.filter(whole)["delivery_date"].to_list())


def _recent(frame: pl.DataFrame) -> Callable[[Day, pl.DataFrame], tuple[Array, Array, Array]]:
    """For a day: last week's prices of both markets, shape (T,), and the day-ahead prices of the weeks before it, shape (n,)."""
    prices = outcomes_of(frame)
    date_of = frame["delivery_date"].cast(pl.Int32).cast(pl.Int64).to_numpy()

    def of(day: Day, target: pl.DataFrame) -> tuple[Array, Array, Array]:
        rows = target[day.rows.tolist()]
        first = rows["da_price_lag_7d_ccy_per_mwh"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        spread = rows["price_lag_7d_ccy_per_mwh"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        before = (date_of < day.date) & (date_of >= day.date - LOOKBACK_DAYS)
        past = prices[before, 0]  # day-ahead prices of earlier delivery dates are known at the gate
        past = past[np.isfinite(past)]
        middle = float(np.median(past)) if past.size else 0.0
        first = np.where(np.isfinite(first), first, middle)
        return first, first + np.nan_to_num(spread), past

    return of


def _walked(day: Day, first: Array, second: Array, recent: tuple[Array, Array, Array]) -> Walked:
    asset, rules = day.asset, day.rules
    many = day.scenarios(PATHS)
    raw_many = day.scenarios(PATHS, recalibrated=False)
    middle = tuple(v[None, :] for v in day.medians())
    own, raw = (planned(asset, rules, *drawn, lambdas, few=SCENARIOS) for drawn, lambdas in ((many, LAMBDAS), (raw_many, [PUBLISHED])))
    schedules: dict[str, tuple[Array, Array, Array]] = {
        f"lambda_{p.risk_aversion:g}": (p.day_ahead_mw, many[0], many[1]) for p in own.plans
    }
    week = tuple(rules.clipped(v)[None, :] for v in recent[:2])
    means = tuple(v.mean(axis=0) for v in many)
    schedules |= {
        "without_cqr": (raw.plans[0].day_ahead_mw, raw_many[0], raw_many[1]),
        "two_stage": (own.program.day_ahead_mw, many[0], many[1]),
        "schedule_of_means": (perfect_foresight(asset, rules, *means).day_ahead_mw, many[0], many[1]),
        "median": (solve_two_stage(asset, rules, middle[0], middle[1], risk_aversion=0.0).day_ahead_mw, middle[0], middle[1]),
        "naive_week": (solve_two_stage(asset, rules, week[0], week[1], risk_aversion=0.0).day_ahead_mw, week[0], week[1]),
    }
    profit, told, faults = dict[str, float](), dict[str, Array](), list[str]()
    for name, (schedule, expected_first, expected) in schedules.items():
        values = value_of_charge(Problem(asset, rules, schedule, expected_first.mean(axis=0), expected), levels=LEVELS, nodes=NODES)
        net = dispatch(values, second[None, :])
        faults += [f"{name}: {fault}" for fault in asset.faults(net[0], rules.hours)]
        profit[name] = float(_earned(day, schedule, net, first[None, :], second[None, :])[0])
        if name in {f"lambda_{PUBLISHED:g}", "without_cqr"}:
            told[name] = _earned(day, schedule, dispatch(values, expected), expected_first, expected)
    fixed = {"day_ahead_only": perfect_foresight(asset, rules, means[0], means[0]).net_mw[0], "threshold": _threshold(day, recent)}
    for name, held in fixed.items():
        faults += [f"{name}: {fault}" for fault in asset.faults(held, rules.hours)]
        profit[name] = float(_earned(day, held, held[None, :], first[None, :], second[None, :])[0])
    best = perfect_foresight(asset, rules, first, second)
    profit["perfect_foresight"] = best.expected_ccy
    return Walked(day, first, second, profit, told, own.program.profit_ccy, tuple(faults), *_joint(day, first, second))


def _earned(day: Day, schedule: Array, net: Array, first: Array, second: Array) -> Array:
    return profits(
        day.rules,
        committed_mw=schedule[None, :],
        net_mw=net,
        day_ahead=first,
        real_time=second,
        power_mw=day.asset.power_mw,
        wear_ccy_per_mwh=day.asset.degradation_ccy_per_mwh,
    )


def _threshold(day: Day, recent: tuple[Array, Array, Array]) -> Array:
    """Charge below and discharge above quartiles of the last weeks' day-ahead prices, by last week's price; as far as it can."""
    asset, h = day.asset, day.rules.hours
    low, high = np.quantile(recent[2], [LOW, HIGH]) if recent[2].size else (0.0, 0.0)
    level, left, net = asset.start_mwh, asset.throughput_mwh, np.zeros(day.rows.size)
    for t, price in enumerate(recent[0]):
        least, most = (float(v) for v in asset.reach_mw(level, left, h, net.size - t - 1))
        net[t] = least if price < low else most if price > high else min(max(0.0, least), most)
        level = float(asset.after_mwh(level, net[t], h))
        left -= h * max(net[t], 0.0)
    return net


def _joint(day: Day, first: Array, second: Array) -> tuple[int, tuple[float, float]]:
    """Rank of the outcome among the scenarios (mean of its ranks over both prices and all intervals), and variogram scores."""
    outcome = np.concatenate((first, second))
    drawn = {m: np.concatenate(day.scenarios(RANKED, method=m), axis=1) for m in (SCHAAKE, INDEPENDENT)}
    both = np.concatenate((outcome[None, :], drawn[SCHAAKE]))
    noise = np.random.default_rng(day.date).random(both.shape)  # ties (prices at a limit) are broken at random
    order = np.argsort(np.argsort(both + 1e-9 * noise, axis=0, kind="stable"), axis=0, kind="stable")
    mean = order.mean(axis=1)
    step = max(1, outcome.size // 48)  # every second quarter hour: the score grows with the square of the intervals
    scores = tuple(variogram_score(d[:, ::step], outcome[::step]) for d in (drawn[SCHAAKE], drawn[INDEPENDENT]))
    return int((mean < mean[0]).sum()), (scores[0], scores[1])
