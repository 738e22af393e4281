"""Metrics of tails: exceedances and their tests, shortfall and its backtest, joint and weighted scores, and alarms by hour and episode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline_tasks.scorecard import probability
from pipeline_tasks.scorecard.measures import DRAWS, MEAN_BLOCK_DAYS, Measure, Measurer, NotMeasurableError, against, daily, mean_loss, need
from pipeline_tasks.scorecard.panel import Array, Comparator, Panel, TailView

FLOOR = 1.0  # currency/MWh: what a shortfall counts as at least in scores that divide by it
GAP_H = 3  # hours of calm that end an episode
FPRS, FDR = (0.01, 0.05, 0.10), 0.50


def _view(panel: Panel) -> TailView:
    if panel.tail is None:
        raise NotMeasurableError("the model says nothing of tails")
    return panel.tail


def _place(panel: Panel, level: float) -> int:
    return int(np.flatnonzero(np.isclose(panel.levels, level))[0])


def _pair(panel: Panel, level: float, other: Comparator | None) -> tuple[Array, Array]:
    """VaR and ES at a level, of the model or a baseline."""
    at = int(np.flatnonzero(np.isclose(_view(panel).levels, level))[0])
    if other is None:
        return panel.quantiles[:, _place(panel, level)], _view(panel).shortfalls[:, at]
    if other.quantiles is None or other.shortfalls is None:
        raise NotMeasurableError(f"baseline {other.name} has no tail")
    return other.quantiles[:, _place(panel, level)], other.shortfalls[:, at]


def _beyond(panel: Panel, level: float, other: Comparator | None = None) -> Array:
    ladder = panel.quantiles if other is None else other.quantiles
    if ladder is None:
        raise NotMeasurableError("the baseline has no quantiles")
    q = ladder[:, _place(panel, level)]
    hit = panel.outcome > q if level > 0.5 else panel.outcome < q
    return np.where(np.isfinite(q), hit.astype(np.float64), np.nan)


def _share(level: float) -> float:
    return 1 - level if level > 0.5 else level


def _exceedance(panel: Panel, baseline: Comparator | None, *, level: float, seed: int) -> Measure:
    """Share of outcomes beyond the quantile, with Kupiec's acceptance band and p-value; a baseline's share beside it."""
    from models._kernel.stats import coverage_band, kupiec

    hits = _beyond(panel, level)
    measured = mean_loss(hits, panel.days, seed=seed, name=f"share beyond the {100 * level:g} % quantile")
    other = None if baseline is None else float(np.nanmean(_beyond(panel, level, baseline)))
    test = kupiec(hits, _share(level))
    note = f"{measured.note}; p: Kupiec, two-sided, hours pooled"
    return replace(measured, baseline_value=other, p_value=test.p_value, note=note, band=coverage_band(panel.n, _share(level)))


def _kupiec_p(panel: Panel, baseline: Comparator | None, *, level: float) -> Measure:
    from models._kernel.stats import kupiec

    hits = _beyond(panel, level, baseline)
    hits = hits[np.isfinite(hits)]
    result = kupiec(hits, _share(level))
    return Measure(result.p_value, len(hits), p_value=result.p_value, note=f"{int(hits.sum())} exceedances, {_share(level):.3%} expected")


def _christoffersen_p(panel: Panel, baseline: Comparator | None, *, level: float) -> Measure:
    """Conditional coverage of the hours in time order: exceedances cluster within a day, so this is the hardest reading."""
    from models._kernel.stats import christoffersen

    del baseline
    result = christoffersen(_beyond(panel, level), _share(level))
    return Measure(result.p_value, panel.n, p_value=result.p_value, note="Christoffersen over consecutive hours")


def _christoffersen_hours(panel: Panel, baseline: Comparator | None, *, level: float) -> Measure:
    from models._kernel.stats import christoffersen

    del baseline
    hits = _beyond(panel, level)
    cells = [hits[rows] for rows in panel.cells if len(rows) >= 50]
    if not cells:
        raise NotMeasurableError("no hour of the day has 50 rows")
    passed = [christoffersen(cell, _share(level)).p_value >= 0.05 for cell in cells]
    return Measure(float(np.mean(passed)), panel.n, note=f"{sum(passed)} of {len(passed)} hub-hours, day after day, not rejected at 5 %")


def _z2(panel: Panel, baseline: Comparator | None, *, level: float, seed: int) -> Measure:
    from models._kernel.shortfall import acerbi_szekely_z2

    var, es = _positive(*_pair(panel, level, baseline))
    y = panel.outcome
    known = np.isfinite(es) & np.isfinite(var)
    z2, p = acerbi_szekely_z2(y[known], var[known], es[known], level, alternative="two-sided", seed=seed)
    note = "Acerbi-Szekely Z2 (0 is right, below 0 the shortfall is too low); two-sided p simulated with independent hours"
    return Measure(z2, int(known.sum()), p_value=p, note=note)


def _z2_p(panel: Panel, baseline: Comparator | None, *, level: float, seed: int) -> Measure:
    measured = _z2(panel, baseline, level=level, seed=seed)
    return replace(measured, value=float(measured.p_value or 0.0), note=f"Z2 = {measured.value:.3f}; {measured.note}")


def _es_error(panel: Panel, baseline: Comparator | None, *, level: float, seed: int) -> Measure:
    """Mean outcome over mean shortfall of the hours beyond the quantile, less 1."""
    from models._kernel.bootstrap import ratio_ci

    var, es = _pair(panel, level, baseline)
    hit = panel.outcome > var if level > 0.5 else panel.outcome < var
    if hit.sum() < 10:
        raise NotMeasurableError(f"only {int(hit.sum())} exceedances; their mean says nothing")
    sums, _ = daily(panel.days[hit], panel.outcome[hit], es[hit])
    interval = ratio_ci(sums[:, 0], sums[:, 1], mean_block=MEAN_BLOCK_DAYS, draws=DRAWS, seed=seed)
    value = float(panel.outcome[hit].mean() / es[hit].mean() - 1)
    note = "realised over foretold mean beyond the quantile, less 1; a perfect model is often more than 10 % off in a year"
    return Measure(value, int(hit.sum()), None, interval.low - 1, interval.high - 1, note=note)


def _positive(var: Array, es: Array) -> tuple[Array, Array]:
    """VaR and ES with the shortfall at least `FLOOR`, and VaR never above it."""
    raised = np.maximum(es, FLOOR)
    return np.minimum(var, raised), raised


def _fz0(panel: Panel, baseline: Comparator | None, *, level: float, seed: int) -> Measure:
    if level < 0.5:
        raise NotMeasurableError("FZ0 is scored on the upper tail")

    def loss(other: Comparator | None) -> Array:
        from models._kernel.shortfall import fz0_losses

        var, es = _positive(*_pair(panel, level, other))
        known = np.isfinite(var) & np.isfinite(es)
        made = np.full(panel.n, np.nan)
        if known.any():
            made[known] = fz0_losses(panel.outcome[known], var[known], es[known], level)
        return made

    name = f"FZ0 joint score of VaR and ES at {100 * level:g} %, shortfalls below {FLOOR:g} counted as {FLOOR:g}"
    if baseline is None:
        return mean_loss(loss(None), panel.days, seed=seed, name=name)
    return against(loss(None), loss(baseline), panel.days, seed=seed, name=name)


def _twcrps(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    """Threshold-weighted CRPS: that of max(price, spike threshold) (Gneiting & Ranjan 2011; chaining of Allen et al. 2023)."""
    from models._kernel.metrics import crps_losses

    u = np.where(np.isfinite(_view(panel).threshold), _view(panel).threshold, -np.inf)

    def loss(ladder: Array | None) -> Array:
        if ladder is None:
            raise NotMeasurableError("the baseline has no quantiles")
        known = np.isfinite(ladder).all(axis=1)
        made = np.full(panel.n, np.nan)
        if known.any():
            made[known] = crps_losses(np.maximum(panel.outcome, u)[known], np.maximum(ladder, u[:, None])[known], panel.levels)
        return made

    name = "CRPS of max(price, spike threshold)"
    if baseline is None:
        return mean_loss(loss(panel.quantiles), panel.days, seed=seed, name=name)
    return against(loss(panel.quantiles), loss(baseline.quantiles), panel.days, seed=seed, name=name)


def _spikes(panel: Panel) -> Panel:
    """The panel as one of an event probability, on rows whose event is known."""
    view = _view(panel)
    known = np.isfinite(view.event)
    if not known.any():
        raise NotMeasurableError("no row has a spike threshold (too little price history)")
    part = panel.only(known)
    return replace(part, outcome=view.event[known], point=view.probability[known], alert=view.alarm[known])


def _scored(measure: Callable[..., Measure], panel: Panel, baseline: Comparator | None, **settings: object) -> Measure:
    """A probability's metric on the spikes."""
    part = _spikes(panel)
    if part.outcome.sum() < probability.MIN_EVENTS:
        raise NotMeasurableError(
            f"only {int(part.outcome.sum())} spike(s) in {part.n:,} rows; skill needs at least {probability.MIN_EVENTS}"
        )
    other = None if baseline is None else part.comparators[baseline.name]
    return measure(part, other, **settings)


