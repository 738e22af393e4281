"""The effect of arrival shocks on a price: local projections, instrumental variables, placebo and refutation.

Everything is linear in the shock; standard errors allow for autocorrelation and heteroskedasticity (Newey & West 1987).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
HAC_LAGS = 7
OWN_LAGS = 3


@dataclass(frozen=True)
class Panel:
    """Days of one market in order.

    Attributes:
        day: day numbers since 1970, ascending.
        level: log price, or spread, of each day.
        shock: unexpected arrivals up to the day since the row before, TWh.
        controls: (n, m) what moves the price beside them, as known on the day.
        instruments: (n, k) what moves the shock and, if it is any good, nothing else; k may be 0.
        tightness: (n,) storage below its norm, standardised by the caller; NaN where unknown.
        control_names, instrument_names: their names.
        truth: (n,) true effect per TWh where the market is simulated; else None.
        truth_move: (n,) part of the change of `level` that the shock truly makes; else None.
    """

    day: npt.NDArray[np.int64]
    level: Array
    shock: Array
    controls: Array
    instruments: Array
    tightness: Array
    control_names: tuple[str, ...]
    instrument_names: tuple[str, ...]
    truth: Array | None = None
    truth_move: Array | None = None

    @property
    def move(self) -> Array:
        """Change of the level since the row before; the first is NaN."""
        return np.concatenate(([np.nan], np.diff(self.level)))


@dataclass(frozen=True)
class Effect:
    """An estimated effect per TWh.

    Attributes:
        estimate, error: value and standard error.
        n: rows used.
        truth: what the same weighting makes of the true effects; NaN where there is no truth.
    """

    estimate: float
    error: float
    n: int
    truth: float = float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval."""
        return self.estimate - 1.96 * self.error, self.estimate + 1.96 * self.error

    @property
    def p_value(self) -> float:
        """Two-sided p-value of no effect."""
        from scipy.stats import norm

        return float(2 * norm.sf(abs(self.estimate) / self.error)) if self.error > 0 else 1.0


@dataclass(frozen=True)
class Instrumented:
    """An effect by two-step GMM with its instruments' strength and consistency.

    Attributes:
        effect: the effect.
        effective_f: effective first-stage F (Montiel Olea & Pflueger 2013); above 10 is the usual demand.
        j_p_value: Hansen's test that the instruments agree; NaN with one instrument.
        instruments: how many.
    """

    effect: Effect
    effective_f: float
    j_p_value: float
    instruments: int


def lagged(values: Array, lags: Sequence[int]) -> Array:
    """(n, lags): values of rows before; NaN at the beginning."""
    n = values.size
    return np.column_stack([np.concatenate((np.full(min(k, n), np.nan), values[: max(n - k, 0)])) for k in lags])


def without_shocks(panel: Panel) -> Array:
    """(n, p) what explains moves without arrivals: a constant, controls, own lags of the move, the last level."""
    own = (lagged(panel.move, range(1, OWN_LAGS + 1)), lagged(panel.level, (1,)))
    return np.column_stack((np.ones(panel.day.size), panel.controls, *own))


def design(panel: Panel) -> Array:
    """(n, p) everything but the shock itself: the same and earlier shocks."""
    return np.column_stack((without_shocks(panel), lagged(panel.shock, range(1, OWN_LAGS + 1))))


def _whole(*arrays: Array) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(np.column_stack(arrays)).all(axis=1), dtype=np.bool_)


def _free_of(values: Array, others: Array) -> Array:
    """What regression on the others leaves."""
    return np.asarray(values - others @ np.linalg.lstsq(others, values, rcond=None)[0], dtype=np.float64)


def _hac(scores: Array, lags: int) -> Array:
    from statsmodels.stats.sandwich_covariance import S_hac_simple

    return np.asarray(S_hac_simple(scores - scores.mean(axis=0), nlags=lags) / scores.shape[0], dtype=np.float64)


