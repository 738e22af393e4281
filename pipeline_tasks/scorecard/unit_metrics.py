"""Metrics of units: medians over units, clusters of unit-days, Murphy's decomposition, starts and stops, ramps in peak hours, new units."""

from __future__ import annotations

from functools import partial

import numpy as np
import polars as pl

from pipeline_tasks.scorecard.measures import Measure, Measurer, NotMeasurableError, against, need, ratio
from pipeline_tasks.scorecard.panel import Array, Comparator, Panel, UnitView

PEAK_HOURS = (*range(7, 11), *range(17, 22))  # local hours of the morning and the evening ramp
BINS = 10
DRAWS = 2000
FEWEST_EVENTS = 10
KINDS = ("start", "stop")


def unit_measurers(seed: int) -> dict[str, Measurer]:
    """Every metric of units by name."""
    return {
        "brier_skill_median_unit": partial(_median_unit, seed=seed),
        "brier_unit_days": partial(_unit_days, seed=seed),
        "brier_new_units": partial(_new_units, seed=seed),
        "ramp_mae_peak_mw": partial(_ramp, seed=seed),
        "bayes_brier_gap": _bayes,
        **{name: partial(_murphy, part=name) for name in ("reliability", "resolution", "uncertainty")},
        **{f"{kind}_brier_skill": partial(_event_skill, kind=kind, seed=seed) for kind in KINDS},
        **{f"{kind}_spiegelhalter_p": partial(_event_calibrated, kind=kind) for kind in KINDS},
    }


def _view(panel: Panel) -> UnitView:
    if panel.units is None:
        raise NotMeasurableError("the rows are not of generating units")
    return panel.units


def _losses(panel: Panel, other: Comparator) -> tuple[Array, Array]:
    return (panel.outcome - panel.point) ** 2, (panel.outcome - other.point) ** 2