def _ranking(part: Panel, other: Comparator | None) -> Array:
    if other is None:
        return part.point
    score = other.point if other.score is None else other.score
    return np.where(np.isfinite(score), score, -np.inf)


def recall_at_fpr(event: Array, score: Array, fpr: float) -> tuple[float, float]:
    """Highest recall of a threshold on the score whose false positive rate is at most `fpr`, and its precision."""
    recall, false, precision = _curve(event, score)
    good = np.flatnonzero(false <= fpr)
    return (float(recall[good[-1]]), float(precision[good[-1]])) if good.size else (0.0, float("nan"))


def recall_at_fdr(event: Array, score: Array, fdr: float) -> float:
    """Highest recall of a threshold on the score of whose alarms at most the share `fdr` is false."""
    recall, _, precision = _curve(event, score)
    good = np.flatnonzero(precision >= 1 - fdr)
    return float(recall[good[-1]]) if good.size else 0.0


def _curve(event: Array, score: Array) -> tuple[Array, Array, Array]:
    """Recall, false positive rate and precision at every distinct threshold, from the highest down."""
    order = np.argsort(-score, kind="stable")
    e, s = event[order], score[order]
    with np.errstate(invalid="ignore"):
        last = np.append(np.flatnonzero(s[1:] != s[:-1]), len(s) - 1)
    hits, alarms = np.cumsum(e)[last], last + 1.0
    return hits / e.sum(), (alarms - hits) / max(len(e) - e.sum(), 1), hits / alarms


