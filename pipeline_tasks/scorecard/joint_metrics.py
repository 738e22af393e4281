"""Metrics of whole days and tenors: energy and variogram score, expected shortfall, coherence, week and month."""

from __future__ import annotations

from functools import partial

import numpy as np

from models._kernel.scenarios import SCHAAKE, quantile_at
from pipeline_tasks.scorecard.joint import ES_LEVEL, OWN, SHUFFLED, Joint
from pipeline_tasks.scorecard.measures import MEAN_BLOCK_DAYS, Measure, Measurer, NotMeasurableError, against, mean_loss
from pipeline_tasks.scorecard.panel import Array, Comparator, Panel

BINS = 10
TAIL_POINTS = 200


def _joint(panel: Panel) -> Joint:
    if panel.joint is None or not panel.joint.day:
        raise NotMeasurableError("the yardstick declares no joint baseline, or no whole day was answered; there are no scenarios to score")
    return panel.joint


def _score(panel: Panel, baseline: Comparator | None, *, name: str, seed: int) -> Measure:
    joint = _joint(panel)
    scores = joint.energy if name == "energy_score" else joint.variogram
    own, days = np.array(scores[SCHAAKE]), np.array(joint.day)
    label = f"{name} of days, scenarios by {SCHAAKE}"
    if baseline is None:
        return mean_loss(own, days, seed=seed, name=label)
    if baseline.name not in scores:
        raise NotMeasurableError(f"{baseline.name} is no way to put hours together; it has no joint scenarios")
    if baseline.name == SCHAAKE:
        measured = mean_loss(own, days, seed=seed, name=label)
        return Measure(
            measured.value, measured.n, measured.value, measured.ci_low, measured.ci_high, None, f"{measured.note}; it is the model's own"
        )
    return against(own, np.array(scores[baseline.name]), days, seed=seed, name=label)


def _coupled(panel: Panel, baseline: Comparator | None, *, name: str, seed: int) -> Measure:
    coupled = _joint(panel).coupled
    if isinstance(coupled, str) or not coupled.day:
        raise NotMeasurableError(coupled if isinstance(coupled, str) else "no day has both prices and both models' answers")
    scores = coupled.energy if name == "energy_score" else coupled.variogram
    label = f"{name} of days of (day-ahead, balancing) prices, scenarios of both models paired by number"
    if baseline is None:
        return mean_loss(np.array(scores[OWN]), np.array(coupled.day), seed=seed, name=label)
    return against(np.array(scores[OWN]), np.array(scores[SHUFFLED]), np.array(coupled.day), seed=seed, name=label)


def _z2(panel: Panel, baseline: Comparator | None, *, side: str, seed: int) -> Measure:
    """Acerbi-Szekely Z2 of the day mean against the band that the forecasts' own scenarios give it."""
    from models._kernel.shortfall import z2_test

    del baseline
    joint = _joint(panel)
    sign = 1.0 if side == "short" else -1.0
    draws = sign * np.stack(joint.draws)
    rows = np.arange(draws.shape[0])

    def draw(rng: np.random.Generator) -> Array:
        return np.asarray(draws[rows, rng.integers(0, draws.shape[1], rows.size)], dtype=np.float64)

    found = z2_test(sign * np.array(joint.loss), joint.var[side], joint.es[side], ES_LEVEL, draw=draw, seed=seed)
    detail = dict(found.detail)
    who = "who must buy the day" if side == "short" else "1 MW long, bought at the forecast mean"
    beyond = int(np.sum(sign * np.array(joint.loss) > np.array(joint.var[side])))
    note = f"Z2 at 97.5 % of {who}; {beyond} days beyond VaR, {0.025 * rows.size:.1f} expected; band and p: simulated from the scenarios"
    return Measure(found.statistic, found.n, p_value=found.p_value, note=note, band=(detail["low"], detail["high"]))