def _median_unit(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    """Median over units of the Brier skill; units whose baseline errs nowhere have none."""
    own, base = _losses(panel, need(baseline))
    means = (
        panel.rows.select("product").with_columns(pl.Series("own", own), pl.Series("base", base)).group_by("product").agg(pl.all().mean())
    )
    usable = means.filter(pl.col("base") > 1e-6).sort("product")
    if usable.height < 3:
        raise NotMeasurableError(f"{usable.height} units whose baseline ever errs; a median needs 3")
    skill = (1 - usable["own"] / usable["base"]).to_numpy()
    drawn = np.median(skill[np.random.default_rng(seed).integers(0, len(skill), (DRAWS, len(skill)))], axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    better = int((skill > 0).sum())
    note = f"{len(skill)} units, {better} of them better than the baseline; interval: bootstrap of units"
    return Measure(float(np.median(skill)), panel.n, 0.0, float(low), float(high), None, note)


def _unit_days(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    """Brier score, tested with the days of a unit as clusters."""
    from scipy import stats

    own, base = _losses(panel, need(baseline))
    beside = against(own, base, panel.days, seed=seed, name="Brier score")
    both = panel.rows.select("product", "delivery_date").with_columns(pl.Series("d", own - base))
    sums = both.group_by("product", "delivery_date").agg(pl.col("d").sum())["d"].sort().to_numpy()
    spread = float(sums.std(ddof=1)) if len(sums) > 2 else 0.0
    t = float(sums.mean() / (spread / np.sqrt(len(sums)))) if spread > 0 else 0.0
    p = float(stats.t.cdf(t, len(sums) - 1)) if spread > 0 else 1.0
    note = f"t = {t:.2f} over {len(sums):,} unit-days, one-sided; the daily Diebold-Mariano test, units of a day together, has p ="
    return Measure(beside.value, beside.n, beside.baseline_value, beside.ci_low, beside.ci_high, p, f"{note} {beside.p_value:.3g}")


def _new_units(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    """Brier score on units that the fit had not seen, beside what their class says."""
    view, other = _view(panel), need(baseline)
    chosen = np.isfinite(view.unseen)
    if not chosen.any():
        raise NotMeasurableError("no fit without a part of the units was made")
    own, base = (panel.outcome - view.unseen) ** 2, (panel.outcome - other.point) ** 2
    units = panel.rows.filter(pl.Series(chosen))["product"].n_unique()
    measured = against(own[chosen], base[chosen], panel.days[chosen], seed=seed, name=f"Brier score on {units} units kept from the fit")
    seen = float(np.mean((panel.outcome[chosen] - panel.point[chosen]) ** 2))
    note = f"{measured.note}; the fit that had seen them: {seen:.4f}"
    return Measure(measured.value, measured.n, measured.baseline_value, measured.ci_low, measured.ci_high, measured.p_value, note)


def _murphy(panel: Panel, baseline: Comparator | None, *, part: str) -> Measure:
    """A part of the Brier score by ten bins of the probability (Murphy 1973): reliability - resolution + uncertainty."""
    other = None if baseline is None else murphy(panel.outcome, baseline.point)[part]
    return Measure(murphy(panel.outcome, panel.point)[part], panel.n, other, note=f"Murphy's decomposition, {BINS} bins of equal width")


def murphy(event: Array, probability: Array) -> dict[str, float]:
    """Reliability, resolution and uncertainty by bins of equal width (Murphy 1973)."""
    bins = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(bins, minlength=BINS).astype(np.float64)
    filled = np.maximum(count, 1)
    rate = np.bincount(bins, weights=event, minlength=BINS) / filled
    mean = np.bincount(bins, weights=probability, minlength=BINS) / filled
    base, n = float(event.mean()), float(len(event))
    return {
        "reliability": float((count * (mean - rate) ** 2).sum() / n),
        "resolution": float((count * (rate - base) ** 2).sum() / n),
        "uncertainty": base * (1 - base),
    }


def _event_skill(panel: Panel, baseline: Comparator | None, *, kind: str, seed: int) -> Measure:
    """Brier skill of a start (stop) within the horizon."""
    view, name = _view(panel), need(baseline).name
    if name not in view.baselines[kind]:
        raise NotMeasurableError(f"baseline {name} says nothing of a {kind}")
    event, own, base = view.events[kind], view.probabilities[kind], view.baselines[kind][name]
    both = np.isfinite(event) & np.isfinite(own) & np.isfinite(base)
    if event[both].sum() < FEWEST_EVENTS:
        raise NotMeasurableError(f"only {int(event[both].sum())} {kind}s on rows that both answer; skill needs {FEWEST_EVENTS}")
    return ratio(
        (event - own)[both] ** 2, (event - base)[both] ** 2, panel.days[both], seed=seed, name=f"1 - Brier over {name}'s", skill=True
    )


def _event_calibrated(panel: Panel, baseline: Comparator | None, *, kind: str) -> Measure:
    from models._kernel.stats import spiegelhalter_clustered

    del baseline
    view = _view(panel)
    known = np.isfinite(view.events[kind]) & np.isfinite(view.probabilities[kind])
    result = spiegelhalter_clustered(view.events[kind][known], view.probabilities[kind][known], panel.days[known])
    return Measure(
        result.p_value, int(known.sum()), p_value=result.p_value, note=f"z = {result.statistic:.2f} with the variance of daily sums"
    )


def _ramp(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    """Mean absolute error of the ramp in hours 7 to 10 and 17 to 21, local time."""
    view, name = _view(panel), need(baseline).name
    peak = panel.rows["local_hour"].is_in(list(PEAK_HOURS)).to_numpy() & np.isfinite(view.ramp_mw)
    if not peak.any():
        raise NotMeasurableError("no scored row of a peak hour at this horizon")
    own, base = (np.abs(view.ramp_mw - view.ramps_mw[n])[peak] for n in ("", name))
    hours = ", ".join(map(str, sorted(set(panel.rows.filter(pl.Series(peak))["local_hour"].to_list()))))
    return against(own, base, panel.days[peak], seed=seed, name=f"mean absolute error of the ramp, local hours {hours}")


def _bayes(panel: Panel, baseline: Comparator | None) -> Measure:
    del panel, baseline
    raise NotMeasurableError(
        "no probability of a status is known: real data have none, and the simulated market keeps the commitment that came, not those that"
        " other outages and weather would have brought"
    )