def _recall(panel: Panel, baseline: Comparator | None, *, fpr: float, of: str) -> Measure:
    def measure(part: Panel, other: Comparator | None) -> Measure:
        place = 0 if of == "recall" else 1
        own = recall_at_fpr(part.outcome, part.point, fpr)[place]
        beside = None if other is None else recall_at_fpr(part.outcome, _ranking(part, other), fpr)[place]
        return Measure(own, part.n, beside, note=f"best threshold with at most {fpr:.0%} of calm intervals alarmed")

    return _scored(measure, panel, baseline)


def _recall_fdr(panel: Panel, baseline: Comparator | None) -> Measure:
    def measure(part: Panel, other: Comparator | None) -> Measure:
        beside = None if other is None else recall_at_fdr(part.outcome, _ranking(part, other), FDR)
        return Measure(recall_at_fdr(part.outcome, part.point, FDR), part.n, beside, note=f"at most {FDR:.0%} of the alarms false")

    return _scored(measure, panel, baseline)


def _alarm(panel: Panel, baseline: Comparator | None, *, of: str, seed: int) -> Measure:
    """Recall, precision or false positive rate of the issued alarms, whose thresholds were set before the window."""

    def measure(part: Panel, other: Comparator | None) -> Measure:
        del other
        alarm = np.asarray(part.alert, dtype=np.float64)
        among = {"recall": part.outcome == 1, "precision": alarm == 1, "fpr": part.outcome == 0}[of]
        if not among.any():
            raise NotMeasurableError("there was no alarm in the window")
        hit = part.outcome if of == "precision" else alarm
        return mean_loss(hit[among], part.days[among], seed=seed, name=f"{of} of the issued alarms")

    return _scored(measure, panel, baseline)


def episodes(rows: pl.DataFrame, flag: npt.NDArray[np.bool_]) -> pl.DataFrame:
    """Runs of flagged intervals of a hub, at most `GAP_H` hours apart: hub, start of the first and of the last, as_of of the first."""
    chosen = rows.select("hub", "delivery_ts", "as_of").filter(pl.Series(flag)).sort("hub", "delivery_ts")
    gap = pl.col("delivery_ts").diff().over("hub") > pl.duration(hours=GAP_H)
    runs = chosen.with_columns(gap.fill_null(value=True).cum_sum().over("hub").alias("run"))
    return runs.group_by("hub", "run", maintain_order=True).agg(
        pl.col("delivery_ts").min().alias("begins"), pl.col("delivery_ts").max().alias("ends"), pl.col("as_of").first()
    )