def _es_error(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    """Mean loss beyond the 97.5 % VaR over the mean ES forecast there, less one, all hours pooled; losses relative to the median."""
    from models._kernel.bootstrap import stationary_bootstrap_ci

    del baseline
    centre = panel.quantiles[:, int(np.argmin(np.abs(panel.levels - 0.5)))]
    u = ES_LEVEL + (1 - ES_LEVEL) * (np.arange(TAIL_POINTS) + 0.5) / TAIL_POINTS
    grid = np.concatenate([[ES_LEVEL], u])
    tail = np.concatenate([quantile_at(part, panel.levels, np.tile(grid[:, None], (1, len(part)))).T for part in _parts(panel.quantiles)])
    beyond = panel.outcome > tail[:, 0]
    if beyond.sum() < 20:
        raise NotMeasurableError(f"{int(beyond.sum())} hours lie beyond the VaR; a relative error of the shortfall needs 20")
    loss, shortfall = np.where(beyond, panel.outcome - centre, 0.0), np.where(beyond, tail[:, 1:].mean(axis=1) - centre, 0.0)
    _, index = np.unique(panel.days, return_inverse=True)
    sums = np.column_stack([np.bincount(index, weights=c) for c in (loss, shortfall)])
    found = stationary_bootstrap_ci(sums, lambda m: m[:, 0] / m[:, 1] - 1, mean_block=MEAN_BLOCK_DAYS, draws=2000, seed=seed)
    note = f"97.5 %, {int(beyond.sum())} of {panel.n} hours beyond VaR ({0.025 * panel.n:.0f} expected); interval: block bootstrap of days"
    return Measure(float(loss.sum() / shortfall.sum() - 1), int(beyond.sum()), ci_low=found.low, ci_high=found.high, note=note)


def _parts(values: Array) -> list[Array]:
    return [values[i : i + 2000] for i in range(0, len(values), 2000)]


def _coherence(panel: Panel, baseline: Comparator | None) -> Measure:
    del baseline
    joint = _joint(panel)
    note = "largest distance of any scenario's day, week or month from the mean of its hours"
    return Measure(float(max(joint.coherence)), len(joint.coherence), note=note)


def _ranks(panel: Panel, baseline: Comparator | None) -> Measure:
    from scipy.stats import chisquare

    del baseline
    joint = _joint(panel)
    counts = np.bincount(np.minimum((np.array(joint.rank) * BINS).astype(int), BINS - 1), minlength=BINS)
    p = float(chisquare(counts).pvalue)
    return Measure(p, len(joint.rank), p_value=p, note=f"chi-squared of the average-rank histogram, {BINS} bins: {counts.tolist()}")


def _tenor(panel: Panel, baseline: Comparator | None, *, tenor: str, name: str, seed: int) -> Measure:
    columns = _joint(panel).tenors[tenor]
    days = np.array(columns["day"], dtype=np.int64)
    if days.size < 30:
        raise NotMeasurableError(f"{days.size} answers for a {tenor} that is over; too few to score")
    overlap = "; answers for one period overlap, which the daily test's lag covers in part"
    if name == "coverage":
        return mean_loss(
            np.array(columns["inside"]), days, seed=seed, name=f"share inside the 90 % interval of the {tenor}'s mean{overlap}"
        )
    own = np.array(columns["crps" if name == "crps" else "error"])
    label = f"{name} of the {tenor}'s mean, every day before its last{overlap}"
    if baseline is None:
        return mean_loss(own, days, seed=seed, name=label)
    other = np.array(columns["naive" if baseline.name == "naive_week" else "base_error"])
    return against(own, other, days, seed=seed, name=label)


def joint_measurers(seed: int) -> dict[str, Measurer]:
    """Every joint metric by name."""
    tenors: dict[str, Measurer] = {
        f"{metric}_{tenor}": partial(_tenor, tenor=tenor, name=name, seed=seed)
        for tenor in ("week", "month")
        for metric, name in (("crps", "crps"), ("mae", "mae"), ("coverage_90", "coverage"))
    }
    return {
        "energy_score": partial(_score, name="energy_score", seed=seed),
        "variogram_score": partial(_score, name="variogram_score", seed=seed),
        "energy_score_da_rt": partial(_coupled, name="energy_score", seed=seed),
        "variogram_score_da_rt": partial(_coupled, name="variogram_score", seed=seed),
        "es_z2": partial(_z2, side="short", seed=seed),
        "es_z2_long": partial(_z2, side="long", seed=seed),
        "es_relative_error": partial(_es_error, seed=seed),
        "coherence_error": _coherence,
        "rank_histogram_p": _ranks,
        **tenors,
    }
