"""F5: identities of spreads and netbacks, and the hedging backtest with and without signals, deflated for all that were tried."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from models._kernel.bootstrap import stationary_indices
from models._kernel.deflation import deflated_sharpe
from models._kernel.stats import stationary_bootstrap_ci
from models._kernel.tenors import EPOCH
from models._kernel.yardstick import DataClass
from pipeline_tasks.cross_asset.backtest import Backtest, Case, backtest, twin_case
from pipeline_tasks.cross_asset.market_frame import NoSeriesError, case_of, read_frame
from pipeline_tasks.cross_asset.settings import load_cross
from pipeline_tasks.cross_asset.twin_years import twin_years
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.sources import DataAbsentError
from pipeline_tasks.scorecard.systems import SystemJob, system_row

Array = npt.NDArray[np.float64]
DATA_SETS = ("de_fund", "nyiso", "twin_years")
ON_MARKETS = ("de_fund", "nyiso")
WARM_DAYS = 730
TARGET_PCT = 3.0
BLOCK_DAYS, DRAWS = 20, 2000
PLAIN = "hedge_without_signals"


def rows(job: SystemJob) -> list[ScoreRow]:
    """Rows of F5 on one data set."""
    kind = DataClass.REAL if job.data_set in ON_MARKETS else DataClass.TWIN
    try:
        case = _case(job)
    except (DataAbsentError, NoSeriesError) as error:
        return [system_row(job, kind, "return_improvement_pct", None, reason=str(error))]
    last = int(np.searchsorted(case.day, (job.end - EPOCH).days, side="right")) if job.end else None
    job.say(f"{job.data_set}: backtest of {case.day.size} days")
    found = backtest(case, load_cross().hedge.terms, warm_days=WARM_DAYS, last=last)
    return [*_headline(job, kind, found), *_alone(job, kind, found), *_identities(job, kind, case)]


def _case(job: SystemJob) -> Case:
    """What the data set is backtested on.

    Raises:
        DataAbsentError: the market's files are not here.
        NoSeriesError: the market has no fuels.
    """
    settings = load_cross()
    if job.data_set not in ON_MARKETS:
        job.say(f"{job.data_set}: years of fuels")
        return twin_case(twin_years(job.seed), settings)
    from pipeline_tasks.scorecard.sources import WarehouseSource
    from pipeline_tasks.steps.transform import transform
    from pipeline_tasks.warehouse import connect

    selection = WarehouseSource().prepare(job.data_set, job.say)
    transform("staging", "intermediate", "features", "marts", market=selection.market.key, run_id=f"scorecard:{job.data_set}")
    with connect() as warehouse:
        found = read_frame(warehouse, selection.market, selection.hubs[0], settings)
        over = found.frame["power_outcome"].is_not_null().arg_true()[-1] + 1  # days that are not delivered yet are not scored
        return case_of(replace(found, frame=found.frame[:over], settled=found.settled[:over]), settings)


def _headline(job: SystemJob, kind: DataClass, found: Backtest) -> list[ScoreRow]:
    """The improvement with interval, its deflated probability, the share of foresight, costs, turnover and years."""
    gain = found.improvement(found.signalled)
    span = stationary_bootstrap_ci(gain, lambda m: m[:, 0], mean_block=BLOCK_DAYS, draws=DRAWS, seed=job.seed)
    p = _one_sided(gain, job.seed)
    daily = {n: found.improvement(o) for n, o in found.alone.items()}
    sharpes = [float(g.mean() / g.std(ddof=1)) for g in (gain, *daily.values()) if g.std() > 0]
    deflated = deflated_sharpe(gain, sharpes)
    plain, ours, best = (found.yearly_return(o) for o in (found.plain, found.signalled, found.oracle))
    years = _years(found, gain)
    good: Verdict = "pass" if ours - plain >= TARGET_PCT and p < 0.05 and deflated.probability > 0.95 else "miss"
    said = (
        "return a year on mean margin and value at risk (the larger of both strategies' capital), per cent, net of costs;"
        f" {len(sharpes)} trials; {sum(v >= 0 for v in years.values())} of {len(years)} years not worse"
    )
    made = [
        _row(job, kind, found, "return_improvement_pct", ours - plain, said,
            verdict=good, target=TARGET_PCT, interval=(span.low, span.high), p=p, base=plain),
        _row(
            job, kind, found, "deflated_probability", deflated.probability,
            f"probability that the gain's Sharpe ratio of {deflated.sharpe * np.sqrt(365.25):.2f} a year beats the best of {len(sharpes)}"
            f" worthless trials ({deflated.expected_best * np.sqrt(365.25):.2f})",
            verdict="pass" if deflated.probability > 0.95 else "miss", target=0.95,
        ),
        _row(
            job, kind, found, "foresight_share", (ours - plain) / (best - plain) if best > plain else None,
            f"share of what perfect foresight adds within the same limits ({best - plain:.1f} per cent a year); reported",
        ),
        _row(
            job, kind, found, "cost_pct", float(found.signalled.cost.mean()) * 365.25 / found.capital * 100,
            "costs a year over capital, per cent; baseline: the hedge without signals; reported",
            base=float(found.plain.cost.mean()) * 365.25 / found.capital * 100,
        ),
    ]  # fmt: skip
    cap = load_cross().hedge.daily_cap
    within: Verdict = "pass" if found.largest_turn <= cap + 1e-12 else "miss"
    made.append(
        _row(job, kind, found, "largest_turn", found.largest_turn, "largest change of a hedge ratio in a day", verdict=within, target=cap)
    )
    return made


def _alone(job: SystemJob, kind: DataClass, found: Backtest) -> list[ScoreRow]:
    """Each signal by itself: reported, no choice is made among them."""
    made = []
    for name, outcome in found.alone.items():
        gain = found.improvement(outcome)
        if not gain.any():
            said = "the market has no data for this signal"
            made.append(system_row(job, kind, f"improvement_pct_{name}", None, reason=said, n=gain.size))
            continue
        p = _one_sided(gain, job.seed)
        said = "reported; this signal alone, per cent a year"
        made.append(_row(job, kind, found, f"improvement_pct_{name}", float(gain.mean()), said, p=p))
    return made


def _identities(job: SystemJob, kind: DataClass, case: Case) -> list[ScoreRow]:
    """Largest residual of the identities on the data set's own prices."""
    from models._kernel.cross.signals import column
    from models._kernel.cross.spreads import clean_spread, fuel_spread, implied_heat_rate

    power, gas, co2 = (column(case.frame, n) for n in ("power", "gas", "co2"))
    power = np.where(np.isfinite(power), power, 50.0)
    plant = case.setting.gas_plant
    carbon = np.where(np.isfinite(co2), co2, 0.0)
    clean = clean_spread(power, gas, carbon, plant)
    first = clean + plant.intensity_t_per_mwh * carbon - fuel_spread(power, gas, plant)
    rate = implied_heat_rate(power, gas, carbon, plant.co2_t_per_unit)
    second = power - rate * (gas + plant.co2_t_per_unit * carbon)
    left = [np.nanmax(np.abs(v)) for v in (first, second)]
    worst = float(max(left))
    good: Verdict = "pass" if worst <= 1e-9 else "miss"
    said = "largest residual of clean spark + carbon = spark and of power = implied heat rate x cost"
    return [system_row(job, kind, "identity_residual", worst, reason=said, n=gas.size, verdict=good, target=1e-9)]


def _one_sided(gain: Array, seed: int) -> float:
    """Share of bootstrap means at or below zero."""
    index = stationary_indices(gain.size, mean_block=BLOCK_DAYS, draws=DRAWS, seed=seed)
    return float(np.mean(gain[index].mean(axis=1) <= 0))


def _years(found: Backtest, gain: Array) -> dict[int, float]:
    year = (found.day.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64)) + 1970
    return {int(y): float(gain[year == y].mean()) for y in np.unique(year)}


def _row(
    job: SystemJob,
    kind: DataClass,
    found: Backtest,
    metric: str,
    value: float | None,
    said: str,
    *,
    verdict: Verdict = "pass",
    target: float | None = None,
    interval: tuple[float, float] | None = None,
    p: float | None = None,
    base: float | None = None,
) -> ScoreRow:
    return system_row(
        job, kind, metric, value, reason=said, n=found.day.size, verdict=verdict, target=target, interval=interval, p_value=p,
        baseline=PLAIN if base is not None else "", baseline_value=base, days=found.day.tolist(),
    )  # fmt: skip
