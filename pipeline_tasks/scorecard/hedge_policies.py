"""F8: hedges learned offline beside the tuned heuristic, a myopic CVaR program, cloning, buy and hold, all within the same limits and fees.

Learned on days before the window, frozen for it. What the log alone says of every policy (fitted Q evaluation, doubly robust) is computed
first; the agreement asked for was fixed beforehand: in at least 4 of 5 policies the doubly robust 95 % interval holds the backtest's
mean saving, and the order by fitted Q evaluation correlates with the backtest's (Spearman) by at least 0.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.bootstrap import stationary_indices
from models._kernel.deflation import deflated_sharpe
from models._kernel.registry import model_class, params_of
from models._kernel.yardstick import DataClass
from models.rl_hedger.days import StateScale, Steps
from models.rl_hedger.learning import learn
from models.rl_hedger.limits import ACTIONS, LATTICE, HedgeRules
from models.rl_hedger.log import logged
from models.rl_hedger.off_policy import Valued, chosen_by, evaluated
from models.rl_hedger.params import Params
from models.rl_hedger.policies import (
    Followed,
    Heuristic,
    by_action,
    cvar_program,
    follow,
    held,
    hindsight,
    network,
    settled,
    sharpe,
)
from pipeline_tasks.contracts.features import SPREAD
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.sources import DataAbsentError, DataSet
from pipeline_tasks.scorecard.systems import SystemJob, system_row

Array = npt.NDArray[np.float64]
ON_MARKETS = ("ercot_hb_north", "ercot_hb_west", "pjm_pepco", "twin", "de_fund")
DATA_SETS = ON_MARKETS
TEST_DAYS = {"pjm_pepco": 365, "twin": 91}
OTHERS, LEAST_TRAIN = 182, 120
SHARPE_TARGET, DRAWDOWN_TARGET, TURNOVER_BAND = 1.25, 0.80, 0.02
HELD_TARGET, RANK_TARGET = 0.8, 0.5  # agreement of log and backtest, fixed before the first backtest
HEURISTIC, PROGRAM, HOLD, CLONE = "heuristic", "cvar_program", "buy_and_hold", "clone"
LEARNED = ("cql", "iql")
BASELINES = (HEURISTIC, PROGRAM, CLONE, HOLD)
DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Case:
    """A market split in time.

    Attributes:
        params, rules: settings of the model, its limits.
        train: days known at the cutoff.
        test: days after it whose spreads are all known by now.
        scale: of the states, of training days.
        seed: of log and networks.
    """

    params: Params
    rules: HedgeRules
    train: Steps
    test: Steps
    scale: StateScale
    seed: int


def rows(job: SystemJob) -> list[ScoreRow]:
    """Rows of F8 on one data set."""
    try:
        data = job.source.load(job.data_set, SPREAD, job.say)
        case = case_of(data, job)
    except DataAbsentError as error:
        return [system_row(job, DataClass.REAL, "sharpe_ratio_cql", None, reason=str(error), baseline=HEURISTIC)]
    job.say(f"{data.name}: learn {case.params.seeds} seeds on {case.train.count} days")
    rule = Heuristic.tuned([case.train], case.params, case.rules)
    log, unit = logged([case.train], rule, case.scale, case.params, case.rules, seed=case.seed)
    weights = learn(log, case.params, ACTIONS, seed=case.seed)
    each = [{k: v[s] for k, v in weights.items()} for s in range(case.params.seeds)]
    job.say(f"{data.name}: evaluate from the log, then follow for {case.test.count} days")
    valued = _valued(case, log, each, rule, unit)
    done = _followed(case, rule, each)
    make = _Rows(job, data.data_class, case, rule)
    made = [row for name in LEARNED for row in make.learned(name, done)]
    return [*made, *make.agreement(valued, done), *make.limits(done), make.foresight(done)]


def case_of(data: DataSet, job: SystemJob) -> Case:
    """The first hub's days before and within the window.

    Raises:
        DataAbsentError: the market has no balancing price, or too few days.
    """
    model: Any = model_class("rl_hedger")(params_of("rl_hedger", "full"))
    hub = data.selection.hubs[0]
    frame = data.frame.filter(pl.col("hub") == hub, pl.col("product") == "spread")
    if frame.is_empty():
        raise DataAbsentError(f"{data.name}: no balancing price beside the day-ahead price; there is no spread to hedge")
    days = frame.filter(pl.col("price_ccy_per_mwh").is_not_null())["delivery_date"].unique().sort()
    last = min(job.end, days[-1]) if job.end else days[-1]
    first = job.start or last - timedelta(days=TEST_DAYS.get(data.name, OTHERS) - 1)
    cutoff = data.selection.market.gate(first)
    train = model.whole_days(frame.filter(pl.col("as_of") <= cutoff), cutoff)
    if not train or train[0].count < LEAST_TRAIN:
        raise DataAbsentError(f"{data.name}: {train[0].count if train else 0} whole days before {first}; {LEAST_TRAIN} are needed")
    inside = frame.filter(pl.col("delivery_date").is_between(first, last))
    tested = model.whole_days(inside, frame["price_known_ts"].max())
    if not tested:
        raise DataAbsentError(f"{data.name}: no whole day between {first} and {last}")
    return Case(model.params, model.rules, train[0], tested[0], StateScale.of(train[0].state), job.seed)


def _valued(case: Case, log: Any, each: list[dict[str, Array]], rule: Heuristic, unit: float) -> dict[str, Valued]:
    """What the log says of every policy that is a rule of the state, per MWh of load; of the median seed of those that are learned."""
    p, found = case.params, dict[str, Valued]()

    def told(here: Any, after: Any) -> Valued:
        value = evaluated(log, here, after, ACTIONS, discount=p.discount, seed=case.seed)
        return Valued(*(unit * v for v in (value.fitted, value.robust, value.low, value.high)))

    for head in (*LEARNED, CLONE):
        values = [told(chosen_by(w, head, log.inputs, p), chosen_by(w, head, log.after, p)) for w in each]
        found[head] = sorted(values, key=lambda v: v.robust)[len(values) // 2]
    days = case.train
    usual = rule.actions(days)[: len(log.reward)]
    found[HEURISTIC] = told(usual, np.append(usual[1:], usual[-1:]))
    constant = np.full(len(log.reward), held([days], p, case.rules))
    found[HOLD] = told(constant, constant)
    return found


def _followed(case: Case, rule: Heuristic, each: list[dict[str, Array]]) -> dict[str, list[Followed]]:
    """Every policy over the window; of those that are learned, every seed."""
    p, rules, days = case.params, case.rules, case.test
    constant = np.full(days.count, held([case.train], p, rules))
    done = {
        HEURISTIC: [follow(days, by_action(days, rule.actions(days)), p, rules)],
        PROGRAM: [follow(days, cvar_program(case.train.spread, p, rules), p, rules)],
        HOLD: [follow(days, by_action(days, constant), p, rules)],
        "hindsight": [follow(days, hindsight(days, p), p, rules)],
    }
    for head in (*LEARNED, CLONE):
        done[head] = [follow(days, network(w, head, case.scale, p, rules), p, rules) for w in each]
    return done


def median_seed(done: list[Followed]) -> Followed:
    """The seed with the median Sharpe ratio: never the best."""
    order = np.argsort([sharpe(d.saving) for d in done], kind="stable")
    return done[int(order[len(order) // 2])]


def matched(days: Steps, one: Followed, other: Followed, params: Params) -> tuple[Followed, Followed, float]:
    """Two policies at equal turnover (energy traded for the hedge): the larger is scaled down; and that of the first over the second."""
    own, against = float(one.traded.sum()), float(other.traded.sum())
    if min(own, against) <= 0:
        return one, other, float("nan")
    if own > against:
        one = settled(days, one.hedge * against / own, params)
    else:
        other = settled(days, other.hedge * own / against, params)
    return one, other, float(one.traded.sum() / other.traded.sum())


def largest_drawdown(saving: Array) -> float:
    """Largest fall of the cumulated saving from its highest value before."""
    total = np.concatenate(([0.0], np.cumsum(saving)))
    return float((np.maximum.accumulate(total) - total).max())


class _Rows:
    """Rows of one market."""

    def __init__(self, job: SystemJob, data_class: DataClass, case: Case, rule: Heuristic) -> None:
        self.job, self.data_class, self.case = job, data_class, case
        self.days = case.test.date.tolist()
        tried = (
            f"{rule.signal} beyond {rule.outright:g} outright and {rule.shape:g} between blocks, in typical spreads, best of 48 settings"
        )
        self.rule = f"heuristic: {tried} on {case.train.count} training days"

    def learned(self, name: str, done: Mapping[str, list[Followed]]) -> list[ScoreRow]:
        """Rows of one algorithm: the median seed beside every baseline at equal turnover."""
        own = median_seed(done[name])
        ratios = [sharpe(d.saving) for d in done[name]]
        spread = f"median of {len(ratios)} seeds, Sharpe {min(ratios):.2f} to {max(ratios):.2f}"
        made = [self._against(name, own, baseline, median_seed(done[baseline]), spread) for baseline in BASELINES]
        a, b, _ = matched(self.case.test, own, done[HEURISTIC][0], self.case.params)
        made.append(self._drawdown(name, a, b))
        trials = [sharpe(d.saving) / np.sqrt(365) for head in LEARNED for d in done[head]]
        if float(np.std(own.saving)) > 0:
            deflated = deflated_sharpe(own.saving, trials)
            note = f"probability of a Sharpe ratio above {deflated.expected_best:.3f} a day, the best of {len(trials)} worthless trials"
            good: Verdict = "pass" if deflated.probability >= 0.95 else "miss"
            made.append(self._row(f"deflated_sharpe_{name}", deflated.probability, f"{note}; own {deflated.sharpe:.3f}", good, target=0.95))
        worst = np.sort(own.saving)[: max(round(0.05 * own.saving.size), 1)]
        note = f"mean of the worst 5 % of days, currency per MWh of load; mean saving {own.saving.mean():.4g} a day after fees; reported"
        return [*made, self._row(f"cvar_95_{name}", float(worst.mean()), note, "pass")]

    def _against(self, name: str, own: Followed, baseline: str, other: Followed, spread: str) -> ScoreRow:
        a, b, turnover = matched(self.case.test, own, other, self.case.params)
        if not np.isfinite(turnover):  # one of them never trades: told as they are
            a, b = own, other
        mine, theirs = sharpe(a.saving), sharpe(b.saving)
        found = _sharpe_difference(a.saving, b.saving, self.job.seed)
        wanted = SHARPE_TARGET if baseline == HEURISTIC else 1.0
        good = found.low > 0 and (mine >= wanted * theirs)
        equal = f"turnover ratio {turnover:.3f}" if np.isfinite(turnover) else "one of both never trades; not matched"
        if np.isfinite(turnover) and abs(turnover - 1) > TURNOVER_BAND:
            equal += ", outside the band"
        p_value = float((found.draws <= 0).mean())
        note = f"annual Sharpe {mine:.2f} against {theirs:.2f}; {equal}; {spread}; target {wanted:g} times; {self.rule}"
        note += "; interval: of the difference, block bootstrap"
        return self._row(
            f"sharpe_{name}", mine, note, "pass" if good else "miss", target=wanted * theirs if theirs > 0 else None,
            interval=(found.low, found.high), p_value=p_value,
            baseline=baseline, baseline_value=theirs,
        )  # fmt: skip

    def _drawdown(self, name: str, own: Followed, other: Followed) -> ScoreRow:
        mine, theirs = largest_drawdown(own.saving), largest_drawdown(other.saving)
        index = stationary_indices(own.saving.size, mean_block=7.0, draws=DRAWS, seed=self.job.seed)
        ratio = np.array([largest_drawdown(own.saving[i]) / max(largest_drawdown(other.saving[i]), 1e-12) for i in index[:500]])
        low, high = (float(v) for v in np.quantile(ratio, [0.025, 0.975]))
        if theirs <= 0:
            return self._row(f"drawdown_ratio_{name}", None, "the heuristic has no drawdown", "not_measurable", baseline=HEURISTIC)
        good = mine / theirs <= DRAWDOWN_TARGET and high < 1
        note = (
            f"largest drawdown {mine:.4g} against {theirs:.4g} currency per MWh of load at equal turnover; interval: paired block bootstrap"
        )
        return self._row(
            f"drawdown_ratio_{name}", mine / theirs, note, "pass" if good else "miss", target=DRAWDOWN_TARGET, interval=(low, high),
            baseline=HEURISTIC, baseline_value=1.0,
        )  # fmt: skip

    def agreement(self, valued: Mapping[str, Valued], done: Mapping[str, list[Followed]]) -> list[ScoreRow]:
        """Whether the log foretold the backtest, as fixed beforehand."""
        from scipy.stats import spearmanr

        names = list(valued)
        real = {n: float(median_seed(done[n]).saving.mean()) for n in names}
        held_by = sum(valued[n].low <= real[n] <= valued[n].high for n in names)
        told = ", ".join(f"{n} {valued[n].robust:.3g} ({valued[n].low:.3g} .. {valued[n].high:.3g}), came {real[n]:.3g}" for n in names)
        rank = float(spearmanr([valued[n].fitted for n in names], [real[n] for n in names]).statistic)
        kept = f"share of policies whose doubly robust interval holds the backtest's mean saving: {told}"
        order: Verdict = ("pass" if rank >= RANK_TARGET else "miss") if np.isfinite(rank) else "not_measurable"
        return [
            self._row(
                "off_policy_held", held_by / len(names), kept, "pass" if held_by >= HELD_TARGET * len(names) else "miss", target=HELD_TARGET
            ),
            self._row(
                "off_policy_rank",
                rank if np.isfinite(rank) else None,
                "Spearman correlation of fitted Q evaluation and backtest over policies",
                order,
                target=RANK_TARGET,
            ),
        ]

    def limits(self, done: Mapping[str, list[Followed]]) -> list[ScoreRow]:
        """Hedges beyond a limit, over all policies and seeds: none may be."""
        days, rules, broken = self.case.test, self.case.rules, 0
        for d in (d for policy in done.values() for d in policy):
            over = (np.abs(d.hedge) > days.widest[:, None] + 1e-9).any(axis=1) | (
                np.abs((d.hedge * days.share).sum(axis=1)) > rules.net + 1e-9
            )
            broken += int(over.sum())
        note = "days of any policy beyond band, gross or net limit"
        return [self._row("limit_breaches", float(broken), note, "pass" if broken == 0 else "miss", target=0.0)]

    def foresight(self, done: Mapping[str, list[Followed]]) -> ScoreRow:
        """What hindsight would have saved, and the share that the better algorithm's median seed reached."""
        most = float(done["hindsight"][0].saving.sum())
        told = {n: float(median_seed(done[n]).saving.sum()) for n in (*LEARNED, *BASELINES)}
        note = f"hindsight saves {most:.4g} per MWh of load over the window; of it " + ", ".join(
            f"{n} {v / most:.1%}" for n, v in told.items()
        )
        return self._row("foresight_saving", most, f"{note}; {len(LATTICE)} actions; reported", "pass")

    def _row(self, metric: str, value: float | None, note: str, verdict: Verdict, **more: Any) -> ScoreRow:
        return system_row(self.job, self.data_class, metric, value, reason=note, n=len(self.days), verdict=verdict, days=self.days, **more)


@dataclass(frozen=True, slots=True)
class _Difference:
    """Difference of two annual Sharpe ratios, its 95 % interval and its bootstrap draws."""

    estimate: float
    low: float
    high: float
    draws: Array


def _sharpe_difference(a: Array, b: Array, seed: int) -> _Difference:
    """Difference of Sharpe ratios, days resampled in pairs by stationary blocks (Ledoit & Wolf 2008); percentile interval."""
    index = stationary_indices(a.size, mean_block=7.0, draws=DRAWS, seed=seed)

    def ratio(x: Array) -> Array:
        drawn = x[index]
        return np.asarray(drawn.mean(axis=1) / np.maximum(drawn.std(axis=1, ddof=1), 1e-12) * np.sqrt(365))

    draws = ratio(a) - ratio(b)
    low, high = (float(v) for v in np.quantile(draws, [0.025, 0.975]))
    return _Difference(sharpe(a) - sharpe(b), low, high, draws)


__all__ = ["DATA_SETS", "ON_MARKETS", "case_of", "rows"]
