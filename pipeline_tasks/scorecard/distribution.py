"""Metrics of distributions: point errors, CRPS, pinball, interval score, coverage and its tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from pipeline_tasks.scorecard.joint_metrics import joint_measurers
from pipeline_tasks.scorecard.measures import Measure, Measurer, NotMeasurableError, against, mean_loss, need, ratio
from pipeline_tasks.scorecard.panel import Array, Comparator, Panel

NOMINAL = 0.90
MARGIN = 0.02  # of the baseline's mean absolute error: what "not worse" admits


def _absolute(panel: Panel, other: Comparator | None = None) -> Array:
    return np.asarray(np.abs(panel.outcome - (panel.point if other is None else other.point)))


def _squared(panel: Panel, other: Comparator | None = None) -> Array:
    return np.asarray((panel.outcome - (panel.point if other is None else other.point)) ** 2)


def _ladder(panel: Panel, other: Comparator | None) -> Array:
    if other is None:
        return panel.quantiles
    if other.quantiles is None:
        raise NotMeasurableError(f"baseline {other.name} is a point forecast; it has no distribution to compare with")
    return other.quantiles


def _crps(panel: Panel, other: Comparator | None = None) -> Array:
    from models._kernel.metrics import crps_losses

    return _on_known(panel, _ladder(panel, other), lambda y, q: crps_losses(y, q, panel.levels))


def _pinball(panel: Panel, other: Comparator | None = None) -> Array:
    from models._kernel.metrics import pinball_losses

    return _on_known(panel, _ladder(panel, other), lambda y, q: pinball_losses(y, q, panel.levels).mean(axis=1))


def _winkler(panel: Panel, other: Comparator | None = None) -> Array:
    from models._kernel.metrics import interval_losses

    low, high = _interval(panel)
    return _on_known(panel, _ladder(panel, other), lambda y, q: interval_losses(y, q[:, low], q[:, high], alpha=1 - NOMINAL))


def _on_known(panel: Panel, ladder: Array, loss: Callable[[Array, Array], Array]) -> Array:
    """Loss of the rows whose ladder is complete, NaN elsewhere."""
    if ladder.shape[1] == 0:
        raise NotMeasurableError("the model gives no quantiles")
    known = np.isfinite(ladder).all(axis=1)
    result = np.full(panel.n, np.nan)
    if known.any():
        result[known] = loss(panel.outcome[known], ladder[known])
    return result


def _interval(panel: Panel, nominal: float = NOMINAL) -> tuple[int, int]:
    """Positions among the levels of the two quantiles that end the central interval."""
    ends = ((1 - nominal) / 2, (1 + nominal) / 2)
    found = [np.flatnonzero(np.isclose(panel.levels, level)) for level in ends]
    if any(len(f) == 0 for f in found):
        raise NotMeasurableError(f"the model gives no {ends[0]:.0%} and {ends[1]:.0%} quantiles")
    return int(found[0][0]), int(found[1][0])


def _outside(panel: Panel, nominal: float = NOMINAL) -> Array:
    low, high = _interval(panel, nominal)
    return np.asarray(((panel.outcome < panel.quantiles[:, low]) | (panel.outcome > panel.quantiles[:, high])).astype(np.float64))


def _loss_metric(panel: Panel, baseline: Comparator | None, *, name: str, seed: int) -> Measure:
    losses: dict[str, Callable[..., Array]] = {
        "mae": _absolute,
        "mse": _squared,
        "crps": _crps,
        "pinball": _pinball,
        "winkler_90": _winkler,
    }
    loss = losses[name]
    if baseline is None:
        return mean_loss(loss(panel), panel.days, seed=seed, name=name)
    return against(loss(panel), loss(panel, baseline), panel.days, seed=seed, name=name)


def _rmse(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    mse = _loss_metric(panel, baseline, name="mse", seed=seed)
    root = [None if v is None else float(np.sqrt(v)) for v in (mse.baseline_value, mse.ci_low, mse.ci_high)]
    return Measure(float(np.sqrt(mse.value)), mse.n, root[0], root[1], root[2], mse.p_value, mse.note.replace("mse", "rmse"))


def _relative(panel: Panel, baseline: Comparator | None, *, name: str, seed: int) -> Measure:
    other = need(baseline if baseline is not None else panel.comparators.get("naive_week"))
    if name == "rmae":
        return ratio(_absolute(panel), _absolute(panel, other), panel.days, seed=seed, name=f"MAE over {other.name}'s")
    return ratio(_crps(panel), _crps(panel, other), panel.days, seed=seed, name=f"CRPS skill against {other.name}", skill=True)


def _wmape(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    scale = float(np.mean(np.abs(panel.outcome)))
    if scale <= 0:
        raise NotMeasurableError("every outcome is zero; wMAPE has no denominator")
    measured = _loss_metric(panel, baseline, name="mae", seed=seed)
    low, high, other = (None if v is None else v / scale for v in (measured.ci_low, measured.ci_high, measured.baseline_value))
    return Measure(
        measured.value / scale,
        measured.n,
        other,
        low,
        high,
        measured.p_value,
        measured.note.replace("mae", "sum of errors over sum of prices"),
    )


def _percent(panel: Panel, baseline: Comparator | None, *, name: str) -> Measure:
    from models._kernel import metrics

    functions: dict[str, Callable[[Array, Array], float]] = {"smape": metrics.smape, "mape": metrics.mape}
    function = functions[name]
    if baseline is None:
        return Measure(function(panel.outcome, panel.point), panel.n, note="diagnostic only")
    both = np.isfinite(baseline.point)
    return Measure(
        function(panel.outcome[both], panel.point[both]),
        int(both.sum()),
        function(panel.outcome[both], baseline.point[both]),
        note="diagnostic only",
    )


def _not_worse(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    """Ratio of mean absolute errors, tested against 1 + MARGIN instead of 1: non-inferiority."""
    other = need(baseline)
    measured = ratio(_absolute(panel), _absolute(panel, other), panel.days, seed=seed, name=f"MAE over {other.name}'s")
    tested = against(_absolute(panel), (1 + MARGIN) * _absolute(panel, other), panel.days, seed=seed, name="mae")
    return replace(measured, baseline_value=1 + MARGIN, p_value=tested.p_value, note=f"{measured.note}; p: not worse by {MARGIN:.0%}")


def _coverage(panel: Panel, baseline: Comparator | None, *, seed: int, nominal: float = NOMINAL) -> Measure:
    from models._kernel.stats import coverage_band, kupiec

    del baseline
    outside = _outside(panel, nominal)
    measured = mean_loss(1 - outside, panel.days, seed=seed, name=f"share inside the {nominal:.0%} interval".replace("%", " %"))
    note = measured.note + "; p: Kupiec over all rows"
    return Measure(
        measured.value,
        measured.n,
        None,
        measured.ci_low,
        measured.ci_high,
        kupiec(outside, 1 - nominal).p_value,
        note,
        coverage_band(panel.n, nominal),
    )


def _kupiec_p(panel: Panel, baseline: Comparator | None) -> Measure:
    from models._kernel.stats import kupiec

    del baseline
    result = kupiec(_outside(panel), 1 - NOMINAL)
    return Measure(result.p_value, panel.n, p_value=result.p_value, note="Kupiec over all rows pooled")


def _hours(panel: Panel, baseline: Comparator | None, *, name: str) -> Measure:
    from models._kernel.stats import christoffersen, kupiec

    del baseline
    outside, test = _outside(panel), {"kupiec": kupiec, "christoffersen": christoffersen}[name]
    cells = [outside[rows] for rows in panel.cells if len(rows) >= 50]
    if not cells:
        raise NotMeasurableError("no hour of the day has 50 rows; a coverage test per hour says nothing")
    passed = [test(cell, 1 - NOMINAL).p_value >= 0.05 for cell in cells]
    return Measure(float(np.mean(passed)), panel.n, note=f"{sum(passed)} of {len(passed)} hub-hours not rejected at 5 % ({name})")


def _width(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    del baseline
    low, high = _interval(panel)
    return mean_loss(panel.quantiles[:, high] - panel.quantiles[:, low], panel.days, seed=seed, name="mean width of the 90 % interval")


def distribution_measurers(seed: int) -> dict[str, Measurer]:
    """Every metric of a distribution by name."""
    return {
        **joint_measurers(seed),
        **{name: partial(_loss_metric, name=name, seed=seed) for name in ("mae", "crps", "pinball", "winkler_90")},
        "interval_score_90": partial(_loss_metric, name="winkler_90", seed=seed),
        "rmse": partial(_rmse, seed=seed),
        "rmae": partial(_relative, name="rmae", seed=seed),
        "crps_skill": partial(_relative, name="crps_skill", seed=seed),
        "wmape": partial(_wmape, seed=seed),
        "smape": partial(_percent, name="smape"),
        "mape": partial(_percent, name="mape"),
        "rmae_margin": partial(_not_worse, seed=seed),
        "coverage_90": partial(_coverage, seed=seed),
        "coverage_80": partial(_coverage, seed=seed, nominal=0.80),
        "width_90": partial(_width, seed=seed),
        "kupiec_p": _kupiec_p,
        "kupiec_hours_pass": partial(_hours, name="kupiec"),
        "christoffersen_hours_pass": partial(_hours, name="christoffersen"),
        "christoffersen": partial(_hours, name="christoffersen"),
    }


STANDARD = (
    "mae",
    "rmae",
    "wmape",
    "rmse",
    "crps",
    "pinball",
    "coverage_90",
    "kupiec_p",
    "kupiec_hours_pass",
    "christoffersen",
    "winkler_90",
    "width_90",
)
COMPARED = ("mae", "crps")