def _episode(panel: Panel, baseline: Comparator | None, *, of: str) -> Measure:
    """Episodes of spikes that an alarm touched, of alarms that a spike touched, or hours from decision to the start of a caught one."""

    def measure(part: Panel, other: Comparator | None) -> Measure:
        del other
        alarm = np.asarray(part.alert, dtype=bool)
        spikes, alarms = episodes(part.rows, part.outcome == 1), episodes(part.rows, alarm)
        mine, theirs = (alarms, spikes) if of == "precision" else (spikes, alarms)
        if mine.is_empty():
            raise NotMeasurableError("there was no such episode in the window")
        caught = np.array([_touched(row, theirs) for row in mine.iter_rows(named=True)])
        if of != "lead":
            return Measure(float(caught.mean()), len(mine), note=f"{int(caught.sum())} of {len(mine)} episodes")
        leads = mine.filter(pl.Series(caught)).select((pl.col("begins") - pl.col("as_of")).dt.total_minutes() / 60).to_series()
        if leads.is_empty():
            raise NotMeasurableError("no episode was caught")
        return Measure(float(leads.mean()), len(leads), note="mean hours from the decision to the start of a caught episode")  # type: ignore[arg-type]

    return _scored(measure, panel, baseline)


def _touched(row: dict[str, Any], others: pl.DataFrame) -> bool:
    same = others.filter((pl.col("hub") == row["hub"]) & (pl.col("begins") <= row["ends"]) & (pl.col("ends") >= row["begins"]))
    return not same.is_empty()


def _pr_auc(panel: Panel, baseline: Comparator | None, *, seed: int, gain: bool) -> Measure:
    table = probability.probability_measurers(seed)
    return _scored(table["pr_auc_gain" if gain else "pr_auc"], panel, need(baseline) if gain else baseline)


def tail_measurers(seed: int, panel: Panel) -> dict[str, Measurer]:
    """Every metric of tails by name; those of a level end with it: `exceedance_99_5` is that of the 99.5 % quantile."""
    made: dict[str, Measurer] = {"twcrps": partial(_twcrps, seed=seed), "recall_at_fdr_50": _recall_fdr}
    for level in _view(panel).levels.tolist():
        name = f"{100 * level:g}".replace(".", "_")
        made |= {
            f"exceedance_{name}": partial(_exceedance, level=level, seed=seed),
            f"kupiec_p_{name}": partial(_kupiec_p, level=level),
            f"christoffersen_p_{name}": partial(_christoffersen_p, level=level),
            f"christoffersen_hours_pass_{name}": partial(_christoffersen_hours, level=level),
            f"es_z2_{name}": partial(_z2, level=level, seed=seed),
            f"es_z2_p_{name}": partial(_z2_p, level=level, seed=seed),
            f"es_error_{name}": partial(_es_error, level=level, seed=seed),
            f"fz0_{name}": partial(_fz0, level=level, seed=seed),
        }
    for fpr in FPRS:
        made[f"recall_at_fpr_{fpr:.0%}".rstrip("%")] = partial(_recall, fpr=fpr, of="recall")
        made[f"precision_at_fpr_{fpr:.0%}".rstrip("%")] = partial(_recall, fpr=fpr, of="precision")
    table = probability.probability_measurers(seed)
    scored = {"spike_brier": "brier", "spike_ece": "ece", "spike_rate": "event_rate", "spike_auc": "auc"}
    return made | {
        **{f"alarm_{of}": partial(_alarm, of=of, seed=seed) for of in ("recall", "precision", "fpr")},
        "episode_recall": partial(_episode, of="recall"),
        "episode_precision": partial(_episode, of="precision"),
        "lead_time_h": partial(_episode, of="lead"),
        "spike_pr_auc": partial(_pr_auc, seed=seed, gain=False),
        "spike_pr_auc_gain": partial(_pr_auc, seed=seed, gain=True),
        **{name: partial(_scored, table[metric]) for name, metric in scored.items()},
    }
