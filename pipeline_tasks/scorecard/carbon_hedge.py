"""M7: a power position hedged with gas and carbon beside the same hedge with gas alone, both walked forward with the same estimator.

The position is 1 MWh of base power at the average day-ahead price of a period (a day, or a calendar week: periods do not overlap); it is
hedged with gas and EUA at what was known at the gates of the period, with ratios estimated on the periods before it. No public data hold
power forwards, so the power leg is the average-price index; its own weather noise is part of both variances.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.bootstrap import stationary_bootstrap_ci
from models._kernel.carbon_hedge import METHODS, Levels, equal_means, pitman_morgan, ratios
from models._kernel.yardstick import DataClass
from pipeline_tasks.contracts.features import DAY_AHEAD
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.sources import DataAbsentError, DataSet
from pipeline_tasks.scorecard.systems import SystemJob, system_row

Array = npt.NDArray[np.float64]
DATA_SETS = ("de_fund", "twin")
PERIODS = {"daily": (1, 250, 20), "weekly": (7, 104, 4)}  # days of a period, changes of the estimation window, periods between refits
VARIANCE_TARGET, BETA_BAND, MEAN_MARGIN = 0.90, 0.05, 0.1
COST_GAS, COST_CO2 = 0.05, 0.03  # half of bid and ask, currency per MWh and per t traded
EMISSION_T_PER_MWH = 0.37  # of a gas plant: the naive hedge
CRISIS = (date(2021, 7, 1), date(2023, 3, 31))
TWO = "gas_only"
LEAST = 30  # periods of a part that is told apart


@dataclass(frozen=True, slots=True)
class Hedged:
    """A walked hedge.

    Attributes:
        pnl: profit and loss of each period, currency/MWh, shape (n,).
        cost: of trading into the ratios, shape (n,).
        ratio: ratios held, shape (n, k).
    """

    pnl: Array
    cost: Array
    ratio: Array


def rows(job: SystemJob) -> list[ScoreRow]:
    """Rows of M7 on one data set: every method by day and by week."""
    try:
        data = job.source.load(job.data_set, DAY_AHEAD, job.say)
        daily = daily_prices(data, job)
    except DataAbsentError as error:
        return [system_row(job, DataClass.REAL, "variance_ratio_weekly_ols", None, reason=str(error), baseline=TWO)]
    made: list[ScoreRow] = []
    for name, (days, window, _) in PERIODS.items():
        table = by_period(daily, days)
        if table.height < window + 60:
            why = f"{table.height} periods of {days} day(s); {window + 60} are needed to estimate and to score"
            made.append(system_row(job, data.data_class, f"variance_ratio_{name}_ols", None, reason=why, baseline=TWO))
            continue
        for method in METHODS:
            job.say(f"{job.data_set}: {name} {method}")
            made += _method_rows(job, data.data_class, table, name, method)
    return made


def daily_prices(data: DataSet, job: SystemJob) -> pl.DataFrame:
    """Base price of every delivery date of the first hub with gas and carbon as known at its gate; days without any of them are left out.

    Raises:
        DataAbsentError: the market has no gas or no carbon price.
    """
    own = data.frame.filter(pl.col("hub") == data.selection.hubs[0], pl.col("product") == data.selection.market.product)
    own = own.filter(pl.col("delivery_date") <= (job.end or date.max))
    daily = (
        own.group_by("delivery_date")
        .agg(
            power=pl.col("price_ccy_per_mwh").mean(),
            gas=pl.col("gas_price_ccy_per_unit").first(),
            co2=pl.col("co2_price_ccy_per_unit").first(),
            load=pl.col("residual_load_forecast_mw").mean(),
        )
        .sort("delivery_date")
        .drop_nulls(["power", "gas", "co2"])
    )
    if daily.is_empty():
        raise DataAbsentError(f"{data.name}: no day with a power, a gas and a carbon price")
    return daily


def by_period(daily: pl.DataFrame, days: int) -> pl.DataFrame:
    """Means over whole periods of so many days (weeks begin on Monday), ascending; incomplete ones are left out."""
    if days == 1:
        return daily
    weeks = daily.group_by_dynamic("delivery_date", every=f"{days}d", start_by="monday").agg(
        pl.col("power", "gas", "co2", "load").mean(), pl.len()
    )
    return weeks.filter(pl.col("len") == days).drop("len")


def walked(table: pl.DataFrame, method: str, assets: tuple[str, ...], window: int, refit: int) -> Hedged:
    """Profit and loss of every period from `window` + 1 on, each with ratios of the periods before it."""
    power = table["power"].to_numpy()
    load = table["load"].fill_null(float("nan")).to_numpy()
    whole = Levels(power, table.select(assets).to_numpy(), load / np.nanstd(load) if np.isfinite(load).any() else load)
    first = window + 1
    ratio = np.empty((len(power) - first, len(assets)))
    for start in range(first, len(power), refit):
        ratio[start - first : start - first + refit] = ratios(method, whole.until(start, window), whole.until(start, start))
    return _settled(power[first - 1 :], whole.hedges[first - 1 :], ratio)


def _settled(power: Array, hedges: Array, ratio: Array) -> Hedged:
    """Profit and loss of holding power against the ratios, and the cost of changing them."""
    traded = np.abs(np.diff(ratio, axis=0, prepend=np.zeros((1, ratio.shape[1]))))
    cost = traded @ np.array([COST_GAS, COST_CO2])[: ratio.shape[1]]
    return Hedged(np.diff(power) - (np.diff(hedges, axis=0) * ratio).sum(axis=1), cost, ratio)


def _method_rows(job: SystemJob, data_class: DataClass, table: pl.DataFrame, name: str, method: str) -> list[ScoreRow]:
    """Rows of one method: variance, carbon that is left, means, the limit, trading."""
    _, window, refit = PERIODS[name]
    two, three = (_net(walked(table, method, assets, window, refit)) for assets in (("gas",), ("gas", "co2")))
    since = table[window:]
    power, prices = since["power"].to_numpy(), since.select("gas", "co2").to_numpy()
    make = _Rows(job, data_class, f"{name}_{method}", [int(d) for d in since["delivery_date"].cast(pl.Int32)][1:])
    crisis = since["delivery_date"].is_between(*CRISIS).to_numpy()[1:]
    made = [make.variance("variance_ratio", three, two, TWO)]
    for part, where in (("calm", ~crisis), ("crisis", crisis)):
        if where.sum() > LEAST:
            made.append(make.variance(f"variance_ratio_{part}", _at(three, where), _at(two, where), TWO))
    plant = _net(_settled(power, prices, np.column_stack((two.ratio, np.full(len(two.ratio), EMISSION_T_PER_MWH)))))
    gas, carbon, alone = (float(np.abs(np.diff(r)).sum()) for r in (three.ratio[:, 0], three.ratio[:, 1], two.ratio[:, 0]))
    none = float(np.var(np.diff(power), ddof=1))
    return [
        *made,
        make.variance("variance_ratio_over_emission_factor", three, plant, "emission_factor"),
        make.beta(three.pnl, np.diff(prices[:, 1])),
        make.means(three, two),
        make.oracle(np.diff(power), np.diff(prices, axis=0), two, three),
        make.plain("turnover_t_per_mwh", carbon, f"changes of the carbon ratio added up; of gas {gas:.1f} MWh, alone {alone:.1f} MWh"),
        make.plain("cost_ccy_per_mwh", float(three.cost.mean()), f"per period; gas alone {two.cost.mean():.4g}"),
        make.plain("variance_over_no_hedge", float(np.var(three.pnl, ddof=1)) / none, "not used for the target"),
    ]


def _net(hedged: Hedged) -> Hedged:
    """Profit and loss after costs."""
    return Hedged(hedged.pnl - hedged.cost, hedged.cost, hedged.ratio)


def _at(hedged: Hedged, where: npt.NDArray[np.bool_]) -> Hedged:
    return Hedged(hedged.pnl[where], hedged.cost[where], hedged.ratio[where])


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of one method and period."""

    job: SystemJob
    data_class: DataClass
    name: str
    days: list[int]

    def variance(self, metric: str, a: Hedged, b: Hedged, baseline: str) -> ScoreRow:
        """Ratio of variances with Pitman-Morgan's test and a block bootstrap."""
        centred = np.column_stack([(p - p.mean()) ** 2 for p in (a.pnl, b.pnl)])
        interval = stationary_bootstrap_ci(centred, lambda m: m[:, 0] / m[:, 1], mean_block=7.0, seed=self.job.seed)
        test = pitman_morgan(a.pnl, b.pnl)
        good = test.ratio <= VARIANCE_TARGET and interval.high < 1 and test.p_value < 0.05
        note = f"standard deviation {np.std(a.pnl):.4g} after costs, {baseline} {np.std(b.pnl):.4g}"
        return self._row(
            metric, test.ratio, f"{note}; p: Pitman-Morgan, one-sided; interval: block bootstrap", "pass" if good else "miss",
            target=VARIANCE_TARGET, interval=(interval.low, interval.high), p_value=test.p_value, baseline=baseline, baseline_value=1.0,
        )  # fmt: skip

    def beta(self, pnl: Array, carbon: Array) -> ScoreRow:
        """What is left of carbon in the hedged position, t per MWh: the whole 95 % interval must lie inside the band."""
        moments = np.column_stack((pnl * carbon, pnl, carbon, carbon**2))

        def slope(m: Array) -> Array:
            return np.asarray((m[:, 0] - m[:, 1] * m[:, 2]) / (m[:, 3] - m[:, 2] ** 2))

        found = stationary_bootstrap_ci(moments, slope, mean_block=7.0, seed=self.job.seed)
        verdict: Verdict = "pass" if abs(found.estimate) <= BETA_BAND else "miss"
        sure = max(abs(found.low), abs(found.high)) <= BETA_BAND
        note = f"t/MWh; the interval {'lies inside' if sure else 'reaches beyond'} the band of {BETA_BAND}; interval: block bootstrap"
        return self._row("residual_co2_beta", found.estimate, note, verdict, target=BETA_BAND, interval=(found.low, found.high))

    def means(self, a: Hedged, b: Hedged) -> ScoreRow:
        """Equivalence of mean profit: two one-sided tests within a tenth of a standard error of the hedge with gas alone."""
        margin = MEAN_MARGIN * float(np.std(b.pnl, ddof=1)) / float(np.sqrt(len(b.pnl)))
        p_value = equal_means(a.pnl, b.pnl, margin)
        gap = float(np.mean(a.pnl - b.pnl))
        note = f"currency/MWh and period after costs; margin {margin:.3g} (0.1 standard errors); p: two one-sided t-tests"
        return self._row(
            "mean_difference",
            gap,
            note,
            "pass" if p_value < 0.05 else "miss",
            target=margin,
            p_value=p_value,
            baseline=TWO,
            baseline_value=0.0,
        )

    def oracle(self, power: Array, hedges: Array, alone: Hedged, both: Hedged) -> ScoreRow:
        """Share of the variance that the best constant ratios of the window itself take off the hedge with gas alone."""
        best = np.linalg.lstsq(np.column_stack((hedges, np.ones(len(power)))), power, rcond=None)[0][:2]
        limit, two, three = (float(np.var(v, ddof=1)) for v in (power - hedges @ best, alone.pnl, both.pnl))
        note = f"variance {three:.4g}, gas alone {two:.4g}, window's own best ratios ({best[0]:.2f} MWh, {best[1]:.2f} t) {limit:.4g}"
        if two <= limit:
            return self._row("oracle_share", None, f"{note}: nothing to gain with constant ratios", "not_measurable")
        return self._row("oracle_share", (two - three) / (two - limit), note, "pass")

    def plain(self, metric: str, value: float, note: str) -> ScoreRow:
        """A reported number."""
        return self._row(metric, value, f"{note}; reported", "pass")

    def _row(self, metric: str, value: float | None, note: str, verdict: Verdict, **more: object) -> ScoreRow:
        make: Callable[..., ScoreRow] = system_row
        return make(
            self.job,
            self.data_class,
            f"{metric}_{self.name}",
            value,
            reason=note,
            n=len(self.days),
            verdict=verdict,
            days=self.days,
            **more,
        )
