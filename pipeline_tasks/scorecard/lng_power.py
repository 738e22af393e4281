"""M6: what unexpected LNG arrivals do to gas and spark spreads: effects by horizon, instruments, forest, placebo, refutation, R2."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models._kernel.cross.effects import Effect, Panel, instrumented, placebo, projections, random_cause
from models._kernel.cross.explained import Explained, explained
from models._kernel.cross.forests import causal_forest, orthogonal_instrument
from models._kernel.tenors import EPOCH
from models._kernel.yardstick import DataClass
from pipeline_tasks.cross_asset.lng_panel import NoArrivalsError, panels_of, twin_panel, until
from pipeline_tasks.cross_asset.market_frame import NoSeriesError, read_frame
from pipeline_tasks.cross_asset.settings import load_cross
from pipeline_tasks.cross_asset.twin_years import twin_years
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.sources import DataAbsentError
from pipeline_tasks.scorecard.systems import SystemJob, system_row

DATA_SETS = ("de_fund", "twin_years")
ON_MARKETS = ("de_fund",)
HORIZONS = (0, 1, 3, 7, 14)
YEARS = 40
R2_TARGET, WITHIN, STRONG_F = 0.30, 0.05, 10.0
PLACEBO_ROWS = 30
TREES = 400


def rows(job: SystemJob) -> list[ScoreRow]:
    """Rows of M6 on one data set."""
    real = job.data_set in ON_MARKETS
    kind = DataClass.REAL if real else DataClass.TWIN
    try:
        panels = _market(job) if real else {"gas": twin_panel(twin_years(job.seed, years=YEARS))}
    except (DataAbsentError, NoSeriesError, NoArrivalsError) as error:
        return [system_row(job, kind, "r2_gain_gas", None, reason=str(error))]
    made = []
    for outcome, whole in panels.items():
        panel = whole if job.end is None else until(whole, (job.end - EPOCH).days)
        job.say(f"{job.data_set}: effects on {outcome}, {panel.day.size} days")
        made += [*_explained(job, kind, panel, outcome), *_effects(job, kind, panel, outcome), *_checks(job, kind, panel, outcome)]
    return made


def _market(job: SystemJob) -> dict[str, Panel]:
    from pipeline_tasks.scorecard.sources import WarehouseSource
    from pipeline_tasks.steps.transform import transform
    from pipeline_tasks.warehouse import connect

    selection = WarehouseSource().prepare(job.data_set, job.say)
    transform("staging", "intermediate", "features", "marts", market=selection.market.key, run_id=f"scorecard:{job.data_set}")
    with connect() as warehouse:
        found = read_frame(warehouse, selection.market, selection.hubs[0], load_cross())
        return panels_of(warehouse, found)


def _explained(job: SystemJob, kind: DataClass, panel: Panel, outcome: str) -> list[ScoreRow]:
    """R2 out of sample over AR, weather and storage; the same of placebo arrivals; on simulated data beside the true share."""
    try:
        found = explained(panel)
        moved = np.concatenate((panel.shock[PLACEBO_ROWS:], np.full(PLACEBO_ROWS, np.nan)))
        false = explained(replace(panel, shock=moved, truth=None, truth_move=None))
    except ValueError as error:
        return [system_row(job, kind, f"r2_gain_{outcome}", None, reason=str(error))]
    low, high = found.interval(seed=job.seed)
    good: Verdict = "pass" if found.gain >= R2_TARGET and low > 0 else "miss"
    said = "walk-forward by year, rows from a day before to a week after a large shock; baseline: AR, weather, storage, season"
    made = [
        system_row(
            job, kind, f"r2_gain_{outcome}", found.gain, reason=said, n=found.day.size, verdict=good, target=R2_TARGET,
            interval=(low, high), baseline="ar_weather_storage", baseline_value=0.0, days=found.day.tolist(),
        ),
        _placebo_r2(job, kind, false, outcome),
    ]  # fmt: skip
    if np.isfinite(found.truth):
        near: Verdict = "pass" if abs(found.gain - found.truth) <= WITHIN else "miss"
        text = "share of variance recovered less the true share, target within 0.05; baseline: the true share"
        made.append(
            system_row(
                job, kind, f"r2_recovery_{outcome}", found.gain - found.truth, reason=text, n=found.day.size, verdict=near, target=WITHIN,
                baseline="truth", baseline_value=found.truth, days=found.day.tolist(),
            )
        )  # fmt: skip
    return made


def _placebo_r2(job: SystemJob, kind: DataClass, found: Explained, outcome: str) -> ScoreRow:
    low, high = found.interval(seed=job.seed)
    verdict: Verdict = "pass" if low <= 0.0 <= high or found.gain <= 0 else "miss"
    said = f"the same with arrivals {PLACEBO_ROWS} rows too early: should be nought or below"
    return system_row(
        job, kind, f"placebo_r2_{outcome}", found.gain, reason=said, n=found.day.size, verdict=verdict, interval=(low, high),
        target=0.0, days=found.day.tolist(),
    )  # fmt: skip


def _effects(job: SystemJob, kind: DataClass, panel: Panel, outcome: str) -> list[ScoreRow]:
    """Effects per TWh by horizon, by instruments and by forest; beside the truth where there is one."""
    unit = "log price per TWh" if outcome == "gas" else "currency/MWh per TWh"
    made = [
        _effect(job, kind, f"effect_{outcome}_h{h}", effect, panel, f"local projection, {h} rows after the arrival, {unit}")
        for h, effect in projections(panel, HORIZONS).items()
    ]
    if panel.instruments.shape[1]:
        found = instrumented(panel)
        names = ", ".join(panel.instrument_names)
        made.append(_effect(job, kind, f"effect_{outcome}_iv", found.effect, panel, f"two-step GMM with {names}, {unit}"))
        strong: Verdict = "pass" if found.effective_f > STRONG_F else "miss"
        text = f"effective first-stage F of {names}"
        made.append(_row(job, kind, f"first_stage_f_{outcome}", found.effective_f, panel, text, verdict=strong, target=STRONG_F))
        if np.isfinite(found.j_p_value):
            agree: Verdict = "pass" if found.j_p_value > 0.05 else "miss"
            text = "Hansen's test that the instruments agree"
            made.append(_row(job, kind, f"over_identification_p_{outcome}", found.j_p_value, panel, text, verdict=agree, target=0.05))
        made.append(_ortho(job, kind, panel, outcome, found.effective_f))
    forest = causal_forest(panel, seed=job.seed, trees=TREES)
    made.append(_effect(job, kind, f"effect_{outcome}_forest", forest.mean, panel, f"econml CausalForestDML, time-blocked folds, {unit}"))
    for level, effect in forest.by_tightness.items():
        name = f"effect_{outcome}_tightness_q{round(level * 100)}"
        made.append(_effect(job, kind, name, effect, panel, f"the forest at the {level:.0%} quantile of storage tightness, {unit}"))
    return made


def _ortho(job: SystemJob, kind: DataClass, panel: Panel, outcome: str, strength: float) -> ScoreRow:
    """The effect by orthogonal instruments, where they are strong enough to say anything."""
    name = f"effect_{outcome}_ortho_iv"
    if strength <= STRONG_F:
        return system_row(job, kind, name, None, reason=f"instruments too weak (effective F {strength:.1f})", n=panel.day.size)
    return _effect(job, kind, name, orthogonal_instrument(panel, seed=job.seed), panel, "econml OrthoIV, time-blocked folds, per TWh")


def _effect(job: SystemJob, kind: DataClass, metric: str, effect: Effect, panel: Panel, said: str) -> ScoreRow:
    """An effect with its interval: reported; on simulated data judged by its distance from the truth, for the day of the arrival."""
    later = "_h" in metric and not metric.endswith("_h0")
    if not np.isfinite(effect.truth) or later:
        text = f"reported; {said}"
        return _row(job, kind, metric, effect.estimate, panel, text, n=effect.n, interval=effect.interval, p=effect.p_value)
    ratio = effect.estimate / effect.truth - 1
    near: Verdict = "pass" if abs(ratio) <= WITHIN else "miss"
    text = f"{said}; off the truth by {ratio:+.1%} (target within 5 %), standard error {abs(effect.error / effect.truth):.1%}"
    return _row(
        job, kind, metric, effect.estimate, panel, text,
        n=effect.n, verdict=near, interval=effect.interval, p=effect.p_value, truth=effect.truth,
    )  # fmt: skip


def _checks(job: SystemJob, kind: DataClass, panel: Panel, outcome: str) -> list[ScoreRow]:
    """Placebo arrivals and a random common cause."""
    false = placebo(panel, PLACEBO_ROWS)
    nothing: Verdict = "pass" if false.p_value > 0.05 else "miss"
    said = f"effect of arrivals {PLACEBO_ROWS} rows too early; should not differ from nought"
    moved = random_cause(panel, seed=job.seed)
    still: Verdict = "pass" if moved < 1.0 else "miss"
    text = "largest change of the effect, in standard errors, over 20 random common causes; should be below one"
    return [
        _row(
            job, kind, f"placebo_effect_{outcome}", false.estimate, panel, said, verdict=nothing, interval=false.interval, p=false.p_value
        ),
        _row(job, kind, f"random_cause_{outcome}", moved, panel, text, verdict=still, target=1.0),
    ]


def _row(
    job: SystemJob,
    kind: DataClass,
    metric: str,
    value: float,
    panel: Panel,
    said: str,
    *,
    n: int = 0,
    verdict: Verdict = "pass",
    target: float | None = None,
    interval: tuple[float, float] | None = None,
    p: float | None = None,
    truth: float | None = None,
) -> ScoreRow:
    return system_row(
        job, kind, metric, value, reason=said, n=n or panel.day.size, verdict=verdict, target=target, interval=interval, p_value=p,
        baseline="" if truth is None else "truth", baseline_value=truth, days=panel.day[[0, -1]].tolist(),
    )  # fmt: skip