def projection(panel: Panel, horizon: int, *, extra: Array | None = None) -> Effect:
    """Local projection (Jorda 2005): the level `horizon` rows later less that of the row before, on the shock given the design.

    Raises:
        ValueError: fewer complete rows than the regression has columns, twice.
    """
    n = panel.day.size
    later = np.concatenate((panel.level[horizon:], np.full(min(horizon, n), np.nan)))
    y = later - np.concatenate(([np.nan], panel.level[:-1]))
    others = design(panel) if extra is None else np.column_stack((design(panel), extra))
    rows = _whole(y, panel.shock, others)
    if rows.sum() < 2 * others.shape[1]:
        raise ValueError(f"{int(rows.sum())} complete rows for {others.shape[1]} columns; give a longer history")
    x, out = (_free_of(v[rows], others[rows]) for v in (panel.shock, y))
    slope = float(x @ out / (x @ x))
    scores = (x * (out - slope * x))[:, None]
    lags = max(HAC_LAGS, horizon + 1)
    freedom = rows.sum() / max(rows.sum() - others.shape[1] - 1, 1)
    error = float(np.sqrt(_hac(scores, lags)[0, 0] * rows.sum() * freedom) / (x @ x))
    truth = float((panel.truth[rows] * x * x).sum() / (x @ x)) if panel.truth is not None else float("nan")
    return Effect(slope, error, int(rows.sum()), truth)


def projections(panel: Panel, horizons: Sequence[int]) -> dict[int, Effect]:
    """Local projections of several horizons."""
    return {h: projection(panel, h) for h in horizons}


def instrumented(panel: Panel, *, lags: int = HAC_LAGS) -> Instrumented:
    """Effect on the day by two-step efficient GMM with HAC weights.

    Raises:
        ValueError: the panel has no instrument.
    """
    from scipy.stats import chi2

    if panel.instruments.shape[1] == 0:
        raise ValueError("the panel has no instrument; give at least one column")
    others = design(panel)
    rows = _whole(panel.move, panel.shock, others, panel.instruments)
    y, x = (_free_of(v[rows], others[rows]) for v in (panel.move, panel.shock))
    z = np.column_stack([_free_of(column[rows], others[rows]) for column in panel.instruments.T])
    n, k = z.shape
    first = z.T @ x
    weight = np.linalg.inv(z.T @ z)
    slope = float(first @ weight @ (z.T @ y) / (first @ weight @ first))
    spread = _hac(z * (y - slope * x)[:, None], lags)
    weight = np.linalg.inv(spread)
    slope = float(first @ weight @ (z.T @ y) / (first @ weight @ first))
    error = float(np.sqrt(n / (first @ weight @ first)))
    left = z.T @ (y - slope * x) / n
    j = float(chi2.sf(n * left @ weight @ left, k - 1)) if k > 1 else float("nan")
    fitted = z @ np.linalg.lstsq(z, x, rcond=None)[0]
    truth = float((panel.truth[rows] * x * fitted).sum() / (x @ fitted)) if panel.truth is not None else float("nan")
    return Instrumented(Effect(slope, error, n, truth), effective_f(x, z, lags), j, k)


def effective_f(x: Array, z: Array, lags: int = HAC_LAGS) -> float:
    """Effective first-stage F of instruments freed of the controls (Montiel Olea & Pflueger 2013, equation 6)."""
    n = z.shape[0]
    root = np.linalg.cholesky(np.linalg.inv(z.T @ z / n))
    q = z @ root
    slope = q.T @ x / n
    return float(n * slope @ slope / np.trace(_hac(q * (x - q @ slope)[:, None], lags)))


def placebo(panel: Panel, shift: int = 30) -> Effect:
    """The effect of arrivals as if they had come `shift` rows earlier than they did: there should be none."""
    moved = np.concatenate((panel.shock[shift:], np.full(min(shift, panel.shock.size), np.nan)))
    return projection(_with_shock(panel, moved), 0)


def random_cause(panel: Panel, *, seed: int, draws: int = 20) -> float:
    """Refutation: largest change of the effect on the day, in standard errors, when a random common cause is added to the controls."""
    rng = np.random.default_rng(seed)
    base = projection(panel, 0)
    found = [projection(panel, 0, extra=rng.standard_normal((panel.day.size, 1))).estimate for _ in range(draws)]
    return float(max(abs(e - base.estimate) for e in found) / base.error)


def _with_shock(panel: Panel, shock: Array) -> Panel:
    from dataclasses import replace

    return replace(panel, shock=shock, truth=None, truth_move=None)
